"""What a sensor may do to a crop beyond the rendered noise: cheap, on whole batches, new in every epoch."""

from collections.abc import Callable

import torch
from torch import Tensor

_NOISE_MAX = 0.02  # of the cube's half: 2.5 mm
_HOLES_MAX = 0.03  # share of pixels
_BORDER_SHARE = 0.1  # of the crops lie across the frame's border
_BORDER_MAX = 16  # px


def augment(depth: Tensor, generator: torch.Generator) -> Tensor:
    """Depth crops (N, 1, 48, 48) with noise on what is measured, lost pixels, and here and there a cut-off side."""
    count = len(depth)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    measured = (depth > -1) & (depth < 1)
    noise = torch.randn(depth.shape, generator=generator) * uniform(count, 1, 1, 1) * _NOISE_MAX
    depth = torch.where(measured, (depth + noise).clamp(-1, 0.999), depth)
    lost = uniform(*depth.shape) < uniform(count, 1, 1, 1) ** 2 * _HOLES_MAX
    return depth.masked_fill(lost | _cut_off(uniform, count, depth.shape[-1]), 1.0)


def _cut_off(uniform: Callable[..., Tensor], count: int, size: int) -> Tensor:
    """(N, 1, size, size) True in a strip along one random side of a few crops."""
    width = torch.where(uniform(count) < _BORDER_SHARE, uniform(count) * _BORDER_MAX, 0.0)
    side = (uniform(count) * 4).long()
    steps = torch.arange(size)
    strip = torch.where((side % 2 == 0)[:, None], steps, size - 1 - steps) < width[:, None]  # (N, size)
    columns = (side < 2)[:, None, None]
    return torch.where(columns, strip[:, None, :].expand(-1, size, -1), strip[:, :, None].expand(-1, -1, size))[:, None]
