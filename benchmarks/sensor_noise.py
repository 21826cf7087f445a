"""The noise of the sensor models beside that of real frames: the same statistics of both, and of a clean rendering.

    python benchmarks/sensor_noise.py [--data FOLDER] [--sheets FOLDER] [--json]

The folder holds frames/kinect2, frames/sr305 and nyu, each with camera.json and its frames. For every real frame with a
hand nearer than 0.8 m a hand is rendered at the same place, with the same camera and a person as far behind it, and
measured by the model at strength 1; where there are few frames, again in other poses. What a clean rendering shows is
no noise: it is how far the statistics can be trusted.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from knuckle import Camera, read_depth
from knuckle.draw import write_image
from knuckle.errors import KnuckleError, SettingsError
from knuckle.locate import find_centers
from knuckle.synth.frame import render_scene
from knuckle.synth.hands import HandModel
from knuckle.synth.noise_statistics import (
    DIRECTIONS,
    Edge,
    Flatness,
    flatness,
    hole_shares,
    quantisation_step,
    raggedness,
    silhouette,
    walk_off,
)
from knuckle.synth.sensor import measure

REPOSITORY = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("KNUCKLE_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
SENSORS = {"nyu": "structured-light", "frames/kinect2": "time-of-flight", "frames/sr305": "coded-light"}
ERASED_MM = {"nyu": 2001.0}  # NYU's files hold this where the background was cut away or nothing was measured
BANDS_MM = ((500, 700), (700, 900), (900, 1300), (2000, 3000))
HALF_MM = 100.0  # of the cube whose content is taken for the hand
HAND_MM2 = 5000.0  # less surface is not a hand
FARTHEST_MM = 800.0  # a hand farther away is not raised towards the sensor
LEAST_SCENES = 20
GESTURES = ("open", "relaxed", "vee", "point")  # mostly what the real hands show
COLUMNS = 6  # of a sheet
TILE = 240  # px

Row = dict[str, float]


@dataclass(frozen=True)
class Picture:
    """A frame with its hand: depth (H, W) mm, centre (3,) mm, silhouette (H, W)."""

    depth: NDArray[np.float32]
    center: NDArray[np.float64]
    hand: NDArray[np.bool_]


def picture_of(depth: NDArray[np.float32], camera: Camera, center: NDArray | None = None) -> Picture | None:
    """A frame with its hand about a centre, by default the first guess; None where it is too small or too far."""
    centers = find_centers(depth, camera) if center is None else [center]
    if not centers or centers[0][2] > FARTHEST_MM:
        return None
    hand = silhouette(depth, camera, centers[0], HALF_MM)
    area = np.square(depth[hand].astype(np.float64)).sum() / (camera.fx * camera.fy)  # mm²
    return Picture(depth, centers[0], hand) if area > HAND_MM2 else None


def real_pictures(folder: Path, camera: Camera, erased: float | None) -> list[Picture]:
    """Every frame of a folder in which a hand is near."""
    found = []
    for file in sorted([*folder.glob("*.png"), *folder.glob("*/*.png")]):
        depth = read_depth(file, unit_mm=camera.depth_unit_mm)
        found.append(picture_of(np.where(depth == erased, np.float32(0), depth), camera))
    return [picture for picture in found if picture is not None]


def simulated_pictures(real: list[Picture], camera: Camera, sensor: str) -> tuple[list[Picture], list[Picture]]:
    """For every real picture a rendered one, as the sensor's model and as a clean sensor see it."""
    rng, model = np.random.default_rng(0), HandModel.load("soma")
    noisy, clean = [], []
    for picture in real * -(-LEAST_SCENES // len(real)):
        behind = picture.depth[picture.depth > picture.center[2] + 2 * HALF_MM]
        person = float(np.clip(np.median(behind), picture.center[2] + 200, 1100)) if len(behind) else 1050.0
        turn, place = tuple(rng.normal(size=3) * [15, 25, 25]), tuple(picture.center)
        gesture = str(rng.choice(GESTURES))
        scene, labels, _ = render_scene(model, camera, gesture, place, turn, person)
        for seen_by, pictures in ((sensor, noisy), ("clean", clean)):
            seen = picture_of(measure(scene, labels, camera.fx, seen_by, 1.0, rng)[0], camera, picture.center)
            if seen is not None:
                pictures.append(seen)
    return noisy, clean


def statistics_of(pictures: list[Picture], camera: Camera) -> Row:
    """All statistics of one column of the table."""
    if not pictures:
        return {"frames": 0}
    row: Row = {"frames": len(pictures), "hand at, mm": float(np.median([p.center[2] for p in pictures]))}
    row |= _surface_rows(pictures, camera) | _edge_rows(pictures)
    holes = np.mean([hole_shares(p.depth, p.hand) for p in pictures], axis=0)
    row |= {"holes in the hand, %": 100 * holes[0], "holes in 4 px around it, %": 100 * holes[1]}
    row["ragged outline"] = float(np.mean([raggedness(p.hand) for p in pictures]))
    return row


def _surface_rows(pictures: list[Picture], camera: Camera) -> Row:
    row: Row = {}
    for window in (7, 15):
        hands = Flatness.joined([flatness(p.depth, p.hand, camera.fx, window) for p in pictures])
        row[f"σ on the hand, {window} px, mm"] = _median(hands.sigma)
        if window == 7:
            row["neighbours in a row"], row["neighbours in a column"] = hands.correlation()
            row["stripes, mm"] = _median(np.abs(hands.stripe))
    all_of_it = Flatness.joined([flatness(p.depth, p.depth > 0, camera.fx, 15) for p in pictures])
    for near, far in BANDS_MM:
        row[f"σ at {near}-{far} mm, 15 px, mm"] = _median(all_of_it.between(near, far).sigma)
    row["step of depth, mm"] = _median(np.array([quantisation_step(p.depth, p.hand) for p in pictures]))
    return row


def _edge_rows(pictures: list[Picture]) -> Row:
    row: Row = {}
    edges: list[Edge] = []
    for direction in DIRECTIONS:
        walks = [walk_off(p.depth, p.hand, direction) for p in pictures]
        edges += walks
        widths = np.concatenate([walk.width for walk in walks])
        row[f"dark edge {direction}, median px"] = _median(widths)
        row[f"dark edge {direction}, mean px"] = float(widths.mean()) if len(widths) else float("nan")
    flying = np.concatenate([edge.flying for edge in edges])
    row["flying pixels an edge"] = float(flying.mean()) if len(flying) else float("nan")
    row["edges with nothing behind, %"] = 100 * float(np.nanmean([edge.open_share for edge in edges]))
    row["rise to the edge, mm"] = _median(np.concatenate([edge.rise for edge in edges]))
    return row


def _median(values: NDArray) -> float:
    return float(np.nanmedian(values)) if len(values) else float("nan")


def sheet_of(rows: list[list[Picture]], camera: Camera) -> NDArray[np.uint8]:
    """Relief pictures, real above simulated, of the first hands."""
    count = min(COLUMNS, *map(len, rows))
    return np.vstack([np.hstack([_relief(p, camera) for p in row[:count]]) for row in rows])


def _relief(picture: Picture, camera: Camera) -> NDArray[np.uint8]:
    """The hand as if lit from above left, without measurement blue, (TILE, TILE, 3)."""
    half = round(1.4 * HALF_MM * camera.fx / picture.center[2])
    u, v = np.rint(camera.project(picture.center)).astype(int)
    z = np.pad(picture.depth, half)[v : v + 2 * half, u : u + 2 * half].astype(np.float64)
    slope = np.zeros_like(z)
    slope[1:, 1:] = 2 * z[1:, 1:] - z[:-1, 1:] - z[1:, :-1]
    grey = np.clip(128 + 0.06 * slope * camera.fx / np.maximum(z, 1) * 100, 0, 255)
    shaded = np.where(z[..., None] > 0, grey[..., None], [30, 40, 110]).astype(np.uint8)
    return cv2.resize(shaded, (TILE, TILE), interpolation=cv2.INTER_NEAREST)


def compare(data: Path, sheets: Path | None) -> dict[str, dict[str, Row]]:
    """Statistics by sensor, and within it of the real, the simulated and the clean pictures."""
    answer = {}
    for name, sensor in SENSORS.items():
        if not (data / name / "camera.json").is_file():
            continue
        camera = Camera.load(data / name / "camera.json")
        real = real_pictures(data / name, camera, ERASED_MM.get(name))
        noisy, clean = simulated_pictures(real, camera, sensor)
        columns = {"real": real, "simulated": noisy, "clean": clean}
        answer[sensor] = {column: statistics_of(pictures, camera) for column, pictures in columns.items()}
        if sheets is not None:
            sheets.mkdir(parents=True, exist_ok=True)
            write_image(sheets / f"noise_{sensor}.png", sheet_of([real[1::3] or real, noisy[1::3]], camera))
    if not answer:
        raise SettingsError(f"{data}: none of {', '.join(SENSORS)} in it: give the folder with --data")
    return answer


def print_table(sensor: str, columns: dict[str, Row]) -> None:
    """One row a statistic, real and simulated side by side."""
    table = Table(title=sensor)
    table.add_column("statistic")
    for column in columns:
        table.add_column(column, justify="right")
    for name in columns["real"]:
        table.add_row(name, *(f"{row.get(name, float('nan')):.3g}" for row in columns.values()))
    Console().print(table)


def main(
    data: Annotated[Path, typer.Option(help="Folder of real frames; KNUCKLE_SHARED_DATA sets the default.")] = DATA,
    sheets: Annotated[Path | None, typer.Option(help="Folder for pictures of real above simulated hands.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Noise of every sensor model beside the real sensor's."""
    try:
        answer = compare(data, sheets)
    except (KnuckleError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    for sensor, columns in answer.items():
        print_table(sensor, columns)
    if as_json:
        print(json.dumps(answer))


if __name__ == "__main__":
    typer.run(main)
