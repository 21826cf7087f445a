"""Step 3: the joint regressor, on depth and the probabilities of a trained segmentation network."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from knuckle.regression.network import VotingRegressor
from knuckle.training.augment import augment
from knuckle.training.loop import fit
from knuckle.training.recipe import RegressionRecipe

_NO_HAND = 1.0  # error that counts for a crop without a hand, in halves of the cube: as bad as missing it


def make_regressor(recipe: RegressionRecipe) -> VotingRegressor:
    """The network that a recipe asks for, untrained."""
    return VotingRegressor(recipe.size.widths, recipe.size.hidden, recipe.size.contrast)


def train_regressor(
    model: VotingRegressor,
    recipe: RegressionRecipe,
    probabilities_of: Callable[[Tensor], Tensor],
    depth: NDArray[np.float16],
    joints: NDArray[np.float32],
    folder: Path,
    progress: Callable[[int, int, float], None] = lambda step, steps, loss: None,
) -> VotingRegressor:
    """Trains on depth (N, 48, 48) and joints (N, 21, 3) in cube coordinates, NaN where there is no hand.

    `probabilities_of` gives the part probabilities (B, 21, 48, 48) of crops (B, 1, 48, 48). The loss is the mean
    distance, plus the likelihood of the expected error under an exponential distribution of distances.
    """
    generator = torch.Generator().manual_seed(recipe.fit.seed)

    def loss_of(indices: NDArray[np.int64]) -> Tensor:
        crops = augment(torch.from_numpy(depth[indices]).float()[:, None], generator)
        truth = torch.from_numpy(joints[indices])
        with torch.no_grad():
            probabilities = probabilities_of(crops)
        estimate, spread = model(crops, probabilities)
        hand = ~truth.isnan().any(dim=2)  # (B, 21)
        distance = (estimate - truth.nan_to_num()).square().sum(dim=2).clamp_min(1e-8).sqrt()
        error = torch.where(hand, distance, torch.full_like(distance, _NO_HAND))
        likelihood = error.detach() / spread + spread.log()
        return (distance * hand).sum() / hand.sum().clamp_min(1) + recipe.spread_weight * likelihood.mean()

    fit(model, loss_of, len(depth), recipe.fit, folder, progress, generator)
    return model
