"""Runs the estimator on every real frame of a data folder: a sheet a sensor to look at, a table to compare.

    python benchmarks/real_frames.py [--data FOLDER] [--out FOLDER] [--side auto] [--json]

The folder holds frames/<sensor>/camera.json with that sensor's frames (PNG) in it or one folder below, and optionally
nyu/ with camera.json, depth_1_0000001.png and test_groundtruth_uvd.txt.gz. The sheets real_<sensor>.png show depth
with skeleton beside the part map. The pictures may not be published: the frames are not ours.
"""

import gzip
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from knuckle import Camera, Hand, HandPoseEstimator, read_depth
from knuckle.anatomy import HAND21, NYU14
from knuckle.draw import contact_sheet, hand_picture, write_image
from knuckle.errors import KnuckleError, SettingsError
from knuckle.metrics import mean_error_3d

REPOSITORY = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("KNUCKLE_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
TILE = 280  # px, large enough to judge the fingers
COLUMNS = 4

Summary = dict[str, float | None]
"""What is measured on one sensor, by name."""


@dataclass(frozen=True)
class Result:
    """One frame's file, depth (H, W) mm, hand and time."""

    file: Path
    depth: NDArray[np.float32]
    hand: Hand | None
    ms: float


def frames_of(data: Path) -> dict[str, list[Path]]:
    """The frames of every sensor in the data folder, in the order in which they were taken."""
    folders = [*sorted((data / "frames").glob("*/")), data / "nyu"]
    frames = {folder.name: [*folder.glob("*.png"), *folder.glob("*/*.png")] for folder in folders}
    if not any(frames.values()):
        raise SettingsError(
            f"{data}: no frames/<sensor>/*.png and no nyu/*.png: give the folder with --data or KNUCKLE_SHARED_DATA"
        )
    return {
        sensor: sorted(files, key=lambda file: (file.parent, len(file.stem), file.stem))
        for sensor, files in frames.items()
        if files
    }


def run_sensor(estimator: HandPoseEstimator, camera: Camera, files: list[Path], side: str) -> list[Result]:
    """The estimator's answer and time on each frame; the first frame is run twice, because the first run warms up."""
    estimator(read_depth(files[0], unit_mm=camera.depth_unit_mm), camera, side=side)
    results = []
    for file in track(files, description=files[0].parent.name, console=Console(stderr=True), transient=True):
        depth = read_depth(file, unit_mm=camera.depth_unit_mm)
        start = time.perf_counter()
        hand = estimator(depth, camera, side=side)
        results.append(Result(file, depth, hand, 1000 * (time.perf_counter() - start)))
    return results


def sheet_of(results: list[Result]) -> NDArray[np.uint8]:
    """All frames of a sensor, each with its name, its hand's side and the mean confidence of its joints."""
    titles = []
    for result in results:
        hand = result.hand
        answer = "none" if hand is None else f"{hand.side}, confidence {float(np.mean(hand.confidence)):.2f}"
        titles.append(f"{result.file.parent.name}/{result.file.stem}  {answer}")
    pictures = [hand_picture(result.depth, result.hand, tile=TILE, legend=False) for result in results]
    return contact_sheet(pictures, COLUMNS, titles)


def summary_of(results: list[Result]) -> Summary:
    """Counts and the median time of one sensor."""
    sides = [result.hand.side for result in results if result.hand is not None]
    return {
        "frames": len(results),
        "found": len(sides),
        "right": sides.count("right"),
        "left": sides.count("left"),
        "median_ms": round(float(np.median([result.ms for result in results])), 2),
    }


def nyu_error(hand: Hand, camera: Camera, truth_file: Path) -> float:
    """Mean 3D error, mm, over the 11 joints that `NYU14` and `HAND21` share by name, against the first test frame."""
    with gzip.open(truth_file, "rt") as lines:
        uvd = np.array(lines.readline().split(), dtype=np.float64).reshape(len(NYU14), 3)
    truth = camera.back_project(uvd[:, :2], uvd[:, 2])  # (14, 3) mm
    shared = [name for name in NYU14 if name in HAND21]
    predicted = hand.joints[[HAND21.index(name) for name in shared]]
    return mean_error_3d(predicted[None], truth[None, [NYU14.index(name) for name in shared]])


def measure(data: Path, out: Path, side: str) -> dict[str, Summary]:
    """Runs all sensors and writes their sheets; returns what is printed."""
    frames = frames_of(data)
    out.mkdir(parents=True, exist_ok=True)
    estimator = HandPoseEstimator()
    answer: dict[str, Summary] = {}
    for sensor, files in frames.items():
        folder = data / "nyu" if sensor == "nyu" else data / "frames" / sensor
        camera = Camera.load(folder / "camera.json")
        results = run_sensor(estimator, camera, files, side)
        summary = summary_of(results)
        truth, first = folder / "test_groundtruth_uvd.txt.gz", results[0]
        if truth.is_file():
            summary["error_mm"] = None if first.hand is None else round(nyu_error(first.hand, camera, truth), 2)
        answer[sensor] = summary
        write_image(out / f"real_{sensor}.png", sheet_of(results))
    return answer


def print_table(answer: dict[str, Summary], out: Path) -> None:
    """One row a sensor, and where the sheets are."""
    table = Table(title="real frames", caption=f"sheets: {out}/real_<sensor>.png")
    for heading in ("sensor", "frames", "found", "right", "left", "median ms", "mean 3D error, mm"):
        table.add_column(heading, justify="left" if heading == "sensor" else "right")
    for sensor, row in answer.items():
        counts = [str(row[key]) for key in ("frames", "found", "right", "left")]
        error = "" if "error_mm" not in row else "no hand" if row["error_mm"] is None else f"{row['error_mm']:.1f}"
        table.add_row(sensor, *counts, f"{row['median_ms']:.1f}", error)
    Console().print(table)


def main(
    data: Annotated[Path, typer.Option(help="Folder of real frames; KNUCKLE_SHARED_DATA sets the default.")] = DATA,
    out: Annotated[Path, typer.Option(help="Folder that the sheets are written to.")] = REPOSITORY / "benchmarks/out",
    side: Annotated[str, typer.Option(help="right, left or auto.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Hand pose on every real frame: frames found, time, and sheets to look at."""
    try:
        answer = measure(data, out, side)
    except (KnuckleError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    print_table(answer, out)
    if as_json:
        print(json.dumps(answer))


if __name__ == "__main__":
    typer.run(main)
