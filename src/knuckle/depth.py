"""Reading, checking and writing depth images: 16-bit PNG with a unit, NYU's packed PNG, and .npy.

Files are data from strangers: header, size and every checksum are verified before anything is decoded, and whatever is
wrong with a file ends in one `DepthError`. OpenCV is given only what has passed, because libpng prints its complaints
straight to stderr.
"""

import io
import math
import os
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from knuckle.errors import DepthError

MAX_PIXELS = 4096 * 4096
"""Largest image that is decoded: four times the largest depth sensor (2048 x 2048), and no decompression bomb."""

FAR_MM = 20_000.0
"""A frame whose median pixel lies beyond this was read with the wrong unit: no depth camera for hands sees so far."""

NEAR_MM = 10.0
"""A frame whose median pixel lies nearer than this was read with the wrong unit: every sensor is blind there."""

_MAX_BYTES = 8 * MAX_PIXELS + 65_536  # a float64 .npy of the largest size
_PNG, _NPY = b"\x89PNG\r\n\x1a\n", b"\x93NUMPY"
_NPY_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_GREY, _RGB = 0, 2  # PNG colour types
_WANTED = "depth images are 16-bit grey PNG, NYU's packed RGB PNG or .npy"


def read_depth(path: str | Path, unit_mm: float | None = None) -> NDArray[np.float32]:
    """Depth image file → (H, W) float32 mm, 0 = no measurement.

    unit_mm: millimetres per step of an integer image; None = 1, the unit of most sensors and of NYU (RealSense SR305:
    0.125). A .npy of floats is in millimetres already and is not scaled. An 8-bit RGB PNG is read as NYU's packing
    (mm = G·256 + B) if its red channel is empty and the depths are possible ones.

    Raises `DepthError`, naming the file and the remedy, if the file is missing, damaged, too large or not a depth
    image, or if its depths fail `check_depth`.
    """
    unit = _check_unit(unit_mm)
    data = _read_bytes(path)
    if data.startswith(_PNG):
        steps = _decode_png(data, path)
    elif data.startswith(_NPY):
        steps = _decode_npy(data, path)
    else:
        raise DepthError(f"{path}: not a depth image; {_WANTED}" if data else f"{path}: the file is empty")
    if steps.dtype.kind == "f":
        return check_depth(steps, path)
    return check_depth(steps.astype(np.float32) * np.float32(unit), path, unit)


def write_depth(path: str | Path, depth: ArrayLike, unit_mm: float = 1.0) -> None:
    """Depth (H, W) mm → 16-bit grey PNG with steps of unit_mm, rounded; the file appears whole or not at all.

    Raises `DepthError` if the array is not a depth image, does not fit 16 bits in this unit, or cannot be written.
    """
    unit = _check_unit(unit_mm)
    steps = np.rint(_as_depth(depth, path) / unit)
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
        partial.unlink(missing_ok=True)
        raise DepthError(f"{path}: cannot write the depth image ({error.strerror})") from None


def check_depth(depth: ArrayLike, source: str | Path = "depth", unit_mm: float | None = None) -> NDArray[np.float32]:
    """Returns depth (H, W) mm as float32 if it can be a depth frame; does not copy what is float32 already.

    source names the frame in messages; unit_mm is the unit that it was read with, where it was read from a file.

    Raises `DepthError` for what is not (H, W) real numbers; for NaN, infinite and negative values; for a frame without
    a single measurement; and for a frame whose median measurement is beyond `FAR_MM` or nearer than `NEAR_MM`.
    """
    frame = _as_depth(depth, source)
    valid = np.count_nonzero(frame)
    if valid == 0:
        raise DepthError(f"{source}: no measurement at all, every pixel is 0: is the sensor covered or unplugged?")
    far = np.count_nonzero(frame > FAR_MM)
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


def _as_depth(depth: ArrayLike, source: str | Path) -> NDArray[np.float32]:
    """(H, W) float32 of finite values ≥ 0."""
    try:
        array = np.asarray(depth)
    except (ValueError, TypeError) as error:
        raise DepthError(f"{source}: not an array of depths ({error})") from None
    if array.ndim != 2 or array.size == 0:
        raise DepthError(f"{source}: depth must be (H, W), got an array of shape {array.shape}")
    if array.dtype.kind not in "uif":
        raise DepthError(f"{source}: depth must be real numbers in millimetres, got {array.dtype}")
    with np.errstate(over="ignore"):  # float64 beyond float32 becomes inf and is counted as such below
        frame = array.astype(np.float32, copy=False)
    if not (frame.min() >= 0 and frame.max() < np.inf):
        counts = {"NaN": np.isnan(frame), "infinite": np.isinf(frame), "negative": (frame < 0) & ~np.isinf(frame)}
        found = ", ".join(f"{mask.sum()} {name}" for name, mask in counts.items() if mask.any())
        raise DepthError(f"{source}: {found} of {frame.size} depth values: set pixels without a measurement to 0")
    return frame


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
        raise DepthError(f"{path}: more than {_MAX_BYTES >> 20} MiB, larger than any depth image; {_WANTED}")
    return data


def _check_size(width: int, height: int, path: str | Path) -> None:
    if width <= 0 or height <= 0 or width * height > MAX_PIXELS:
        raise DepthError(f"{path}: an image of {width} x {height} px; depth images have 1 to {MAX_PIXELS} pixels")


def _decode_png(data: bytes, path: str | Path) -> NDArray[np.uint16]:
    """PNG file → (H, W) steps. Inflates the pixels here, and hands them on in a PNG that is known to be sound."""
    width, height, bits, colour = _png_header(data, path)
    stride = 1 + width * (2 if colour == _GREY else 3)  # a filter byte, then the row
    inflater = zlib.decompressobj()
    try:
        rows = inflater.decompress(_png_pixels(data, path), stride * height + 1)
    except zlib.error as error:
        raise _damaged(path, f"its pixels do not decompress: {error}") from None
    if len(rows) != stride * height or not inflater.eof or max(rows[::stride]) > 4:
        raise _damaged(path, "its pixels do not fill the image")
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b""))
    sound = _PNG + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
    image = cv2.imdecode(np.frombuffer(sound, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise _damaged(path, "it cannot be decoded")
    return image.astype(np.uint16, copy=False) if colour == _GREY else _unpack_nyu(image, path)


def _png_header(data: bytes, path: str | Path) -> tuple[int, int, int, int]:
    """(width, height, bits, colour type) of a PNG that is worth decoding."""
    if len(data) < 33:
        raise _damaged(path, "it ends within its header")
    length, name, width, height, bits, colour, *methods = struct.unpack_from(">I4sIIBBBBB", data, len(_PNG))
    if (length, name) != (13, b"IHDR") or zlib.crc32(data[12:29]) != int.from_bytes(data[29:33]):
        raise _damaged(path, "its header is wrong")
    _check_size(width, height, path)
    if (bits, colour) not in ((16, _GREY), (8, _RGB)):
        kind = "grey" if colour == _GREY else "colour" if colour in (_RGB, 3) else "transparent"
        raise DepthError(f"{path}: {bits}-bit {kind} image; {_WANTED}: save the raw depth, not a picture of it")
    if methods != [0, 0, 0]:
        raise DepthError(f"{path}: interlaced PNG, which is not supported: save it without interlacing")
    return width, height, bits, colour


def _png_pixels(data: bytes, path: str | Path) -> bytes:
    """Walks the chunks of a PNG, checks length and CRC of each, and joins the compressed pixels."""
    pixels: list[bytes] = []
    at = len(_PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        name, end = data[at + 4 : at + 8], at + 8 + length
        if end + 4 > len(data):
            break
        if zlib.crc32(data[at + 4 : end]) != int.from_bytes(data[end : end + 4]):
            raise _damaged(path, "a checksum is wrong")
        if name == b"IEND":
            return b"".join(pixels)
        if name == b"IDAT":
            pixels.append(data[at + 8 : end])
        at = end + 4
    raise _damaged(path, "the file is truncated")


def _unpack_nyu(image: NDArray[Any], path: str | Path) -> NDArray[np.uint16]:
    """NYU's packing, (H, W, 3) BGR: red is empty, mm = green·256 + blue. Anything else is a picture."""
    blue, green, red = (image[..., channel].astype(np.uint16) for channel in range(3))  # 8 bits times 256 overflow
    depth = green * 256 + blue
    if red.any() or (depth.any() and not NEAR_MM <= np.median(depth[depth > 0]) <= FAR_MM):
        raise DepthError(f"{path}: colour image; {_WANTED}: pass the depth stream, not the colour stream")
    return depth


def _decode_npy(data: bytes, path: str | Path) -> NDArray[Any]:
    """.npy file → (H, W) array of real numbers. Objects are never unpickled."""
    stream = io.BytesIO(data)
    try:
        with warnings.catch_warnings(action="ignore"):  # headers that Python 2 wrote are fine
            shape, _, dtype = _NPY_HEADERS[np.lib.format.read_magic(stream)](stream)
    except Exception as error:  # the header is a Python literal: arbitrary bytes fail to parse in many ways
        raise _damaged(path, f"its header cannot be read: {_first_line(error)}") from None
    if dtype.kind not in "uif" or len(shape) != 2:
        raise DepthError(f"{path}: holds {dtype} of shape {shape}; depth is (H, W) of real numbers")
    _check_size(shape[1], shape[0], path)
    if len(data) - stream.tell() < math.prod(shape) * dtype.itemsize:
        raise _damaged(path, "the file is truncated")
    try:
        with warnings.catch_warnings(action="ignore"):
            return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))
    except (ValueError, TypeError) as error:
        raise _damaged(path, _first_line(error)) from None


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _damaged(path: str | Path, why: str) -> DepthError:
    return DepthError(f"{path}: damaged file, {why}: copy or record it again")
