"""What a report is made of, whatever it is written as: sections of paragraphs, tables and figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from knuckle.draw import Image
from knuckle.report.numbers import mean_and_spread

MISSING = "–"


@dataclass(frozen=True)
class Column:
    """kind: words are aligned to the left, numbers to the right; dev: smaller; paper: [N]'s figures, set apart."""

    title: str
    kind: Literal["words", "number", "dev", "paper"] = "number"


@dataclass(frozen=True)
class Table:
    """Rows of finished text, one cell a column."""

    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.columns) for row in self.rows), "every row has a cell for every column"


@dataclass(frozen=True, eq=False)
class Figure:
    """A picture, or a chart as the text of an SVG file; name: that of its file, without the ending."""

    name: str
    title: str
    caption: str
    content: Image | str

    @property
    def is_chart(self) -> bool:
        return isinstance(self.content, str)

    @property
    def file(self) -> str:
        """Name of its file."""
        return f"{self.name}.{'svg' if self.is_chart else 'png'}"


Block = str | Table | Figure


@dataclass(frozen=True, eq=False)
class Section:
    """A heading and what stands below it; a plain string is a paragraph."""

    title: str
    blocks: tuple[Block, ...]


def cell(values: Sequence[float], digits: int = 2, sign: bool = False) -> str:
    """Mean over seeds, ± the standard deviation where there are several: "54.55 ± 0.31"; a dash for no value."""
    if not values:
        return MISSING
    mean, spread = mean_and_spread(values)
    text = f"{mean:+.{digits}f}" if sign else f"{mean:.{digits}f}"
    text = text.replace("-", "−")
    return text if spread is None else f"{text} ± {spread:.{digits}f}"
