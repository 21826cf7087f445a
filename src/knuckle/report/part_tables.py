"""[N]'s tables of part maps with our numbers: step 1, Table 2 and Table 3."""

from knuckle.report import paper
from knuckle.report.blocks import MISSING, Column, Table, cell
from knuckle.report.compare import best_labels, control_row, dictionary_row
from knuckle.report.numbers import Numbers, scalars
from knuckle.report.runs import Regime
from knuckle.report.words import data_words, fit_words, label_words, marked, seed_words, segmenter_words

_RESTORATIONS = {
    "none": "no restoration",
    "centre": "nearest patch, not integrated",
    "vote": "nearest patches, integrated by eq. 2",
    "crf-potts": "CRF, Potts-like",
    "crf-overlap": "CRF, overlap of patches",
    "evidence": "votes added to the network's evidence (ours)",
}
_SETS = {"held_out": "synthetic hands, held out", "dev": "dev", "test": "test"}
_CHANGES = ("pixel", "pixel.change", "class", "class.change")
_OF_A_SET = ("pixel", "class", "hand_iou")
_PAPER = Column(paper.COLUMN, "paper")


def step_1_table(regime: Regime, numbers: Numbers) -> Table:
    """f_s before step 2, on every set whose parts are known."""
    theirs = {"held_out": paper.HELD_OUT, "test": paper.BEFORE}
    rows = []
    for group, words in _SETS.items():
        accuracies = [scalars(numbers, "segmentation", "f_s", f"{group}.{metric}") for metric in _OF_A_SET]
        if any(accuracies):
            rows.append((words, *map(cell, accuracies), theirs.get(group, MISSING)))
    caption = f"{segmenter_words(regime)}. [N]: per pixel / per class. {seed_words(regime)} {data_words(regime)}"
    columns = (
        *(Column("f_s before step 2, on", "words"), Column("per pixel, %"), Column("per class, %")),
        *(Column("hand, IoU, %"), _PAPER),
    )
    return Table("Step 1: the segmentation network f_s", caption, columns, tuple(rows))


def restoration_table(regime: Regime, numbers: Numbers) -> Table:
    """[N] Table 2: ways to restore what f_s sees."""
    rows = []
    for name in numbers["restoration"]:
        cells = _cells(numbers, "restoration", name, "", _CHANGES)
        rows.append((_RESTORATIONS.get(name, name), *cells, paper.RESTORATION.get(name, MISSING)))
    caption = (
        "Accuracy of the part maps that f_s sees in the first 100 test frames, restored in every way; change in "
        "percentage points. There is no dev column: nothing was chosen by this table. [N]: per pixel / per class. "
        f"{seed_words(regime)} {data_words(regime)}"
    )
    columns = (
        Column("restoration", "words"),
        *(Column("test: per pixel, %"), Column("change")),
        *(Column("per class, %"), Column("change")),
        _PAPER,
    )
    return Table("Table 2: restoration", caption, columns, tuple(rows))


def supervision_table(regime: Regime, numbers: Numbers) -> Table:
    """[N] Table 3: f_s fine-tuned with every source of labels."""
    names = regime.rows("supervision")
    best, of_paper = best_labels(regime, numbers), dictionary_row(regime)
    before = (
        *("before step 2", MISSING),
        *_cells(numbers, "segmentation", "f_s", "test.", _CHANGES),
        *(MISSING, MISSING),
        *_cells(numbers, "segmentation", "f_s", "test.", ("hand_iou",)),
        *_cells(numbers, "segmentation", "f_s", "dev.", ("pixel", "class")),
        paper.BEFORE,
    )
    rows = [before] if names else []
    for name, settings in names.items():
        test = _cells(numbers, "supervision", name, "test.", _CHANGES)
        closed = _cells(numbers, "supervision", name, "test.", ("pixel.closed", "class.closed"), digits=0)
        hand = _cells(numbers, "supervision", name, "test.", ("hand_iou",))
        dev = _cells(numbers, "supervision", name, "dev.", ("pixel", "class"))
        theirs = paper.AFTER if name == of_paper else MISSING
        rows.append((marked(name, best), label_words(settings), *test, *closed, *hand, *dev, theirs))
    columns = (
        *(Column("f_s after", "words"), Column("labels of the real frames", "words")),
        *(Column("test: per pixel, %"), Column("change"), Column("per class, %"), Column("change")),
        *(Column("way to the ceiling, pixel, %"), Column("class, %"), Column("hand, IoU, %")),
        *(Column("dev: per pixel, %", "dev"), Column("per class, %", "dev"), _PAPER),
    )
    return Table("Table 3: weak supervision", _supervision_caption(regime), columns, tuple(rows))


def label_table(regime: Regime, numbers: Numbers) -> Table:
    """What step 2 learned from: how many frames, how good their labels, how good the gate."""
    of_paper, rows = dictionary_row(regime), []
    for name, settings in regime.rows("supervision").items():
        keys = ("accepted", "gate_right", "better_of_accepted", "better")
        shares = [[100 * value for value in scalars(numbers, "supervision", name, key)] for key in keys]
        if shares[0]:
            accuracies = _cells(numbers, "supervision", name, "labels.", ("pixel", "class"))
            theirs = paper.ACCEPTED if name == of_paper else MISSING
            rows.append((name, label_words(settings), *(cell(values, 1) for values in shares), *accuracies, theirs))
    caption = (
        "The labels that step 2 learned from, held against the hidden truth for this table alone. The gate is right "
        "where it accepts a map that is truly better than what f_s saw, by accuracy on the hand's pixels, or rejects "
        f"one that is not. Accuracies are of the accepted maps. {seed_words(regime)} {data_words(regime)}"
    )
    columns = (
        *(Column("row", "words"), Column("labels of the real frames", "words"), Column("accepted, %")),
        *(Column("gate right, %"), Column("truly better, of accepted, %"), Column("of all, %")),
        *(Column("labels: per pixel, %"), Column("per class, %"), _PAPER),
    )
    return Table("Table 3, continued: labels and gate", caption, columns, tuple(rows))


def _supervision_caption(regime: Regime) -> str:
    settings, control = regime.recipe.get("supervision") or {}, control_row(regime)
    frames = "all" if settings.get("frames") is None else settings["frames"]
    against = (
        "" if control is None else f"Change in percentage points over “{control}”, as many steps without real frames. "
    )
    return (
        f"Every row: {fit_words(settings.get('fit'))} from the same f_s; {frames} real frames with joints alone. "
        f"{against}Way to the ceiling: how much of the distance from there to f_s fine-tuned with the hidden truth is "
        "closed, seed by seed; the ceiling with the same share of real frames, where there is one. * best per pixel on "
        "dev of the rows without hidden truth. Accuracies are of the hand's pixels; the IoU is of the hand as a whole: "
        "it also counts what else is called hand. [N]: per pixel / per class, before and after. "
        f"{seed_words(regime)} {data_words(regime)}"
    )


def _cells(numbers: Numbers, table: str, row: str, prefix: str, metrics: tuple[str, ...], digits: int = 2) -> list[str]:
    return [
        cell(scalars(numbers, table, row, prefix + metric), digits, sign=metric.endswith(".change"))
        for metric in metrics
    ]
