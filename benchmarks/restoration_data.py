"""What benchmarks/restoration.py works on: a dictionary, and frames of the sensor gap as a network sees them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knuckle.data.store import SampleStore
from knuckle.metrics import class_accuracy, confusion_matrix, pixel_accuracy
from knuckle.networks import load_segmentation
from knuckle.pipeline.dictionary import build_dictionary
from knuckle.restoration.patches import PATCH
from knuckle.synth.benchmark import SENSOR_GAP
from knuckle.synth.production import generate

DICTIONARY_SEED = 74_001  # of no group of the benchmark


@dataclass(frozen=True, eq=False)
class Frames:
    """predicted and truth (N, 48, 48) uint8; probabilities (N, 21, 48, 48) float32: what the network says."""

    predicted: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    probabilities: NDArray[np.float32]

    def accuracy(self, maps: NDArray[np.uint8]) -> tuple[float, float]:
        """Share of the hand's pixels, and mean over parts, with the right label, %."""
        confusion = confusion_matrix(maps, self.truth)
        return 100 * pixel_accuracy(confusion), 100 * class_accuracy(confusion)


def dictionary_file(folder: Path, maps: int, patch: int = PATCH) -> Path:
    """A dictionary of the first clean hands of one store, made on first use."""
    path = folder / f"parts-{maps}-{patch}.kdict"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        store = folder / f"clean-{maps}.zarr"
        generate(store, SENSOR_GAP["source"][0], maps, DICTIONARY_SEED)
        build_dictionary([store], path, patch)
    return path


def frames_of(folder: Path, group: str, count: int, weights: Path) -> Frames:
    """The first frames of a group of the benchmark, segmented by a network."""
    settings, _, seed = SENSOR_GAP[group]
    path = folder / f"{group}-{count}.zarr"
    generate(path, settings, count, seed)
    store = SampleStore.open(path)
    network = load_segmentation(weights)
    probabilities = np.concatenate([network.run(depth=depth[None, None])[0] for depth in store.read("depth")])
    return Frames(probabilities.argmax(axis=1).astype(np.uint8), store.read("parts"), probabilities)
