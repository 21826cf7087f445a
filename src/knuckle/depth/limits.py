"""What a depth image can be: its size, its depths, and the words for one that is none."""

from pathlib import Path

from knuckle.errors import DepthError

MAX_PIXELS = 4096 * 4096
"""Largest image that is decoded: four times the largest depth sensor (2048 x 2048), and no decompression bomb."""

FAR_MM = 20_000.0
"""A frame whose median pixel lies beyond this was read with the wrong unit: no depth camera for hands sees so far."""

NEAR_MM = 10.0
"""A frame whose median pixel lies nearer than this was read with the wrong unit: every sensor is blind there."""

WANTED = "depth images are 16-bit grey PNG, NYU's packed RGB PNG, MSRA15's .bin or .npy"


def check_size(width: int, height: int, path: str | Path) -> None:
    if width <= 0 or height <= 0 or width * height > MAX_PIXELS:
        raise DepthError(f"{path}: an image of {width} x {height} px; depth images have 1 to {MAX_PIXELS} pixels")


def damaged(path: str | Path, why: str) -> DepthError:
    return DepthError(f"{path}: damaged file, {why}: copy or record it again")
