"""Rendering on a Dask cluster of this machine: one worker against two, and the memory that a worker needs.

    python benchmarks/scale.py [--count 16384] [--json]

Each cluster first renders a little, so that starting, loading the hand and compiling are not counted; writing the store
is.
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Annotated

import psutil
import typer
from distributed import Client, LocalCluster
from rich.console import Console
from rich.table import Table

from knuckle.errors import KnuckleError
from knuckle.synth.generate import SynthSettings
from knuckle.synth.production import generate

ASKED = 1.8  # times one worker's rate


def _resident_mb() -> float:
    return float(psutil.Process().memory_info().rss / 1e6)


def run(workers: int, count: int) -> dict[str, float]:
    """Samples a second, and the memory in MB of the largest worker after a quarter and after all of the samples."""
    settings = SynthSettings()
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,  # type: ignore[no-untyped-call]
        Client(cluster) as client,  # type: ignore[no-untyped-call]
    ):
        generate(Path(folder) / "first.zarr", settings, 64 * workers, seed=1, scheduler=client, shard=32)
        generate(Path(folder) / "quarter.zarr", settings, count // 4, seed=2, scheduler=client)
        early = max(client.run(_resident_mb).values())
        start = time.perf_counter()
        generate(Path(folder) / "hands.zarr", settings, count, seed=3, scheduler=client)
        rate = count / (time.perf_counter() - start)
        return {"samples_per_second": rate, "early_mb": early, "late_mb": max(client.run(_resident_mb).values())}


def main(
    count: Annotated[int, typer.Option(min=4096, help="Samples a run.")] = 16_384,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Rate and memory of one and of two Dask workers."""
    try:
        results = {workers: run(workers, count) for workers in (1, 2)}
    except KnuckleError as error:
        typer.echo(f"scale: {error}", err=True)
        raise typer.Exit(2) from None
    table = Table(title=f"{count} mixed, cluttered samples on Dask workers")
    for column in ("workers", "samples/s", "MB a worker, after a quarter", "after all"):
        table.add_column(column, justify="right")
    for workers, result in results.items():
        table.add_row(str(workers), *(f"{value:.0f}" for value in result.values()))
    Console().print(table)
    ratio = results[2]["samples_per_second"] / results[1]["samples_per_second"]
    print(f"two workers are {ratio:.2f} times as fast as one (asked: {ASKED})")
    if as_json:
        print(json.dumps({"workers": results, "ratio": ratio}))


if __name__ == "__main__":
    typer.run(main)
