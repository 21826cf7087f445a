"""The figures of [N] from a regime's numbers and the examples of its first run."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from knuckle.anatomy import PARTS
from knuckle.charts import bar_chart, curve_chart
from knuckle.draw import Image
from knuckle.report.blocks import Figure
from knuckle.report.compare import best_labels, best_method, dictionary_row, paper_letter, reads_truth
from knuckle.report.examples import Arrays, read_examples, read_rejected
from knuckle.report.numbers import Numbers, vectors
from knuckle.report.runs import Regime
from knuckle.report.tiles import depth_tile, joint_tile, part_tile, sheet
from knuckle.report.words import data_words, listed, seed_words

_FEW = 6
"""Rows of the figures that show several pictures of one frame."""
_COLUMNS = 6


def part_figures(regime: Regime, numbers: Numbers, prefix: str) -> Iterator[Figure]:
    """Figures 5 to 7, those that there is something for; prefix: of their files' names."""
    examples = read_examples(regime.runs[0])
    if examples is not None:
        yield _segmentations(regime, numbers, examples, f"{prefix}-figure-5")
    bars = _accuracy_of_parts(regime, numbers)
    if bars:
        when = "before and after weak supervision" if len(bars) > 1 else "before weak supervision"
        caption = f"Accuracy of every part on test, {when}. {seed_words(regime)} {data_words(regime)}"
        chart = bar_chart([part.replace("_", " ") for part in PARTS], bars, "accuracy, %")
        yield Figure(f"{prefix}-figure-6", "Figure 6: accuracy of every part", caption, chart)
    row = dictionary_row(regime)
    rejected = None if row is None else read_rejected(regime.runs[0], row)
    if rejected is not None and len(rejected):
        caption = (
            f"What the gate of “{row}” rejected: depth (top), what f_s saw (middle) and its restoration (bottom), in "
            f"the first training frames that were rejected. {_shown(regime)}"
        )
        yield Figure(f"{prefix}-figure-7", "Figure 7: rejected by the gate", caption, _rejections(rejected))


def joint_figures(regime: Regime, numbers: Numbers, prefix: str) -> Iterator[Figure]:
    """Figures 8 to 10, those that there is something for; prefix: of their files' names."""
    curves = {name: 100 * vectors(numbers, "methods", name, "test.curve") for name in regime.rows("methods")}
    means = {name: curve.mean(axis=0) for name, curve in curves.items() if curve.size}
    if means:
        caption = (
            "Share of test frames whose worst joint, of 21, is within the distance on the horizontal axis (3D). "
            f"{seed_words(regime).replace(' ± standard deviation', '')} {data_words(regime)}"
        )
        millimetres = np.arange(len(next(iter(means.values()))), dtype=np.float64)
        chart = curve_chart(millimetres, means, ("distance of the worst joint, mm", "frames within, %"))
        yield Figure(f"{prefix}-figure-8", "Figure 8: frames within a distance", caption, chart)
    examples = read_examples(regime.runs[0])
    names = [name for name in regime.rows("methods") if examples is not None and f"joints of {name}" in examples]
    if examples is None or not names:
        return
    shown = best_method(regime, numbers) or [*names, *(name for name in names if not reads_truth(regime, name))][-1]
    tiles = [joint_tile(depth, *rest) for depth, *rest in _joints(examples, f"joints of {shown}")]
    choice = "the last one" if best_method(regime, numbers) is None else "best on dev"
    caption = f"Joints by “{shown}”, {choice}, in {len(tiles)} test frames, evenly spread. {_shown(regime)}"
    rows = [tiles[start : start + _COLUMNS] for start in range(0, len(tiles), _COLUMNS)]
    yield Figure(f"{prefix}-figure-9", "Figure 9: skeletons", caption, sheet(rows))
    yield _side_by_side(regime, examples, _chosen(names, shown), f"{prefix}-figure-10")


def _segmentations(regime: Regime, numbers: Numbers, examples: Arrays, name: str) -> Figure:
    maps = {"what f_s sees before step 2": "predicted"}
    if "restored" in examples:
        maps["that, restored by eq. 2"] = "restored"
    rows = dict.fromkeys(row for row in (dictionary_row(regime), best_labels(regime, numbers)) if row is not None)
    maps |= {f"f_s after “{row}”" + _star(regime, numbers, row): f"parts of {row}" for row in rows}
    if examples["truth"].any():  # real frames have none
        maps["truth"] = "truth"
    method = best_method(regime, numbers)
    joints = "joints" if method is None else f"joints of {method}"
    titles = ["depth", *maps, "true joints" if method is None else f"joints by “{method}”"]
    some = _spread(len(examples), _FEW)
    overlays = _joints(examples, joints)
    tiles = []
    for i in some:
        parts = [part_tile(examples[key][i]) for key in maps.values()]
        tiles.append([depth_tile(examples["depth"][i]), *parts, joint_tile(*overlays[i])])
    letters = [f"({letter})" for letter, _ in zip("abcdefghij", titles, strict=False)]
    caption = f"Test frames: {listed(titles)}. {_shown(regime)}"
    return Figure(name, "Figure 5: part maps", caption, sheet(tiles, letters))


def _accuracy_of_parts(regime: Regime, numbers: Numbers) -> dict[str, NDArray[np.float64]]:
    """Name → (S, 20) %: f_s before step 2, after [N]'s row and after the best."""
    bars = {"before step 2": vectors(numbers, "segmentation", "f_s", "test.parts")}
    for row in (dictionary_row(regime), best_labels(regime, numbers)):
        if row is not None:
            bars[f"after {row}"] = vectors(numbers, "supervision", row, "test.parts")
    return {name: values for name, values in bars.items() if values.size}


def _rejections(rejected: Arrays) -> Image:
    return sheet(
        [
            [depth_tile(depth) for depth in rejected["depth"]],
            [part_tile(parts) for parts in rejected["predicted"]],
            [part_tile(parts) for parts in rejected["restored"]],
        ]
    )


def _side_by_side(regime: Regime, examples: Arrays, names: list[str], file: str) -> Figure:
    keys = [*(f"joints of {name}" for name in names), "joints"]
    columns = [_joints(examples, key) for key in keys]
    some = _spread(len(examples), _FEW)
    tiles = [[joint_tile(*column[i]) for column in columns] for i in some]
    titles = [*(f"“{name}”" for name in names), "truth"]
    letters = [f"({letter})" for letter, _ in zip("abcdefghij", titles, strict=False)]
    caption = f"Methods side by side in evenly spread test frames: {listed(titles)}. {_shown(regime)}"
    return Figure(file, "Figure 10: methods side by side", caption, sheet(tiles, letters))


def _chosen(names: list[str], best: str) -> list[str]:
    """The first form of each of [N]'s methods, or the first method, and the best."""
    first = {paper_letter(name): name for name in reversed(names)}
    first.pop(None, None)
    chosen = sorted(first.values(), key=names.index) or names[:1]
    return list(dict.fromkeys([*chosen, best]))


def _joints(examples: Arrays, key: str) -> list[tuple[NDArray, NDArray, NDArray, NDArray]]:
    """Depth, joints, centre and cube of every frame, as `joint_tile` takes them."""
    return list(zip(examples["depth"], examples[key], examples["center"], examples["cube_mm"], strict=True))


def _spread(total: int, count: int) -> list[int]:
    return np.unique(np.linspace(0, total - 1, min(count, total)).astype(int)).tolist()


def _star(regime: Regime, numbers: Numbers, row: str) -> str:
    return ", best on dev" if row == best_labels(regime, numbers) else ""


def _shown(regime: Regime) -> str:
    return f"Of the run with seed {regime.seeds[0]}. {data_words(regime)}"
