"""Regressors to compare with. (a), direct regression, is `PaperRegressor` without parts; (b) is the cascade."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from knuckle.anatomy import HAND21
from knuckle.regression.paper import PaperRegressor, SharedPaperRegressor

_ZOOM = 0.5  # of the cube's width


class CascadeRegressor(nn.Module):
    """Baseline (b) of [N] Table 4: a second network zooms in on each joint that the first one found.

    Each joint gets the patch of half the cube's width about its first place, with depth relative to it, and its network
    says how far off that place is (Oberweger et al. 2015, "Hands deep in deep learning for hand pose estimation"). The
    first network stays as it is. shared: one second network for all joints.
    """

    steps: Tensor

    def __init__(self, first: nn.Module, size: int = 24, shared: bool = False) -> None:
        super().__init__()
        self.first = first.requires_grad_(False)
        kind = SharedPaperRegressor if shared else PaperRegressor
        self.second = kind(parts=False, size=size, zoomed=True)
        steps = (torch.arange(size) + 0.5) / size * 2 - 1
        self.register_buffer("steps", steps * _ZOOM, persistent=False)

    def forward(self, depth: Tensor, probabilities: Tensor | None = None, disturbance: Tensor | None = None) -> Tensor:
        """As `PaperRegressor`. disturbance (N, 21, 3): added to the first places, so that the second network learns
        from errors as large as the first one makes on frames that it was not trained on."""
        self.first.eval()  # its batch normalisation keeps its statistics
        places = self.first(depth, probabilities)
        if disturbance is not None:
            places = places + disturbance
        return places + _ZOOM * self.second(self._patches(depth, places))

    def _patches(self, depth: Tensor, places: Tensor) -> Tensor:
        """(N, 21, size, size) depth in the patch of each place (N, 21, 3), 1 where nothing is measured within."""
        count, size = depth.shape[0], len(self.steps)  # not len(depth), which an export takes for a constant
        x = places[:, :, 0, None, None] + self.steps.expand(size, size)
        y = places[:, :, 1, None, None] + self.steps[:, None].expand(size, size)
        grid = torch.stack([x, y], dim=4).flatten(1, 2)  # (N, 21 · size, size, 2)
        behind = depth - 1  # 0 where nothing is measured, so that outside of the crop nothing is either
        found = (
            F.grid_sample(behind, grid, mode="nearest", align_corners=False).view(count, len(HAND21), size, size) + 1
        )
        near = (found - places[:, :, 2, None, None]) / _ZOOM
        return torch.where(found < 1, near.clamp(-1, 1), 1.0)
