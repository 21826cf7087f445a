"""Where the hand is: first guesses from the whole frame, then the exact middle from the part map.

The first stage knows nothing of hands: it takes the nearest surfaces that are large enough, cuts the slab of them that
a hand could fill, and at a long slab (an arm) looks at its ends. The part network then says which guess is a hand, and
`refine_center` puts the cube onto the pixels that it calls hand.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from knuckle.camera import Camera
from knuckle.crop import CUBE_MM, CropBox


@dataclass(frozen=True)
class SearchSettings:
    """What `find_centers` takes for a hand before any network has looked."""

    nearest_mm: float = 150.0
    """Nearer than any depth camera measures a whole hand: what is here is noise or dirt on the glass."""
    farthest_mm: float = 1500.0
    """Beyond this a finger of a common depth camera is less than four pixels wide."""
    slab_mm: float = 130.0
    """Depth of a hand that points at the camera up to its wrist; the body is farther behind."""
    hand_mm: float = 200.0
    """Length of a hand: what is longer is a hand with an arm."""
    min_area_mm2: float = 1500.0
    """Less than half of a child's fist: what is smaller is speckle."""
    step_mm: float = 40.0
    """Neighbouring pixels whose depths differ by more do not belong to one surface."""
    max_candidates: int = 4
    """Every further guess costs one run of the part network on frames without a hand."""


@dataclass(frozen=True)
class _Surfaces:
    """Pixels of a thinned frame: their points (H, W, 3) mm, area (H, W) mm² each, and surface number, 0 = none."""

    points: NDArray[np.float32]
    area: NDArray[np.float32]
    number: NDArray[np.int32]


@dataclass(frozen=True)
class _Guess:
    """A centre (3,) mm and, at the end of an arm, how many pixels in its cube join it to what is not in its slab."""

    center: NDArray[np.float64]
    going_on: int

    def is_free(self, camera: Camera, settings: SearchSettings) -> bool:
        """Whether it sticks out into space, as a raised hand does, and is not cut by the frame's border."""
        middle = CropBox(self.center, camera, cube_mm=0.75 * settings.hand_mm)
        right, bottom = middle.corner + middle.extent
        inside = middle.corner.min() >= 0 and right <= camera.width and bottom <= camera.height
        return bool(inside and self.going_on <= _MAX_GOING_ON)

    def is_new(self, others: list["_Guess"], settings: SearchSettings) -> bool:
        """Whether it is far enough from the other guesses to show something else."""
        return all(np.linalg.norm(self.center - other.center) > settings.hand_mm / 4 for other in others)


_THIN_WIDTH = 160
"""The frame is thinned to about this width: a hand at 1 m still has 20 pixels across, and the search takes 1-2 ms."""

_MAX_GOING_ON = 25
"""Pixels of the thinned frame: about the width of a wrist at half a metre, twice."""

_MAX_SLABS = 8
"""Surfaces looked at, nearest first, before the search ends."""

_DEFAULT = SearchSettings()


def find_centers(
    depth: NDArray[np.float32], camera: Camera, settings: SearchSettings = _DEFAULT
) -> list[NDArray[np.float64]]:
    """Guesses of the hand's centre, (3,) mm in camera axes each, the likeliest (nearest, free end first) first.

    depth: (H, W) mm, 0 = no measurement. The list is empty where nothing plausible lies in the depth range.
    """
    surfaces = _surfaces(depth, camera, settings)
    if surfaces is None:
        return []
    left = surfaces.number > 0  # (h, w) pixels that no guess has taken yet
    guesses: list[_Guess] = []
    for _ in range(_MAX_SLABS):
        if len(guesses) >= settings.max_candidates or not left.any():
            break
        slab = _nearest_slab(surfaces, left, settings)
        if surfaces.area[slab].sum() >= settings.min_area_mm2:
            guesses += [guess for guess in _slab_guesses(surfaces, slab, settings) if guess.is_new(guesses, settings)]
        left &= ~slab
    guesses.sort(key=lambda guess: not guess.is_free(camera, settings))
    return [guess.center for guess in guesses[: settings.max_candidates]]


def hand_center(points: ArrayLike) -> NDArray[np.float64]:
    """Points (N, 3) mm of a hand's visible surface → its centre (3,) mm: the middle of the 5th and 95th percentile.

    Taken on each axis alone. A mean would follow the palm, which has most of the pixels, and lose the fingertips.
    """
    low, high = np.percentile(np.asarray(points, dtype=np.float64), [5, 95], axis=0)
    return (low + high) / 2


def refine_center(box: CropBox, crop: NDArray[np.float32], parts: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """The centre (3,) mm of the hand that a part map shows, or None where it shows none.

    crop: (size, size) in [-1, 1]; parts: (size, size), 0 = not hand. Only the largest connected region counts.
    """
    hand = largest_region((parts > 0) & (crop < 1))
    return hand_center(box.points(crop)[hand]) if hand.any() else None


def largest_region(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest 8-connected region of a mask (H, W), by pixels; empty for an empty mask."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count == 1:
        return np.zeros_like(mask, dtype=bool)
    return labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))


def _surfaces(depth: NDArray[np.float32], camera: Camera, settings: SearchSettings) -> _Surfaces | None:
    """Thins the frame, joins neighbouring pixels of similar depth to surfaces, and drops the small ones.

    None for a frame that is all gone then, being a strip of a few rows: OpenCV ends the process for an empty image.
    """
    stride = max(1, round(camera.width / _THIN_WIDTH))
    z = np.ascontiguousarray(depth[stride // 2 :: stride, stride // 2 :: stride], dtype=np.float32)
    if not z.size:
        return None
    rows, columns = np.indices(z.shape) * stride + stride // 2
    points = camera.back_project(np.stack([columns, rows], axis=-1), z).astype(np.float32)
    area = (np.square(z * stride) / (camera.fx * camera.fy)).astype(np.float32)
    inside = (z >= settings.nearest_mm) & (z <= settings.farthest_mm)
    # The farther pixel of a jump is cut out, so that a hand before the body and the body are two surfaces.
    known = np.where(z > 0, z, np.float32(1e9))  # nothing jumps at a hole
    for near, far in _neighbours():
        inside[far] &= known[far] - known[near] <= settings.step_mm
    _, number = cv2.connectedComponents(inside.astype(np.uint8), connectivity=4)
    areas = np.bincount(number.ravel(), weights=area.ravel())
    number[(areas < settings.min_area_mm2)[number]] = 0
    return _Surfaces(points, area, np.asarray(number, dtype=np.int32))


def _neighbours() -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """The four pairs of views of an image that put every pixel beside one of its neighbours."""
    first, last, all_ = slice(None, -1), slice(1, None), slice(None)
    yield from (((all_, first), (all_, last)), ((all_, last), (all_, first)))
    yield from (((first, all_), (last, all_)), ((last, all_), (first, all_)))


def _nearest_slab(surfaces: _Surfaces, open_pixels: NDArray[np.bool_], settings: SearchSettings) -> NDArray[np.bool_]:
    """(H, W): the open pixels of the nearest surface that hang together within `slab_mm` of its nearest one."""
    z = np.where(open_pixels, surfaces.points[..., 2], np.float32(np.inf))
    nearest = np.unravel_index(np.argmin(z), z.shape)
    slab = (surfaces.number == surfaces.number[nearest]) & (z <= z[nearest] + settings.slab_mm)
    _, labels = cv2.connectedComponents(slab.astype(np.uint8), connectivity=4)
    return labels == labels[nearest]


def _slab_guesses(surfaces: _Surfaces, slab: NDArray[np.bool_], settings: SearchSettings) -> list[_Guess]:
    """The centre of a slab of a hand's length; of a longer one the centres of its two ends, the freer end first."""
    points = surfaces.points[slab].astype(np.float64)
    along = (points - points.mean(axis=0)) @ _long_axis(points)
    low, high = np.percentile(along, [1, 99])
    if high - low <= settings.hand_mm:
        return [_Guess(hand_center(points), 0)]
    ends = [points[along <= low + settings.hand_mm], points[along >= high - settings.hand_mm]]
    beyond = surfaces.points[_going_on(surfaces, slab)]  # (M, 3) mm
    guesses = []
    for center in map(hand_center, ends):
        around = np.linalg.norm(beyond - center, axis=-1) <= CUBE_MM / 2
        guesses.append(_Guess(center, int(around.sum())))
    return sorted(guesses, key=lambda guess: (guess.going_on, guess.center[2]))


def _long_axis(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3,): the direction in which points (N, 3) spread most."""
    return np.linalg.eigh(np.cov(points.T))[1][:, -1]


def _going_on(surfaces: _Surfaces, slab: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(H, W): where a slab's surface goes on out of the slab: over the frame's border or into greater depth."""
    grown = cv2.dilate(slab.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    beyond = grown & ~slab & (surfaces.number == surfaces.number[slab][0])
    border = np.ones_like(slab)
    border[1:-1, 1:-1] = False
    return beyond | (slab & border)
