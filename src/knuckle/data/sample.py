"""A sample, and the arrays that a store keeps its samples in: names, shapes, types, and the steps of depth."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from knuckle.crop import SIZE
from knuckle.errors import StoreError

DEPTH_STEPS = 12_500
"""Steps from 0 to 1 in which depth is kept: 0.01 mm in a cube of 250 mm, half the space of float32. -1 and 1 stay."""

SIDES = ("right", "left")
"""Meaning of a sample's `side`."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One row of a store.

    depth (48, 48) float32 in [-1, 1]; parts (48, 48) uint8; joints (21, 3) and joints14 (14, 3) float32 mm in camera
    axes, NaN where there is no hand; center (3,) float32 mm and cube_mm: the cube; camera (6,) float32: fx, fy, cx, cy,
    width, height; side: index into `SIDES`; seed (2,) int64: what a synthetic sample was drawn from.
    """

    depth: NDArray[np.float32]
    parts: NDArray[np.uint8]
    joints: NDArray[np.float32]
    joints14: NDArray[np.float32]
    center: NDArray[np.float32]
    cube_mm: np.float32
    camera: NDArray[np.float32]
    side: np.uint8
    seed: NDArray[np.int64]


ARRAYS: dict[str, tuple[tuple[int, ...], str]] = {
    "depth": ((SIZE, SIZE), "int16"),
    "parts": ((SIZE, SIZE), "uint8"),
    "joints": ((21, 3), "float32"),
    "joints14": ((14, 3), "float32"),
    "center": ((3,), "float32"),
    "cube_mm": ((), "float32"),
    "camera": ((6,), "float32"),
    "side": ((), "uint8"),
    "seed": ((2,), "int64"),
}
"""Name, shape and type in the file of each array's rows."""

assert set(ARRAYS) == {field.name for field in fields(Sample)}


def depth_to_steps(depth: NDArray[np.float32]) -> NDArray[np.int16]:
    """Depth in [-1, 1] as the nearest of 2 · `DEPTH_STEPS` + 1 steps; only 1 itself (background) becomes the last.

    Raises `StoreError` for values outside.
    """
    if not (np.abs(depth) <= 1).all():  # NaN neither
        raise StoreError("depth must lie in [-1, 1]: cut it with  CropBox.crop_depth")
    steps = np.rint(depth * np.float32(DEPTH_STEPS)).astype(np.int16)
    return np.where(depth < 1, np.minimum(steps, DEPTH_STEPS - 1), steps).astype(np.int16)


def depth_from_steps(steps: NDArray[np.int16]) -> NDArray[np.float32]:
    """Inverse of `depth_to_steps`: float32 in [-1, 1]."""
    return steps.astype(np.float32) / np.float32(DEPTH_STEPS)
