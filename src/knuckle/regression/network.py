"""Regression networks f_r: depth crop (N, 1, 48, 48) and part probabilities (N, 21, 48, 48) → joints in the cube."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from knuckle.anatomy import HAND21, LABELS
from knuckle.layers import DepthInput, Trunk, cell_centers


class VotingRegressor(nn.Module):
    """Every 2×2-pixel cell that measures something votes for every joint; a soft sum of the votes is the joint.

    A cell's vote is its own surface point plus a learned offset, with a learned weight and a learned expected error.
    Returns joints (N, 21, 3) in cube coordinates and spread (N, 21), their expected error in the same units.
    """

    centers: Tensor

    def __init__(self, widths: tuple[int, int, int] = (48, 72, 128), hidden: int = 96, contrast: bool = True) -> None:
        super().__init__()
        self.input = DepthInput(contrast)
        channels = self.input.channels + len(LABELS)
        self.trunk = Trunk(channels, widths)
        self.head = nn.Sequential(
            nn.Conv2d(widths[0] + channels, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, 5 * len(HAND21), 1),
        )
        self.register_buffer("centers", cell_centers(), persistent=False)

    def forward(self, depth: Tensor, probabilities: Tensor) -> tuple[Tensor, Tensor]:
        image = torch.cat([self.input(depth), F.avg_pool2d(probabilities, 2)], dim=1)
        votes = self.head(torch.cat([self.trunk(image), image], dim=1)).flatten(2).float()  # (N, 5 · 21, 576)
        weight, spread, offset = votes.split([len(HAND21), len(HAND21), 3 * len(HAND21)], dim=1)
        surface, measured = self._surface(depth)
        weight = (weight + (1 - measured) * -30.0).softmax(dim=2)  # (N, 21, 576)
        offset = offset.unflatten(1, (len(HAND21), 3))  # (N, 21, 3, 576)
        joints = ((offset + surface[:, None]) * weight[:, :, None]).sum(dim=3)
        return joints, F.softplus((spread * weight).sum(dim=2)) + 1e-3

    def _surface(self, depth: Tensor) -> tuple[Tensor, Tensor]:
        """Nearest measured point of every cell (N, 3, 576) in the cube, and whether there is one (N, 1, 576)."""
        nearest = -F.max_pool2d(-depth, 2)  # (N, 1, 24, 24)
        measured = (nearest < 1).to(depth.dtype)
        xy = self.centers.expand(depth.shape[0], -1, -1, -1)
        return torch.cat([xy, nearest], dim=1).flatten(2), measured.flatten(2)


def start_from(regressor: VotingRegressor, trunk: Trunk, depth_channels: int) -> None:
    """Copies a segmentation trunk into a regressor of the same widths; the stem's part channels start at zero."""
    state = {name: value.clone() for name, value in trunk.state_dict().items()}
    stem = torch.zeros_like(regressor.trunk.state_dict()["stem.0.weight"])
    stem[:, :depth_channels] = state["stem.0.weight"]
    state["stem.0.weight"] = stem
    regressor.trunk.load_state_dict(state)
