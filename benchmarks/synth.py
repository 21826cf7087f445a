"""How many labelled samples a second the generator renders and stores, from end to end.

    python benchmarks/synth.py [--count 4000] [--workers 2] [--json]

Compiling (numba, cached on disk) and the hand's asset are made beforehand and not counted; starting the worker
processes and writing the store are, so use a count of at least 20,000 for the rate of a long run.
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from knuckle.errors import KnuckleError
from knuckle.synth.generate import SynthSettings, generate_samples
from knuckle.synth.hands import HandModel
from knuckle.synth.production import generate
from knuckle.synth.sensor import SENSORS

SETS = {
    "makehuman, clean": SynthSettings(sensor="clean", clutter=False),
    **{f"makehuman, {sensor}, clutter": SynthSettings(sensor=sensor) for sensor in (*SENSORS[1:], "mixed")},
    "soma, mixed, clutter": SynthSettings(hand="soma"),
}
ASKED = {"clean": 900.0, "noisy with clutter": 350.0}  # samples a second on 2 cores


def samples_per_second(settings: SynthSettings, count: int, workers: int) -> float:
    """Rate of one run into a fresh store."""
    generate_samples(HandModel.load(settings.hand), settings, 1, range(50))  # compiles what is not yet cached
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        generate(Path(folder) / "hands.zarr", settings, count, seed=0, workers=workers)
        return count / (time.perf_counter() - start)


def main(
    count: Annotated[int, typer.Option(min=1, help="Samples a row.")] = 4000,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Throughput of the generator for both hands and each sensor."""
    asked = ", ".join(f"{rate:.0f}/s {what}" for what, rate in ASKED.items())
    table = Table(title=f"synthesis, {workers} workers, {count} samples a row (asked: {asked})")
    table.add_column("what")
    table.add_column("samples/s", justify="right")
    results: dict[str, float] = {}
    try:
        for what, settings in SETS.items():
            results[what] = samples_per_second(settings, count, workers)
            table.add_row(what, f"{results[what]:.0f}")
    except KnuckleError as error:
        typer.echo(f"synth: {error}", err=True)
        raise typer.Exit(2) from None
    Console().print(table)
    if as_json:
        print(json.dumps(results))


if __name__ == "__main__":
    typer.run(main)
