"""Reads damaged and malicious files with every reader: does it return, or refuse in one line, and in bounds?

    python benchmarks/fuzzing.py [--cases 200000] [--reader NAME] [--seed 0] [--seconds S] [--json]
    python benchmarks/fuzzing.py --reader NAME --case N [--seed 0]

Valid files, made by the program itself, are changed at random (`fuzz_bytes.py`), also in the language of their format
with checksums mended (`fuzz_formats.py`), and read in a process that may ask for 1 GB of memory and take 10 s. A case
passes if the reader returns, or raises a `KnuckleError` of one line. Any other exception, the end of the process, a
longer time or more memory is a fault, and so is a file that stays open. What is wrong is kept in
--keep, with the files.

Cases are shared out among the readers; case N of a reader is the same in every run of a seed. Exit code 0 only without
a fault. --seconds ends earlier.
"""

import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from fuzz_process import Outcome, run_cases
from fuzz_readers import MODULES, find_target, share
from fuzz_target import FaultError, refusal


def main(
    cases: Annotated[int, typer.Option(help="Of all readers together, or of the one that is named.")] = 200_000,
    reader: Annotated[str | None, typer.Option(help="One alone.")] = None,
    case: Annotated[int | None, typer.Option(help="One case alone, of a reader, with its traceback.")] = None,
    seed: Annotated[int, typer.Option(help="Of the changes.")] = 0,
    seconds: Annotated[float | None, typer.Option(help="No case begins later.")] = None,
    keep: Annotated[Path, typer.Option(help="Folder for what was wrong.")] = Path("fuzz-faults"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Fuzzes the readers."""
    if reader is not None and reader not in MODULES:
        raise typer.BadParameter(f"there is no reader {reader!r}: choose {', '.join(MODULES)}")
    if case is not None:
        raise typer.Exit(run_one(reader or "", seed, case))
    outcomes = run_all([reader] if reader else list(MODULES), cases, seed, seconds, keep)
    show(outcomes, as_json)
    raise typer.Exit(int(any(outcome.faults for outcome in outcomes)))


def run_all(names: list[str], cases: int, seed: int, seconds: float | None, keep: Path) -> list[Outcome]:
    """Shares cases, and what is left of the time, out among readers."""
    outcomes = []
    end = None if seconds is None else time.monotonic() + seconds
    shares = [share(name) for name in names]
    with Console(stderr=True).status("") as status:
        for index, name in enumerate(names):
            left = sum(shares[index:])
            own = max(1, round((cases - sum(outcome.cases for outcome in outcomes)) * shares[index] / left))
            until = None if end is None else max(1.0, (end - time.monotonic()) * shares[index] / left)

            def note(outcome: Outcome, own: int = own) -> None:
                status.update(f"{outcome.name}: {outcome.cases:,} of {own:,}, {len(outcome.faults)} faults")

            outcomes.append(run_cases(find_target, name, own, seed, until, keep, note=note))
    return outcomes


def run_one(name: str, seed: int, number: int) -> int:
    """One case in this process."""
    target = find_target(name)
    with tempfile.TemporaryDirectory(prefix="knuckle-fuzz-") as folder:
        target.open(Path(folder))
        try:
            print(refusal(target, seed, number) or "accepted")
        except FaultError:
            Console(stderr=True).print_exception()
            return 1
    return 0


def show(outcomes: list[Outcome], as_json: bool) -> None:
    """A table, or one JSON object."""
    if as_json:
        print(json.dumps({"cases": sum(outcome.cases for outcome in outcomes), "readers": [*map(asdict, outcomes)]}))
        return
    table = Table(
        "reader", *(f"{title}" for title in ("cases", "accepted", "refused", "faults", "cases/s", "MB at most"))
    )
    for outcome in [*outcomes, total(outcomes)]:
        speed = f"{outcome.cases / max(outcome.seconds, 1e-9):.0f}"
        counts = [f"{value:,}" for value in (outcome.cases, outcome.accepted, outcome.refused, len(outcome.faults))]
        table.add_row(outcome.name, *counts, speed, f"{outcome.peak_mb:.0f}")
    Console().print(table)
    for outcome in outcomes:
        for number, what in outcome.faults[:10]:
            print(f"{outcome.name} {number}: {what}")


def total(outcomes: list[Outcome]) -> Outcome:
    whole = Outcome("all")
    for outcome in outcomes:
        whole.accepted += outcome.accepted
        whole.refused += outcome.refused
        whole.faults += outcome.faults
        whole.seconds += outcome.seconds
        whole.peak_mb = max(whole.peak_mb, outcome.peak_mb)
    return whole


if __name__ == "__main__":
    typer.run(main)
