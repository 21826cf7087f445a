"""Our regression network: depth crop (N, 1, 48, 48) and part probabilities (N, 21, 48, 48) → joints in the cube."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from knuckle.anatomy import HAND21, LABELS
from knuckle.layers import DepthInput, Trunk, cell_centers

_TOKEN = 96  # numbers that describe a joint
_HEADS = 4
_LAYERS = 2


class VotingRegressor(nn.Module):
    """Every 2×2-pixel cell that measures something votes for every joint; then the joints agree among themselves.

    A cell's vote is its own surface point plus a learned offset, with a learned weight; the
    weighted mean of the votes is a joint's first place. The features of the cells that voted for it, taken by the
    same weights, then go through a small transformer over the 21 joints, which corrects all places together: what one
    cell cannot know, a joint's neighbours do.

    Returns joints (N, 21, 3) in crop coordinates and spread (N, 21), their expected error in the same units.
    """

    centers: Tensor

    def __init__(self, widths: tuple[int, int, int] = (48, 72, 128), hidden: int = 96, contrast: bool = True) -> None:
        super().__init__()
        self.input = DepthInput(contrast)
        channels = self.input.channels + len(LABELS)
        self.trunk = Trunk(channels, widths)
        self.cells = nn.Sequential(nn.Conv2d(widths[0] + self.input.channels, hidden, 1), nn.ReLU(inplace=True))
        self.votes = nn.Conv2d(hidden, 4 * len(HAND21), 1)
        self.agreement = JointAgreement(hidden)
        self.register_buffer("centers", cell_centers(), persistent=False)

    def forward(self, depth: Tensor, probabilities: Tensor) -> tuple[Tensor, Tensor]:
        _, joints, spread = self.places(depth, probabilities)
        return joints, spread

    def places(self, depth: Tensor, probabilities: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Where the votes put the joints (N, 21, 3), where they end up, and spread (N, 21)."""
        image = self.input(depth)
        features = self.trunk(torch.cat([image, F.avg_pool2d(probabilities, 2)], dim=1))
        features = self.cells(torch.cat([features, image], dim=1))  # (N, hidden, 24, 24)
        votes = self.votes(features).flatten(2).float()  # (N, 4 · 21, 576)
        weight, offset = votes.split([len(HAND21), 3 * len(HAND21)], dim=1)
        surface, measured = self._surface(depth)
        weight = (weight + (1 - measured) * -30.0).softmax(dim=2)  # (N, 21, 576)
        offset = offset.unflatten(1, (len(HAND21), 3))  # (N, 21, 3, 576)
        voted = ((offset + surface[:, None]) * weight[:, :, None]).sum(dim=3)
        seen = weight @ features.flatten(2).float().transpose(1, 2)  # (N, 21, hidden)
        move, spread = self.agreement(seen, voted)
        return voted, voted + move, F.softplus(spread) + 1e-3

    def _surface(self, depth: Tensor) -> tuple[Tensor, Tensor]:
        """Nearest measured point of every cell (N, 3, 576) in the cube, and whether there is one (N, 1, 576)."""
        nearest = -F.max_pool2d(-depth, 2)  # (N, 1, 24, 24)
        measured = (nearest < 1).to(depth.dtype)
        xy = self.centers.expand(depth.shape[0], -1, -1, -1)
        return torch.cat([xy, nearest], dim=1).flatten(2), measured.flatten(2)


class JointAgreement(nn.Module):
    """What is seen of each joint (N, 21, features) and its place (N, 21, 3) → moves (N, 21, 3), spread (N, 21).

    It begins by moving nothing. The spread is any number: `softplus` makes an expected error of it.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.read = nn.Linear(features + 3, _TOKEN)
        self.names = nn.Parameter(torch.randn(len(HAND21), _TOKEN) * 0.02)
        self.layers = nn.ModuleList([_Attention() for _ in range(_LAYERS)])
        self.norm = nn.LayerNorm(_TOKEN)
        self.write = nn.Linear(_TOKEN, 4)
        nn.init.zeros_(self.write.weight)
        nn.init.zeros_(self.write.bias)

    def forward(self, seen: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        tokens = self.read(torch.cat([seen, places], dim=2)) + self.names
        for layer in self.layers:
            tokens = layer(tokens)
        move, spread = self.write(self.norm(tokens)).float().split([3, 1], dim=2)
        return move, spread[:, :, 0]


class _Attention(nn.Module):
    """One transformer layer over the joints, normalised before each half."""

    def __init__(self) -> None:
        super().__init__()
        self.before = nn.LayerNorm(_TOKEN)
        self.ask = nn.Linear(_TOKEN, 3 * _TOKEN)
        self.answer = nn.Linear(_TOKEN, _TOKEN)
        self.think = nn.Sequential(
            nn.LayerNorm(_TOKEN), nn.Linear(_TOKEN, 2 * _TOKEN), nn.ReLU(inplace=True), nn.Linear(2 * _TOKEN, _TOKEN)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        asked = self.ask(self.before(tokens)).unflatten(2, (3, _HEADS, _TOKEN // _HEADS)).permute(2, 0, 3, 1, 4)
        query, key, value = asked.unbind(0)  # each (N, heads, 21, 32)
        shares = (query @ key.transpose(2, 3) * (_TOKEN // _HEADS) ** -0.5).softmax(dim=3)
        tokens = tokens + self.answer((shares @ value).transpose(1, 2).flatten(2))
        return tokens + self.think(tokens)


def start_from(regressor: VotingRegressor, trunk: Trunk, depth_channels: int) -> None:
    """Copies a segmentation trunk into a regressor of the same widths; the stem's part channels start at zero."""
    state = {name: value.clone() for name, value in trunk.state_dict().items()}
    stem = torch.zeros_like(regressor.trunk.state_dict()["stem.0.weight"])
    stem[:, :depth_channels] = state["stem.0.weight"]
    state["stem.0.weight"] = stem
    regressor.trunk.load_state_dict(state)
