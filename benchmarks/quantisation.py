"""The shipped networks with 8-bit weights and activations: size, time a crop, and error on held-out synthetic hands.

    python benchmarks/quantisation.py [--count 600] [--json]

The convolutions alone, as `knuckle export --int8` does it: ONNX Runtime's static quantisation, calibrated on 256
rendered crops that are not among the held-out ones. Time is of one crop on one thread; the rows take turns.
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from knuckle import HandPoseEstimator
from knuckle.crop import from_crop
from knuckle.data.store import SampleStore
from knuckle.metrics import joint_errors
from knuckle.networks import SHIPPED
from knuckle.pipeline.quantise import calibration_crops, quantise_convolutions
from knuckle.synth.generate import SynthSettings
from knuckle.synth.production import generate

NETWORKS = {"segmentation": ("depth",), "regression": ("depth", "probabilities")}
VARIANTS: dict[str, tuple[str, ...]] = {
    "float32": (),
    "int8 segmentation (--int8)": ("segmentation",),
    "int8 regression": ("regression",),
    "int8 both": ("segmentation", "regression"),
}
ALLOWED_MM = 0.3
ROUNDS, BATCH = 200, 64


def write_variant(names: tuple[str, ...], folder: Path, depth: NDArray[np.float32]) -> None:
    """Both networks, those that are named in 8 bits, in a folder that `HandPoseEstimator` takes."""
    folder.mkdir()
    inputs = {"depth": depth[:, None, None], "probabilities": HandPoseEstimator().segment(depth)[:, None]}
    for network, wanted in NETWORKS.items():
        source, target = SHIPPED / f"{network}.onnx", folder / f"{network}.onnx"
        if network in names:
            feeds = [{name: inputs[name][index] for name in wanted} for index in range(len(depth))]
            quantise_convolutions(source, target, feeds)
        else:
            target.write_bytes(source.read_bytes())


def error_mm(estimator: HandPoseEstimator, store: SampleStore) -> float:
    """Mean joint error on a store."""
    depth, placed = store.read("depth"), []
    for start in range(0, len(store), BATCH):
        crops = depth[start : start + BATCH]
        placed.append(estimator.regress(crops, estimator.segment(crops))[0])
    found = from_crop(np.concatenate(placed), store.read("center"), store.read("cube_mm"))
    return float(joint_errors(found, store.read("joints")).mean())


def times_ms(estimators: dict[str, HandPoseEstimator], crop: NDArray[np.float32]) -> dict[str, float]:
    """Median time of one crop through both networks."""
    times: dict[str, list[float]] = {name: [] for name in estimators}
    for _ in range(ROUNDS):
        for name, estimator in estimators.items():
            began = time.perf_counter()
            estimator.regress(crop, estimator.segment(crop))
            times[name].append(1000 * (time.perf_counter() - began))
    return {name: float(np.median(spent)) for name, spent in times.items()}


def rendered(folder: Path, count: int, seed: int, hand: str) -> SampleStore:
    path = folder / f"{hand}-{seed}-{count}.zarr"
    generate(path, SynthSettings(hand=hand, coarse_share=0, empty_share=0), count, seed)
    return SampleStore.open(path)


def main(
    count: Annotated[int, typer.Option(min=1, help="Held-out hands of each model.")] = 600,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Quantise, measure, compare."""
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        calibration = calibration_crops()
        sets = {hand: rendered(folder, count, 91_002, hand) for hand in ("makehuman", "soma")}
        estimators = {}
        for number, (variant, names) in enumerate(VARIANTS.items()):
            write_variant(names, folder / str(number), calibration)
            estimators[variant] = HandPoseEstimator(folder / str(number), threads=1)
            sizes = [(folder / str(number) / f"{network}.onnx").stat().st_size for network in NETWORKS]
            results[variant] = {"mb": sum(sizes) / 1e6}
            results[variant] |= {f"{hand}_mm": error_mm(estimators[variant], store) for hand, store in sets.items()}
        for variant, spent in times_ms(estimators, calibration[:1]).items():
            results[variant]["ms"] = spent
    table = Table("networks", "MB", "MakeHuman, mm", "SOMA, mm", "ms a crop", f"within {ALLOWED_MM} mm")
    plain = results["float32"]
    for variant, found in results.items():
        holds = all(found[f"{hand}_mm"] - plain[f"{hand}_mm"] <= ALLOWED_MM for hand in ("makehuman", "soma"))
        numbers = (f"{found[key]:.2f}" for key in ("mb", "makehuman_mm", "soma_mm", "ms"))
        table.add_row(variant, *numbers, "yes" if holds else "no")
    Console().print(table)
    if as_json:
        print(json.dumps(results))


if __name__ == "__main__":
    typer.run(main)
