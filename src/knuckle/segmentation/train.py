"""Step 1: the segmentation network, supervised by synthetic part maps."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from knuckle.anatomy import LABELS
from knuckle.segmentation.network import CompactSegmenter, PaperSegmenter
from knuckle.training.augment import augment
from knuckle.training.checkpoint import load_weights
from knuckle.training.loop import fit
from knuckle.training.recipe import SegmentationRecipe


def make_segmenter(recipe: SegmentationRecipe) -> nn.Module:
    """The network that a recipe asks for, untrained."""
    if recipe.network == "paper":
        return PaperSegmenter(recipe.size.contrast)
    return CompactSegmenter(recipe.size.widths, recipe.size.hidden, recipe.size.contrast)


def train_segmenter(
    recipe: SegmentationRecipe,
    depth: NDArray[np.float16],
    parts: NDArray[np.uint8],
    folder: Path,
    progress: Callable[[int, int, float], None] = lambda step, steps, loss: None,
) -> nn.Module:
    """Trains on depth (N, 48, 48) in [-1, 1] and part maps (N, 48, 48); saves in folder and resumes (see `fit`)."""
    torch.manual_seed(recipe.fit.seed)
    model = make_segmenter(recipe)
    if recipe.start is not None:
        load_weights(model, Path(recipe.start))
    generator = torch.Generator().manual_seed(recipe.fit.seed)
    weights = torch.ones(len(LABELS))
    weights[0] = recipe.not_hand_weight

    def loss_of(indices: NDArray[np.int64]) -> Tensor:
        crops = augment(torch.from_numpy(depth[indices]).float()[:, None], generator)
        labels = torch.from_numpy(parts[indices]).long().masked_fill(crops[:, 0] >= 1, -100)
        return F.cross_entropy(model(crops).float(), labels, weights, ignore_index=-100)

    fit(model, loss_of, len(depth), recipe.fit, folder, progress, generator)
    return model
