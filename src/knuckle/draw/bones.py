"""The skeleton of a hand."""

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from knuckle.anatomy import BONES, HAND21
from knuckle.draw.colors import HALO, Image, joint_color
from knuckle.draw.images import checked
from knuckle.errors import SettingsError

_SUBPIXEL = 4  # OpenCV draws at 1/16 px


def skeleton(
    image: Image, pixels: ArrayLike, confidence: ArrayLike | None = None, faint_below: float = 0.5, scale: float = 1.0
) -> Image:
    """Draws the 21 joints and 20 bones on a copy of a picture, in the colours of the fingers.

    pixels: (21, 2) px, u right and v down; confidence: (21,) in 0..1. A joint below `faint_below` is drawn hollow, and
    a bone that ends in one is faded. scale: factor on the line width, which grows with the picture, but never so far
    that the joints of a small hand run together.
    Joints that are not finite or far outside the picture are left out, with their bones.
    Raises `SettingsError` if a shape is wrong.
    """
    image = checked(image)
    pixels = np.asarray(pixels, dtype=np.float64)
    sure = np.ones(len(HAND21), dtype=bool) if confidence is None else np.asarray(confidence) >= faint_below
    if pixels.shape != (len(HAND21), 2) or sure.shape != (len(HAND21),):
        raise SettingsError(f"a skeleton has {len(HAND21)} joints (u, v), got {pixels.shape} and {sure.shape}")
    seen = (np.abs(pixels) < 8 * max(image.shape)).all(axis=1)  # OpenCV cannot take any number; NaN is not < either
    points = [tuple(np.rint(np.where(seen[j], pixels[j], 0) * 2**_SUBPIXEL).astype(int).tolist()) for j in range(21)]
    unit = scale * _line_unit(image, pixels[seen])
    bones = [bone for bone in BONES if seen[bone[0]] and seen[bone[1]]]
    faint = [bone for bone in bones if not (sure[bone[0]] and sure[bone[1]])]
    drawn = image.copy()
    if faint:
        layer = image.copy()
        _draw_bones(layer, points, faint, unit)
        drawn = np.asarray(cv2.addWeighted(layer, 0.5, drawn, 0.5, 0), dtype=np.uint8)
    _draw_bones(drawn, points, [bone for bone in bones if bone not in faint], unit)
    for joint in np.flatnonzero(seen):
        _draw_joint(drawn, points[joint], joint_color(int(joint)), bool(sure[joint]), unit)
    return drawn


def _line_unit(image: Image, points: NDArray[np.float64]) -> float:
    """Width of a bone, px, by the smaller side of the picture and the larger extent of the hand's joints (N, 2)."""
    extent = np.ptp(points, axis=0).max() if len(points) else 0.0
    return float(max(1.0, min(min(image.shape[:2]) / 150, extent / 70)))


def _draw_bones(image: Image, points: list[tuple[int, ...]], bones: list[tuple[int, int]], unit: float) -> None:
    """In place: dark outlines first, so that a crossing never cuts a finger in two."""
    for extra, halo in ((2, True), (0, False)):
        for parent, child in bones:
            color = HALO if halo else joint_color(child)
            width = max(2, round(unit)) + extra
            cv2.line(image, points[parent], points[child], color, width, cv2.LINE_AA, _SUBPIXEL)


def _draw_joint(image: Image, point: tuple[int, ...], color: tuple[int, ...], sure: bool, unit: float) -> None:
    """In place: a disc, or a ring for a joint that is a guess."""
    radius = round(1.6 * max(unit, 1.0) * 2**_SUBPIXEL)
    rim = 2**_SUBPIXEL
    cv2.circle(image, point, radius + rim, HALO, cv2.FILLED, cv2.LINE_AA, _SUBPIXEL)
    cv2.circle(image, point, radius, color, cv2.FILLED, cv2.LINE_AA, _SUBPIXEL)
    if not sure:
        cv2.circle(image, point, radius // 2, HALO, cv2.FILLED, cv2.LINE_AA, _SUBPIXEL)
