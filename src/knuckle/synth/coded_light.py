"""Coded light: RealSense SR305. A sequence of stripe patterns, decoded in every pixel, then smoothed by the driver.

Form and constants from real frames (docs/sensors.md): errors of a tenth of a millimetre, but a range of about one
metre, no measurement within some pixels behind an outline and in the projector's shadow, scalloped outlines, and a few
wrong codes beside them.
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

UNIT_MM = 0.125
BASELINE_MM = 90.0
"""How far left of the camera the projector stands, as the shadows of real frames show it."""
RANGE_MM = 1000.0
"""Where a surface that faces the sensor returns too little light."""
WHITE_MM = 0.02
RIPPLE_MM = 0.05
"""Noise, 1 σ, of single pixels and of patches of 8 px, at 500 mm; both grow with the square of the distance."""
_RIPPLE = np.float32(1 / 8.0)
_SCALLOP = np.float32(1 / 4.0)  # 1/px: how fast an outline wanders
_STEP_MM, _JUMP_MM = 20.0, 60.0


@njit()
def see_coded_light(
    depth: NDArray, labels: NDArray[np.uint8], fx: float, strength: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """`sensor.measure` for coded light."""
    height, width = depth.shape
    measured = np.zeros((height, width), dtype=np.float32)
    carried = np.zeros((height, width), dtype=np.uint8)
    key = draw_key(rng)
    losing = min(1.0, strength)
    # no surface beyond returns enough light, whatever its slope and the ripple, which stays within 5.25
    darkness = RANGE_MM * np.sqrt(1.3 / losing) if losing > 0.0 else np.inf
    top, bottom, left, right = _around(depth, darkness, 2)
    near = depth[top:bottom, left:right]  # what is nearer than a pixel of it, or within 2 px, is all in it
    shadow = cast_shadow(near, fx, BASELINE_MM)
    far, beside = farthest_around(near, 1), nearest_around(near, 2)
    farther, about = farthest_around(far, 1), nearest_around(beside, 2)
    scallop, ripple = smooth_grid(height, width, 4.0, word(key, 1)), smooth_grid(height, width, 8.0, word(key, 2))
    pixels = word(key, 3)
    for y in range(top, bottom):
        for x in range(left, right):
            z, row, column = depth[y, x], y - top, x - left
            if not np.isfinite(z) or z > darkness or (shadow[row, column] and strength > 0.0):
                continue
            edge = smooth_at(scallop, y, x, _SCALLOP)
            slope = tangent(depth, y, x, fx)
            patch = smooth_at(ripple, y, x, _RIPPLE)
            light = (RANGE_MM / z) ** 2 / np.sqrt(1.0 + slope * slope) * (1.0 + 0.05 * patch)
            if light < losing:
                continue
            index = 2 * (y * width + x)
            beyond, nearest = farther[row, column], about[row, column]
            if not beyond - beside[row, column] < _STEP_MM or z - nearest > _JUMP_MM:
                bits = word(pixels, index + 1)
                if uniform(bits) < losing and _lost(z, far[row, column], beyond, beside[row, column], nearest, edge):
                    continue
                if beyond - z > _JUMP_MM and uniform(bits << np.uint64(24)) < 0.03 * strength:
                    z += 40.0 * (uniform(bits << np.uint64(12)) - 0.5)  # a wrong code
            error = WHITE_MM * normal(word(pixels, index)) + RIPPLE_MM * patch
            z += strength * error * z * z / 250_000.0
            measured[y, x] = np.rint(z / UNIT_MM) * UNIT_MM
            carried[y, x] = labels[y, x]
    return measured, carried


@njit()
def _around(depth: NDArray, limit: float, margin: int) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of a window about all depths up to a limit; of the first pixel if there is none."""
    height, width = depth.shape
    top, bottom, left, right = height, 0, width, 0
    for y in range(height):
        first, last = width, -1
        for x in range(width):
            if depth[y, x] <= limit:
                first, last = min(first, x), x
        if last >= 0:
            top, bottom, left, right = min(top, y), y + 1, min(left, first), max(right, last + 1)
    if bottom == 0:
        return 0, 1, 0, 1
    return max(0, top - margin), min(height, bottom + margin), max(0, left - margin), min(width, right + margin)


@njit()
def _lost(z: float, far: float, farther: float, beside: float, about: float, edge: float) -> bool:
    """Whether a pixel by an outline is lost.

    far, farther: greatest depth within 1 and 2 px; beside, about: least within 2 and 4 px; edge: the outline's wander.
    """
    if z - about > _JUMP_MM and edge > -2.0:
        return True  # behind an outline
    if z - beside > _STEP_MM:
        return edge > -2.0  # behind a lower step, as between a thumb and the palm
    return far - z > _JUMP_MM or (farther - z > _JUMP_MM and edge > 0.5)  # the outline, and scallops of it
