"""The shipped pair of networks in PyTorch, and how it is fine-tuned on somebody's frames."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from knuckle.anatomy import LABELS
from knuckle.crop import SIZE, surface
from knuckle.data.memory import TrainingData
from knuckle.errors import SettingsError
from knuckle.pipeline.onnx_weights import load_exported
from knuckle.pipeline.run import Progress
from knuckle.regression.export import export_regressor
from knuckle.regression.network import VotingRegressor
from knuckle.regression.train import make_regressor, place_joints, voting_loss, voting_shares
from knuckle.restoration.gate import accept
from knuckle.restoration.vote import count_neighbours, restored
from knuckle.segmentation.export import WithProbabilities, export_segmenter
from knuckle.segmentation.network import part_probabilities
from knuckle.segmentation.train import LabelledCrops, fine_tune, make_segmenter, predict_parts, probabilities_in_batches
from knuckle.training.augment import Turns, augment
from knuckle.training.device import floats_on
from knuckle.training.loop import Batch, fit
from knuckle.training.recipe import FitSettings, RegressionRecipe, SegmentationRecipe


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

    def fit(self, steps: int) -> FitSettings:
        return FitSettings(
            steps=steps, batch=self.batch, optimiser="muon", rate=self.rate, threads=self.threads, seed=self.seed
        )


@dataclass(frozen=True)
class Pair:
    """Both networks, of the size that knuckle ships."""

    segmenter: nn.Module
    regressor: VotingRegressor

    @classmethod
    def load(cls, weights: Path) -> "Pair":
        """From a folder of ONNX files, as `HandPoseEstimator` takes it. Raises `WeightsError` as `load_exported`."""
        segmenter, regressor = make_segmenter(SegmentationRecipe()), make_regressor(RegressionRecipe())
        generator = torch.Generator().manual_seed(0)
        depth = torch.rand(2, 1, SIZE, SIZE, generator=generator) * 2 - 1
        probabilities = torch.rand(2, len(LABELS), SIZE, SIZE, generator=generator).softmax(dim=1)
        load_exported(WithProbabilities(segmenter), weights / "segmentation.onnx", {"depth": depth})
        load_exported(regressor, weights / "regression.onnx", {"depth": depth, "probabilities": probabilities})
        return cls(segmenter, regressor)

    def place(self, frames: TrainingData) -> NDArray[np.float32]:
        """Joints (N, 21, 3) in crop coordinates."""
        maps = np.concatenate(list(probabilities_in_batches(self.segmenter, frames.depth)))
        return place_joints(self.regressor, frames.depth, np.rint(maps * 255).astype(np.uint8))

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
            settings.fit(max(1, settings.steps // 4)),
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

        def draw(indices: NDArray[np.int64]) -> Batch:
            drawn = torch.randint(len(train), (real,), generator=generator).numpy()
            turn = turns.draw(real, generator, torch.device("cpu"))
            rest = indices[real:]
            crops = torch.cat(
                [
                    turn.depth(floats_on(self.regressor, train.depth[drawn])[:, None]),
                    floats_on(self.regressor, synthetic.depth[rest])[:, None],
                ]
            )
            joints = floats_on(self.regressor, np.concatenate([train.joints[drawn], synthetic.joints[rest]]))
            joints[:real] = turn.joints(joints[:real])
            return augment(crops, generator), joints, voting_shares(joints)

        def loss_of(crops: Tensor, joints: Tensor, shares: Tensor) -> Tensor:
            with torch.no_grad():
                probabilities = part_probabilities(self.segmenter(crops), crops)
            return voting_loss(self.regressor.places(crops, probabilities), joints, shares)

        tell: Callable[[int, int, float], None] = lambda *at: progress("joints", *at)
        fit(
            self.regressor,
            draw,
            loss_of,
            len(synthetic),
            settings.fit(settings.steps),
            folder / "regression",
            tell,
            generator,
        )

    def write(self, folder: Path) -> None:
        """Both as ONNX."""
        export_segmenter(self.segmenter, folder / "segmentation.onnx")
        export_regressor(self.regressor, folder / "regression.onnx")
