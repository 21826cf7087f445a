"""Images a second of every training, plain and compiled (`fit.compiled`), and how long the first compiled step takes.

    python benchmarks/compiling.py [--training "f_s, compact"] [--batch 64] [--steps 6] [--rounds 2] [--threads 1]

Made-up crops, the recipes' networks at their full sizes, through the same loop as `knuckle train`. Rounds of plain and
compiled steps alternate; the numbers are medians over the rounds, the first compiled step is that of the first round,
and shorter where the program was kept from an earlier run.
"""

import statistics
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from devices import TRAININGS, measure


def main(
    training: Annotated[list[str] | None, typer.Option(help="By default all of them.")] = None,
    batch: Annotated[int, typer.Option(min=2)] = 64,
    steps: Annotated[int, typer.Option(min=1, help="Timed, of every training.")] = 6,
    rounds: Annotated[int, typer.Option(min=1)] = 2,
    threads: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """Images a second of every training, plain and compiled."""
    unknown = [name for name in training or () if name not in TRAININGS]
    if unknown:
        raise typer.BadParameter(f"there is no training {unknown[0]!r}: choose {', '.join(TRAININGS)}")
    table = Table("training", "plain, images/s", "compiled", "times as fast", "first compiled step, s")
    for name in training or TRAININGS:
        found = [[measure(name, batch, steps, threads, compiled) for compiled in (False, True)] for _ in range(rounds)]
        plain, compiled = (statistics.median(pair[which]["images"] for pair in found) for which in (0, 1))
        first = found[0][1]["first_s"]
        table.add_row(name, f"{plain:.0f}", f"{compiled:.0f}", f"{compiled / plain:.2f}", f"{first:.0f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
