"""MSRA15's .bin: a window of a depth image. Six int32 (width, height, left, top, right, bottom), then float32 mm."""

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knuckle.depth.limits import check_size, damaged
from knuckle.errors import DepthError

SUFFIX = ".bin"

_HEADER = struct.Struct("<6i")


def decode_bin(data: bytes, path: str | Path) -> NDArray[np.float32]:
    """File → the whole image (height, width) mm, 0 outside of the window. Raises `DepthError` for anything else."""
    if len(data) < _HEADER.size:
        raise damaged(path, "it ends within its header")
    width, height, left, top, right, bottom = _HEADER.unpack_from(data)
    check_size(width, height, path)
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise damaged(path, f"its window {left}, {top} to {right}, {bottom} is none of {width} x {height} px")
    expected = _HEADER.size + 4 * (right - left) * (bottom - top)
    if len(data) != expected:
        raise damaged(path, f"it has {len(data)} bytes, not {expected}")
    image = np.zeros((height, width), dtype=np.float32)
    values = np.frombuffer(data, dtype="<f4", offset=_HEADER.size)
    image[top:bottom, left:right] = values.reshape(bottom - top, right - left)
    return image


def encode_bin(depth: NDArray[np.float32], window: tuple[int, int, int, int]) -> bytes:
    """The window (left, top, right, bottom) of depth (H, W) mm as `decode_bin` reads it.

    Raises `DepthError` for a window that is not inside the image.
    """
    height, width = depth.shape
    left, top, right, bottom = window
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise DepthError(f"window {window} is none of {width} x {height} px")
    values = np.ascontiguousarray(depth[top:bottom, left:right], dtype="<f4")
    return _HEADER.pack(width, height, left, top, right, bottom) + values.tobytes()
