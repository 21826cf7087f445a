"""Charts as SVG: text stays text, the bytes depend on the numbers alone, and dark pages get light ink."""

import io
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from numpy.typing import NDArray

_INK, _PAPER, _GRID = "#1b1b1b", "#fefefe", "#b9b9b9"
_COLORS = ("#2f7fc8", "#d9732b", "#2a9d6a", "#c24a7c", "#8a6bd1", "#9a8620", "#3fa7b8", "#7b828c")
"""Of a middle lightness, to be seen on white and on black."""
_DASHES = ("-", "--", "-.", ":")
_HATCHES = ("", "///", "...", "xxx")

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text that can be searched and read aloud
    "svg.hashsalt": "knuckle",  # names of shapes are random otherwise
    "font.family": "sans-serif",
    "font.size": 10,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), _INK),
    **dict.fromkeys(("axes.facecolor", "figure.facecolor", "savefig.facecolor"), _PAPER),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
}
_DARK = f"""<style>@media (prefers-color-scheme: dark) {{
[style*="fill: {_INK}"] {{ fill: #e4e4e4 !important }} [style*="stroke: {_INK}"] {{ stroke: #e4e4e4 !important }}
[style*="fill: {_PAPER}"] {{ fill: #15171a !important }} [style*="stroke: {_GRID}"] {{ stroke: #55585c !important }}
}}</style>"""


def bar_chart(names: list[str], series: dict[str, NDArray[np.float64]], label: str) -> str:
    """Groups of bars. series: (S, N) values of N groups by S seeds, NaN = no bar; bars are means, whiskers ± their
    standard deviation. Returns the text of an SVG file."""
    with style.context(_STYLE, after_reset=True):
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        axes = figure.add_subplot()
        width = 0.8 / len(series)
        bars = []
        for index, values in enumerate(series.values()):
            x = np.arange(len(names)) + (index - (len(series) - 1) / 2) * width
            spread = values.std(axis=0, ddof=1) if len(values) > 1 else None
            look: dict[str, Any] = {
                "color": _color(index),
                "edgecolor": _PAPER,
                "linewidth": 0,
                "hatch": _again(_HATCHES, index),
            }
            whiskers = {"elinewidth": 0.8, "ecolor": _INK}
            bars.append(axes.bar(x, values.mean(axis=0), width, yerr=spread, error_kw=whiskers, **look))
        axes.set_xticks(range(len(names)), names, rotation=50, ha="right", rotation_mode="anchor")
        axes.set_xlim(-0.6, len(names) - 0.4)
        axes.set_ylabel(label)
        axes.grid(axis="x", visible=False)
        _name(axes.legend(bars, map(str, range(len(bars))), ncols=3, loc="lower left", bbox_to_anchor=(0, 1)), series)
        return _svg(figure)


def curve_chart(x: NDArray[np.float64], curves: dict[str, NDArray[np.float64]], labels: tuple[str, str]) -> str:
    """Curves y (N,) over x (N,), named at the right. labels: of the two axes. Returns the text of an SVG file."""
    with style.context(_STYLE, after_reset=True):
        figure = Figure(figsize=(9, max(4.2, 0.26 * len(curves))), layout="constrained")
        axes = figure.add_subplot()
        lines = [
            axes.plot(x, y, color=_color(index), linestyle=_again(_DASHES, index))[0]
            for index, y in enumerate(curves.values())
        ]
        axes.set_xlim(x[0], x[-1])
        axes.set_ylim(0, 100)
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1])
        _name(axes.legend(lines, map(str, range(len(lines))), loc="center left", bbox_to_anchor=(1.01, 0.5)), curves)
        return _svg(figure)


def _color(index: int) -> str:
    return _COLORS[index % len(_COLORS)]


def _again(looks: tuple[str, ...], index: int) -> str:
    """What tells series of one colour apart."""
    return looks[index // len(_COLORS) % len(looks)]


def _name(legend: Legend, names: Iterable[str]) -> None:
    """Names the entries afterwards: Matplotlib hides a name that begins with "_" and reads "$" as mathematics."""
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_parse_math(False)
        text.set_text(name)


def _svg(figure: Figure) -> str:
    file = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # of the measuring font; the reader's may have it
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", metadata=nothing)
    head, tag, rest = file.getvalue().partition("<defs>")
    assert tag, "Matplotlib's SVG begins with definitions"
    return head + _DARK + tag + rest
