"""The networks, fine-tuned on a few hundred frames of another sensor whose joints are known, and judged on others.

Step 2 of [N] for a user: maps of f_s, cleaned, are taken as labels where their barycentres come closer to the joints
than those of the maps as they were; then the regressor learns the joints themselves. Rendered hands make up the rest of
every batch, so that nothing is forgotten. What is not better on held-out frames is not written.
"""

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from knuckle.anatomy import LABELS
from knuckle.crop import SIZE, surface
from knuckle.data.memory import TrainingData
from knuckle.data.shards import package_version
from knuckle.errors import AdaptError, SettingsError
from knuckle.metrics import joint_errors
from knuckle.pipeline.onnx_weights import load_exported
from knuckle.pipeline.run import Progress
from knuckle.regression.export import export_regressor
from knuckle.regression.network import VotingRegressor
from knuckle.regression.train import make_regressor, place_joints, voting_loss
from knuckle.restoration.gate import accept
from knuckle.restoration.vote import count_neighbours, restored
from knuckle.segmentation.export import WithProbabilities, export_segmenter
from knuckle.segmentation.network import part_probabilities
from knuckle.segmentation.train import LabelledCrops, fine_tune, make_segmenter, predict_parts, probabilities_in_batches
from knuckle.synth.generate import SynthSettings
from knuckle.synth.production import generate
from knuckle.training.augment import Turns, augment
from knuckle.training.device import floats_on
from knuckle.training.loop import fit
from knuckle.training.recipe import FitSettings, RegressionRecipe, SegmentationRecipe

FEWEST = 40
"""Frames, below which neither training nor judging them means anything."""

_BLOCKS = 20  # of neighbouring frames, that the interval draws from: neighbours are no two independent frames
_DRAWS = 2000
_TRIFLE = 0.02
_FAR_MM = 50.0  # between what networks and annotators call a joint, in the mean: no habits differ that much
_SYNTHETIC_SEED = 3_000_000  # plus the settings' seed


@dataclass(frozen=True)
class AdaptSettings:
    """steps: batches of the regressor, a quarter of them of the segmentation network; held_out: share of the frames,
    the last in time, that judge; synthetic: rendered hands of each model; real_share: of a batch."""

    steps: int = 300
    batch: int = 64
    held_out: float = 0.25
    synthetic: int = 4000
    real_share: float = 0.5
    rate: float = 1e-3
    threads: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 < self.held_out < 1 and 0 < self.real_share < 1 and self.steps >= 1 and self.synthetic >= 1):
            raise SettingsError("held_out and real_share must lie between 0 and 1, steps and synthetic be at least 1")


@dataclass(frozen=True)
class Adapted:
    """Mean joint errors in mm on held-out frames, and the 95 % interval of their difference, after less before."""

    trained_on: int
    gated: int
    held_out: int
    before_mm: float
    after_mm: float
    low_mm: float
    high_mm: float

    @property
    def is_better(self) -> bool:
        """Beyond doubt, and by more than a trifle: the whole interval lies below 0, and the mean 2 % below before."""
        return self.high_mm < 0 and self.after_mm < (1 - _TRIFLE) * self.before_mm

    def in_words(self) -> str:
        return (
            f"{self.before_mm:.1f} mm before, {self.after_mm:.1f} mm after on {self.held_out} held-out frames "
            f"(difference {self.low_mm:+.1f} to {self.high_mm:+.1f} mm)"
        )


def adapt(
    frames: TrainingData,
    weights: Path,
    out: Path,
    settings: AdaptSettings | None = None,
    progress: Progress = lambda name, done, total, loss: None,
) -> Adapted:
    """Fine-tunes the networks of a folder on frames in the order of their time; writes them if that made them better.

    out: a new folder for segmentation.onnx, regression.onnx and adapted.json; it appears whole or not at all. Raises
    `SettingsError` if it is there, or there are fewer than 40 frames, `WeightsError` if the weights are of another size
    than the shipped ones, `AdaptError` if the joints cannot be these frames', or the networks did not become better:
    then nothing is written.
    """
    settings = settings or AdaptSettings()
    if out.exists():
        raise SettingsError(f"{out}: is there already: choose another folder")
    if len(frames) < FEWEST:
        raise SettingsError(f"{len(frames)} frames with all 21 joints are too few: at least {FEWEST} are needed")
    split = len(frames) - max(1, round(len(frames) * settings.held_out))
    train, held_out = frames[:split], frames[split:]
    with tempfile.TemporaryDirectory(prefix="knuckle-") as name:
        folder = Path(name)
        networks = _Networks.load(weights)
        before = networks.errors(held_out)
        if before.mean() > _FAR_MM:
            raise AdaptError(
                f"the joints lie {before.mean():.0f} mm from where the networks see them: are they of these frames, in "
                "mm, with x right, y down, z forward, and in the columns of their names?"
            )
        synthetic = _rendered(folder, settings, progress)
        gated = networks.tune_parts(train, synthetic, settings, folder, progress)
        networks.tune_joints(train, synthetic, settings, folder, progress)
        result = _compared(len(train), gated, before, networks.errors(held_out), settings.seed)
        if not result.is_better:
            raise AdaptError(f"no better: {result.in_words()}; nothing was written")
        networks.write(folder / "out", result, settings)
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / "out", out)
    return result


@dataclass(frozen=True)
class _Networks:
    """The pair in PyTorch."""

    segmenter: torch.nn.Module
    regressor: VotingRegressor

    @classmethod
    def load(cls, weights: Path) -> "_Networks":
        segmenter, regressor = make_segmenter(SegmentationRecipe()), make_regressor(RegressionRecipe())
        generator = torch.Generator().manual_seed(0)
        depth = torch.rand(2, 1, SIZE, SIZE, generator=generator) * 2 - 1
        probabilities = torch.rand(2, len(LABELS), SIZE, SIZE, generator=generator).softmax(dim=1)
        load_exported(WithProbabilities(segmenter), weights / "segmentation.onnx", {"depth": depth})
        load_exported(regressor, weights / "regression.onnx", {"depth": depth, "probabilities": probabilities})
        return cls(segmenter, regressor)

    def errors(self, frames: TrainingData) -> NDArray[np.float64]:
        """(N,) mm: mean joint error of every frame."""
        maps = np.concatenate(list(probabilities_in_batches(self.segmenter, frames.depth)))
        places = place_joints(self.regressor, frames.depth, np.rint(maps * 255).astype(np.uint8))
        return np.asarray(joint_errors(frames.to_mm(places), frames.joints_mm()).mean(axis=1))

    def tune_parts(
        self, train: TrainingData, synthetic: TrainingData, settings: AdaptSettings, folder: Path, progress: Progress
    ) -> int:
        """Fine-tunes the segmentation network on cleaned maps that pass [N]'s gate (§3.1); returns how many did."""
        predicted = predict_parts(self.segmenter, train.depth)
        cleaned = np.stack([restored(part_map, count_neighbours(part_map)) for part_map in predicted])
        points = surface(train.depth.astype(np.float32), train.center, train.cube_mm)
        used = accept(predicted, cleaned, points, train.joints_mm())
        fine_tune(
            self.segmenter,
            SegmentationRecipe(),
            _fit(settings, max(1, settings.steps // 4)),
            LabelledCrops(synthetic.depth, synthetic.parts),
            LabelledCrops(train.depth[used], cleaned[used]),
            settings.real_share,
            folder / "segmentation",
            lambda *at: progress("parts", *at),
        )
        return int(used.sum())

    def tune_joints(
        self, train: TrainingData, synthetic: TrainingData, settings: AdaptSettings, folder: Path, progress: Progress
    ) -> None:
        """Fine-tunes the regressor on the joints, a share of every batch, and on rendered hands."""
        generator = torch.Generator().manual_seed(settings.seed)
        turns, real = Turns(30.0, 0.1), max(1, round(settings.batch * settings.real_share))

        def loss_of(indices: NDArray[np.int64]) -> Tensor:
            drawn = torch.randint(len(train), (real,), generator=generator).numpy()
            turn = turns.draw(real, generator, torch.device("cpu"))
            rest = indices[real:]
            crops = torch.cat(
                [
                    turn.depth(floats_on(self.regressor, train.depth[drawn])[:, None]),
                    floats_on(self.regressor, synthetic.depth[rest])[:, None],
                ]
            )
            crops = augment(crops, generator)
            with torch.no_grad():
                probabilities = part_probabilities(self.segmenter(crops), crops)
            joints = floats_on(self.regressor, np.concatenate([train.joints[drawn], synthetic.joints[rest]]))
            joints[:real] = turn.joints(joints[:real])
            return voting_loss(self.regressor.places(crops, probabilities), joints)

        tell: Callable[[int, int, float], None] = lambda *at: progress("joints", *at)
        fit(
            self.regressor,
            loss_of,
            len(synthetic),
            _fit(settings, settings.steps),
            folder / "regression",
            tell,
            generator,
        )

    def write(self, folder: Path, result: Adapted, settings: AdaptSettings) -> None:
        export_segmenter(self.segmenter, folder / "segmentation.onnx")
        export_regressor(self.regressor, folder / "regression.onnx")
        report = {"knuckle": package_version(), **asdict(settings), **asdict(result)}
        (folder / "adapted.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _fit(settings: AdaptSettings, steps: int) -> FitSettings:
    return FitSettings(
        steps=steps,
        batch=settings.batch,
        optimiser="muon",
        rate=settings.rate,
        threads=settings.threads,
        seed=settings.seed,
    )


def _rendered(folder: Path, settings: AdaptSettings, progress: Progress) -> TrainingData:
    """Hands of both models with all sensors and clutter."""
    stores = []
    for number, hand in enumerate(("makehuman", "soma")):
        stores.append(str(folder / f"{hand}.zarr"))
        seed = _SYNTHETIC_SEED + 2 * settings.seed + number
        generate(stores[-1], SynthSettings(hand=hand), settings.synthetic, seed, workers=settings.threads)
        progress("rendered hands", number + 1, 2, float("nan"))
    return TrainingData.load(*stores)


def _compared(
    trained_on: int, gated: int, before: NDArray[np.float64], after: NDArray[np.float64], seed: int
) -> Adapted:
    """The means, and what the mean difference is with 95 % confidence: bootstrap over blocks of neighbouring frames."""
    difference = after - before
    blocks = np.array_split(difference, min(_BLOCKS, len(difference)))
    drawn = np.random.default_rng(seed).integers(len(blocks), size=(_DRAWS, len(blocks)))
    sums, counts = np.array([block.sum() for block in blocks]), np.array([len(block) for block in blocks])
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Adapted(trained_on, gated, len(before), float(before.mean()), float(after.mean()), float(low), float(high))
