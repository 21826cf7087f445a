"""Reading and writing depth images: 16-bit PNG with a unit, NYU's packed PNG, MSRA15's .bin, and .npy.

Files are data from strangers: header, size and every checksum are verified before anything is decoded, and whatever is
wrong with a file ends in one `DepthError`.
"""

import math
import os
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from knuckle.depth import msra, npy, png
from knuckle.depth.check import as_depth, check_depth
from knuckle.depth.limits import MAX_PIXELS, WANTED
from knuckle.errors import DepthError
from knuckle.files import reason_of

_MAX_BYTES = 8 * MAX_PIXELS + 65_536  # a float64 .npy of the largest size


def read_depth(path: str | Path, unit_mm: float | None = None) -> NDArray[np.float32]:
    """Depth image file → (H, W) float32 mm, 0 = no measurement.

    unit_mm: millimetres per step of an integer image; None = 1, the unit of most sensors and of NYU (RealSense SR305:
    0.125). A .npy or .bin of floats is in millimetres already and is not scaled. An 8-bit RGB PNG is read as NYU's
    packing (mm = G·256 + B) if its red channel is empty and the depths are possible ones.

    Raises `DepthError`, naming the file and the remedy, if the file is missing, damaged, too large or not a depth
    image, or if its depths fail `check_depth`.
    """
    depth, unit = _read_image(path, unit_mm)
    return check_depth(depth, path, unit)


def read_any_depth(path: str | Path, unit_mm: float | None = None) -> NDArray[np.float32]:
    """As `read_depth`, but without a look at the range: recordings hold frames of a covered sensor, too.

    Raises `DepthError` if the file cannot be read, or a value is NaN, infinite or negative.
    """
    return as_depth(_read_image(path, unit_mm)[0], path)


def write_depth(path: str | Path, depth: ArrayLike, unit_mm: float = 1.0) -> None:
    """Depth (H, W) mm → 16-bit grey PNG with steps of unit_mm, rounded; the file appears whole or not at all.

    Raises `DepthError` if the array is not a depth image, does not fit 16 bits in this unit, or cannot be written.
    """
    unit = _check_unit(unit_mm)
    steps = np.rint(as_depth(depth, path) / unit)
    if steps.max() > 65535:
        raise DepthError(
            f"{path}: {steps.max() * unit / 1000:.1f} m does not fit 16 bits in steps of unit_mm={unit:g}: "
            f"use unit_mm={steps.max() * unit / 65535 * 1.001:.4g} or more"
        )
    encoded = cv2.imencode(".png", steps.astype(np.uint16))[1]
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(encoded.tobytes())
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):  # nor, under a file instead of a folder, can it be sought
            partial.unlink()
        raise DepthError(f"{path}: cannot write the depth image ({reason_of(error)})") from None


def _read_image(path: str | Path, unit_mm: float | None) -> tuple[NDArray, float | None]:
    """What a file holds, (H, W) mm, and the unit of its steps; None where it has floats."""
    unit = _check_unit(unit_mm)
    data = _read_bytes(path)
    if data.startswith(png.SIGNATURE):
        steps = png.decode_png(data, path)
    elif data.startswith(npy.SIGNATURE):
        steps = npy.decode_npy(data, path)
    elif Path(path).suffix.lower() == msra.SUFFIX and data:
        return msra.decode_bin(data, path), None
    else:
        raise DepthError(f"{path}: not a depth image; {WANTED}" if data else f"{path}: the file is empty")
    if steps.dtype.kind == "f":
        return steps, None
    return steps.astype(np.float32) * np.float32(unit), unit


def _check_unit(unit_mm: float | None) -> float:
    if unit_mm is None:
        return 1.0
    if isinstance(unit_mm, bool) or not isinstance(unit_mm, int | float | np.integer | np.floating):
        raise DepthError(f"unit_mm must be a number of millimetres per step, got {unit_mm!r}")
    if not math.isfinite(unit_mm) or not 1e-3 <= unit_mm <= 1e3:
        raise DepthError(f"unit_mm must be 0.001 to 1000 millimetres per step, got {unit_mm!r} (most sensors: 1)")
    return float(unit_mm)


def _read_bytes(path: str | Path) -> bytes:
    try:
        with Path(path).open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise DepthError(f"{path}: cannot read the depth image ({error.strerror})") from None
    except ValueError as error:  # a null byte in the name
        raise DepthError(f"{path!r}: not a file name ({error})") from None
    if len(data) > _MAX_BYTES:
        raise DepthError(f"{path}: more than {_MAX_BYTES >> 20} MiB, larger than any depth image; {WANTED}")
    return data
