"""What is compared with what: the roles of rows, and the changes and shares that follow from them, seed by seed."""

import re
from typing import Any

from knuckle.report.numbers import Numbers, mean_and_spread, per_seed, scalars
from knuckle.report.runs import Regime

_ACCURACIES = ("test.pixel", "test.class")
_ERRORS = ("test.mean_3d", "test.mean_2d", "test.median_3d")


def add_comparisons(regime: Regime, numbers: Numbers) -> None:
    """Adds to the numbers, in place, what each row is beside the row that it is compared with.

    METRIC.change: in percentage points over no restoration and over the control, in % of the first method's error.
    METRIC.closed: % of the way from the control to the ceiling of the same share of real frames; of rows that are
    trained alike.
    """
    for row in list(numbers["restoration"]):
        for metric in ("pixel", "class"):
            _combine(numbers, "restoration", row, metric, "change", "none", lambda value, none: value - none)
    control = control_row(regime)
    for row in regime.rows("supervision"):
        for metric in _ACCURACIES if control is not None else ():
            assert control is not None
            _combine(numbers, "supervision", row, metric, "change", control, lambda value, base: value - base)
            _close(regime, numbers, row, metric, control)
    first = next(iter(regime.rows("methods")), None)
    for row in regime.rows("methods"):
        for metric in _ERRORS:
            assert first is not None
            _combine(numbers, "methods", row, metric, "change", first, _percent)


def compared_labels(regime: Regime) -> dict[str, dict[str, Any]]:
    """The rows of step 2 that are trained alike, and so compared: those without settings of their own."""
    return {name: row for name, row in regime.rows("supervision").items() if not row.get("fit")}


def control_row(regime: Regime) -> str | None:
    """The row that goes on with synthetic hands alone, treated as in step 1."""
    rows = compared_labels(regime).items()
    return next((name for name, row in rows if row.get("labels") == "none" and row.get("augment") is None), None)


def ceiling_row(regime: Regime, row: str) -> str | None:
    """The row of true labels that a row is measured by: one with its share of real frames, if there is one."""
    rows = regime.rows("supervision")
    truth = [name for name, settings in compared_labels(regime).items() if settings.get("labels") == "truth"]
    same = [name for name in truth if rows[name].get("real_share") == rows[row].get("real_share")]
    return next(iter([*same, *truth]), None)


def dictionary_row(regime: Regime) -> str | None:
    """The row that does as [N] does: labels restored with eq. 2, those that the gate accepts."""
    found = [
        name
        for name, row in regime.rows("supervision").items()
        if row.get("labels") == "dictionary" and row.get("method") == "vote"
    ]
    gated = [name for name in found if regime.rows("supervision")[name].get("gate")]
    return next(iter([*gated, *found]), None)


def best_labels(regime: Regime, numbers: Numbers) -> str | None:
    """The compared row of step 2 most accurate per pixel on dev, of those without hidden truth; None without dev."""
    names = [name for name in compared_labels(regime) if not _labels_are_true(regime, name)]
    return _best(numbers, "supervision", names, "dev.pixel", -1)


def best_method(regime: Regime, numbers: Numbers) -> str | None:
    """The method of least mean 3D error on dev, of those without hidden truth; None without dev."""
    names = [name for name in regime.rows("methods") if not reads_truth(regime, name)]
    return _best(numbers, "methods", names, "dev.mean_3d", 1)


def reads_truth(regime: Regime, method: str) -> bool:
    """Whether a method's parts are the hidden ones, or of an f_s that learned from them."""
    parts = regime.rows("methods")[method].get("parts")
    return parts == "truth" or _labels_are_true(regime, parts)


def paper_letter(method: str) -> str | None:
    """The method of [N] Table 4 that a row is a form of: a to d, where its name begins with that letter alone."""
    match = re.match(r"([abcd])(?![\w'-])", method)
    return match[1] if match else None


def _labels_are_true(regime: Regime, row: Any) -> bool:
    return regime.rows("supervision").get(row, {}).get("labels") == "truth"


def _best(numbers: Numbers, table: str, names: list[str], metric: str, sign: int) -> str | None:
    means = {name: mean_and_spread(values)[0] for name in names if (values := scalars(numbers, table, name, metric))}
    return min(means, key=lambda name: sign * means[name]) if means else None


def _percent(value: float, base: float) -> float | None:
    return 100 * (value / base - 1) if base else None


def _combine(numbers: Numbers, table: str, row: str, metric: str, name: str, base: str, rule: Any) -> None:
    """Adds METRIC.NAME to a row: the rule applied to its value and the base row's, in every seed that has both."""
    values, bases = per_seed(numbers, table, row, metric), per_seed(numbers, table, base, metric)
    if row == base or not values or not bases:
        return
    numbers[table][row][f"{metric}.{name}"] = [
        None if value is None or other is None else rule(value, other)
        for value, other in zip(values, bases, strict=True)
    ]


def _close(regime: Regime, numbers: Numbers, row: str, metric: str, control: str) -> None:
    ceiling = ceiling_row(regime, row) if row in compared_labels(regime) else None
    if ceiling is None or row == control or _labels_are_true(regime, row):
        return
    found = [per_seed(numbers, "supervision", name, metric) for name in (row, control, ceiling)]
    if all(found):
        numbers["supervision"][row][f"{metric}.closed"] = [_closed(*values) for values in zip(*found, strict=True)]


def _closed(value: float | None, base: float | None, top: float | None) -> float | None:
    """% of the way from base to top; None where there is no way to go."""
    if value is None or base is None or top is None or top <= base:
        return None
    return 100 * (value - base) / (top - base)
