"""Step 3: joint regressors, on depth and the probabilities of a trained segmentation network."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from knuckle.anatomy import HAND21
from knuckle.regression.baselines import CascadeRegressor
from knuckle.regression.network import VotingRegressor
from knuckle.regression.paper import PaperRegressor, SharedPaperRegressor
from knuckle.training.augment import Turn, Turns, augment
from knuckle.training.checkpoint import load_weights
from knuckle.training.device import device_of, floats_on
from knuckle.training.loop import Batch, Progress, fit
from knuckle.training.recipe import FitSettings, MethodSettings, RegressionRecipe

_NO_HAND = 1.0  # error that counts for a crop without a hand, in halves of the cube: as bad as missing it
_DISTURBANCE = 0.05  # of a cascade's first places in training, standard deviation in halves of the cube: 6 mm
_BATCH = 64  # of prediction


def make_regressor(recipe: RegressionRecipe) -> VotingRegressor:
    """The network that a recipe asks for, untrained."""
    return VotingRegressor(recipe.size.widths, recipe.size.hidden, recipe.size.contrast)


def make_method(settings: MethodSettings, first: nn.Module | None = None) -> nn.Module:
    """The network of one row of step 3, untrained; first: the trained network that a cascade begins with."""
    if settings.network == "voting":
        return VotingRegressor(settings.size.widths, settings.size.hidden, settings.size.contrast)
    if settings.network == "cascade":
        assert first is not None
        return CascadeRegressor(first, settings.input, settings.shared)
    kind = SharedPaperRegressor if settings.shared else PaperRegressor
    return kind(settings.parts != "none", settings.input)


def train_regressor(
    model: VotingRegressor,
    recipe: RegressionRecipe,
    probabilities_of: Callable[[Tensor], Tensor],
    depth: NDArray[np.float16],
    joints: NDArray[np.float32],
    folder: Path,
    progress: Progress = lambda step, steps, loss: None,
) -> VotingRegressor:
    """Trains on depth (N, 48, 48) and joints (N, 21, 3) in crop coordinates, NaN where there is no hand.

    `probabilities_of` gives the part probabilities (B, 21, 48, 48) of crops (B, 1, 48, 48).
    """
    generator = torch.Generator().manual_seed(recipe.fit.seed)

    def draw(indices: NDArray[np.int64]) -> Batch:
        crops = augment(floats_on(model, depth[indices])[:, None], generator)
        truth = floats_on(model, joints[indices])
        return crops, truth, voting_shares(truth)

    def loss_of(crops: Tensor, truth: Tensor, shares: Tensor) -> Tensor:
        with torch.no_grad():
            probabilities = probabilities_of(crops)
        return voting_loss(model.places(crops, probabilities), truth, shares, recipe.spread_weight)

    fit(model, draw, loss_of, len(depth), recipe.fit, folder, progress, generator)
    return model


def train_method(
    model: nn.Module,
    settings: FitSettings,
    turns: Turns,
    depth: NDArray[np.float16],
    probabilities: NDArray[np.uint8] | None,
    joints: NDArray[np.float32],
    folder: Path,
    progress: Progress = lambda step, steps, loss: None,
) -> None:
    """Trains any row of step 3 on real frames: depth (N, 48, 48) and joints (N, 21, 3) in crop coordinates.

    probabilities (N, 21, 48, 48): of the parts, in 1/255, None for a network that reads depth alone. Frames with an
    unknown joint (NaN) are left out. Every frame is turned about the optical axis and zoomed anew each time, with its
    parts and its joints. The loss is the mean distance ([N] §3), for the voting network with the terms of
    `voting_loss`.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    hands = np.flatnonzero(np.isfinite(joints).all(axis=(1, 2)))

    def draw(drawn: NDArray[np.int64]) -> Batch:
        indices = hands[drawn]
        turn = turns.draw(len(indices), generator, device_of(model))
        crops, truth = floats_on(model, depth[indices])[:, None], floats_on(model, joints[indices])
        batch = turn.angle, turn.size, crops, truth, voting_shares(truth)
        if probabilities is not None:
            return *batch, torch.from_numpy(probabilities[indices])
        if isinstance(model, CascadeRegressor):
            return *batch, (_DISTURBANCE * torch.randn(truth.shape, generator=generator)).to(truth.device)
        return batch

    def loss_of(angle: Tensor, size: Tensor, crops: Tensor, truth: Tensor, shares: Tensor, *more: Tensor) -> Tensor:
        turn = Turn(angle, size)
        crops, truth = turn.depth(crops), turn.joints(truth)
        parts = None if probabilities is None else turn.image(more[0].to(crops.device).float() / 255)
        if isinstance(model, VotingRegressor):
            return voting_loss(model.places(crops, _parts_or_depth(parts, crops)), truth, shares)
        told = {"disturbance": more[0]} if isinstance(model, CascadeRegressor) else {}
        return (_distance(model(crops, parts, **told), truth).sum(dim=1) * shares[:, 1]).sum()

    fit(model, draw, loss_of, len(hands), settings, folder, progress, generator)


def place_joints(
    model: nn.Module, depth: NDArray[np.float16], probabilities: NDArray[np.uint8] | None
) -> NDArray[np.float32]:
    """Joints (N, 21, 3) in crop coordinates of depth (N, 48, 48); probabilities as in `train_method`."""
    placed = []
    for start in range(0, len(depth), _BATCH):
        crops = floats_on(model, depth[start : start + _BATCH])[:, None]
        parts = None
        if probabilities is not None:
            parts = floats_on(model, probabilities[start : start + _BATCH]) / 255
        with torch.inference_mode():
            if isinstance(model, VotingRegressor):
                placed.append(model(crops, _parts_or_depth(parts, crops))[0])
            else:
                placed.append(model(crops, parts))
    return torch.cat(placed).cpu().numpy()


def voting_shares(truth: Tensor) -> Tensor:
    """What a joint of each row of a batch (N, 21, 3) counts in its mean losses (N, 2).

    First over the joints that are known, not NaN, then over all.
    """
    known = (~truth.isnan().any(dim=2)).sum().clamp_min(1)
    return torch.stack([1 / known, known.new_tensor(1) / (len(truth) * len(HAND21))]).expand(len(truth), 2)


def voting_loss(
    places: tuple[Tensor, Tensor, Tensor], truth: Tensor, shares: Tensor | None = None, spread_weight: float = 0.1
) -> Tensor:
    """Mean distance of the joints, half of it that of the votes, and the likelihood of the expected error.

    places: as `VotingRegressor.places` gives them; truth (B, 21, 3), NaN without a hand. Distances are taken to be
    distributed exponentially about their expected error. shares (B, 2): of `voting_shares` of the batch that these rows
    belong to, so that its rows' losses add up to its loss; without, they are the batch.
    """
    voted, placed, spread = places
    shares = voting_shares(truth) if shares is None else shares
    hand = ~truth.isnan().any(dim=2)  # (B, 21)
    target = truth.nan_to_num()
    distance = _distance(placed, target)
    error = torch.where(hand, distance, torch.full_like(distance, _NO_HAND))
    likelihood = error.detach() / spread + spread.log()
    both = (distance + _distance(voted, target)) / 2
    return ((both * hand).sum(dim=1) * shares[:, 0] + spread_weight * likelihood.sum(dim=1) * shares[:, 1]).sum()


def _parts_or_depth(parts: Tensor | None, crops: Tensor) -> Tensor:
    """Part probabilities; without any, what depth alone says: (1 - measured, measured, 0 ...)."""
    if parts is not None:
        return parts
    measured = (crops < 1).float()
    return torch.cat([1 - measured, measured, measured.new_zeros(len(crops), 19, *crops.shape[2:])], dim=1)


def _distance(places: Tensor, truth: Tensor) -> Tensor:
    """(B, 21) Euclidean, with a gradient at zero too."""
    return (places - truth).square().sum(dim=2).clamp_min(1e-8).sqrt()


def load_method(settings: MethodSettings, path: Path, first: nn.Module | None = None) -> nn.Module:
    """A trained row of step 3. Raises `WeightsError` as `load_weights` does."""
    model = make_method(settings, first)
    load_weights(model, path)
    return model.eval()
