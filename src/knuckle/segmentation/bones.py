"""Where the pixels of a crop are among the bones of the hand in it: all that joints alone say about parts."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from knuckle.anatomy import BONES
from knuckle.crop import SIZE

_BATCH = 256
_SHORTEST = 1e-6  # squared length of a bone, halves of the cube: joints at one place do not divide by zero


def among_bones(depth: Tensor, joints: Tensor) -> tuple[Tensor, Tensor]:
    """How far each pixel of depth (N, 1, 48, 48) is from every bone between joints (N, 21, 3), and where along it.

    Both (N, 20, 48, 48): the distance in crop coordinates (halves of the cube), as the joints are; and 0 beside the
    bone's start, 1 beside its end, less and more beyond.
    """
    with torch.autocast(depth.device.type, enabled=False):  # squares are subtracted: bfloat16 is up to 5 mm off
        count = depth.shape[0]  # not len(), which an export takes for a constant
        steps = (torch.arange(SIZE, device=depth.device, dtype=depth.dtype) + 0.5) / SIZE * 2 - 1
        places = steps.expand(count, SIZE, SIZE), steps[:, None].expand(count, SIZE, SIZE), depth[:, 0]
        points = torch.stack(places, dim=1).flatten(2)  # (N, 3, 2304)
        start = joints[:, [parent for parent, _ in BONES]]  # (N, 20, 3)
        bone = joints[:, [child for _, child in BONES]] - start
        length = bone.square().sum(2).clamp_min(_SHORTEST)[:, :, None]
        along = torch.einsum("nbd,ndp->nbp", bone, points) - (bone * start).sum(2)[:, :, None]
        along = along / length  # (N, 20, 2304)
        nearest = along.clamp(0, 1)
        # |p - (start + nearest · bone)|², multiplied out: no (N, 20, 3, 2304) in memory
        squared = (
            points.square().sum(1)[:, None]
            - 2 * torch.einsum("nbd,ndp->nbp", start, points)
            + start.square().sum(2)[:, :, None]
            - 2 * nearest * (along * length)
            + nearest.square() * bone.square().sum(2)[:, :, None]
        )
        distance = squared.clamp_min(0).sqrt()
        return distance.unflatten(2, (SIZE, SIZE)), along.unflatten(2, (SIZE, SIZE))


def reached(
    depth: NDArray[np.float16], joints: NDArray[np.float32], cube_mm: NDArray[np.float32], reach_mm: float
) -> NDArray[np.bool_]:
    """Which pixels (N, 48, 48) of crops, their cubes' sides cube_mm (N,), are within `reach_mm` of a bone.

    joints (N, 21, 3) in crop coordinates; without them (NaN) no pixel is.
    """
    near = np.empty(depth.shape, dtype=np.bool_)
    for first in range(0, len(depth), _BATCH):
        rows = slice(first, first + _BATCH)
        distance, _ = among_bones(torch.from_numpy(depth[rows]).float()[:, None], torch.from_numpy(joints[rows]))
        near[rows] = distance.amin(dim=1).numpy() * (cube_mm[rows, None, None] / 2) <= reach_mm
    return near
