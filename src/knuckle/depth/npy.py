"""Depth images as NumPy's .npy; objects in them are never unpickled."""

import io
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knuckle.depth.limits import check_size, damaged
from knuckle.errors import DepthError

SIGNATURE = b"\x93NUMPY"

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def decode_npy(data: bytes, path: str | Path) -> NDArray[Any]:
    """.npy file → (H, W) array of real numbers. Objects are never unpickled."""
    stream = io.BytesIO(data)
    try:
        with warnings.catch_warnings(action="ignore"):  # headers that Python 2 wrote are fine
            shape, _, dtype = _HEADERS[np.lib.format.read_magic(stream)](stream)
    except Exception as error:  # the header is a Python literal: arbitrary bytes fail to parse in many ways
        raise damaged(path, f"its header cannot be read: {_first_line(error)}") from None
    if dtype.kind not in "uif" or len(shape) != 2:
        raise DepthError(f"{path}: holds {dtype} of shape {shape}; depth is (H, W) of real numbers")
    check_size(shape[1], shape[0], path)
    if len(data) - stream.tell() < math.prod(shape) * dtype.itemsize:
        raise damaged(path, "the file is truncated")
    try:
        with warnings.catch_warnings(action="ignore"):
            return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))
    except (ValueError, TypeError) as error:
        raise damaged(path, _first_line(error)) from None


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
