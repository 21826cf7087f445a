"""[N]'s regressor: 21 networks in one, what each branch may see, what joints share, and the cascade's patches."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from knuckle.anatomy import HAND21, JOINT_PARTS
from knuckle.regression import paper
from knuckle.regression.baselines import CascadeRegressor
from knuckle.regression.masks import joint_masks
from knuckle.regression.paper import PaperRegressor, SharedPaperRegressor, depth_image
from knuckle.regression.train import make_method
from knuckle.training.recipe import MethodSettings

TIP, WRIST = HAND21.index("index_tip"), HAND21.index("wrist")
KINDS = (PaperRegressor, SharedPaperRegressor)
both_kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper, "_HIDDEN", 16)


def settled(model: nn.Module, *inputs: Tensor) -> nn.Module:
    """As if trained: batch statistics of some crops, nothing left at zero or one."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        for _ in range(5):
            model.train()(*inputs)
    return model.eval()


def inputs(count: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Depth (N, 1, 48, 48), and probabilities (N, 21, 48, 48) that are sure: each part has 4 rows of an 8-px column."""
    rng = torch.Generator().manual_seed(seed)
    depth = torch.rand(count, 1, 48, 48, generator=rng) * 1.6 - 0.8
    labels = torch.zeros(48, 48, dtype=torch.long)
    for part in range(1, 21):
        row, column = divmod(part - 1, 5)
        labels[4 + 10 * row : 12 + 10 * row, 4 + 8 * column : 10 + 8 * column] = part
    probabilities = F.one_hot(labels, 21).permute(2, 0, 1).float()
    return depth, probabilities.expand(count, -1, -1, -1).clone()


def depth_elsewhere(depth: Tensor, probabilities: Tensor, joint: int, margin: int = 10) -> Tensor:
    """Other depth where it is `margin` px or more from the joint's own parts: beyond what the filters see of them."""
    own = probabilities[:, list(JOINT_PARTS[HAND21[joint]])].amax(dim=1, keepdim=True)
    near = F.max_pool2d(own, 2 * margin + 1, stride=1, padding=margin)
    return torch.where(near > 0, depth, -0.5 * depth)


class Branch:
    """Keeps what a branch of the module gives out."""

    def __init__(self, branch: nn.Module) -> None:
        branch.register_forward_hook(lambda module, inputs, output: setattr(self, "output", output))
        self.output = torch.empty(0)


@both_kinds
@torch.no_grad()
def test_the_masked_branch_sees_the_joints_own_parts_alone(kind: type[PaperRegressor]) -> None:
    torch.manual_seed(0)
    depth, probabilities = inputs()
    model = settled(kind(), depth, probabilities)
    model.contrast = nn.Identity()  # it looks over the whole image for its least deviation
    other = depth_elsewhere(depth, probabilities, TIP)
    assert (other != depth).float().mean() > 0.3
    local, whole = Branch(model.module.local), Branch(model.module.whole)
    model(depth, probabilities)
    before = local.output.view(2, 21, 8, 12, 12)[:, TIP], whole.output
    model(other, probabilities)
    torch.testing.assert_close(local.output.view(2, 21, 8, 12, 12)[:, TIP], before[0], atol=1e-6, rtol=1e-5)
    assert (whole.output - before[1]).abs().max() > 0.01
    assert (local.output.view(2, 21, 8, 12, 12)[:, WRIST] - before[0]).abs().max() > 0.01


@both_kinds
@torch.no_grad()
def test_a_joint_does_not_depend_on_other_joints_masks(kind: type[PaperRegressor]) -> None:
    torch.manual_seed(0)
    depth, probabilities = inputs()
    model = settled(kind(), depth, probabilities)
    strange = set(range(1, 21)) - set(JOINT_PARTS["index_tip"])
    moved = probabilities.clone()
    moved[:, list(strange)] = moved[:, list(strange)[1:] + list(strange)[:1]]  # each takes another one's place
    before, after = model(depth, probabilities), model(depth, moved)
    torch.testing.assert_close(after[:, TIP], before[:, TIP], atol=1e-6, rtol=1e-5)
    assert (after[:, WRIST] - before[:, WRIST]).abs().max() > 1e-3


@both_kinds
@torch.no_grad()
def test_a_full_mask_is_no_mask(kind: type[PaperRegressor], monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    depth, probabilities = inputs()
    masked = settled(kind(), depth, probabilities)
    whole = kind(parts=False).eval()
    whole.load_state_dict(masked.state_dict())
    assert (whole(depth) - masked(depth, probabilities)).abs().max() > 1e-3
    monkeypatch.setattr(paper, "joint_masks", lambda probabilities, table, size: torch.ones(2, 21, size, size))
    torch.testing.assert_close(whole(depth), masked(depth, probabilities))


def of_joint(model: PaperRegressor, joint: int) -> dict[str, Tensor]:
    """Joint j's share of every weight: its groups of filters, statistics and rows."""

    def share(value: Tensor) -> Tensor:
        return value.chunk(21)[joint] if value.ndim else value

    return {name: share(value) for name, value in model.state_dict().items()}


def plain_network(state: dict[str, Tensor], depth: Tensor, mask: Tensor) -> Tensor:
    """[N] Figure 4 for one joint, of PyTorch's own functions: depth (N, 2, h, h), mask (N, 1, h/2, h/2) → (N, 3)."""

    def filtered(name: str, maps: Tensor, pooled: bool = False) -> Tensor:
        weight = state[f"{name}.0.weight"]
        maps = F.conv2d(maps, weight, padding=weight.shape[-1] // 2)
        maps = F.max_pool2d(maps, 2) if pooled else maps
        return normed(f"{name}.{2 if pooled else 1}", maps)

    def normed(name: str, maps: Tensor) -> Tensor:
        rest = (state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(maps, *rest).relu()

    maps = filtered("c1", depth, pooled=True)
    repeated = torch.cat([maps, maps[..., -1:]], dim=3)
    repeated = torch.cat([repeated, repeated[:, :, -1:]], dim=2)
    branches = [
        filtered("module.local.1", filtered("module.local.0", maps * mask)),
        filtered("module.whole.1", filtered("module.whole.0", maps)),
        filtered("module.pooled", F.max_pool2d(repeated, 2, stride=1)),
        filtered("module.plain", maps),
    ]
    features = torch.cat(branches, dim=1).flatten(1)
    hidden = normed("norm", features @ state["fc.weight"][0] + state["fc.bias"][0])
    return hidden @ state["output.weight"][0] + state["output.bias"][0]


@pytest.mark.parametrize("size", [24, 48])
@torch.no_grad()
def test_the_grouped_network_is_21_networks(size: int) -> None:
    torch.manual_seed(1)
    depth, probabilities = inputs()
    model = settled(PaperRegressor(size=size), depth, probabilities)
    found = model(depth, probabilities)
    image = depth_image(depth, size, model.contrast)
    masks = joint_masks(probabilities, model.table, size // 2)
    for joint in range(21):
        expected = plain_network(of_joint(model, joint), image, masks[:, joint : joint + 1])
        torch.testing.assert_close(found[:, joint], expected, atol=1e-4, rtol=1e-4)


def shared_state(model: SharedPaperRegressor, joint: int) -> dict[str, Tensor]:
    """The weights of a shared network as `plain_network` takes them: all joints' but for the output layer."""
    state = dict(model.state_dict())
    state["fc.weight"], state["fc.bias"] = model.fc.weight.T[None], model.fc.bias[None]
    return state | {name: state[name][joint : joint + 1] for name in ("output.weight", "output.bias")}


@pytest.mark.parametrize("parts", [True, False])
@pytest.mark.parametrize("size", [24, 48])
@torch.no_grad()
def test_the_shared_network_is_21_networks_of_the_same_weights(size: int, parts: bool) -> None:
    torch.manual_seed(3)
    depth, probabilities = inputs()
    model = settled(SharedPaperRegressor(parts, size), depth, probabilities)
    found = model(depth, probabilities)
    image = depth_image(depth, size, model.contrast)
    masks = joint_masks(probabilities, model.table, size // 2) if parts else torch.ones(2, 21, size // 2, size // 2)
    for joint in range(21):
        expected = plain_network(shared_state(model, joint), image, masks[:, joint : joint + 1])
        torch.testing.assert_close(found[:, joint], expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_zoomed_networks_read_their_own_patches() -> None:
    """Joint j reads patch j alone, in the grouped network as in the shared one."""
    torch.manual_seed(2)
    patches = torch.rand(2, 21, 24, 24) * 1.6 - 0.8
    for kind in KINDS:
        model = settled(kind(parts=False, zoomed=True), patches)
        other = patches.clone()
        other[:, TIP] *= -0.5
        changed = (model(other) - model(patches)).abs().amax(dim=(0, 2)) > 1e-5
        assert changed.nonzero()[:, 0].tolist() == [TIP]


@torch.no_grad()
def test_depth_images_are_the_nearest_pixels_and_their_contrast() -> None:
    depth = torch.rand(2, 1, 48, 48)
    small = depth_image(depth, 24, nn.Identity())
    blocks = depth[:, 0].reshape(2, 24, 2, 24, 2).amin(dim=(2, 4))
    assert torch.equal(small, torch.stack([blocks, blocks], dim=1))
    whole = depth_image(depth, 48, nn.Tanh())
    assert torch.equal(whole, torch.cat([depth, depth.tanh()], dim=1))


def plain_patch(depth: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Twin of a cascade's patch: half the cube about a place, by loops; nothing measured stays nothing."""
    patch = np.ones((24, 24))
    for row in range(24):
        for column in range(24):
            x = place[0] + 0.5 * ((column + 0.5) / 12 - 1)
            y = place[1] + 0.5 * ((row + 0.5) / 12 - 1)
            c, r = round((x + 1) * 24 - 0.5), round((y + 1) * 24 - 0.5)
            if 0 <= r < 48 and 0 <= c < 48 and depth[r, c] < 1:
                patch[row, column] = np.clip((depth[r, c] - place[2]) / 0.5, -1, 1)
    return patch


@torch.no_grad()
def test_a_cascade_zooms_in_on_each_place() -> None:
    torch.manual_seed(3)
    model = CascadeRegressor(SharedPaperRegressor(parts=False), shared=True)
    depth = torch.rand(2, 1, 48, 48) * 1.6 - 0.8
    depth[:, :, 20:30, 5:12] = 1.0
    places = torch.rand(2, 21, 3) * 1.8 - 0.9
    patches = model._patches(depth, places)
    for frame, joint in np.ndindex(2, 21):
        expected = plain_patch(depth[frame, 0].numpy(), places[frame, joint].double().numpy())
        np.testing.assert_allclose(patches[frame, joint], expected, atol=1e-5)


@torch.no_grad()
def test_a_cascade_corrects_the_places_of_its_first_network() -> None:
    torch.manual_seed(4)
    depth, _ = inputs(3)
    model = settled(CascadeRegressor(SharedPaperRegressor(parts=False)), depth)
    first = model.first(depth)
    expected = first + 0.5 * model.second(model._patches(depth, first))
    torch.testing.assert_close(model(depth), expected)
    push = 0.05 * torch.randn(3, 21, 3)
    disturbed = first + push + 0.5 * model.second(model._patches(depth, first + push))
    torch.testing.assert_close(model(depth, disturbance=push), disturbed)


def test_a_row_names_its_network() -> None:
    shared = make_method(MethodSettings(network="paper", shared=True, input=48))
    assert (type(shared), shared.parts, shared.size) == (SharedPaperRegressor, False, 48)
    alone = make_method(MethodSettings(network="paper", parts="synthetic"))
    assert (type(alone), alone.parts, alone.size) == (PaperRegressor, True, 24)
    cascade = make_method(MethodSettings(network="cascade", first="a", shared=True), shared)
    assert isinstance(cascade, CascadeRegressor)
    assert isinstance(cascade.second, SharedPaperRegressor)
    assert cascade.first is shared
    whole = make_method(MethodSettings(network="cascade", first="a"), make_method(MethodSettings(network="paper")))
    assert isinstance(whole.second, PaperRegressor)


def test_the_network_of_figure_4_has_its_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper, "_HIDDEN", 1200)
    model = SharedPaperRegressor()
    shapes = [tuple(module.weight.shape[:2]) for module in model.modules() if isinstance(module, nn.Conv2d)]
    assert shapes == [(32, 2), (16, 32), (8, 16), (16, 32), (8, 16), (8, 32), (16, 32)]
    assert model.fc.out_features == 1200
