"""[N]'s tables of joints with our numbers: Table 4 and the times of §5.3."""

from knuckle.report import paper
from knuckle.report.blocks import MISSING, Column, Table, cell
from knuckle.report.compare import best_method, paper_letter, reads_truth
from knuckle.report.numbers import Numbers, scalars
from knuckle.report.runs import Regime
from knuckle.report.words import data_words, fit_words, marked, method_words, seed_words, segmenter_words

_PAPER = Column(paper.COLUMN, "paper")


def method_table(regime: Regime, numbers: Numbers) -> Table:
    """[N] Table 4: joint errors of every method."""
    best, rows = best_method(regime, numbers), []
    for name, settings in regime.rows("methods").items():
        letter = paper_letter(name)
        rows.append(
            (
                marked(name, best),
                method_words(settings) + ("; a ceiling" if reads_truth(regime, name) else ""),
                *_error_and_change(numbers, name, "mean_3d"),
                *_error_and_change(numbers, name, "mean_2d"),
                *(cell(scalars(numbers, "methods", name, "test.median_3d")),),
                *(cell(scalars(numbers, "methods", name, f"dev.{metric}")) for metric in ("mean_3d", "mean_2d")),
                f"({letter}) {paper.METHODS[letter]}" if letter else MISSING,
            )
        )
    columns = (
        *(Column("method", "words"), Column("what it is", "words")),
        *(Column("test: 3D mean, mm"), Column("change, %"), Column("2D mean, mm"), Column("change, %")),
        Column("3D median, mm"),
        *(Column("dev: 3D mean, mm", "dev"), Column("2D mean, mm", "dev"), _PAPER),
    )
    return Table("Table 4: joint positions", _method_caption(regime), columns, tuple(rows))


def time_table(regime: Regime, numbers: Numbers) -> Table:
    """[N] §5.3: milliseconds a crop, of every network and of what runs in a row."""
    times = {row: scalars(numbers, "time", row, "ms") for row in numbers["time"]}
    rows = []
    for name, settings in regime.rows("methods").items():
        own, whole = times.get(name, []), times.get(name, [])
        if settings.get("parts", "none") not in ("none", "truth"):
            whole = [sum(pair) for pair in zip(own, times.get("f_s", []), strict=False)]
        theirs = paper.REGRESSION_MS if settings.get("network") == "paper" else MISSING
        rows.append((name, method_words(settings), cell(own, 1), cell(whole, 1), theirs))
    if "f_s" in times:
        rows.insert(0, ("f_s", segmenter_words(regime), cell(times["f_s"], 1), MISSING, paper.SEGMENTATION_MS))
    machines = ", ".join(sorted({str(run.machine.get("machine", "unknown")) for run in regime.runs}))
    caption = (
        f"Median milliseconds a crop, one crop at a time on one thread of a CPU ({machines}). In all: with the f_s "
        f"whose parts the method reads. [N]'s are of a GTX Titan Black. {seed_words(regime)}"
    )
    columns = (
        *(Column("stage", "words"), Column("what it is", "words"), Column("ms"), Column("in all, ms")),
        Column(paper.COLUMN, "paper"),
    )
    return Table("§5.3: time a stage", caption, columns, tuple(rows) if times else ())


def _error_and_change(numbers: Numbers, row: str, metric: str) -> tuple[str, str]:
    error = scalars(numbers, "methods", row, f"test.{metric}")
    change = scalars(numbers, "methods", row, f"test.{metric}.change")
    return cell(error), cell(change, 1, sign=True)


def _method_caption(regime: Regime) -> str:
    first = next(iter(regime.rows("methods")), "")
    fit = fit_words((regime.recipe.get("methods") or {}).get("fit"))
    return (
        f"Error of the 21 joints; 2D leaves out z. Every method: {fit}, unless it says otherwise. Change in % of the "
        f"error of “{first}”. * least mean 3D error on dev of the methods without hidden truth. [N]: 3D / 2D, mm, on "
        f"NYU's own joints. {seed_words(regime)} {data_words(regime)}"
    )
