"""PNG depth images: 16-bit grey, or NYU's packed RGB.

OpenCV is given only what has passed every check, because libpng prints its complaints straight to stderr.
"""

import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from knuckle.depth.limits import FAR_MM, NEAR_MM, WANTED, check_size, damaged
from knuckle.errors import DepthError

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_GREY, _RGB = 0, 2  # colour types


def decode_png(data: bytes, path: str | Path) -> NDArray[np.uint16]:
    """PNG file → (H, W) steps. Inflates the pixels here, and hands them on in a PNG that is known to be sound."""
    width, height, bits, colour = _png_header(data, path)
    stride = 1 + width * (2 if colour == _GREY else 3)  # a filter byte, then the row
    inflater = zlib.decompressobj()
    try:
        rows = inflater.decompress(_png_pixels(data, path), stride * height + 1)
    except zlib.error as error:
        raise damaged(path, f"its pixels do not decompress: {error}") from None
    if len(rows) != stride * height or not inflater.eof or max(rows[::stride]) > 4:
        raise damaged(path, "its pixels do not fill the image")
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b""))
    sound = SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
    image = cv2.imdecode(np.frombuffer(sound, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise damaged(path, "it cannot be decoded")
    return image.astype(np.uint16, copy=False) if colour == _GREY else _unpack_nyu(image, path)


def _png_header(data: bytes, path: str | Path) -> tuple[int, int, int, int]:
    """(width, height, bits, colour type) of a PNG that is worth decoding."""
    if len(data) < 33:
        raise damaged(path, "it ends within its header")
    length, name, width, height, bits, colour, *methods = struct.unpack_from(">I4sIIBBBBB", data, len(SIGNATURE))
    if (length, name) != (13, b"IHDR") or zlib.crc32(data[12:29]) != int.from_bytes(data[29:33]):
        raise damaged(path, "its header is wrong")
    check_size(width, height, path)
    if (bits, colour) not in ((16, _GREY), (8, _RGB)):
        kind = "grey" if colour == _GREY else "colour" if colour in (_RGB, 3) else "transparent"
        raise DepthError(f"{path}: {bits}-bit {kind} image; {WANTED}: save the raw depth, not a picture of it")
    if methods != [0, 0, 0]:
        raise DepthError(f"{path}: interlaced PNG, which is not supported: save it without interlacing")
    return width, height, bits, colour


def _png_pixels(data: bytes, path: str | Path) -> bytes:
    """Walks the chunks of a PNG, checks length and CRC of each, and joins the compressed pixels."""
    pixels: list[bytes] = []
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        name, end = data[at + 4 : at + 8], at + 8 + length
        if end + 4 > len(data):
            break
        if zlib.crc32(data[at + 4 : end]) != int.from_bytes(data[end : end + 4]):
            raise damaged(path, "a checksum is wrong")
        if name == b"IEND":
            return b"".join(pixels)
        if name == b"IDAT":
            pixels.append(data[at + 8 : end])
        at = end + 4
    raise damaged(path, "the file is truncated")


def _unpack_nyu(image: NDArray[Any], path: str | Path) -> NDArray[np.uint16]:
    """NYU's packing, (H, W, 3) BGR: red is empty, mm = green·256 + blue. Anything else is a picture."""
    depth = np.left_shift(image[..., 1], 8, dtype=np.uint16)  # 8 bits times 256 overflow
    depth |= image[..., 0]
    measured = np.count_nonzero(depth)
    # the median without sorting: this runs on every frame
    impossible = max(np.count_nonzero(depth > FAR_MM), np.count_nonzero(depth < NEAR_MM) - (depth.size - measured))
    if image[..., 2].any() or 2 * impossible > measured:
        raise DepthError(f"{path}: colour image; {WANTED}: pass the depth stream, not the colour stream")
    return depth
