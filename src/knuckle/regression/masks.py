"""Which part of the picture each joint's own filters see ([N] §4, Figure 4)."""

import torch
from torch import Tensor
from torch.nn import functional as F

from knuckle.anatomy import HAND21, JOINT_PARTS, LABELS


def joint_labels() -> Tensor:
    """(21 joints, 21 labels) 1 where a part meets at, or carries, the joint: `JOINT_PARTS`."""
    table = torch.zeros(len(HAND21), len(LABELS))
    for row, joint in enumerate(HAND21):
        table[row, list(JOINT_PARTS[joint])] = 1
    return table


def opened(regions: Tensor) -> Tensor:
    """Morphological opening by 2×2 px of masks (N, C, H, W) of 0 and 1; a mask that it empties stays as it was.

    A larger opening would leave nothing of most fingertips.
    """
    padded = F.pad(regions, (0, 1, 0, 1))  # outside is not in the region
    eroded = torch.minimum(
        torch.minimum(padded[..., :-1, :-1], padded[..., 1:, :-1]),
        torch.minimum(padded[..., :-1, 1:], padded[..., 1:, 1:]),
    )
    padded = F.pad(eroded, (1, 0, 1, 0))
    grown = torch.maximum(
        torch.maximum(padded[..., :-1, :-1], padded[..., 1:, :-1]),
        torch.maximum(padded[..., :-1, 1:], padded[..., 1:, 1:]),
    )
    left = grown.amax(dim=(2, 3), keepdim=True)
    return left * grown + (1 - left) * regions


def joint_masks(probabilities: Tensor, table: Tensor, size: int) -> Tensor:
    """Masks (N, 21 joints, size, size) of the joints' own parts, from part probabilities (N, 21 labels, 48, 48).

    Every pixel belongs to its most probable part; a cell of the smaller mask is in when any of its pixels is. table:
    `joint_labels`.
    """
    labels = probabilities.argmax(dim=1, keepdim=True)
    regions = (labels == torch.arange(table.shape[1], device=labels.device)[:, None, None]).to(
        table.dtype
    )  # (N, labels, 48, 48)
    regions = F.max_pool2d(opened(regions), regions.shape[-1] // size)
    return torch.einsum("jl,nlhw->njhw", table, regions).clamp(max=1)
