"""The picture of a result: skeleton and parts, cropped around the hand, with a legend."""

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from knuckle.anatomy import FINGERS, PART_FINGER
from knuckle.draw.bones import skeleton
from knuckle.draw.colors import BACKGROUND, PALETTE, Image
from knuckle.draw.images import depth_image, overlay_parts
from knuckle.draw.text import blank, text_width, write_line
from knuckle.errors import SettingsError

_SHADE_MM = 125.0


class HandLike(Protocol):
    """What `hand_picture` needs of a hand; `knuckle.Hand` has it."""

    @property
    def pixels(self) -> ArrayLike: ...  # (21, 2) px
    @property
    def parts(self) -> Image: ...  # (H, W) labels
    @property
    def confidence(self) -> ArrayLike: ...  # (21,) 0..1
    @property
    def center(self) -> ArrayLike: ...  # (3,) mm
    @property
    def side(self) -> str: ...


def hand_picture(depth: NDArray[np.float32], hand: HandLike | None, tile: int = 480, legend: bool = True) -> Image:
    """The picture of a result: depth with the skeleton beside the part map, both cropped around the hand.

    depth: (H, W) mm; hand: the estimator's answer for it, None draws the whole frame with the words "no hand found".
    Returns (tile, 2·tile, 3); a legend of the fingers below adds tile/14 rows. Raises `SettingsError` if the part map
    is not of the frame's size.
    """
    if hand is None:
        picture = _no_hand_picture(depth, tile)
        return np.vstack([picture, blank(tile // 14, 2 * tile)]) if legend else picture
    parts, pixels = np.asarray(hand.parts), np.asarray(hand.pixels, dtype=np.float64)
    if parts.shape != np.shape(depth):
        raise SettingsError(f"the hand's part map {parts.shape} is not of the depth frame's size {np.shape(depth)}")
    z = float(np.asarray(hand.center)[2])  # mm
    grey = depth_image(depth, z - _SHADE_MM, z + _SHADE_MM)
    left, top, side = _window(pixels, parts)
    moved = (pixels - (left, top) + 0.5) * (tile / side) - 0.5  # (21, 2) px of the tile
    bones = skeleton(_cut(grey, left, top, side, tile), moved, hand.confidence)
    labels = _cut(parts, left, top, side, tile)
    flat = overlay_parts(_cut(grey // 2, left, top, side, tile), labels, alpha=0.9)
    picture = np.hstack([bones, flat])
    picture[:, tile - 1 : tile + 1] = BACKGROUND
    if not legend:
        return picture
    return np.vstack([picture, _caption(2 * tile, tile // 14, f"{hand.side} hand, {z:.0f} mm away")])


def _window(pixels: NDArray[np.float64], parts: NDArray[np.uint8]) -> tuple[float, float, float]:
    """(left, top, side) px of a square that shows the hand with some room around it."""
    size = np.array(parts.shape[::-1])
    points = pixels[((pixels > -size) & (pixels < 2 * size)).all(axis=1)]  # a joint miles away must not shrink the hand
    rows, columns = np.nonzero(parts)
    if rows.size:
        points = np.vstack([points, np.percentile(np.stack([columns, rows], axis=-1), [1, 99], axis=0)])
    if not len(points):
        points = np.array([[0, 0], size - 1], dtype=np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    side = 1.2 * max((high - low).max(), 20.0)
    left, top = (low + high + 1 - side) / 2
    return float(left), float(top), float(side)


def _cut(image: NDArray[np.uint8], left: float, top: float, side: float, tile: int) -> NDArray[np.uint8]:
    """The window of a picture or part map, enlarged to tile × tile; labels are not mixed, outside is background."""
    zoom = tile / side
    move = np.array([[zoom, 0, zoom * (0.5 - left) - 0.5], [0, zoom, zoom * (0.5 - top) - 0.5]])
    labels = image.ndim == 2
    fill = (0,) if labels else BACKGROUND
    how = cv2.INTER_NEAREST if labels else cv2.INTER_LINEAR
    return np.asarray(cv2.warpAffine(image, move, (tile, tile), flags=how, borderValue=fill), dtype=np.uint8)


def _no_hand_picture(depth: NDArray[np.float32], tile: int) -> Image:
    """(tile, 2·tile, 3): the whole frame, and the words beside it."""
    grey = depth_image(depth)
    zoom = tile / max(grey.shape[:2])
    size = max(1, round(grey.shape[1] * zoom)), max(1, round(grey.shape[0] * zoom))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_NEAREST)
    picture = blank(tile, 2 * tile)
    top, left = (tile - size[1]) // 2, (tile - size[0]) // 2
    picture[top : top + size[1], left : left + size[0]] = small
    write_line(picture[:, tile:], "no hand found", tile // 20, tile, max(0.4, tile / 480))
    return picture


def _caption(width: int, height: int, text: str) -> Image:
    """(height, width, 3): the palm's and the fingers' colours with their names, and a text at the right."""
    strip = blank(height, width)
    scale, at = height / 60, height // 4
    for finger, name in ((-1, "palm"), *enumerate(FINGERS)):
        colors = PALETTE[1:][PART_FINGER[1:] == finger]  # (1..4, 3)
        swatch = np.repeat(colors, -(-height // len(colors)), axis=0)[:height]
        strip[height // 4 : height - height // 4, at : at + height] = swatch[: strip.shape[1] - at][None]
        at = write_line(strip, name, at + height + height // 5, height, scale) + height // 2
    write_line(strip, text, width - height // 4 - text_width(text, scale), height, scale)
    return strip
