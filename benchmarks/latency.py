"""Time of one crop and of one full frame on this machine, beside the network of the paper.

    python benchmarks/latency.py [--runs 200] [--threads 2] [--json]

All rows run on ONNX Runtime. Their runs are interleaved, so that a busy moment of the machine hits all of them alike.
The paper's network has random weights here, which take the same time as learned ones.
"""

import importlib.util
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

import knuckle
from knuckle import Camera, HandPoseEstimator, read_depth
from knuckle.crop import CropBox
from knuckle.errors import KnuckleError, MissingExtraError, SettingsError
from knuckle.networks import Network, load_segmentation

FRAMES = Path(knuckle.__file__).parent / "frames"
WARM_UP = 10
ASKED_MS = {"crop": 12.0, "frame_right": 25.0, "frame_auto": 25.0}
NAMES = {
    "segmentation": "48×48 crop → parts",
    "crop": "48×48 crop → joints + parts",
    "frame_right": 'full frame → Hand, side="right"',
    "frame_auto": 'full frame → Hand, side="auto"',
    "paper": "48×48 crop → parts, paper's network",
}


def bundled_frame() -> tuple[NDArray[np.float32], Camera]:
    """The first frame that comes with the package, (H, W) mm, and its camera."""
    files = sorted(FRAMES.glob("*.png"))
    if not files:
        raise SettingsError(f"{FRAMES}: no frame (*.png) there: reinstall knuckle")
    camera = Camera.load(FRAMES / "camera.json")
    return read_depth(files[0], unit_mm=camera.depth_unit_mm), camera


def paper_network(threads: int) -> Network:
    """The segmentation network of the paper at 48×48, exported to ONNX as ours are."""
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError("train", "torch")
    from knuckle.segmentation.export import export_segmenter
    from knuckle.segmentation.network import PaperSegmenter

    with tempfile.TemporaryDirectory() as folder:
        export_segmenter(PaperSegmenter().eval(), Path(folder) / "segmentation.onnx")
        return load_segmentation(Path(folder), threads)


def jobs(threads: int) -> dict[str, Callable[[], object]]:
    """What is timed, by its key in `NAMES`."""
    depth, camera = bundled_frame()
    estimator, paper = HandPoseEstimator(threads=threads), paper_network(threads)
    hand = estimator(depth, camera)
    if hand is None:
        raise SettingsError(f"{FRAMES}: no hand is found in its first frame, so its time would mean nothing")
    crops = CropBox(hand.center, camera).crop_depth(depth)[None]  # (1, 48, 48)
    return {
        "segmentation": lambda: estimator.segment(crops),
        "crop": lambda: estimator.regress(crops, estimator.segment(crops)),
        "frame_right": lambda: estimator(depth, camera, side="right"),
        "frame_auto": lambda: estimator(depth, camera, side="auto"),
        "paper": lambda: paper.run(depth=crops[:, None]),
    }


def time_interleaved(work: dict[str, Callable[[], object]], runs: int) -> dict[str, NDArray[np.float64]]:
    """(runs,) ms of each job, run in turn after a warm-up."""
    times: dict[str, list[float]] = {key: [] for key in work}
    for _ in track(range(WARM_UP + runs), description="timing", console=Console(stderr=True), transient=True):
        for key, job in work.items():
            start = time.perf_counter()
            job()
            times[key].append(1000 * (time.perf_counter() - start))
    return {key: np.array(values[WARM_UP:]) for key, values in times.items()}


def print_table(times: dict[str, NDArray[np.float64]], title: str, ratio: float) -> None:
    """One row a job: median, nine in ten, and what was asked for."""
    table = Table(title=title, caption=f"the paper's segmentation network takes {ratio:.1f} times as long as ours")
    table.add_column("what")
    for heading in ("median ms", "90 % within ms", "asked ms"):
        table.add_column(heading, justify="right")
    for key, values in times.items():
        asked = f"≤ {ASKED_MS[key]:g}" if key in ASKED_MS else ""
        table.add_row(NAMES[key], f"{np.median(values):.2f}", f"{np.percentile(values, 90):.2f}", asked)
    Console().print(table)


def main(
    runs: Annotated[int, typer.Option(min=1, help="Timed runs of each row.")] = 200,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of each network.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Median times of one crop and one full frame, beside the network of the paper."""
    try:
        times = time_interleaved(jobs(threads), runs)
    except KnuckleError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    medians = {key: float(np.median(values)) for key, values in times.items()}
    ratio = medians["paper"] / medians["segmentation"]
    print_table(times, f"latency, ms ({threads} threads, {runs} runs)", ratio)
    if as_json:
        answer = {f"{key}_ms": round(value, 3) for key, value in medians.items()}
        print(json.dumps({**answer, "paper_ratio": round(ratio, 2), "threads": threads, "runs": runs}))


if __name__ == "__main__":
    typer.run(main)
