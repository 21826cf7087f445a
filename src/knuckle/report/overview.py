"""How a report begins: what its numbers are and are not, and each regime in one line."""

from collections.abc import Sequence

from knuckle.report.blocks import MISSING, Column, Section, Table, cell
from knuckle.report.compare import best_labels, best_method, control_row, dictionary_row
from knuckle.report.numbers import Numbers, scalars
from knuckle.report.runs import Regime
from knuckle.report.words import segmenter_words

_PAPER = (
    "[N] is Neverova, Wolf, Nebout and Taylor, “Hand Pose Estimation through Semi-Supervised and Weakly-Supervised "
    "Learning”, whose tables and figures these follow. Its own numbers stand beside ours, in a column of their own. "
    "They are of real frames, the NYU dataset, and ours are not: equal numbers would not mean the same, and no number "
    "of ours is better or worse than one of [N]'s. What can be held against each other is which way a change goes."
)
_RULES = (
    "Choices are made on dev, scores are of test; dev stands beside test where both are known. A regime is one recipe, "
    "run with one seed or more: numbers are means over the seeds, ± is their sample standard deviation (n − 1), and "
    "changes are taken seed by seed. Rows of hidden truth, and methods called a ceiling, read labels that only "
    "simulated frames have: they show how far the others could come, and are never chosen."
)


def introduction(regimes: Sequence[Regime], numbers: dict[str, Numbers]) -> Section:
    """What to know before reading, and the regimes at a glance."""
    rows = tuple(_line(regime, numbers[regime.name]) for regime in regimes)
    caption = "Accuracy of f_s per pixel, %, and mean 3D error, mm, both on test. Best are those that were best on dev."
    columns = (
        *(Column("regime", "words"), Column("seeds"), Column("f_s", "words"), Column("before step 2")),
        *(Column("control"), Column("dictionary"), Column("best labels"), Column("which", "words")),
        *(Column("best method, mm"), Column("which", "words")),
    )
    return Section("", (_PAPER, _RULES, Table("At a glance", caption, columns, rows)))


def _line(regime: Regime, numbers: Numbers) -> tuple[str, ...]:
    labels, method = best_labels(regime, numbers), best_method(regime, numbers)

    def accuracy(row: str | None) -> str:
        return MISSING if row is None else cell(scalars(numbers, "supervision", row, "test.pixel"))

    return (
        *(regime.name, str(len(regime.runs)), segmenter_words(regime)),
        *(cell(scalars(numbers, "segmentation", "f_s", "test.pixel")), accuracy(control_row(regime))),
        *(accuracy(dictionary_row(regime)), accuracy(labels), labels or MISSING),
        MISSING if method is None else cell(scalars(numbers, "methods", method, "test.mean_3d")),
        method or MISSING,
    )
