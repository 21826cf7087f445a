"""Structured light: Kinect v1, PrimeSense. A projected pattern is found again by correlating windows of it.

Form after Handa et al. 2014 and Barron and Malik 2013: lateral jitter, noise of the disparity and its rounding to
1/8 px, and loss where the correlation window has little support, at grazing incidence and in the projector's shadow.
The disparity's noise is that of a real frame (docs/sensors.md), far below their 1/6 px: the sensor smooths.
"""

import numpy as np
from numpy.typing import NDArray

from knuckle.compiled import njit
from knuckle.synth.noise_fields import (
    cast_shadow,
    draw_key,
    farthest_around,
    nearest_around,
    normal,
    smooth_at,
    smooth_grid,
    tangent,
    uniform,
    word,
)

BASELINE_MM = 75.0
WHITE_PX = 0.015
"""Disparity noise of single pixels, 1 σ."""
RIPPLE_PX = 0.03
"""Disparity noise that windows share, 1 σ."""
_RIPPLE = np.float32(1 / 9.0)  # 1/px: the width of a correlation window
_EDGE = np.float32(1 / 3.0)  # 1/px: how fast an outline wanders
_JITTER_PX = 0.2  # 1 σ of that wandering
_BLOTCH = -4.0  # rarely a whole patch is lost
_SURFACE_MM = 40.0  # what differs by more within the window does not support it


@njit()
def see_structured_light(
    depth: NDArray, labels: NDArray[np.uint8], fx: float, strength: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """`sensor.measure` for structured light."""
    height, width = depth.shape
    measured = np.zeros((height, width), dtype=np.float32)
    carried = np.zeros((height, width), dtype=np.uint8)
    key = draw_key(rng)
    shadow = cast_shadow(depth, fx, BASELINE_MM)
    near, far = nearest_around(depth, 4), farthest_around(depth, 4)
    aside, along = smooth_grid(height, width, 3.0, word(key, 1)), smooth_grid(height, width, 3.0, word(key, 2))
    loss, ripple = smooth_grid(height, width, 3.0, word(key, 3)), smooth_grid(height, width, 9.0, word(key, 4))
    jitter = min(1.0, 0.3 + 0.7 * strength) * _JITTER_PX
    pixels = word(key, 5)
    for y in range(height):
        for x in range(width):
            if not np.isfinite(near[y, x]):
                continue
            from_y, from_x, at_edge = y, x, far[y, x] - near[y, x] > _SURFACE_MM
            if at_edge:
                bits = word(pixels, 2 * (y * width + x) + 1)
                from_y = _moved(y, jitter * (0.8 * smooth_at(along, y, x, _EDGE) + uniform(bits) - 0.5), height)
                bits = bits << np.uint64(24)
                from_x = _moved(x, jitter * (0.8 * smooth_at(aside, y, x, _EDGE) + uniform(bits) - 0.5), width)
            z = depth[from_y, from_x]
            if not np.isfinite(z) or shadow[from_y, from_x]:
                continue
            lost = _lost_share(depth, from_y, from_x, fx, at_edge)
            if lost > 0.0 and _normal_share(smooth_at(loss, y, x, _EDGE)) < lost * strength:
                continue
            patch = smooth_at(ripple, y, x, _RIPPLE)
            if patch * strength < _BLOTCH:
                continue
            error = WHITE_PX * normal(word(pixels, 2 * (y * width + x))) + RIPPLE_PX * patch
            disparity = np.rint((fx * BASELINE_MM / z + strength * error) * 8.0) / 8.0
            if disparity > 0.0:
                measured[y, x] = np.rint(fx * BASELINE_MM / disparity)  # the driver delivers whole millimetres
                carried[y, x] = labels[from_y, from_x]
    return measured, carried


@njit()
def _normal_share(value: float) -> float:
    """Share of a normal distribution below a value: the logistic approximation, within 0.01."""
    return 1.0 / (1.0 + np.exp(-1.702 * value))


@njit()
def _moved(position: int, shift: float, count: int) -> int:
    return min(max(int(np.rint(position + shift)), 0), count - 1)


@njit()
def _lost_share(depth: NDArray, y: int, x: int, fx: float, at_edge: bool) -> float:
    """Probability of no measurement: from 65° of incidence on, and with less than 30 % of the window on the surface."""
    lost, slope = 0.0, tangent(depth, y, x, fx)
    if slope > 2.1445:  # tan 65°
        lost = min((np.degrees(np.arctan(slope)) - 65.0) / 20.0, 1.0) * 0.7
    if at_edge:
        lost = max(lost, min(max((0.3 - _support(depth, y, x)) / 0.3, 0.0), 1.0) * 0.8)
    return lost


@njit()
def _support(depth: NDArray, y: int, x: int) -> float:
    """Share of a 9×9 window (on a 5×5 subgrid) that lies on the same surface as its middle."""
    height, width = depth.shape
    z = depth[y, x]
    same = 0
    for yy in range(max(y - 4, y % 2), min(y + 5, height), 2):
        for xx in range(max(x - 4, x % 2), min(x + 5, width), 2):
            same += abs(depth[yy, xx] - z) < _SURFACE_MM
    return same / 25.0
