"""docs/results/sensor-gap.json says what the runs beside it found, wherever the files of a run are kept."""

import json
from pathlib import Path
from typing import Any

import pytest

RESULTS = Path(__file__).parents[2] / "docs" / "results"
NUMBERS = json.loads((RESULTS / "sensor-gap.json").read_text(encoding="utf-8"))
TABLES = {
    "weak supervision, weak f_s": ("weak", "supervision"),
    "restoration, weak f_s": ("weak", "restoration"),
    "weak supervision, strong f_s": ("strong", "supervision"),
    "restoration, strong f_s": ("strong", "restoration"),
    "joints": ("joints", "methods"),
}
"""Table → first part of the names of its runs' folders, and what the table is called in them."""


def kept(table: str) -> list[tuple[int, dict[str, Any]]]:
    """Of every seed whose run is kept: its place in the table's lists, and the rows of that run."""
    regime, name = TABLES[table]
    found = []
    for at, seed in enumerate(NUMBERS[table]["seeds"]):
        path = RESULTS / "sensor-gap" / f"{regime}-{seed}" / "results.json"
        if path.exists():
            tables = json.loads(path.read_text(encoding="utf-8"))["tables"]
            rows = {"before step 2": tables["segmentation"]["f_s"], **tables[name]}
            if name == "restoration":  # its scores are of test alone
                rows = {row: {"test": values} for row, values in rows.items()}
            found.append((at, rows))
    return found


def number(row: dict[str, Any], metric: str) -> float | None:
    """`dev_mean_3d` is mean_3d of dev; `accepted` is of the row itself."""
    for part in ("held_out", "dev", "test", "labels"):
        if metric.startswith(f"{part}_"):
            return row.get(part, {}).get(metric.removeprefix(f"{part}_"))
    return row.get(metric)


def test_every_table_is_looked_at() -> None:
    assert NUMBERS.keys() - {"recipe"} == TABLES.keys()


@pytest.mark.parametrize("table", TABLES)
def test_numbers_are_those_of_the_runs(table: str) -> None:
    runs = kept(table)
    assert runs
    for row, metrics in NUMBERS[table].items():
        for metric, values in metrics.items() if row != "seeds" else ():
            assert len(values) == len(NUMBERS[table]["seeds"])
            for at, rows in runs:
                found = number(rows.get(row, {}), metric)
                assert values[at] == (found if found is None else pytest.approx(found, abs=0.006)), (row, metric, at)
