"""Compiled twins of `crop.CropBox` and `locate.hand_center`, which stay the definition: the same to the last bit."""

import numpy as np
from numpy.typing import NDArray

from knuckle.compiled import njit
from knuckle.crop import CUBE_MM, SIZE
from knuckle.synth.view import Lens, window

_FINE = 3 * SIZE  # sub-samples along an edge of the crop
_SAME_SURFACE_MM = np.float32(12.0)


@njit()
def cube_window(lens: Lens, center: NDArray[np.float64], beyond: int) -> Lens:
    """The lens of only the pixels that a cube about center (3,) mm covers, and `beyond` more on each side."""
    half_u, half_v = lens.fx * CUBE_MM / 2 / center[2], lens.fy * CUBE_MM / 2 / center[2]
    u, v = lens.fx * center[0] / center[2] + lens.cx, lens.fy * center[1] / center[2] + lens.cy
    left, top = int(np.floor(u - half_u)) - beyond, int(np.floor(v - half_v)) - beyond
    right, bottom = int(np.ceil(u + half_u)) + beyond, int(np.ceil(v + half_v)) + beyond
    return window(lens, left, top, right - left, bottom - top)


@njit()
def crop(
    depth: NDArray[np.float32],
    labels: NDArray[np.uint8],
    lens: Lens,
    center: NDArray[np.float64],
    crop_depth: NDArray[np.float32],
    crop_labels: NDArray[np.uint8],
) -> None:
    """`CropBox.crop_depth` and `crop_labels` of a frame (H, W) into crop_depth and crop_labels (48, 48).

    A cell that measures nothing inside the cube gets the label 0.
    """
    rows = _nearest(lens.fy, lens.cy, center[1], center[2], depth.shape[0])
    columns = _nearest(lens.fx, lens.cx, center[0], center[2], depth.shape[1])
    kept = np.empty(9, dtype=np.float32)
    for i in range(SIZE):
        for j in range(SIZE):
            row, column = rows[3 * i + 1], columns[3 * j + 1]
            crop_depth[i, j] = _cell(depth, rows, columns, 3 * i, 3 * j, center[2], kept)
            crop_labels[i, j] = labels[row, column] if crop_depth[i, j] < 1.0 else 0


@njit()
def _nearest(focal: float, principal: float, at: float, z: float, count: int) -> NDArray[np.int64]:
    """(144,) index of the pixel nearest to each sub-sample along one axis of the crop; -1 outside the image."""
    extent = focal * CUBE_MM / z
    corner = focal * at / z + principal - extent / 2
    indices = np.empty(_FINE, dtype=np.int64)
    for k in range(_FINE):
        pixel = np.rint(corner + (k + 0.5) / _FINE * extent)
        indices[k] = int(pixel) if 0 <= pixel < count else -1
    return indices


@njit()
def _cell(
    depth: NDArray[np.float32],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    first_row: int,
    first_column: int,
    z: float,
    kept: NDArray[np.float32],
) -> float:
    """One cell of the crop: the mean of those of its nine sub-samples that lie on the surface of the middle one.

    rows, columns (144,): where the sub-samples are, the cell's from first_row and first_column on; kept (9,): scratch.
    """
    row, column = rows[first_row + 1], columns[first_column + 1]
    seen = depth[row, column] if row >= 0 and column >= 0 else np.float32(0.0)
    if seen <= 0.0:
        return 1.0
    count = 0
    for k in range(9):
        kept[k] = 0.0
        row, column = rows[first_row + k // 3], columns[first_column + k % 3]
        if row >= 0 and column >= 0:
            value = depth[row, column]
            if value > 0.0 and abs(value - seen) <= _SAME_SURFACE_MM:
                kept[k] = value
                count += 1
    # in NumPy's order of adding nine float32, so that the last bit is the same
    total = ((kept[0] + kept[1]) + (kept[2] + kept[3])) + ((kept[4] + kept[5]) + (kept[6] + kept[7])) + kept[8]
    return min(max((np.float64(total) / count - z) / (CUBE_MM / 2), -1.0), 1.0)


@njit()
def hand_center(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """`locate.hand_center` of points (3, N), one row an axis; they are sorted in place."""
    center = np.empty(3)
    for axis in range(3):
        points[axis].sort()
        center[axis] = (_percentile(points[axis], 0.05) + _percentile(points[axis], 0.95)) / 2
    return center


@njit()
def _percentile(ordered: NDArray[np.float64], share: float) -> float:
    """NumPy's linear percentile of sorted values (N,)."""
    place = (len(ordered) - 1) * share
    below = int(np.floor(place))
    low, high = ordered[below], ordered[min(below + 1, len(ordered) - 1)]
    rest = place - below
    return high - (high - low) * (1 - rest) if rest >= 0.5 else low + (high - low) * rest
