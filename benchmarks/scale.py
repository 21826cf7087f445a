"""Rendering, restoring and predicting on a Dask cluster of this machine: one worker against two, and their memory.

    python benchmarks/scale.py [--job restore] [--count 2048] [--rounds 3] [--json]

Each cluster first does a little, so that starting, loading and compiling are not counted; opening and writing files is.
Restoring is of clean MakeHuman hands, with a dictionary of 3,300 others (10⁶ patches); predicting is of copies of the
frames that come with knuckle. The machine must be idle, with two cores to spare: whatever else runs takes from the two
workers more than from the one. Rounds of one worker and of two alternate, and the ratio is that of the medians: the
speed of a rented core changes from minute to minute.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import psutil
import typer
from distributed import Client, LocalCluster
from rich.console import Console
from rich.table import Table

from knuckle.cli.inference import FRAMES
from knuckle.data.datasets import open_dataset
from knuckle.errors import KnuckleError, SettingsError
from knuckle.evaluation.predict import predict_dataset
from knuckle.pipeline.restore import restore_store
from knuckle.synth.generate import SynthSettings
from knuckle.synth.production import generate
from restoration_data import dictionary_file

ASKED = 1.8  # times one worker's rate
MAPS = 3_300  # of the dictionary
SHARD = 64  # samples a task of restoring and of predicting, so that two workers end together


@dataclass(frozen=True)
class Job:
    """prepare(folder, count) makes what work(folder, name, count, client) reads; count: samples, by default."""

    prepare: Callable[[Path, int], None]
    work: Callable[[Path, str, int, Client], None]
    count: int


def synth(folder: Path, name: str, count: int, client: Client) -> None:
    generate(folder / f"{name}.zarr", SynthSettings(), count, seed=3, scheduler=client, shard=min(1024, count // 4))


def noisy_maps(folder: Path, count: int) -> None:
    dictionary_file(folder, MAPS)
    settings = SynthSettings(sensor="clean", clutter=False, coarse_share=0, empty_share=0)
    generate(folder / "maps.zarr", settings, count, seed=5, shard=SHARD)


def restore(folder: Path, name: str, count: int, client: Client) -> None:
    dictionary = dictionary_file(folder, MAPS)
    restore_store(folder / "maps.zarr", folder / f"{name}.zarr", dictionary, scheduler=client, count=count)


def copied_frames(folder: Path, count: int) -> None:
    """A dataset is predicted as a whole, so there are two."""
    bundled = sorted(FRAMES.glob("*.png"))
    for place, frames in ((folder / "first", count // 4), (folder / "whole", count)):
        place.mkdir()
        shutil.copy(FRAMES / "camera.json", place)
        for number in range(frames):
            shutil.copy(bundled[number % len(bundled)], place / f"{number:06d}.png")


def predict(folder: Path, name: str, count: int, client: Client) -> None:
    dataset = open_dataset("frames", folder / name.partition("-")[0], "all")
    predict_dataset(dataset, None, folder / f"{name}.txt", scheduler=client, frames=SHARD)


JOBS = {
    "synth": Job(lambda folder, count: None, synth, 8_192),
    "restore": Job(noisy_maps, restore, 2_048),
    "predict": Job(copied_frames, predict, 1_024),
}


def _resident_mb() -> float:
    return float(psutil.Process().memory_info().rss / 1e6)


def run(job: Job, folder: Path, name: str, workers: int, count: int) -> dict[str, float]:
    """Samples a second, and the memory in MB of the largest worker before and after them."""
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as cluster,  # type: ignore[no-untyped-call]
        Client(cluster) as client,  # type: ignore[no-untyped-call]
    ):
        job.work(folder, f"first-{name}", count // 4, client)
        early = max(client.run(_resident_mb).values())
        start = time.perf_counter()
        job.work(folder, f"whole-{name}", count, client)
        rate = count / (time.perf_counter() - start)
        return {"samples_per_second": rate, "early_mb": early, "late_mb": max(client.run(_resident_mb).values())}


def compare(name: str, count: int | None, rounds: int) -> dict[str, Any]:
    """One worker and two on the same job, by turns."""
    job = JOBS[name]
    count = count or job.count
    runs: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        job.prepare(Path(folder), count)
        for turn in range(rounds):
            for number, results in runs.items():
                results.append(run(job, Path(folder), f"{turn}-{number}", number, count))
    rates = {number: [one["samples_per_second"] for one in results] for number, results in runs.items()}
    middle = {number: sorted(runs[number], key=lambda one: one["samples_per_second"])[rounds // 2] for number in runs}
    ratio = median(rates[2]) / median(rates[1])
    return {"count": count, "workers": middle, "rates": rates, "ratio": ratio, "load": psutil.getloadavg()[0]}


def main(
    job: Annotated[list[str] | None, typer.Option(help="synth, restore or predict, by default all of them.")] = None,
    count: Annotated[int | None, typer.Option(min=256, help="Samples a run.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Of one worker and of two, each.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Rate and memory of one and of two Dask workers."""
    table = Table(title="Dask workers on this machine")
    for column in ("job", "samples", "workers", "samples/s", "MB a worker, before", "after"):
        table.add_column(column, justify="right")
    results = {}
    try:
        for name in job or JOBS:
            if name not in JOBS:
                raise SettingsError(f"there is no job {name!r}: choose {', '.join(JOBS)}")
            results[name] = compare(name, count, rounds)
    except KnuckleError as error:
        typer.echo(f"scale: {error}", err=True)
        raise typer.Exit(2) from None
    for name, result in results.items():
        for workers, found in result["workers"].items():
            table.add_row(name, str(result["count"]), str(workers), *(f"{value:.0f}" for value in found.values()))
    Console().print(table)
    for name, result in results.items():
        ratio, load = result["ratio"], result["load"]
        print(f"{name}: two workers are {ratio:.2f} times as fast as one (asked: {ASKED}; load at the end: {load:.1f})")
    if as_json:
        print(json.dumps(results))


if __name__ == "__main__":
    typer.run(main)
