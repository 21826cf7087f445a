"""Depth as a recording keeps it, without loss: whole 16-bit steps of the sensor's unit, or floats where it has none."""

import numpy as np
from numpy.typing import NDArray

from knuckle.errors import DepthError


def to_steps(depth: NDArray[np.float32], unit_mm: float | None) -> NDArray[np.uint16] | NDArray[np.float32]:
    """Depth (H, W) mm → uint16 steps of unit_mm; without a unit the depth itself, float32.

    Raises `DepthError` for a depth that `from_steps` would not give back to the last bit.
    """
    if unit_mm is None:
        return depth
    steps = np.rint(depth / np.float32(unit_mm))
    if steps.max() > 65535:
        raise DepthError(f"a depth of {depth.max() / 1000:.1f} m does not fit 16 bits in steps of {unit_mm:g} mm")
    found = steps.astype(np.uint16)
    if not np.array_equal(from_steps(found, unit_mm), depth):
        raise DepthError(f"its depths are no whole steps of {unit_mm:g} mm, the unit that its camera names")
    return found


def from_steps(steps: NDArray, unit_mm: float | None) -> NDArray[np.float32]:
    """Inverse of `to_steps`: (H, W) float32 mm."""
    if unit_mm is None:
        return np.asarray(steps, dtype=np.float32)
    return steps.astype(np.float32) * np.float32(unit_mm)
