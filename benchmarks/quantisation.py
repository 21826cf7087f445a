"""The shipped networks with 8-bit weights and activations: size, time a crop, and error on held-out synthetic hands.

    python benchmarks/quantisation.py [--count 600] [--json]

Rows "segmentation" (what `knuckle export --int8` writes), "regression" and "both": their convolutions alone, calibrated
on 256 rendered crops that are not among the held-out ones. Rows "dynamic": all nodes that ONNX Runtime can put in 8
bits, with ranges taken anew for each crop. Time is of one crop on one thread; the rows take turns.
"""

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
ALLOWED_MM = 0.3
ROUNDS, BATCH = 200, 64

Feeds = list[dict[str, NDArray[np.float32]]]


def quantise_dynamically(source: Path, target: Path, feeds: Feeds) -> None:
    """As `quantise_convolutions`, but it needs no feeds."""
    from onnxruntime.quantization import quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    quant_pre_process(source, target, skip_symbolic_shape=True)
    quantize_dynamic(target, target, per_channel=True)


VARIANTS: dict[str, dict[str, Callable[[Path, Path, Feeds], None]]] = {
    "none": {},
    "segmentation": {"segmentation": quantise_convolutions},
    "regression": {"regression": quantise_convolutions},
    "both": {"segmentation": quantise_convolutions, "regression": quantise_convolutions},
    "dynamic segmentation": {"segmentation": quantise_dynamically},
    "dynamic regression": {"regression": quantise_dynamically},
}


def write_variant(methods: dict[str, Callable], folder: Path, depth: NDArray[np.float32]) -> None:
    """Both networks, those that have a method in 8 bits, in a folder that `HandPoseEstimator` takes."""
    folder.mkdir()
    inputs = {"depth": depth[:, None, None], "probabilities": HandPoseEstimator().segment(depth)[:, None]}
    for network, wanted in NETWORKS.items():
        source, target = SHIPPED / f"{network}.onnx", folder / f"{network}.onnx"
        if network in methods:
            feeds = [{name: inputs[name][index] for name in wanted} for index in range(len(depth))]
            methods[network](source, target, feeds)
        else:
            target.write_bytes(source.read_bytes())


def joints_mm(estimator: HandPoseEstimator, store: SampleStore) -> NDArray[np.float64]:
    """The joints (N, 21, 3) of a store's hands, camera axes."""
    depth, placed = store.read("depth"), []
    for start in range(0, len(store), BATCH):
        crops = depth[start : start + BATCH]
        placed.append(estimator.regress(crops, estimator.segment(crops))[0])
    return from_crop(np.concatenate(placed), store.read("center"), store.read("cube_mm"))


def times_ms(estimators: dict[str, HandPoseEstimator], crop: NDArray[np.float32]) -> dict[str, tuple[float, float]]:
    """Median times of one crop: segmentation, regression."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in estimators}
    for _ in range(ROUNDS):
        for name, estimator in estimators.items():
            began = time.perf_counter()
            probabilities = estimator.segment(crop)
            between = time.perf_counter()
            estimator.regress(crop, probabilities)
            times[name].append((1000 * (between - began), 1000 * (time.perf_counter() - between)))
    return {name: tuple(np.median(spent, axis=0).tolist()) for name, spent in times.items()}


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
        plain = {hand: joints_mm(HandPoseEstimator(threads=1), store) for hand, store in sets.items()}
        for number, (variant, methods) in enumerate(VARIANTS.items()):
            write_variant(methods, folder / str(number), calibration)
            estimators[variant] = HandPoseEstimator(folder / str(number), threads=1)
            sizes = [(folder / str(number) / f"{network}.onnx").stat().st_size for network in NETWORKS]
            results[variant] = {"mb": sum(sizes) / 1e6}
            for hand, store in sets.items():
                found = joints_mm(estimators[variant], store)
                results[variant][f"{hand}_mm"] = float(joint_errors(found, store.read("joints")).mean())
                results[variant][f"{hand}_moved_mm"] = float(joint_errors(found, plain[hand]).mean())
        for variant, spent in times_ms(estimators, calibration[:1]).items():
            results[variant] |= {"segmentation_ms": spent[0], "regression_ms": spent[1]}
    show(results)
    if as_json:
        print(json.dumps(results))


def show(results: dict[str, dict[str, float]]) -> None:
    """Prints the table: errors of each hand model, and how far joints moved."""
    columns = ("8 bits", "MB", "MakeHuman mm", "moved mm", "SOMA mm", "moved mm", "parts ms", "joints ms")
    keys = ("mb", "makehuman_mm", "makehuman_moved_mm", "soma_mm", "soma_moved_mm", "segmentation_ms", "regression_ms")
    table = Table(*columns, f"≤ {ALLOWED_MM} mm")
    for variant, found in results.items():
        more = max(found[key] - results["none"][key] for key in ("makehuman_mm", "soma_mm"))
        table.add_row(variant, *(f"{found[key]:.2f}" for key in keys), "yes" if more <= ALLOWED_MM else "no")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
