"""The voting regressor: who votes, what the votes add up to, and how it starts from a segmentation network."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from knuckle.layers import Trunk
from knuckle.networks import load_regression
from knuckle.regression.export import export_regressor
from knuckle.regression.network import VotingRegressor, start_from
from knuckle.regression.train import make_regressor
from knuckle.segmentation.network import CompactSegmenter
from knuckle.training.recipe import NetworkSettings, RegressionRecipe

WIDTHS = (8, 10, 12)


def make(contrast: bool = True) -> VotingRegressor:
    torch.manual_seed(0)
    return VotingRegressor(WIDTHS, 16, contrast)


def inputs(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Crops (N, 1, 48, 48) with a measured block in the middle, and part probabilities (N, 21, 48, 48)."""
    generator = torch.Generator().manual_seed(seed)
    depth = torch.ones(count, 1, 48, 48)
    depth[:, :, 10:38, 12:34] = torch.rand(count, 1, 28, 22, generator=generator) - 0.5
    return depth, torch.rand(count, 21, 48, 48, generator=generator).softmax(dim=1)


def plain_votes(model: VotingRegressor, depth: Tensor, head: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Twin of the vote of one crop: loops over cells. head (105, 24, 24): weight, spread, offset of each joint."""
    image = depth[0, 0].double().numpy()
    values = head.double().numpy()
    joints, spread = np.zeros((21, 3)), np.zeros(21)
    for joint in range(21):
        weights, points, errors = [], [], []
        for row in range(24):
            for column in range(24):
                z = image[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].min()
                surface = np.array([(column + 0.5) / 24 * 2 - 1, (row + 0.5) / 24 * 2 - 1, z])
                weights.append(np.exp(values[joint, row, column]) * (1 if z < 1 else np.exp(-30)))
                points.append(surface + values[42 + 3 * joint : 45 + 3 * joint, row, column])
                errors.append(values[21 + joint, row, column])
        share = np.array(weights) / np.sum(weights)
        joints[joint] = share @ np.array(points)
        spread[joint] = np.log1p(np.exp(share @ np.array(errors))) + 1e-3
    return joints, spread


class FixedVotes(nn.Module):
    """A head that answers the same whatever it sees."""

    def __init__(self, votes: Tensor) -> None:
        super().__init__()
        self.votes = votes

    def forward(self, features: Tensor) -> Tensor:
        return self.votes.expand(len(features), -1, -1, -1)


def test_joints_are_the_weighted_mean_of_votes() -> None:
    model, (depth, probabilities) = make(), inputs(1)
    head = torch.randn(105, 24, 24, generator=torch.Generator().manual_seed(3))
    model.head = FixedVotes(head)
    joints, spread = model(depth, probabilities)
    plain_joints, plain_spread = plain_votes(model, depth, head)
    np.testing.assert_allclose(joints[0].numpy(), plain_joints, atol=1e-5)
    np.testing.assert_allclose(spread[0].numpy(), plain_spread, atol=1e-5)


def test_only_measured_cells_vote() -> None:
    """However loud the cells without a measurement are, the joints stay where the measured ones put them."""
    model, (depth, probabilities) = make(), inputs(1)
    head = torch.randn(105, 24, 24)
    model.head = FixedVotes(head)
    quiet = model(depth, probabilities)[0]
    loud = head.clone()
    unmeasured = -F.max_pool2d(-depth, 2)[0, 0] >= 1
    loud[42:, unmeasured] += 10
    loud[:21, unmeasured] += 5
    model.head = FixedVotes(loud)
    torch.testing.assert_close(model(depth, probabilities)[0], quiet, atol=1e-6, rtol=0)


def test_without_offsets_the_joints_follow_the_surface() -> None:
    """Moved by whole cells in the crop, or in depth, the surface takes the joints along exactly."""
    model = make()
    model.head = FixedVotes(torch.zeros(105, 24, 24))
    depth, probabilities = inputs(1)
    moved = torch.roll(depth, shifts=(4, -6), dims=(2, 3))
    moved = torch.where(moved < 1, moved + 0.125, moved)
    before, after = model(depth, probabilities)[0], model(moved, probabilities)[0]
    torch.testing.assert_close(
        after - before, torch.tensor([-6 / 24, 4 / 24, 0.125]).expand(1, 21, 3), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("contrast", [True, False])
def test_forms(contrast: bool) -> None:
    depth, probabilities = inputs(3)
    with torch.no_grad():
        joints, spread = make(contrast)(depth, probabilities)
    assert joints.shape == (3, 21, 3)
    assert spread.shape == (3, 21)
    assert joints.isfinite().all()
    assert (spread > 0).all()


def test_a_crop_with_nothing_in_it_gives_finite_numbers_and_gradients() -> None:
    model = make()
    not_hand = torch.zeros(2, 21, 48, 48)
    not_hand[:, 0] = 1
    joints, spread = model(torch.ones(2, 1, 48, 48), not_hand)
    assert joints.isfinite().all()
    assert spread.isfinite().all()
    assert (spread > 0).all()
    (joints.sum() + spread.log().sum()).backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()


def test_a_crop_is_judged_for_itself() -> None:
    model, (depth, probabilities) = make(), inputs(3)
    with torch.no_grad():
        together, alone = model(depth, probabilities), model(depth[1:2], probabilities[1:2])
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one[1:2], other, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("contrast", [True, False])
def test_it_starts_from_the_features_of_a_segmentation_network(contrast: bool) -> None:
    torch.manual_seed(1)
    segmenter = CompactSegmenter(WIDTHS, 16, contrast)
    regressor = make(contrast)
    start_from(regressor, segmenter.trunk, segmenter.input.channels)
    depth, probabilities = inputs(2)
    with torch.no_grad():
        image = regressor.input(depth)
        features = regressor.trunk(torch.cat([image, F.avg_pool2d(probabilities, 2)], dim=1))
        torch.testing.assert_close(features, segmenter.trunk(segmenter.input(depth)), atol=1e-5, rtol=1e-4)
        for parameter in regressor.trunk.parameters():
            parameter.add_(1)  # a copy: the segmentation network stays as it was
        fresh = Trunk(segmenter.input.channels, WIDTHS)
        fresh.load_state_dict(segmenter.trunk.state_dict())
        torch.testing.assert_close(fresh(image), segmenter.trunk(image))
        assert segmenter.trunk.stem[0].weight.abs().max() < 1


def test_a_recipe_gives_its_size() -> None:
    recipe = RegressionRecipe(size=NetworkSettings(widths=(4, 6, 8), hidden=5, contrast=False))
    model = make_regressor(recipe)
    assert model.trunk.stem[0].weight.shape == (4, 4 + 21, 3, 3)
    assert model.head[0].weight.shape[0] == 5


def test_the_exported_network_gives_the_same_numbers(tmp_path: Path) -> None:
    model = make()
    export_regressor(model, tmp_path / "regression.onnx")
    network = load_regression(tmp_path, threads=1)
    for count in (1, 2, 5):
        depth, probabilities = inputs(count, seed=count)
        with torch.no_grad():
            expected = model(depth, probabilities)
        found = network.run(depth=depth.numpy(), probabilities=probabilities.numpy())
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other.numpy(), atol=1e-4)
