"""What noise a depth frame shows on and around a near surface, measured alike on real and on simulated frames.

Nothing here needs to know the true depth: noise is what a smooth surface does not explain, an edge is where one walks
off the near surface. So the numbers of a real frame and of its simulation can stand side by side.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from knuckle.camera import Camera

DIRECTIONS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}
"""Row and column step of a walk off the silhouette."""

_SLOPE_MAX = 1.0  # tangent to the image plane: steeper windows show the lateral error, not the axial one
_STEP_MM = 8.0  # neighbours within a window that differ by more are not one surface
_JUMP_MM = 40.0  # what is this much behind the near surface is another one
_WALK_PX = 40  # an edge that finds no far surface within this is open: nothing behind it was measured
_RING_PX = 4
_MAX_WINDOWS = 4000  # of one frame: more would only repeat each other


@dataclass(frozen=True)
class Flatness:
    """The windows that lie on one smooth surface, and what is left of each when that surface is taken off."""

    z: NDArray[np.float64]
    """(N,) mm, distance."""
    sigma: NDArray[np.float64]
    """(N,) mm, standard deviation of what is left."""
    stripe: NDArray[np.float64]
    """(N,) mm, by how much even lines are farther and odd lines nearer than the surface; not in sigma."""
    products: NDArray[np.float64]
    """(N, 3) mm²: mean square of what is left, and mean product of neighbours in a row and in a column."""

    def between(self, near_mm: float, far_mm: float) -> "Flatness":
        """Only the windows in a range of distances."""
        chosen = (self.z >= near_mm) & (self.z < far_mm)
        return Flatness(self.z[chosen], self.sigma[chosen], self.stripe[chosen], self.products[chosen])

    @classmethod
    def joined(cls, several: "list[Flatness]") -> "Flatness":
        """The windows of several frames."""
        return cls(
            *(np.concatenate([getattr(one, name) for one in several]) for name in ("z", "sigma", "stripe", "products"))
        )

    def correlation(self) -> tuple[float, float]:
        """Correlation of neighbours in a row and in a column. White noise gives about -0.1: the fit takes some."""
        square, row, column = self.products.sum(axis=0)
        return (float(row / square), float(column / square)) if square > 0 else (float("nan"), float("nan"))


@dataclass(frozen=True)
class Edge:
    """Walks off the silhouette in one direction: pixels to the far surface, and what was passed on the way."""

    width: NDArray[np.int64]
    """(N,) pixels between the last of the near and the first of the far surface, of the walks that arrived."""
    flying: NDArray[np.int64]
    """(N,) of these, pixels that were measured."""
    rise: NDArray[np.float64]
    """(N,) mm, how much farther the last near pixel is than the second before it; 0 where that was not measured."""
    open_share: float
    """Share of all walks that found no far surface."""


def silhouette(depth: NDArray[np.float32], camera: Camera, center: NDArray, half_mm: float) -> NDArray[np.bool_]:
    """(H, W): the largest connected piece of what was measured in a cube of half-edge half_mm about a centre (mm)."""
    z = depth.astype(np.float64)
    rows, columns = np.indices(depth.shape)
    x, y = (columns - camera.cx) * z / camera.fx, (rows - camera.cy) * z / camera.fy
    inside = (z > 0) & (np.abs(z - center[2]) < half_mm)
    inside &= (np.abs(x - center[0]) < half_mm) & (np.abs(y - center[1]) < half_mm)
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8), connectivity=8)
    if count == 1:
        return inside
    return np.asarray(numbers == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])))


def flatness(depth: NDArray[np.float32], mask: NDArray[np.bool_], fx: float, window_px: int = 7) -> Flatness:
    """Fits z = quadratic(x, y) ± stripe in windows that lie in mask on one smooth surface.

    A plane would read the roundness of a finger as noise. depth (H, W) mm, 0 = no measurement; mask (H, W); fx px;
    window_px: odd edge of the window.
    """
    views = np.lib.stride_tricks.sliding_window_view
    top, left = np.nonzero(views(mask & (depth > 0), (window_px, window_px)).all(axis=(2, 3)))
    thinned = slice(None, None, 1 + len(top) // _MAX_WINDOWS)
    patches = views(depth, (window_px, window_px))[top[thinned], left[thinned]].astype(np.float64)  # (N, w, w)
    design = _surface_terms(window_px)  # (w², 7)
    flat = patches.reshape(len(patches), window_px**2)
    terms = flat @ np.linalg.pinv(design).T  # (N, 7)
    step = np.maximum(*(np.abs(np.diff(patches, axis=axis)).max(axis=(1, 2), initial=0) for axis in (1, 2)))
    slope = np.hypot(terms[:, 1], terms[:, 2]) * fx / terms[:, 0]
    kept = (step < _STEP_MM) & (slope < _SLOPE_MAX)
    rest = (flat - terms @ design.T)[kept].reshape(-1, window_px, window_px)
    square = np.square(rest).mean(axis=(1, 2))
    row, column = ((rest[:, :, 1:] * rest[:, :, :-1]).mean(axis=(1, 2)), (rest[:, 1:] * rest[:, :-1]).mean(axis=(1, 2)))
    freedom = window_px**2 / (window_px**2 - design.shape[1])
    even_first = np.where(top[thinned] % 2 == 0, 1.0, -1.0)
    return Flatness(
        terms[kept, 0], np.sqrt(square * freedom), (terms[:, 6] * even_first)[kept], np.stack([square, row, column], 1)
    )


def _surface_terms(window_px: int) -> NDArray[np.float64]:
    """(w², 7): 1, x, y, x², xy, y² and the alternation of lines, in the pixels of a window."""
    offset = np.arange(window_px) - window_px // 2
    y, x = (grid.ravel().astype(float) for grid in np.meshgrid(offset, offset, indexing="ij"))
    alternation = np.where((y - offset[0]) % 2 == 0, 1.0, -1.0)
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y, alternation], axis=1)


def walk_off(depth: NDArray[np.float32], mask: NDArray[np.bool_], direction: str) -> Edge:
    """Walks from every border pixel of a silhouette (H, W) in one of `DIRECTIONS` until a farther surface."""
    z = np.pad(_turned(depth, direction).astype(np.float64), ((0, 0), (2, _WALK_PX + 2)), constant_values=-1.0)
    inside = _turned(mask, direction)  # turned so that every walk goes to the right
    rows, columns = np.nonzero(inside & ~np.pad(inside, ((0, 0), (0, 1)))[:, 1:])
    path = z[rows[:, None], columns[:, None] + np.arange(_WALK_PX + 4)]  # (N, steps); step 2 is the last near one
    start, beyond = path[:, 2], path[:, 3:]
    far = beyond > start[:, None] + _JUMP_MM
    arrived = far[:, :-1] & far[:, 1:] & (np.abs(np.diff(beyond, axis=1)) < _JUMP_MM / 2)
    first = np.where(arrived.any(axis=1), arrived.argmax(axis=1), _WALK_PX)
    before = np.arange(_WALK_PX) < first[:, None]
    measured = beyond[:, :-1] > 0
    near_again = measured & (beyond[:, :-1] < start[:, None] + _JUMP_MM / 4)
    gone = beyond[:, :-1] < 0
    left = ~((near_again | gone) & before).any(axis=1)  # neither to the next finger nor out of the frame
    done = left & (first < _WALK_PX)
    rise = np.where(path[:, 0] > 0, start - path[:, 0], 0.0)
    open_share = float(1 - done.sum() / left.sum()) if left.any() else float("nan")
    return Edge(first[done], (before & measured)[done].sum(axis=1), rise[left], open_share)


def _turned(image: NDArray, direction: str) -> NDArray:
    if direction in ("up", "down"):
        image = image.T
    return image[:, ::-1] if direction in ("left", "up") else image


def hole_shares(depth: NDArray[np.float32], mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Share of pixels without measurement in a silhouette (H, W), gaps closed, and in a ring of 4 px about it."""
    closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)) > 0
    grown = cv2.dilate(closed.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=_RING_PX) > 0
    ring = grown & ~closed
    empty = depth == 0
    return float(empty[closed].mean()), float(empty[ring].mean())


def raggedness(mask: NDArray[np.bool_]) -> float:
    """Pixels of a silhouette (H, W) that a 5×5 median changes, per pixel of its border: 0 = as smooth as can be."""
    image = mask.astype(np.uint8)
    border = mask & (cv2.erode(image, np.ones((3, 3), np.uint8)) == 0)
    return float((cv2.medianBlur(image, 5) != image).sum() / max(1, border.sum()))


def quantisation_step(depth: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    """Median gap, mm, between neighbouring values that occur in a silhouette's middle half of depths."""
    low, high = np.percentile(depth[mask], [25, 75])
    values = np.unique(depth[mask & (depth >= low) & (depth <= high)].astype(np.float64))
    return float(np.median(np.diff(values))) if len(values) > 1 else float("nan")
