"""What a sensor, or another view, may do to a crop: cheap, on whole batches, new in every epoch."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

_NOISE_MAX = 0.02  # of the cube's half: 2.5 mm
_HOLES_MAX = 0.03  # share of pixels
_BORDER_SHARE = 0.1  # of the crops lie across the frame's border
_BORDER_MAX = 16  # px


def augment(depth: Tensor, generator: torch.Generator) -> Tensor:
    """Depth crops (N, 1, 48, 48) with noise on what is measured, lost pixels, and here and there a cut-off side."""
    count = len(depth)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator).to(depth.device)  # the same numbers on every device

    measured = (depth > -1) & (depth < 1)
    noise = torch.randn(depth.shape, generator=generator).to(depth.device) * uniform(count, 1, 1, 1) * _NOISE_MAX
    depth = torch.where(measured, (depth + noise).clamp(-1, 0.999), depth)
    lost = uniform(*depth.shape) < uniform(count, 1, 1, 1) ** 2 * _HOLES_MAX
    return depth.masked_fill(lost | _cut_off(uniform, count, depth.shape[-1]), 1.0)


def _cut_off(uniform: Callable[..., Tensor], count: int, size: int) -> Tensor:
    """(N, 1, size, size) True in a strip along one random side of a few crops."""
    width = torch.where(uniform(count) < _BORDER_SHARE, uniform(count) * _BORDER_MAX, 0.0)
    side = (uniform(count) * 4).long()
    width, side, steps = width[:, None], side[:, None], torch.arange(size, device=width.device)
    strip = torch.where(side % 2 == 0, steps, size - 1 - steps) < width  # (N, size)
    columns = (side < 2)[:, :, None]
    return torch.where(columns, strip[:, None, :].expand(-1, size, -1), strip[:, :, None].expand(-1, -1, size))[:, None]


@dataclass(frozen=True)
class Turns:
    """Random turns about the optical axis, up to `degrees` to either side, and changes of size, up to `zoom`."""

    degrees: float
    zoom: float

    def draw(self, count: int, generator: torch.Generator, device: torch.device) -> "Turn":
        """One for each of `count` crops; the same numbers on every device."""
        angle = (torch.rand(count, generator=generator) * 2 - 1) * math.radians(self.degrees)
        size = 1 + (torch.rand(count, generator=generator) * 2 - 1) * self.zoom
        return Turn(angle.to(device), size.to(device))


@dataclass(frozen=True, eq=False)
class Turn:
    """One turn, radians, and one change of size of each of N crops. The scene in the crop is turned and sized whole,
    along z too, so that a crop, its part map and its joints in crop coordinates still belong together."""

    angle: Tensor
    size: Tensor

    def image(self, images: Tensor) -> Tensor:
        """Images (N, C, h, h); what comes in from outside is 0."""
        cos, sin = self.angle.cos() / self.size, self.angle.sin() / self.size
        zero = torch.zeros_like(cos)
        where = torch.stack([torch.stack([cos, sin, zero], dim=1), torch.stack([-sin, cos, zero], dim=1)], dim=1)
        with torch.autocast(images.device.type, enabled=False):  # bfloat16 would move pixels by a quarter of their size
            grid = F.affine_grid(where, list(images.shape), align_corners=False)
        return F.grid_sample(images, grid, mode="nearest", align_corners=False)

    def depth(self, crops: Tensor) -> Tensor:
        """Depth crops (N, 1, h, h); what comes in from outside measures nothing."""
        turned = self.image(crops - 1) + 1
        return torch.where(turned < 1, (turned * self.size[:, None, None, None]).clamp(-1, 0.999), 1.0)

    def joints(self, joints: Tensor) -> Tensor:
        """Joints (N, J, 3) in crop coordinates."""
        cos, sin = self.angle.cos()[:, None], self.angle.sin()[:, None]
        x, y, z = joints.unbind(2)
        return torch.stack([cos * x - sin * y, sin * x + cos * y, z], dim=2) * self.size[:, None, None]
