"""The voting regressor: who votes, what the votes add up to, what the joints agree on, and how it starts."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from knuckle.layers import Trunk
from knuckle.networks import load_regression
from knuckle.regression.export import export_regressor
from knuckle.regression.network import JointAgreement, VotingRegressor, start_from
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


def plain_votes(depth: Tensor, votes: Tensor, features: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Twin of the vote of one crop, in loops over cells: places (21, 3), and what is seen of each joint (21, C).

    votes (84, 24, 24): weight, then offset of each joint; features (C, 24, 24).
    """
    image = depth[0, 0].double().numpy()
    values, found = votes.double().numpy(), features.double().numpy()
    joints, seen = np.zeros((21, 3)), np.zeros((21, len(found)))
    for joint in range(21):
        weights, points, cells = [], [], []
        for row in range(24):
            for column in range(24):
                z = image[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].min()
                surface = np.array([(column + 0.5) / 24 * 2 - 1, (row + 0.5) / 24 * 2 - 1, z])
                weights.append(np.exp(values[joint, row, column]) * (1 if z < 1 else np.exp(-30)))
                points.append(surface + values[21 + 3 * joint : 24 + 3 * joint, row, column])
                cells.append(found[:, row, column])
        share = np.array(weights) / np.sum(weights)
        joints[joint] = share @ np.array(points)
        seen[joint] = share @ np.array(cells)
    return joints, seen


class FixedVotes(nn.Module):
    """Votes that are the same whatever is seen."""

    def __init__(self, votes: Tensor) -> None:
        super().__init__()
        self.votes = votes

    def forward(self, features: Tensor) -> Tensor:
        return self.votes.expand(len(features), -1, -1, -1)


class Spy(nn.Module):
    """Keeps what goes into and comes out of a module."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Tensor) -> object:
        self.inputs, self.output = inputs, self.module(*inputs)
        return self.output


@torch.no_grad()
def test_first_places_are_the_weighted_mean_of_votes() -> None:
    model, (depth, probabilities) = make(), inputs(1)
    votes = torch.randn(84, 24, 24, generator=torch.Generator().manual_seed(3))
    model.votes = FixedVotes(votes)
    model.cells, model.agreement = Spy(model.cells), Spy(model.agreement)
    voted, _, _ = model.places(depth, probabilities)
    plain_joints, plain_seen = plain_votes(depth, votes, model.cells.output[0])
    np.testing.assert_allclose(voted[0].numpy(), plain_joints, atol=1e-5)
    seen, places = model.agreement.inputs
    np.testing.assert_allclose(seen[0].numpy(), plain_seen, atol=1e-5)
    torch.testing.assert_close(places, voted)


def with_opinions(model: VotingRegressor) -> VotingRegressor:
    """Lets the joints move each other, as an untrained network does not."""
    nn.init.normal_(model.agreement.write.weight, std=0.3)
    return model


@torch.no_grad()
def test_the_agreement_moves_the_first_places_and_says_how_sure_it_is() -> None:
    model, (depth, probabilities) = with_opinions(make()), inputs(2)
    model.agreement = Spy(model.agreement)
    voted, joints, spread = model.places(depth, probabilities)
    move, error = model.agreement.output
    assert move.abs().min() > 0
    torch.testing.assert_close(joints, voted + move)
    torch.testing.assert_close(spread, error.exp().log1p() + 1e-3)
    for one, other in zip(model(depth, probabilities), (joints, spread), strict=True):
        torch.testing.assert_close(one, other)


@torch.no_grad()
def test_an_untrained_network_leaves_the_joints_where_they_were_voted() -> None:
    voted, joints, _ = make().places(*inputs(2))
    torch.testing.assert_close(joints, voted)


def plain_layer(layer: nn.Module) -> nn.TransformerEncoderLayer:
    """PyTorch's own transformer layer with a layer's weights."""
    plain = nn.TransformerEncoderLayer(96, 4, 192, dropout=0, norm_first=True, batch_first=True)
    norm, wide, _, narrow = layer.think
    pairs = [(plain.norm1, layer.before), (plain.norm2, norm), (plain.linear1, wide), (plain.linear2, narrow)]
    for one, other in [*pairs, (plain.self_attn.out_proj, layer.answer)]:
        one.load_state_dict(other.state_dict())
    plain.self_attn.in_proj_weight.copy_(layer.ask.weight)
    plain.self_attn.in_proj_bias.copy_(layer.ask.bias)
    return plain


@torch.no_grad()
def test_the_agreement_is_a_transformer_over_the_joints() -> None:
    torch.manual_seed(4)
    agreement = JointAgreement(16)
    for parameter in agreement.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.1)
    seen, places = torch.randn(3, 21, 16), torch.randn(3, 21, 3)
    tokens = agreement.read(torch.cat([seen, places], dim=2)) + agreement.names
    for layer in agreement.layers:
        tokens = plain_layer(layer)(tokens)
    expected = agreement.write(agreement.norm(tokens))
    move, spread = agreement(seen, places)
    torch.testing.assert_close(move, expected[..., :3], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(spread, expected[..., 3], atol=1e-5, rtol=1e-4)
    assert len(agreement.layers) == 2


def test_only_measured_cells_vote() -> None:
    """However loud the cells without a measurement are, the joints stay where the measured ones put them."""
    model, (depth, probabilities) = with_opinions(make()), inputs(1)
    votes = torch.randn(84, 24, 24)
    model.votes = FixedVotes(votes)
    quiet = model(depth, probabilities)[0]
    loud = votes.clone()
    unmeasured = -F.max_pool2d(-depth, 2)[0, 0] >= 1
    loud[21:, unmeasured] += 10
    loud[:21, unmeasured] += 5
    model.votes = FixedVotes(loud)
    torch.testing.assert_close(model(depth, probabilities)[0], quiet, atol=1e-5, rtol=0)


def test_without_offsets_the_joints_follow_the_surface() -> None:
    """Moved by whole cells in the crop, or in depth, the surface takes the joints along exactly."""
    model = make()
    model.votes = FixedVotes(torch.zeros(84, 24, 24))
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
    model = with_opinions(make())
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
    model, (depth, probabilities) = with_opinions(make()), inputs(3)
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
    assert model.cells[0].weight.shape[0] == 5


def test_the_exported_network_gives_the_same_numbers(tmp_path: Path) -> None:
    model = with_opinions(make())
    export_regressor(model, tmp_path / "regression.onnx")
    network = load_regression(tmp_path, threads=1)
    for count in (1, 2, 5):
        depth, probabilities = inputs(count, seed=count)
        with torch.no_grad():
            expected = model(depth, probabilities)
        found = network.run(depth=depth.numpy(), probabilities=probabilities.numpy())
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other.numpy(), atol=1e-4)
