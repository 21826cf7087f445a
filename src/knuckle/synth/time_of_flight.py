"""Time of flight: Kinect v2. The phase of modulated light, with what its driver does to it, as real frames show.

Form after Fankhauser et al. 2015 and Sarbolandi et al. 2015 (noise that grows with distance, mixed pixels on edges,
loss at grazing incidence); constants from real frames (docs/sensors.md). The driver drops most of the mixed pixels, so
that an outline has a dark rim of 1 to 3 px; the near pixels on it still lie some 10 mm too far. Lines of the picture
lie alternately 1 mm too near and too far. Lights in a row cast one common shadow, only behind wide objects.
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

STRIPE_MM = 1.0
"""By how much neighbouring lines differ from their mean."""
NEAREST_LIGHT_MM, FARTHEST_LIGHT_MM = 20.0, 60.0
"""How far right of the camera the lights stand."""
_JUMP_MM = 60.0
_SMOOTH = np.float32(1 / 3.0)  # 1/px: grain of the noise
_EDGE = np.float32(1 / 3.0)  # 1/px: how fast an outline wanders
_JITTER_PX = 0.1  # 1 σ of that wandering
_BLEED_MM = 24.0  # mean error of the near pixels on an outline
_FLYING = 0.03  # share of mixed pixels that the driver keeps
_RIM = 0.2  # share of the pixels one further out that it drops too
_RELABEL_MM = 40.0  # a pixel pulled further than this shows no surface


@njit()
def sigma_mm(z: float) -> float:
    """Standard deviation, mm, of the depth noise (without the stripes) at a distance of z mm."""
    return 1.4 + 0.09e-6 * z * z


@njit()
def see_time_of_flight(
    depth: NDArray, labels: NDArray[np.uint8], fx: float, strength: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """`sensor.measure` for time of flight."""
    height, width = depth.shape
    measured = np.zeros((height, width), dtype=np.float32)
    carried = np.zeros((height, width), dtype=np.uint8)
    key = draw_key(rng)
    near, far = nearest_around(depth, 1), farthest_around(depth, 1)
    wide = nearest_around(near, 1)
    first, second = cast_shadow(depth, fx, -NEAREST_LIGHT_MM), cast_shadow(depth, fx, -FARTHEST_LIGHT_MM)
    aside, along = smooth_grid(height, width, 3.0, word(key, 1)), smooth_grid(height, width, 3.0, word(key, 2))
    grain, pixels = smooth_grid(height, width, 3.0, word(key, 3)), word(key, 4)
    stripe = STRIPE_MM if uniform(word(key, 5)) < 0.5 else -STRIPE_MM
    beyond = 100.0 + 800.0 * uniform(word(key, 6))  # mm to what lies behind everything that was rendered
    for y in range(height):
        stripe = -stripe
        for x in range(width):
            if not np.isfinite(wide[y, x]):
                continue
            bits = word(pixels, 2 * (y * width + x))
            from_y, from_x = y, x
            z = depth[y, x]
            if not max(far[y, x], z) - wide[y, x] < _JUMP_MM:
                from_y = _moved(y, strength * _JITTER_PX * smooth_at(along, y, x, _EDGE), height)
                from_x = _moved(x, strength * _JITTER_PX * smooth_at(aside, y, x, _EDGE), width)
                z = depth[from_y, from_x]
            label = labels[from_y, from_x]
            if (first[from_y, from_x] and second[from_y, from_x]) and strength > 0.0:
                continue
            if not far[from_y, from_x] - wide[from_y, from_x] < _JUMP_MM:
                mixed = _mix(z, near[from_y, from_x], far[from_y, from_x], wide[from_y, from_x], beyond, strength, bits)
                if mixed != z and abs(mixed - z) > _RELABEL_MM:
                    label = 0
                z = mixed
            if not np.isfinite(z) or z <= 0.0:
                continue
            slope = tangent(depth, from_y, from_x, fx)
            if slope > 3.0777:  # tan 72°
                lost = min((np.degrees(np.arctan(slope)) - 72.0) / 15.0, 1.0) * 0.5
                if uniform(bits << np.uint64(8)) < lost * strength:
                    continue
            error = 0.25 * normal(word(pixels, 2 * (y * width + x) + 1)) + 0.97 * smooth_at(grain, y, x, _SMOOTH)
            measured[y, x] = np.rint(z + strength * (sigma_mm(z) * error + stripe))
            carried[y, x] = label
    return measured, carried


@njit()
def _moved(position: int, shift: float, count: int) -> int:
    return min(max(int(np.rint(position + shift)), 0), count - 1)


@njit()
def _mix(z: float, near: float, far: float, wide: float, beyond: float, strength: float, bits: np.uint64) -> float:
    """Depth, mm, of a pixel on an outline; inf = lost.

    near and far: the range in 3×3 px; wide: the least depth in 5×5 px; beyond: from near to what lies behind it, where
    nothing was rendered.
    """
    chance, more = uniform(bits), uniform(bits << np.uint64(24))
    if z - near > _JUMP_MM:  # just outside the outline
        if chance >= min(1.0, strength):
            return z
        if chance < _FLYING * min(1.0, strength):
            behind = z if np.isfinite(z) else near + beyond
            return near + more * more * (behind - near)  # the near surface returns more light
        return np.inf
    if z - wide > _JUMP_MM:  # one pixel further out
        return np.inf if chance < _RIM * min(1.0, strength) else z
    if far - z > _JUMP_MM:  # just inside
        behind = far if np.isfinite(far) else near + beyond
        return min(z - strength * _BLEED_MM * np.log(1.0 - chance), behind)
    return z
