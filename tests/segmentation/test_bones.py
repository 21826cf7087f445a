"""Where pixels are among the bones: by plain loops, in bfloat16 too, and what lies within reach of them."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from knuckle.anatomy import BONES
from knuckle.segmentation import bones
from knuckle.segmentation.bones import among_bones, reached


def crops(seed: int, count: int) -> tuple[NDArray, NDArray]:
    rng = np.random.default_rng(seed)
    depth = rng.uniform(-1, 1, (count, 48, 48)).astype(np.float16)
    return depth, rng.uniform(-0.8, 0.8, (count, 21, 3)).astype(np.float32)


def plain(depth: NDArray, joints: NDArray, row: int, column: int) -> tuple[list[float], list[float]]:
    """Distance of a pixel's point from every bone, a segment, and how far along the bone it lies."""
    point = np.array([(column + 0.5) / 24 - 1, (row + 0.5) / 24 - 1, depth[row, column]], dtype=np.float64)
    distances, along = [], []
    for parent, child in BONES:
        bone = joints[child].astype(np.float64) - joints[parent]
        share = np.dot(point - joints[parent], bone) / np.dot(bone, bone)
        distances.append(float(np.linalg.norm(point - joints[parent] - np.clip(share, 0, 1) * bone)))
        along.append(float(share))
    return distances, along


@pytest.mark.parametrize("bfloat16", [False, True])
def test_distances_and_places_equal_plain_loops(bfloat16: bool) -> None:
    depth, joints = crops(1, 2)
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        found = among_bones(torch.from_numpy(depth).float()[:, None], torch.from_numpy(joints))
    assert [tensor.shape for tensor in found] == [(2, 20, 48, 48)] * 2
    for frame, row, column in np.random.default_rng(2).integers([2, 48, 48], size=(60, 3)):
        distances, along = plain(depth[frame], joints[frame], row, column)
        np.testing.assert_allclose(found[0][frame, :, row, column], distances, atol=1e-3)
        np.testing.assert_allclose(found[1][frame, :, row, column], along, atol=1e-3, rtol=1e-3)


def test_what_is_within_reach_equals_plain_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bones, "_BATCH", 2)
    depth, joints = crops(3, 5)
    cube = np.array([250, 250, 100, 400, 250], dtype=np.float32)
    joints[4] = np.nan
    found = reached(depth, joints, cube, 30.0)
    assert (found.shape, found.dtype) == ((5, 48, 48), np.bool_)
    assert not found[4].any()
    seen = set()
    for frame, row, column in np.random.default_rng(4).integers([4, 48, 48], size=(200, 3)):
        nearest = min(plain(depth[frame], joints[frame], row, column)[0]) * cube[frame] / 2
        if abs(nearest - 30) > 0.1:
            assert found[frame, row, column] == (nearest < 30)
            seen.add((frame, nearest < 30))
    assert len(seen) >= 7  # both answers, in cubes of every size
