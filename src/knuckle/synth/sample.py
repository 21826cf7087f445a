"""One synthetic sample, from random numbers to its crop, in one compiled function."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from knuckle.compiled import njit
from knuckle.crop import CUBE_MM
from knuckle.synth.clutter import draw_clutter, hand_pixels
from knuckle.synth.cropping import crop, cube_window, hand_center
from knuckle.synth.render import NOTHING, rasterize
from knuckle.synth.rig import Rig
from knuckle.synth.sensor import SENSORS, measure_kind
from knuckle.synth.shape import sample_hand
from knuckle.synth.view import Lens, sample_center_error, sample_lens, window

MIXED = -1
"""In place of a sensor's index in `SENSORS`: one that is drawn for each sample."""

_CLEAN_SHARE = 0.1  # of the samples of mixed sensors
_STRENGTH = (0.5, 2.0)  # of a sensor's noise: the frames that 1 was fitted to are few
_EDGE_PX = 6  # rendered beyond the cube, so that the sensor's windows see past its edge
_LEAST_PIXELS = 60  # of the hand that must be seen in the crop
_SIGHT_PX = 64.0  # the cube's width in the coarse picture in which the hand's middle is found


class Order(NamedTuple):
    """`SynthSettings` in numbers: sensor is an index into `SENSORS` or `MIXED`; mix (3,)."""

    sensor: int
    clutter: bool
    coarse_share: float
    empty_share: float
    left: bool
    mix: NDArray[np.float64]
    any_view_share: float


class Row(NamedTuple):
    """Where a sample is written: one row of each array of `data.store.Sample` that differs between samples."""

    depth: NDArray[np.float32]
    parts: NDArray[np.uint8]
    joints: NDArray[np.float32]
    joints14: NDArray[np.float32]
    center: NDArray[np.float32]
    camera: NDArray[np.float32]


@njit()
def try_sample(rig: Rig, order: Order, rng: np.random.Generator, row: Row) -> bool:
    """Writes one random sample into a row, and says whether enough of the hand is seen in it (else: draw another)."""
    lens, position = sample_lens(rng)
    hand = sample_hand(rig, order.left, order.mix, order.any_view_share, position, rng)
    center, seen = visible_center(rig, hand.points, lens)
    if not seen:
        return False
    empty = rng.random() < order.empty_share
    cube = center + sample_center_error(order.coarse_share, rng)
    view = cube_window(lens, cube, _EDGE_PX)
    depth, labels = draw_hand(rig, hand.points, view, empty)
    if order.clutter:
        draw_clutter(depth, labels, view, center, rig, order.mix, rng)
    kind, strength = _sample_sensor(order.sensor, rng)
    measured, carried = measure_kind(depth, labels, lens.fx, kind, strength, rng)
    crop(measured, carried, view, cube, row.depth, row.parts)
    if not empty and hand_pixels(row.parts) < _LEAST_PIXELS:
        return False
    absent = np.nan if empty else 0.0
    row.joints[:], row.joints14[:] = hand.joints + absent, hand.joints14 + absent
    row.center[:] = cube
    row.camera[:] = np.array([lens.fx, lens.fy, lens.cx, lens.cy, lens.width, lens.height])
    return True


@njit()
def draw_hand(
    rig: Rig, points: NDArray[np.float64], view: Lens, empty: bool
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Depth (H, W) mm, `NOTHING` where there is none, and labels (H, W) of a hand (V, 3); of none if empty."""
    depth = np.full((view.height, view.width), np.float32(NOTHING))
    face = np.full((view.height, view.width), np.int32(-1))
    labels = np.zeros((view.height, view.width), dtype=np.uint8)
    if empty:
        return depth, labels
    rasterize(points, rig.faces, view.fx, view.fy, view.cx, view.cy, depth, face)
    for y in range(view.height):
        for x in range(view.width):
            if face[y, x] >= 0:
                labels[y, x] = rig.face_labels[face[y, x]]
    return depth, labels


@njit()
def visible_center(rig: Rig, points: NDArray[np.float64], lens: Lens) -> tuple[NDArray[np.float64], bool]:
    """The middle (3,) mm of what is seen of a hand's skin (V, 3), as `locate.hand_center`, and whether anything is.

    Found in a coarse picture, whose pixels are little smaller than a crop's cells.
    """
    sight = _sight(rig, points, lens)
    depth, labels = draw_hand(rig, points, sight, False)
    surface = np.empty((3, hand_pixels(labels)))
    count = 0
    for y in range(sight.height):
        for x in range(sight.width):
            if labels[y, x] > 0:
                z = np.float64(depth[y, x])
                surface[0, count] = (x - sight.cx) * z / sight.fx
                surface[1, count] = (y - sight.cy) * z / sight.fy
                surface[2, count] = z
                count += 1
    if count == 0:
        return np.zeros(3), False
    return hand_center(surface), True


@njit()
def _sight(rig: Rig, points: NDArray[np.float64], lens: Lens) -> Lens:
    """The lens of a coarse picture that just holds the hand, without the forearm."""
    z = points[:, 2].sum() / points.shape[0]
    step = max(1.0, lens.fx * CUBE_MM / z / _SIGHT_PX)
    left, top, right, bottom = np.inf, np.inf, -np.inf, -np.inf
    for i in range(points.shape[0]):
        if rig.in_hand[i]:
            u = (lens.fx * points[i, 0] / points[i, 2] + lens.cx) / step
            v = (lens.fy * points[i, 1] / points[i, 2] + lens.cy) / step
            left, right, top, bottom = min(left, u), max(right, u), min(top, v), max(bottom, v)
    coarse = Lens(lens.fx / step, lens.fy / step, lens.cx / step, lens.cy / step, lens.width, lens.height)
    width, height = int(np.ceil(right) - np.floor(left)) + 1, int(np.ceil(bottom) - np.floor(top)) + 1
    return window(coarse, int(np.floor(left)), int(np.floor(top)), width, height)


@njit()
def _sample_sensor(sensor: int, rng: np.random.Generator) -> tuple[int, float]:
    """Index of the sensor in `SENSORS` and the strength of its noise."""
    if sensor == MIXED:
        sensor = 0 if rng.random() < _CLEAN_SHARE else 1 + int(rng.random() * (len(SENSORS) - 1))
    return sensor, rng.uniform(*_STRENGTH)
