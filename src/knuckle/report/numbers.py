"""All numbers of a regime, as table → row → metric → one value a seed, and what is said of several seeds."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from knuckle.errors import SettingsError
from knuckle.report.runs import RESULTS, TABLES, FinishedRun, Regime

Value = float | list[float | None] | None
Numbers = dict[str, dict[str, dict[str, list[Value]]]]
"""Metrics are dotted paths, "test.pixel". A value is None where a seed lacks it; a list for curves, joints, parts."""

_LENGTHS = {"curve": 81, "joints": 21, "parts": 20}
"""Of lists: a success curve from 0 to 80 mm, one value a joint, one a part."""

_LARGEST = 1e12  # beyond it lies damage, and arithmetic overflows


def gather(regime: Regime) -> Numbers:
    """Every number of a regime's results. Raises `SettingsError` for a result that is no number."""
    runs = [_flat(run) for run in regime.runs]
    numbers: Numbers = {}
    for table in TABLES:
        rows = dict.fromkeys(row for run in runs for row in run[table])
        numbers[table] = {}
        for row in rows:
            of_row = [run[table].get(row, {}) for run in runs]
            metrics = dict.fromkeys(metric for values in of_row for metric in values)
            numbers[table][row] = {metric: [values.get(metric) for values in of_row] for metric in metrics}
    return numbers


def scalars(numbers: Numbers, table: str, row: str, metric: str) -> list[float]:
    """The single values of a metric over the seeds that have it; none where there is no such row or metric."""
    return [value for value in per_seed(numbers, table, row, metric) if value is not None]


def per_seed(numbers: Numbers, table: str, row: str, metric: str) -> list[float | None]:
    """The values of a metric, one a seed; empty where there is no such row or metric."""
    values = numbers[table].get(row, {}).get(metric, [])
    return [value if not isinstance(value, list) else None for value in values]


def vectors(numbers: Numbers, table: str, row: str, metric: str) -> np.ndarray:
    """The lists of a metric over the seeds that have it, (S, L), NaN for what a list lacks; (0, 0) if there is none."""
    values = [value for value in numbers[table].get(row, {}).get(metric, []) if isinstance(value, list)]
    if len({_LENGTHS.get(metric.rpartition(".")[2]), *(len(value) for value in values)} - {None}) > 1:
        raise SettingsError(f"{table}, {row}: {metric} is of another length than it must be: run  knuckle train  again")
    return np.array(values, dtype=np.float64) if values else np.empty((0, 0))


def mean_and_spread(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean, and the sample standard deviation (n - 1) where there are two values or more."""
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, None
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _flat(run: FinishedRun) -> dict[str, dict[str, dict[str, Value]]]:
    flat: dict[str, dict[str, dict[str, Value]]] = {}
    for table in TABLES:
        flat[table] = {}
        for row, measures in run.tables[table].items():
            try:
                flat[table][row] = dict(_leaves(measures, "ms" if table == "time" else ""))
            except TypeError:
                raise SettingsError(f"{run.folder / RESULTS}: {table}, {row}: holds what is no number") from None
    return flat


def _leaves(measures: Any, path: str) -> Iterator[tuple[str, Value]]:
    if isinstance(measures, dict):
        for name, value in measures.items():
            yield from _leaves(value, f"{path}.{name}" if path else name)
    elif isinstance(measures, list):
        yield path, [_number(value) for value in measures]
    elif path:  # a row without any measure stays empty
        yield path, _number(measures)


def _number(value: Any) -> float | None:
    """Raises `TypeError` if it is none that a result can be; what is not finite counts as missing."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or _LARGEST < abs(value) < math.inf:
        raise TypeError
    return float(value) if math.isfinite(value) else None
