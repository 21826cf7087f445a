"""Depth images as NumPy's .npy; objects in them are never unpickled."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knuckle.depth.limits import check_size, damaged
from knuckle.errors import DepthError
from knuckle.numpy_files import SIGNATURE as SIGNATURE
from knuckle.numpy_files import read_header


def decode_npy(data: bytes, path: str | Path) -> NDArray[Any]:
    """.npy file → (H, W) array of real numbers. Objects are never unpickled."""
    try:
        header = read_header(io.BytesIO(data))
    except ValueError as error:
        raise damaged(path, str(error)) from None
    if header.dtype.kind not in "uif" or len(header.shape) != 2:
        raise DepthError(f"{path}: holds {header.dtype} of shape {header.shape}; depth is (H, W) of real numbers")
    check_size(header.shape[1], header.shape[0], path)
    if len(data) - header.start < header.size:
        raise damaged(path, "the file is truncated")
    values = np.frombuffer(data, header.dtype, header.shape[0] * header.shape[1], header.start)
    return values.reshape(header.shape, order="F" if header.fortran else "C")
