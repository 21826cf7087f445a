"""A segmentation network that is told where the joints are: the teacher of weak supervision, beyond [N].

On real frames with known joints it labels what a network without them cannot, and that is what f_s then learns from.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from knuckle.anatomy import BONES, LABELS
from knuckle.layers import DepthInput, Trunk, doubled
from knuckle.segmentation.bones import among_bones

_FEATURES = 32  # of a pixel, made from its place among the bones
_REACH = 0.25  # halves of the cube: a bone farther away than 30 mm or so is just far


class ConditionedSegmenter(nn.Module):
    """Depth crop (N, 1, 48, 48) and joints (N, 21, 3) as seen in the crop → logits (N, 21, 48, 48).

    joints: in crop coordinates, as `knuckle.crop.to_crop` gives them. Each pixel knows
    how far it is from every bone, and how far along it.
    """

    def __init__(self, widths: tuple[int, int, int] = (48, 72, 128), hidden: int = 96, contrast: bool = True) -> None:
        super().__init__()
        self.input = DepthInput(contrast)
        self.place = nn.Sequential(
            nn.Conv2d(2 * len(BONES), _FEATURES, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(_FEATURES, _FEATURES, 1),
            nn.ReLU(inplace=True),
        )
        self.trunk = Trunk(self.input.channels + _FEATURES, widths)
        self.head = nn.Sequential(
            nn.Conv2d(widths[0] + _FEATURES, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, len(LABELS), 1),
        )

    def forward(self, depth: Tensor, joints: Tensor) -> Tensor:
        place = self.place(self._place(depth, joints))  # (N, 32, 48, 48)
        image = torch.cat([self.input(depth), F.avg_pool2d(place, 2)], dim=1)
        features = doubled(self.trunk(image))
        return self.head(torch.cat([features, place], dim=1))

    def _place(self, depth: Tensor, joints: Tensor) -> Tensor:
        """(N, 40, 48, 48): nearness of every bone, 1 on it and falling to 0, and the place along it, 0 to 1 on it."""
        distance, along = among_bones(depth, joints)
        return torch.cat([torch.exp(-distance / _REACH), along.clamp(-1, 2)], dim=1)
