"""How many labelled, noisy samples a second the generator renders and stores.

    python benchmarks/synth.py [--count 4000] [--workers 2] [--json]

Compiling (numba, cached on disk) and the hand's asset are made beforehand and not counted; starting the worker
processes and writing the store are.
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
from knuckle.synth.generate import SynthSettings, generate, generate_sample
from knuckle.synth.hands import HandModel

SETS = [("makehuman", "mixed"), ("makehuman", "structured-light"), ("makehuman", "none"), ("soma", "mixed")]
ASKED = 300.0  # noisy samples a second on 2 cores


def samples_per_second(settings: SynthSettings, count: int, workers: int) -> float:
    """Rate of one run into a fresh store."""
    model = HandModel.load(settings.hand)
    for index in range(50):  # compiles every branch
        generate_sample(model, settings, 1, index)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        generate(Path(folder) / "hands.zarr", settings, count, seed=0, workers=workers)
        return count / (time.perf_counter() - start)


def main(
    count: Annotated[int, typer.Option(min=1, help="Samples a row.")] = 4000,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Throughput of the generator for both hands and each noise."""
    table = Table(title=f"synthesis, {workers} workers, {count} samples (asked: {ASKED:.0f}/s, noisy)")
    table.add_column("hand, noise")
    table.add_column("samples/s", justify="right")
    results: dict[str, float] = {}
    try:
        for hand, noise in [
            ("makehuman", "mixed"),
            ("makehuman", "structured-light"),
            ("makehuman", "none"),
            ("soma", "mixed"),
        ]:
            results[f"{hand}, {noise}"] = samples_per_second(SynthSettings(hand=hand, noise=noise), count, workers)
            table.add_row(f"{hand}, {noise}", f"{results[f'{hand}, {noise}']:.0f}")
    except KnuckleError as error:
        typer.echo(f"synth: {error}", err=True)
        raise typer.Exit(2) from None
    Console().print(table)
    if as_json:
        print(json.dumps(results))


if __name__ == "__main__":
    typer.run(main)
