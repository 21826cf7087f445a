"""Whether an array can be a depth frame."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from knuckle.depth.limits import FAR_MM, NEAR_MM
from knuckle.errors import DepthError

_INFINITE_MM = 1e9
"""A thousand kilometres: a sum of squares of such depths still fits a float32."""


def check_depth(depth: ArrayLike, source: str | Path = "depth", unit_mm: float | None = None) -> NDArray[np.float32]:
    """Returns depth (H, W) mm as float32 if it can be a depth frame; does not copy what is float32 already.

    source names the frame in messages; unit_mm is the unit that it was read with, where it was read from a file.

    Raises `DepthError` for what is not (H, W) real numbers; for NaN, infinite and negative values; for a frame without
    a single measurement; and for a frame whose median measurement is beyond `FAR_MM` or nearer than `NEAR_MM`.
    """
    frame = as_depth(depth, source)
    valid = cv2.countNonZero(frame)
    if valid == 0:
        raise DepthError(f"{source}: no measurement at all, every pixel is 0: is the sensor covered or unplugged?")
    far = np.count_nonzero(frame > FAR_MM) if frame.max() > FAR_MM else 0
    near = np.count_nonzero(frame < NEAR_MM) - (frame.size - valid)
    if 2 * max(far, near) > valid:  # the median without sorting: this runs on every frame
        median = float(np.median(frame[frame > 0]))
        where = f"{median / 1000:.1f} m" if median > FAR_MM else f"{median:.2g} mm"
        if unit_mm is None:
            raise DepthError(f"{source}: the median pixel is at {where}: give depth in millimetres, 0 = no measurement")
        raise DepthError(
            f"{source}: unit_mm={unit_mm:g} puts the median pixel at {where}: pass the sensor's own unit with "
            "--unit-mm (RealSense SR305 has 0.125, most sensors 1)"
        )
    return frame


def as_depth(depth: ArrayLike, source: str | Path) -> NDArray[np.float32]:
    """(H, W) float32 of values ≥ 0 and less than `_INFINITE_MM`."""
    try:
        array = np.asarray(depth)
    except (ValueError, TypeError) as error:
        raise DepthError(f"{source}: not an array of depths ({error})") from None
    if array.ndim != 2 or array.size == 0:
        raise DepthError(f"{source}: depth must be (H, W), got an array of shape {array.shape}")
    if array.dtype.kind not in "uif":
        raise DepthError(f"{source}: depth must be real numbers in millimetres, got {array.dtype}")
    with np.errstate(over="ignore", invalid="ignore"):  # beyond float32 is inf, signalling NaN is NaN: counted below
        frame = array.astype(np.float32, copy=False)
    if not (frame.min() >= 0 and frame.max() < _INFINITE_MM):
        infinite = np.abs(frame) >= _INFINITE_MM
        counts = {"NaN": np.isnan(frame), "infinite": infinite, "negative": (frame < 0) & ~infinite}
        found = ", ".join(f"{mask.sum()} {name}" for name, mask in counts.items() if mask.any())
        raise DepthError(f"{source}: {found} of {frame.size} depth values: set pixels without a measurement to 0")
    return frame
