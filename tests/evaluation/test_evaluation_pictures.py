"""Tables, charts, the worst frames, and the page."""

import csv
import io
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from labelled import places, truth_of

from knuckle.data.datasets import open_dataset
from knuckle.data.protocol import Subject
from knuckle.evaluation import pictures
from knuckle.evaluation.page import by_method, method_name, results_page
from knuckle.evaluation.score import Score, score
from knuckle.evaluation.table import as_csv, comparison, joint_table
from knuckle.evaluation.truth import Truth, read_truth
from made_up import write_nyu

TRUE = places(8, np.random.default_rng(1))
TRUTH = truth_of(TRUE, Subject("A", 0, 4), Subject("B", 4, 8))
TEXT = "{http://www.w3.org/2000/svg}text"


def scores() -> dict[str, Score]:
    """A method that is 3 mm off everywhere, and one that is 5 mm off and was told the palm."""
    good, told = TRUE + (3.0, 0, 0), TRUE + (3.0, 0, 4.0)
    told[:, 13] = TRUE[:, 13]
    told[6] = np.nan
    return {"told.txt": score(told, TRUTH), "good.txt.gz": score(good, TRUTH)}


def test_the_comparison_has_the_best_first() -> None:
    head, first, second = comparison(scores()).splitlines()
    assert head.split()[:2] == ["3D", "mm"]
    assert first.startswith("good.txt.gz ")
    assert " 3.000 " in first
    assert first.endswith("8 of 8")
    assert second.endswith("7 of 8")
    assert " 3.00 " in first.split("%")[-1]  # a person


def test_the_joint_table_has_every_joint_and_finger() -> None:
    lines = joint_table(scores()).splitlines()
    assert len(lines) == 1 + 14 + 6
    assert lines[14].split() == ["palm", "0.00", "3.00"]
    assert next(line for line in lines if line.startswith("thumb, all")).split()[-2:] == ["5.00", "3.00"]


def test_the_csv_has_every_number_of_the_json() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(scores()))))
    found = {(row["file"], row["measure"], row["of"]): row["value"] for row in rows}
    for name, one in scores().items():
        for measure, value in one.as_json().items():
            parts = (
                value
                if isinstance(value, dict)
                else dict(zip(("low", "high"), value, strict=True))
                if isinstance(value, list)
                else {"": value}
            )
            for of, number in parts.items():
                assert float(found.pop((name, measure, of))) == pytest.approx(number)
    assert found == {}


def test_charts_name_every_method() -> None:
    for chart in (pictures.curve(scores()), pictures.joint_bars(scores())):
        words = [element.text for element in ET.fromstring(chart).iter(TEXT)]
        assert {"told.txt", "good.txt.gz"} <= set(words)
    assert "thumb ip" in words


def test_worst_frames_are_the_worst_ones_with_both_skeletons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_WORST", 2)
    write_nyu(tmp_path, "test", frames=4)
    (tmp_path / "test" / "depth_1_0000002.png").write_bytes(b"torn")
    truth = read_truth("nyu", tmp_path)
    found = truth.joints + np.array([10.0, 30, 20, 25])[:, None, None] * (1, 0, 0)
    found[3] = np.nan
    shown: list[list[str]] = []
    sheet = pictures.contact_sheet
    monkeypatch.setattr(
        pictures, "contact_sheet", lambda tiles, columns, titles: shown.append(titles) or sheet(tiles, columns, titles)
    )
    picture = pictures.worst_frames(score(found, truth), found, truth, open_dataset("nyu", tmp_path, "test"))
    assert shown == [["depth_1_0000003.png: 20 mm"]]  # the second cannot be read, the fourth has no answer
    for color in (pictures._TRUE, pictures._FOUND):
        assert (np.abs(picture.astype(int) - color).max(axis=2) < 12).sum() > 100


@pytest.mark.parametrize("farther", [-350.0, 0.0, 2000.0])
def test_both_skeletons_lie_in_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, farther: float) -> None:
    write_nyu(tmp_path, "test", frames=1)
    truth = read_truth("nyu", tmp_path)
    found = truth.joints + (60.0, -40.0, farther)
    drawn: list[np.ndarray] = []
    draw = pictures._draw
    monkeypatch.setattr(
        pictures, "_draw", lambda picture, pixels, *rest: drawn.append(pixels) or draw(picture, pixels, *rest)
    )
    pictures.worst_frames(score(found, truth), found, truth, open_dataset("nyu", tmp_path, "test"))
    ((true, guessed)) = drawn
    for pixels in (true, guessed):
        assert pixels.min() > 5
        assert pixels.max() < pictures._TILE - 5
    both = np.concatenate([true, guessed])
    assert np.ptp(both, axis=0).max() > pictures._TILE / 2  # and are not lost in it


def test_without_a_readable_frame_the_picture_is_empty(tmp_path: Path) -> None:
    write_nyu(tmp_path, "test", frames=1, images=False)
    truth = read_truth("nyu", tmp_path)
    picture = pictures.worst_frames(
        score(truth.joints, truth), truth.joints, truth, open_dataset("nyu", tmp_path, "test")
    )
    assert not picture.any()


def test_the_page_has_persons_apart_and_the_paper_beside() -> None:
    page = results_page(scores(), TRUTH, "knuckle evaluate ...", "nyu.svg")
    assert "# Published methods on NYU, recomputed" in page
    assert "    knuckle evaluate ..." in page
    assert "| good | 3.00 | 3.00 – 3.00 | 3.00 | 3.00 | 3.00 | 100.0 % | 100.0 % |" in page
    assert "told (1 of 8 missing)" in page
    assert "| good | 3.00 | 3.00 | 1.00 |" in page
    assert "told (palm: 0.00 mm)" in page
    assert "semi- and weakly supervised (d) | 14.8 | 11.2 |" in page
    assert "not recomputed" in page
    assert "(nyu.svg)" in page


@pytest.mark.parametrize(("palm_mm", "warned"), [(0.4, True), (0.6, False)])
def test_a_joint_that_is_placed_ten_times_better_is_a_warning(palm_mm: float, warned: bool) -> None:
    found = TRUE + (3.0, 0, 4.0)
    found[:, 13] = TRUE[:, 13] + (palm_mm, 0, 0)
    page = results_page({"told.txt": score(found, TRUTH)}, TRUTH, "", "a.svg")
    assert (f"told (palm: {palm_mm:.2f} mm)" in page) == warned


def test_a_page_without_known_persons_says_nothing_of_them() -> None:
    truth = Truth(TRUTH.path, TRUTH.protocol, TRUE, ())
    page = results_page({"a.txt": score(TRUE + 1.0, truth)}, truth, "", "a.svg")
    assert "Persons apart" not in page
    assert "Not quite comparable" not in page


def test_methods_of_one_name_stay_apart() -> None:
    one, other = scores().values()
    assert list(by_method({"a/x.txt": one, "b/y.txt.gz": other})) == ["x", "y"]
    assert list(by_method({"a/x.txt": one, "b/x.txt.gz": other})) == ["a/x.txt", "b/x.txt.gz"]
    page = results_page({"a/x.txt": one, "b/x.txt": other}, TRUTH, "", "a.svg")
    assert "| a/x.txt (" in page
    assert "| b/x.txt |" in page
    assert "blocks of 1 frames" in page  # a tenth of them


@pytest.mark.parametrize(("name", "method"), [("a/V2V-PoseNet.txt.gz", "V2V-PoseNet"), ("b.txt", "b"), ("c.d", "c.d")])
def test_a_method_is_named_after_its_file(name: str, method: str) -> None:
    assert method_name(name) == method
