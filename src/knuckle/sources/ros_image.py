"""sensor_msgs/Image as depth (REP 118): 16UC1 in millimetres, 32FC1 in metres."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from knuckle.depth.check import as_depth
from knuckle.depth.limits import check_size
from knuckle.errors import DepthError

ENCODINGS = {"16UC1": "u2", "32FC1": "f4"}

UNIT_MM = 1.0
"""Of 16UC1."""


def decode_image(message: Any, source: str) -> NDArray[np.float32]:
    """An image message → depth (H, W) mm, 0 = no measurement: what is NaN, infinite (too near or too far) or 0 there.

    Raises `DepthError`, naming source, for another encoding, or data that do not fill the image.
    """
    if message.encoding not in ENCODINGS:
        raise DepthError(f"{source}: an image in {message.encoding!r}; depth is {' or '.join(ENCODINGS)}")
    width, height, stride = int(message.width), int(message.height), int(message.step)
    check_size(width, height, source)
    kind = np.dtype((">" if message.is_bigendian else "<") + ENCODINGS[message.encoding])
    data = np.asarray(message.data, dtype=np.uint8).ravel()
    if stride < width * kind.itemsize or len(data) < stride * height:
        raise DepthError(f"{source}: {len(data)} bytes in rows of {stride}, too few for {width} x {height} px")
    rows = data[: stride * height].reshape(height, stride)[:, : width * kind.itemsize]
    values = np.ascontiguousarray(rows).view(kind)  # (H, W)
    if kind.kind == "u":
        return as_depth(values.astype(np.float32) * np.float32(UNIT_MM), source)
    metres = np.where(np.isfinite(values), values, 0).astype(np.float32)
    return as_depth(metres * np.float32(1000), source)


def image_time(message: Any) -> float:
    """When it was taken, seconds; 0 where it does not say."""
    stamp = message.header.stamp
    return float(stamp.sec) + float(stamp.nanosec) / 1e9
