"""Training of segmentation networks: step 1 on synthetic hands, step 2 on a mix with real frames, and the teacher."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from knuckle.anatomy import LABELS
from knuckle.segmentation.network import SEGMENTERS, part_probabilities
from knuckle.segmentation.teacher import ConditionedSegmenter
from knuckle.training.augment import augment
from knuckle.training.checkpoint import load_weights
from knuckle.training.device import chosen_device, floats_on
from knuckle.training.loop import Batch, Progress, fit
from knuckle.training.recipe import FitSettings, SegmentationRecipe, TeacherSettings

_UNKNOWN = -100  # label that the loss leaves out
_BATCH = 64  # of prediction


@dataclass(frozen=True, eq=False)
class LabelledCrops:
    """depth (N, 48, 48) in [-1, 1] and part maps (N, 48, 48) uint8."""

    depth: NDArray[np.float16]
    parts: NDArray[np.uint8]


def make_segmenter(recipe: SegmentationRecipe) -> nn.Module:
    """The network that a recipe asks for, untrained."""
    size = recipe.size
    if recipe.network == "compact":
        return SEGMENTERS["compact"](size.widths, size.hidden, size.contrast)
    return SEGMENTERS[recipe.network](contrast=size.contrast)


def load_segmenter(recipe: SegmentationRecipe, path: Path) -> nn.Module:
    """The same network with trained weights. Raises `WeightsError` as `load_weights` does."""
    model = make_segmenter(recipe)
    load_weights(model, path)
    return model.to(chosen_device(recipe.fit.device)).eval()


def train_segmenter(
    recipe: SegmentationRecipe,
    depth: NDArray[np.float16],
    parts: NDArray[np.uint8],
    folder: Path,
    progress: Progress = lambda step, steps, loss: None,
) -> nn.Module:
    """Step 1: trains on depth (N, 48, 48) in [-1, 1] and part maps (N, 48, 48); saves and resumes (see `fit`).

    With `recipe.weights` it is trained already.
    """
    if recipe.weights is not None:
        return load_segmenter(recipe, Path(recipe.weights))
    torch.manual_seed(recipe.fit.seed)
    model = make_segmenter(recipe)
    if recipe.start is not None:
        load_weights(model, Path(recipe.start))
    fine_tune(model, recipe, recipe.fit, LabelledCrops(depth, parts), None, 0.0, folder, progress)
    return model


def fine_tune(
    model: nn.Module,
    recipe: SegmentationRecipe,
    settings: FitSettings,
    synthetic: LabelledCrops,
    real: LabelledCrops | None,
    real_share: float,
    folder: Path,
    progress: Progress = lambda step, steps, loss: None,
) -> None:
    """Step 2: goes on with `model` on batches of synthetic crops, of which `real_share` are replaced by real ones, at
    least one of each batch.

    With real None, or without a crop in it, all are synthetic. Saves in folder and resumes (see `fit`).
    """
    generator = torch.Generator().manual_seed(settings.seed)
    weights = torch.ones(len(LABELS))
    weights[0] = recipe.not_hand_weight
    share = real_share if real is not None and len(real.depth) else 0.0

    def draw(indices: NDArray[np.int64]) -> Batch:
        replaced = max(1, round(len(indices) * share)) if share else 0
        depth, parts = synthetic.depth[indices[replaced:]], synthetic.parts[indices[replaced:]]
        if real is not None and replaced:
            others = torch.randint(len(real.depth), (replaced,), generator=generator).numpy()
            depth = np.concatenate([depth, real.depth[others]])
            parts = np.concatenate([parts, real.parts[others]])
        crops = floats_on(model, depth)[:, None]
        if recipe.augment:
            crops = augment(crops, generator)
        return crops, *_labels(parts, crops, weights)

    def loss_of(crops: Tensor, labels: Tensor, totals: Tensor) -> Tensor:
        return _loss(model(crops), labels, totals, weights)

    fit(model, draw, loss_of, len(synthetic.depth), settings, folder, progress, generator)


def train_teacher(
    recipe: TeacherSettings,
    not_hand_weight: float,
    crops: LabelledCrops,
    joints: NDArray[np.float32],
    cube_mm: float,
    folder: Path,
    progress: Progress = lambda step, steps, loss: None,
) -> ConditionedSegmenter:
    """Trains a network that is told the joints (N, 21, 3), as seen in the crops, with the recipe's noise on them."""
    torch.manual_seed(recipe.fit.seed)
    model = ConditionedSegmenter(recipe.size.widths, recipe.size.hidden, recipe.size.contrast)
    generator = torch.Generator().manual_seed(recipe.fit.seed)
    weights = torch.ones(len(LABELS))
    weights[0] = not_hand_weight
    noise = recipe.joint_noise_mm / (cube_mm / 2)

    def draw(indices: NDArray[np.int64]) -> Batch:
        depth = augment(floats_on(model, crops.depth[indices])[:, None], generator)
        told = torch.from_numpy(joints[indices])
        told = told + noise * torch.randn(told.shape, generator=generator)
        return depth, told.to(depth.device), *_labels(crops.parts[indices], depth, weights)

    def loss_of(depth: Tensor, told: Tensor, labels: Tensor, totals: Tensor) -> Tensor:
        return _loss(model(depth, told), labels, totals, weights)

    fit(model, draw, loss_of, len(crops.depth), recipe.fit, folder, progress, generator)
    return model


def hand_axes(joints: Tensor) -> Tensor:
    """Columns (N, 3, 3) along the hand, across it, and out of the palm, of joints (N, 21, 3) in any Cartesian frame."""
    along = F.normalize(joints[:, 9] - joints[:, 0], dim=1)
    across = joints[:, 17] - joints[:, 5]
    normal = F.normalize(torch.linalg.cross(along, across), dim=1)
    return torch.stack([along, torch.linalg.cross(normal, along), normal], dim=2)


def probabilities_in_batches(
    model: nn.Module, depth: NDArray[np.float16], joints: NDArray[np.float32] | None = None
) -> Iterator[NDArray[np.float32]]:
    """Part probabilities (B, 21, 48, 48) of depth (N, 48, 48), batch by batch; joints (N, 21, 3) for a teacher."""
    for start in range(0, len(depth), _BATCH):
        crops = floats_on(model, depth[start : start + _BATCH])[:, None]
        told = [] if joints is None else [floats_on(model, joints[start : start + _BATCH])]
        with torch.inference_mode():
            yield part_probabilities(model(crops, *told), crops).cpu().numpy()


def predict_parts(
    model: nn.Module, depth: NDArray[np.float16], joints: NDArray[np.float32] | None = None
) -> NDArray[np.uint8]:
    """The most probable part (N, 48, 48) at every pixel of depth (N, 48, 48); joints (N, 21, 3) for a teacher."""
    batches = probabilities_in_batches(model, depth, joints)
    return np.concatenate([batch.argmax(axis=1).astype(np.uint8) for batch in batches])


def _labels(parts: NDArray[np.uint8], crops: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Labels (N, 48, 48) of a batch's pixels that measure something, and each crop's divisor of the batch's loss (N,).

    The loss is the mean over all these pixels, by their weights (21,), whichever process sees a crop.
    """
    labels = torch.from_numpy(parts).long().to(crops.device).masked_fill(crops[:, 0] >= 1, _UNKNOWN)
    total = weights.to(crops.device)[labels[labels != _UNKNOWN]].sum()
    return labels, total.expand(len(labels))


def _loss(logits: Tensor, labels: Tensor, totals: Tensor, weights: Tensor) -> Tensor:
    """Negative log-likelihood of some crops of a batch; labels and totals as `_labels` gives them."""
    loss = F.cross_entropy(logits.float(), labels, weights.to(logits.device), ignore_index=_UNKNOWN, reduction="sum")
    return loss / totals[0]
