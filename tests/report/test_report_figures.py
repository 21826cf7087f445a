"""Charts and pictures: what is drawn where, and what is left out when there is nothing to draw."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import METHODS, make_recipe, make_results, write_run

from knuckle.charts import bar_chart, curve_chart
from knuckle.crop import from_crop
from knuckle.draw import WRIST_COLOR, part_image
from knuckle.errors import SettingsError
from knuckle.report.blocks import Figure
from knuckle.report.compare import add_comparisons
from knuckle.report.examples import read_examples, read_rejected
from knuckle.report.figures import joint_figures, part_figures
from knuckle.report.numbers import gather
from knuckle.report.runs import group
from knuckle.report.tiles import depth_tile, joint_tile, part_tile, sheet

SVG = "{http://www.w3.org/2000/svg}"
CURVES = {"_first $x$": np.linspace(0, 100, 81), "<b>&": np.linspace(50, 60, 81)}


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]


def figures_of(folder: Path, *more: Path) -> dict[str, Figure]:
    (regime,) = group([folder, *more])
    numbers = gather(regime)
    add_comparisons(regime, numbers)
    found = [*part_figures(regime, numbers, "x"), *joint_figures(regime, numbers, "x")]
    return {figure.file: figure for figure in found}


def test_a_chart_names_its_curves_whatever_their_names() -> None:
    svg = curve_chart(np.arange(81.0), CURVES, ("mm", "%"))
    assert {*CURVES, "mm", "%"} <= set(texts(svg))


def test_a_chart_depends_on_its_numbers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    svg = curve_chart(np.arange(81.0), CURVES, ("mm", "%"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    assert curve_chart(np.arange(81.0), CURVES, ("mm", "%")) == svg
    assert curve_chart(np.arange(81.0), {**CURVES, "<b>&": np.zeros(81)}, ("mm", "%")) != svg
    assert not re.search(r"\b20\d\d-\d\d", svg)


def test_a_chart_draws_nothing_from_outside_and_knows_dark_pages() -> None:
    svg = bar_chart(["palm", "tip"], {"before": np.array([[10.0, 20.0]])}, "%")
    addresses = re.findall(r'(?:href|src)="([^"]*)"|url\(([^)]*)\)', svg)
    assert all((one or other).startswith("#") for one, other in addresses)
    assert "prefers-color-scheme: dark" in svg
    for color in re.findall(r'style\*="(?:fill|stroke): (#\w+)"', svg):
        assert svg.count(color) > 1, f"{color} is the ink of nothing"


def heights(svg: str, color: str) -> list[float]:
    """Heights of the closed shapes of one colour, bottom to top."""
    found = []
    for path in ET.fromstring(svg).iter(f"{SVG}path"):
        if f"fill: {color}" in path.get("style", "") and path.get("clip-path"):
            y = [float(value) for value in re.findall(r"[-\d.]+ ([-\d.]+)", path.get("d", ""))]
            found.append(max(y) - min(y))
    return found


def test_bars_are_means_over_seeds_and_a_part_that_is_nowhere_has_none() -> None:
    svg = bar_chart(["a", "b", "c"], {"x": np.array([[10.0, 30.0, np.nan], [30.0, 50.0, np.nan]])}, "%")
    one, two = [height for height in heights(svg, "#2f7fc8") if height > 0][:2]
    assert two / one == pytest.approx(40 / 20, rel=1e-3)
    assert texts(svg)[:3] == ["a", "b", "c"]


def test_whiskers_are_for_several_seeds_alone() -> None:
    one, several = (bar_chart(["a"], {"x": np.full((n, 1), 5.0) + np.arange(n)[:, None]}, "%") for n in (1, 3))
    assert "LineCollection" not in one
    whisker = several[several.index("LineCollection") :]
    low, high = (float(y) for y in re.findall(r"[ML] [-\d.]+ ([-\d.]+)", whisker)[:2])
    (bar,) = heights(several, "#2f7fc8")[:1]
    assert abs(high - low) / bar == pytest.approx(2 * 1 / 6, rel=1e-3)  # 5, 6 and 7: 6 ± 1


def test_tiles_are_four_pixels_a_cell() -> None:
    parts = np.arange(48 * 48, dtype=np.uint8).reshape(48, 48) % 21
    assert part_tile(parts).shape == (192, 192, 3)
    np.testing.assert_array_equal(part_tile(parts)[2::4, 1::4], part_image(parts))


def test_nearer_is_lighter_and_nothing_is_darkest() -> None:
    crop = np.full((48, 48), 1.0, np.float16)
    crop[0], crop[1] = -0.9, 0.9
    near, far, nothing = (int(depth_tile(crop)[4 * row + 1, 5].sum()) for row in (0, 1, 2))
    assert near > far > 3 * 48
    assert nothing == sum((18, 18, 24)), "the grey of no measurement"


def test_joints_are_drawn_where_they_are_seen_in_the_crop() -> None:
    center, cube = np.array([120.0, -60.0, 600.0]), 250.0
    places = np.tile([0.5, -0.25, -0.8], (21, 1))  # of the crop: right of the middle, above it, near
    places[0] = [-0.5, 0.5, 0.3]
    tile = joint_tile(np.ones((48, 48)), from_crop(places, center, cube), center, cube)
    rows, columns = np.nonzero((tile == WRIST_COLOR).all(axis=2))
    assert rows.mean() == pytest.approx(0.75 * 192 - 0.5, abs=1)
    assert columns.mean() == pytest.approx(0.25 * 192 - 0.5, abs=1)


def test_a_sheet_has_its_titles_above_the_first_row_alone() -> None:
    tile = np.full((40, 40, 3), 200, np.uint8)
    plain, titled = sheet([[tile, tile], [tile]]), sheet([[tile, tile], [tile]], ["(a)", "(b)"])
    assert plain.shape == (92, 92, 3)
    assert titled.shape == (92 + 22, 92, 3)
    np.testing.assert_array_equal(titled[26:], plain[4:])
    assert (titled[:26] > 100).any()


def test_the_figures_of_a_whole_run(tmp_path: Path) -> None:
    figures = figures_of(write_run(tmp_path / "run"))
    assert list(figures) == [f"x-figure-{name}" for name in ("5.png", "6.svg", "7.png", "8.svg", "9.png", "10.png")]
    assert all("simulated (sensor-gap benchmark)" in figure.caption for figure in figures.values())
    tall = {name: np.shape(figure.content) for name, figure in figures.items() if not figure.is_chart}
    assert tall["x-figure-5.png"] == (6 * 196 + 4 + 22, 7 * 196 + 4, 3)
    assert tall["x-figure-7.png"] == (3 * 196 + 4, 3 * 196 + 4, 3)
    assert tall["x-figure-9.png"] == (2 * 196 + 4, 6 * 196 + 4, 3)
    assert tall["x-figure-10.png"] == (6 * 196 + 4 + 22, 5 * 196 + 4, 3)


def test_captions_name_what_is_shown(tmp_path: Path) -> None:
    figures = figures_of(write_run(tmp_path / "run"))
    assert (
        "(d) f_s after “dictionary”; (e) f_s after “teacher”, best on dev; (f) truth; (g) joints by “ours”"
        in figures["x-figure-5.png"].caption
    )
    assert "by “ours”, best on dev, in 8 test frames" in figures["x-figure-9.png"].caption
    assert "(a) “a”; (b) “b”; (c) “d, shared”; (d) “ours”; (e) truth" in figures["x-figure-10.png"].caption


def test_maps_and_joints_are_those_of_their_rows(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    with np.load(run / "examples.npz") as kept:
        arrays = dict(kept)
    arrays["joints of ours"] = arrays["joints"][::-1]
    for label, key in enumerate(("predicted", "restored", "parts of dictionary", "parts of teacher", "truth"), 1):
        arrays[key] = np.full_like(arrays[key], label)
    np.savez_compressed(run / "examples.npz", **arrays)
    content = figures_of(run)["x-figure-5.png"].content
    assert isinstance(content, np.ndarray)
    np.testing.assert_array_equal(
        content[22 + 4 : 22 + 4 + 192, 4 + 196 * 6 : 4 + 196 * 6 + 192],
        joint_tile(*(arrays[key][0] for key in ("depth", "joints of ours", "center", "cube_mm"))),
    )
    middles = [content[22 + 4 + 96, 4 + 196 * column + 96] for column in range(1, 6)]
    np.testing.assert_array_equal(middles, part_image(np.array([[1, 2, 3, 4, 5]], np.uint8))[0])


def test_bars_are_the_parts_on_test_before_and_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, np.ndarray] = {}
    monkeypatch.setattr("knuckle.report.figures.bar_chart", lambda names, series, label: drawn.update(series) or "")
    figures_of(*(write_run(tmp_path / f"run-{seed}", seed) for seed in (0, 1)))
    last = {name: values[:, -1].tolist() for name, values in drawn.items()}
    more = 18 / 10
    assert last == {
        "before step 2": [48 + more, 49 + more],
        "after dictionary": [60 + more, 61 + more],
        "after teacher": [70 + more, 71 + more],
    }


def test_bars_of_a_run_without_step_2_are_not_said_to_be_of_after_it(tmp_path: Path) -> None:
    recipe = make_recipe(labels=None, methods={"a": METHODS["a"]})
    run = write_run(tmp_path / "alone", recipe=recipe, results=make_results(recipe))
    assert "on test, before weak supervision." in figures_of(run)["x-figure-6.svg"].caption
    whole = figures_of(write_run(tmp_path / "run"))
    assert "on test, before and after weak supervision." in whole["x-figure-6.svg"].caption


def test_each_letter_is_shown_once_by_its_first_row(tmp_path: Path) -> None:
    recipe = make_recipe(methods={**METHODS, "d again": METHODS["a"]})
    results = make_results(make_recipe())
    results["tables"]["methods"]["d again"] = results["tables"]["methods"]["a"]
    caption = figures_of(write_run(tmp_path / "run", recipe=recipe, results=results))["x-figure-10.png"].caption
    assert "(c) “d, shared”; (d) “ours”; (e) truth" in caption


def test_curves_are_means_over_seeds_of_those_of_test_in_percent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[str, np.ndarray] = {}
    monkeypatch.setattr("knuckle.report.figures.curve_chart", lambda x, curves, labels: drawn.update(curves, x=x) or "")
    results = make_results(make_recipe(1), 1)
    results["tables"]["methods"]["ours"]["test"]["curve"] = [0.0] * 80 + [0.5]
    folders = [write_run(tmp_path / "run-0"), write_run(tmp_path / "run-1", 1, results=results)]
    figure = figures_of(*folders)["x-figure-8.svg"]
    assert drawn.keys() == {*METHODS, "x"}
    assert drawn["x"][-1] == 80
    assert (drawn["ours"][30], drawn["ours"][80], drawn["a"][40]) == pytest.approx((25, 75, 50))  # ours: (50 + 0) / 2
    assert "Mean of n = 2 seeds" in figure.caption


def test_without_dev_no_row_is_called_best(tmp_path: Path) -> None:
    results = make_results(make_recipe())
    for table in ("supervision", "methods"):
        for row in results["tables"][table].values():
            del row["dev"]
    figures = figures_of(write_run(tmp_path / "run", results=results))
    assert "(d) f_s after “dictionary”; (e) truth; (f) true joints" in figures["x-figure-5.png"].caption
    assert "by “ours”, the last one" in figures["x-figure-9.png"].caption
    assert "best" not in "".join(figure.caption for figure in figures.values())


def test_without_pictures_only_charts_are_left(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / "examples.npz").unlink()
    (run / "supervision" / "dictionary" / "rejected.npz").unlink()
    assert list(figures_of(run)) == ["x-figure-6.svg", "x-figure-8.svg"]


def test_a_gate_that_rejected_nothing_has_no_figure(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    none = np.zeros((0, 48, 48), np.uint8)
    np.savez(run / "supervision" / "dictionary" / "rejected.npz", depth=none, predicted=none, restored=none)
    assert "x-figure-7.png" not in figures_of(run)


def test_a_damaged_file_of_pictures_is_named(tmp_path: Path) -> None:
    (run,) = group([write_run(tmp_path / "run")])[0].runs
    path = run.folder / "examples.npz"
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(SettingsError, match=r"examples\.npz: cannot read"):
        read_examples(run)
    np.savez(path, depth=np.zeros((1, 48, 48)))
    with pytest.raises(SettingsError, match=r"examples\.npz: has no 'truth'"):
        read_examples(run)
    assert read_rejected(run, "teacher") is None


@pytest.mark.parametrize("wrong", [np.zeros((5, 3)), np.float64(0)])
def test_arrays_of_other_numbers_of_frames_are_named(tmp_path: Path, wrong: Any) -> None:
    (run,) = group([write_run(tmp_path / "run")])[0].runs
    path = run.folder / "examples.npz"
    with np.load(path) as kept:
        arrays = dict(kept)
    np.savez_compressed(path, **arrays | {"center": wrong})
    with pytest.raises(SettingsError, match=r"examples\.npz: 'center' is not of as many frames as the depth"):
        read_examples(run)
