"""The shipped networks on held-out synthetic hands: of the model they were trained on, and of one they never saw.

    python benchmarks/accuracy.py [--count 2000] [--weights DIR] [--json]

Every set is rendered anew from a seed that training never uses, with sensor noise and clutter, and with the error of a
refined centre (7 mm). SOMA hands have another mesh, another rig and other proportions than the MakeHuman hands of the
training. These are simulations, not NYU.
"""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from knuckle import HandPoseEstimator
from knuckle.anatomy import HAND21
from knuckle.crop import from_crop
from knuckle.data.store import SampleStore
from knuckle.errors import KnuckleError
from knuckle.metrics import class_accuracy, confusion_matrix, hand_iou, joint_errors, pixel_accuracy
from knuckle.synth.generate import SynthSettings
from knuckle.synth.production import generate

SETS = {
    "SOMA, structured light": ("soma", "structured-light", 90_001),
    "SOMA, time of flight": ("soma", "time-of-flight", 90_003),
    "MakeHuman, structured light": ("makehuman", "structured-light", 90_002),
    "MakeHuman, time of flight": ("makehuman", "time-of-flight", 90_004),
    "MakeHuman, no noise": ("makehuman", "clean", 90_005),
}
ASKED = {"SOMA, structured light": (16.0, 70.0), "MakeHuman, structured light": (11.0, 80.0)}  # mm, % of hand pixels
BATCH = 64


def held_out(name: str, count: int, folder: Path) -> SampleStore:
    """The store of one set, made on first use."""
    hand, sensor, seed = SETS[name]
    path = folder / f"held-out-{hand}-{sensor}-{count}.zarr"
    generate(path, SynthSettings(hand=hand, sensor=sensor, coarse_share=0, empty_share=0), count, seed)
    return SampleStore.open(path)


def systematic_offsets(placed: NDArray, truth: NDArray) -> dict[str, float]:
    """Length, mm, of each joint's median offset in the palm's own axes: how far apart two rigs put the same joint."""
    along, across = truth[:, 9] - truth[:, 0], truth[:, 17] - truth[:, 5]  # wrist to middle mcp, index to pinky mcp
    normal = np.cross(across, along)
    axes = np.stack([np.cross(along, normal), along, normal], axis=1)  # (N, 3, 3), rows orthogonal
    axes /= np.linalg.norm(axes, axis=2, keepdims=True)
    offsets = np.median(np.einsum("nax,njx->nja", axes, placed - truth), axis=0)  # (21, 3) mm
    return dict(zip(HAND21, np.linalg.norm(offsets, axis=1).tolist(), strict=True))


def evaluate(estimator: HandPoseEstimator, store: SampleStore) -> tuple[dict[str, float], dict[str, float]]:
    """Mean joint error in mm and part accuracies in % of one set, and the systematic offset of every joint in mm."""
    depth, parts = store.read("depth"), store.read("parts")
    center, cube = store.read("center"), store.read("cube_mm")
    joints, confusion, spreads = [], np.zeros((21, 21), dtype=np.int64), []
    for start in range(0, len(store), BATCH):
        crops = depth[start : start + BATCH]
        probabilities = estimator.segment(crops)
        placed, spread = estimator.regress(crops, probabilities)
        joints.append(placed)
        spreads.append(spread)
        confusion += confusion_matrix(probabilities.argmax(axis=1).astype(np.uint8), parts[start : start + BATCH])
    placed = from_crop(np.concatenate(joints), center, cube)
    truth = store.read("joints")
    errors = joint_errors(placed, truth)
    result = {
        "joints_mm": float(errors.mean()),
        "tips_mm": float(errors[:, 4::4].mean()),
        "median_mm": float(np.median(errors)),
        "expected_mm": float((np.concatenate(spreads) * cube[:, None] / 2).mean()),
        "pixel_percent": 100 * pixel_accuracy(confusion),
        "class_percent": 100 * class_accuracy(confusion),
        "hand_iou_percent": 100 * hand_iou(confusion),
    }
    return result, systematic_offsets(placed, truth)


def show(results: dict[str, dict[str, float]], count: int) -> None:
    """Prints the table."""
    table = Table(title=f"{count} held-out synthetic hands a set")
    table.add_column("set")
    for column in ("joints mm", "tips mm", "median mm", "expected mm", "% pixel", "% class", "% hand IoU", "asked"):
        table.add_column(column, justify="right")
    for name, result in results.items():
        asked = "≤ {:.0f} mm, ≥ {:.0f} %".format(*ASKED[name]) if name in ASKED else ""
        table.add_row(name, *(f"{value:.1f}" for value in result.values()), asked)
    Console().print(table)


def show_offsets(offsets: dict[str, dict[str, float]]) -> None:
    """Prints a row a joint."""
    table = Table(title="systematic offset of each joint, mm")
    for column in ("joint", *offsets):
        table.add_column(column, justify="left" if column == "joint" else "right")
    for joint in HAND21:
        table.add_row(joint, *(f"{values[joint]:.1f}" for values in offsets.values()))
    Console().print(table)


def main(
    count: Annotated[int, typer.Option(min=1, help="Hands in each set.")] = 2000,
    weights: Annotated[Path | None, typer.Option(help="Folder of the ONNX pair; by default the shipped one.")] = None,
    out: Annotated[Path, typer.Option(help="Folder that keeps the rendered sets.")] = Path("benchmarks/out"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Mean joint error and part accuracy of the networks on held-out synthetic hands."""
    try:
        estimator = HandPoseEstimator(weights)
        evaluations = {name: evaluate(estimator, held_out(name, count, out)) for name in SETS}
    except KnuckleError as error:
        typer.echo(f"accuracy: {error}", err=True)
        raise typer.Exit(2) from None
    results = {name: result for name, (result, _) in evaluations.items()}
    offsets = {name: offset for name, (_, offset) in evaluations.items()}
    show(results, count)
    show_offsets(offsets)
    if as_json:
        print(json.dumps({"results": results, "offsets_mm": offsets}))


if __name__ == "__main__":
    typer.run(main)
