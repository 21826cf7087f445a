"""Charts of several methods, and pictures of the frames that one method does worst on."""

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from knuckle.charts import bar_chart, curve_chart
from knuckle.crop import CropBox
from knuckle.data.dataset import Dataset
from knuckle.draw import Image, contact_sheet, depth_image
from knuckle.errors import DepthError
from knuckle.evaluation.score import THRESHOLDS_MM, Score
from knuckle.evaluation.truth import Truth

_WORST = 12
_COLUMNS = 4
_TILE = 288  # px, the crop's 48 six times
_TRUE, _FOUND = (90, 230, 120), (235, 120, 60)
_SHADE_MM = 120.0
_MARGIN = 1.2
"""Of the cube that shows a frame: true joints and predicted ones, and some air."""


def curve(scores: Mapping[str, Score]) -> str:
    """Share of frames whose worst joint is within 0..80 mm, a curve a method: the text of an SVG file."""
    curves = {name: 100 * score.within for name, score in scores.items()}
    return curve_chart(
        THRESHOLDS_MM.astype(np.float64), curves, ("distance of the worst joint, mm", "frames within, %")
    )


def joint_bars(scores: Mapping[str, Score]) -> str:
    """Mean error of every joint, a bar a method: the text of an SVG file."""
    names = [name.replace("_", " ") for name in next(iter(scores.values())).per_joint]
    series = {name: np.array([list(score.per_joint.values())]) for name, score in scores.items()}
    return bar_chart(names, series, "mean error, mm")


def worst_frames(score: Score, predicted: NDArray[np.float64], truth: Truth, images: Dataset) -> Image:
    """The frames with the largest mean error: true joints green, predicted ones orange.

    images: the split of the dataset whose labels were compared; a frame that cannot be read is left out.
    """
    means = np.where(np.isnan(score.errors).all(axis=1), -np.inf, np.nan_to_num(score.errors).mean(axis=1))
    tiles, titles = [], []
    for index in np.argsort(-means, kind="stable")[:_WORST]:
        if not np.isfinite(means[index]):
            break
        try:
            depth = images.depth(int(index))
        except DepthError:
            continue
        tiles.append(_tile(depth, truth.joints[index], predicted[index], truth, images))
        titles.append(f"{images.path(int(index)).name}: {means[index]:.0f} mm")
    if not tiles:
        return np.zeros((_TILE, _TILE, 3), dtype=np.uint8)
    return contact_sheet(tiles, min(_COLUMNS, len(tiles)), titles)


def _tile(
    depth: NDArray[np.float32], true: NDArray[np.float64], found: NDArray[np.float64], truth: Truth, images: Dataset
) -> Image:
    """The hand's surroundings with both skeletons."""
    both = np.concatenate([true, found])
    pixels, z = images.camera.project(both), float(true[:, 2].mean())
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    extent = float((high - low).max()) * z / min(images.camera.fx, images.camera.fy) * _MARGIN
    center = images.camera.back_project((low + high) / 2, z)
    box = CropBox(center, images.camera, max(extent, truth.protocol.cube_mm), _TILE)
    rows, columns = (
        np.clip(np.rint(box.corner[axis] + (np.arange(_TILE) + 0.5) / _TILE * box.extent[axis]), 0, size - 1).astype(
            int
        )
        for axis, size in ((1, depth.shape[0]), (0, depth.shape[1]))
    )
    picture = depth_image(depth, z - _SHADE_MM, z + _SHADE_MM)[np.ix_(rows, columns)].copy()
    for joints, color in ((true, _TRUE), (found, _FOUND)):
        _draw(picture, box.to_pixels(joints), truth.protocol.bones, color)
    return picture


def _draw(
    picture: Image, pixels: NDArray[np.float64], bones: tuple[tuple[int, int], ...], color: tuple[int, int, int]
) -> None:
    points = [tuple(np.rint(np.clip(pixel, -_TILE, 2 * _TILE)).astype(int).tolist()) for pixel in pixels]
    for start, end in bones:
        cv2.line(picture, points[start], points[end], color, 1, cv2.LINE_AA)
    for point in points:
        cv2.circle(picture, point, 3, color, -1, cv2.LINE_AA)
