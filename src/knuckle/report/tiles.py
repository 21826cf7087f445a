"""Small pictures of crops, enlarged so that every cell is a square: what the figures are put together from."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knuckle.crop import to_crop
from knuckle.draw import Image, contact_sheet, depth_image, part_image, skeleton

_ZOOM = 4
_FAR_MM = 1000.0
_GAP = 4


def depth_tile(crop: NDArray) -> Image:
    """Depth crop (48, 48) in [-1, 1] → picture; where nothing is measured in the cube it is almost black."""
    depth = np.asarray(crop, dtype=np.float32)
    measured = np.where(depth < 1, _FAR_MM + depth, 0)  # any distance will do: only where in the cube it is shows
    return _enlarged(depth_image(measured, _FAR_MM - 1, _FAR_MM + 1))


def part_tile(parts: NDArray[np.uint8]) -> Image:
    """Part map (48, 48) → picture."""
    return _enlarged(part_image(parts))


def joint_tile(crop: NDArray, joints: ArrayLike, center: ArrayLike, cube_mm: ArrayLike) -> Image:
    """Depth crop with the skeleton of joints (21, 3) mm, camera axes, as seen in the crop."""
    image = depth_tile(crop)
    places = to_crop(joints, center, cube_mm)[:, :2]  # (21, 2), -1 and 1 are the edges
    return skeleton(image, (places + 1) / 2 * image.shape[0] - 0.5)


def sheet(rows: list[list[Image]], titles: list[str] | None = None) -> Image:
    """Rows of tiles → one picture; titles: one a column, above the first row."""
    columns = len(rows[0])
    picture = contact_sheet([tile for row in rows for tile in row], columns, gap=_GAP)
    if titles is None:
        return picture
    head = contact_sheet(rows[0], columns, titles, _GAP)
    below = contact_sheet(rows[0], columns, gap=_GAP).shape[0]
    return np.vstack([head[: head.shape[0] - below + _GAP], picture[_GAP:]])


def _enlarged(image: Image) -> Image:
    return np.ascontiguousarray(image.repeat(_ZOOM, axis=0).repeat(_ZOOM, axis=1))
