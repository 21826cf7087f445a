"""A segmentation network that is told where the joints are: the teacher of weak supervision, beyond [N].

On real frames with known joints it labels what a network without them cannot, and that is what f_s then learns from.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from knuckle.anatomy import BONES, LABELS
from knuckle.crop import SIZE
from knuckle.layers import DepthInput, Trunk, doubled

_FEATURES = 32  # of a pixel, made from its place among the bones
_REACH = 0.25  # halves of the cube: a bone farther away than 30 mm or so is just far


class ConditionedSegmenter(nn.Module):
    """Depth crop (N, 1, 48, 48) and joints (N, 21, 3) as seen in the crop → logits (N, 21, 48, 48).

    joints: in crop coordinates, as `knuckle.crop.to_crop` gives them. Each pixel knows
    how far it is from every bone, and how far along it.
    """

    columns: Tensor
    rows: Tensor

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
        steps = (torch.arange(SIZE) + 0.5) / SIZE * 2 - 1
        self.register_buffer("columns", steps.expand(SIZE, SIZE).clone(), persistent=False)
        self.register_buffer("rows", steps[:, None].expand(SIZE, SIZE).clone(), persistent=False)

    def forward(self, depth: Tensor, joints: Tensor) -> Tensor:
        place = self.place(self._among_bones(depth, joints))  # (N, 32, 48, 48)
        image = torch.cat([self.input(depth), F.avg_pool2d(place, 2)], dim=1)
        features = doubled(self.trunk(image))
        return self.head(torch.cat([features, place], dim=1))

    def _among_bones(self, depth: Tensor, joints: Tensor) -> Tensor:
        """(N, 40, 48, 48): nearness of every bone, 1 on it and falling to 0, and the place along it, 0 to 1 on it."""
        count = depth.shape[0]  # not len(), which an export takes for a constant
        points = torch.stack([self.columns.expand(count, -1, -1), self.rows.expand(count, -1, -1), depth[:, 0]], dim=1)
        start = joints[:, [parent for parent, _ in BONES]]  # (N, 20, 3)
        bone = joints[:, [child for _, child in BONES]] - start
        points = points.flatten(2)  # (N, 3, 2304)
        along = torch.einsum("nbd,ndp->nbp", bone, points) - (bone * start).sum(2)[:, :, None]
        along = along / bone.square().sum(2).clamp_min(1e-6)[:, :, None]  # (N, 20, 2304)
        nearest = along.clamp(0, 1)
        # |p - (start + nearest · bone)|², multiplied out: no (N, 20, 3, 2304) in memory
        squared = (
            points.square().sum(1)[:, None]
            - 2 * torch.einsum("nbd,ndp->nbp", start, points)
            + start.square().sum(2)[:, :, None]
            - 2 * nearest * (along * bone.square().sum(2).clamp_min(1e-6)[:, :, None])
            + nearest.square() * bone.square().sum(2)[:, :, None]
        )
        nearness = torch.exp(-squared.clamp_min(0).sqrt() / _REACH)
        return torch.cat([nearness, along.clamp(-1, 2)], dim=1).unflatten(2, (SIZE, SIZE))
