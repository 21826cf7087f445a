"""What the sensor models are built of: random numbers for every pixel, smooth random fields, neighbourhoods, shadows.

A model draws one number from the caller's generator, its key, and computes all others from key and position
(SplitMix64, Steele, Lea and Flood 2014). So pixels that need no noise cost none.
"""

import numpy as np
from numpy.typing import NDArray

from knuckle.compiled import njit

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_LOW = np.uint64(0xFFFF)
_JUMP_MM = 25.0  # neighbours that differ by more are not one surface
_NEAREST_LIT_MM = 50.0  # what is nearer casts no shadow


@njit()
def draw_key(rng: np.random.Generator) -> np.uint64:
    """A key (uint64) from a `numpy.random.Generator`."""
    return np.uint64(rng.random() * 9007199254740992.0)  # 2**53: as many bits as the draw has


@njit()
def word(key: np.uint64, index: int) -> np.uint64:
    """64 random bits (uint64) for each key and index (both integers ≥ 0)."""
    z = np.uint64(key) + (np.uint64(index) + np.uint64(1)) * _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


@njit()
def uniform(bits: np.uint64) -> np.float32:
    """Uniform in [0, 1), from the upper 24 bits of a word."""
    return np.float32(np.int64(bits >> np.uint64(40))) * np.float32(1.0 / 16777216.0)


@njit()
def normal(bits: np.uint64) -> np.float32:
    """Nearly normal, mean 0 and variance 1, within ±3.5: the sum of the four 16-bit numbers in a word."""
    lower = (bits & _LOW) + ((bits >> np.uint64(16)) & _LOW)
    upper = ((bits >> np.uint64(32)) & _LOW) + (bits >> np.uint64(48))
    return (np.float32(np.int64(lower + upper)) - np.float32(131070.0)) * np.float32(1.7320508 / 65536.0)


@njit()
def smooth_grid(height: int, width: int, step: float, key: np.uint64) -> NDArray[np.float32]:
    """Normals on the nodes of a grid of `step` px over (height, width) px; `smooth_at` reads between them."""
    rows, columns = int(height / step) + 2, int(width / step) + 2
    grid = np.empty((rows, columns), dtype=np.float32)
    for i in range(rows):
        for j in range(columns):  # bilinear means of four normals vary 1.5 times less than one
            grid[i, j] = np.float32(1.5) * normal(word(key, i * columns + j))
    return grid


@njit()
def smooth_at(grid: NDArray[np.float32], y: int, x: int, per_step: np.float32) -> np.float32:
    """A grid's value at pixel (y, x), of about unit variance; per_step is 1/step of `smooth_grid`."""
    v, u = np.float32(y) * per_step, np.float32(x) * per_step
    i, j = int(v), int(u)
    b, a = v - np.float32(i), u - np.float32(j)
    top = grid[i, j] + (grid[i, j + 1] - grid[i, j]) * a
    bottom = grid[i + 1, j] + (grid[i + 1, j + 1] - grid[i + 1, j]) * a
    return top + (bottom - top) * b


@njit()
def nearest_around(depth: NDArray, radius: int) -> NDArray[np.float32]:
    """(H, W) float32: the least depth within `radius` px along both axes."""
    return -_largest(-depth.astype(np.float32), radius)


@njit()
def farthest_around(depth: NDArray, radius: int) -> NDArray[np.float32]:
    """(H, W) float32: the greatest depth within `radius` px along both axes."""
    return _largest(depth.astype(np.float32), radius)


@njit()
def _largest(image: NDArray[np.float32], radius: int) -> NDArray[np.float32]:
    """Largest value in a square window: first along the rows, then along the columns.

    Each inner loop writes one array by a comparison: so the compiler makes vector instructions of it.
    """
    height, width = image.shape
    rows = image.copy()
    for y in range(height):
        for shift in range(1, min(radius, width - 1) + 1):
            for x in range(width - shift):
                value, best = image[y, x + shift], rows[y, x]
                rows[y, x] = value if value > best else best
            for x in range(width - shift):
                value, best = image[y, x], rows[y, x + shift]
                rows[y, x + shift] = value if value > best else best
    out = rows.copy()
    for y in range(height):
        for shift in range(1, radius + 1):
            if y + shift < height:
                for x in range(width):
                    value, best = rows[y + shift, x], out[y, x]
                    out[y, x] = value if value > best else best
            if y >= shift:
                for x in range(width):
                    value, best = rows[y - shift, x], out[y, x]
                    out[y, x] = value if value > best else best
    return out


@njit()
def tangent(depth: NDArray, y: int, x: int, fx: float) -> float:
    """Tangent of the angle between the surface at a pixel and the image plane; 0 across jumps in depth."""
    height, width = depth.shape
    z = depth[y, x]
    if y == 0 or x == 0 or y == height - 1 or x == width - 1:
        return 0.0
    dx, dy = (depth[y, x + 1] - depth[y, x - 1]) / 2, (depth[y + 1, x] - depth[y - 1, x]) / 2
    if not (abs(dx) < _JUMP_MM and abs(dy) < _JUMP_MM):
        return 0.0
    return np.sqrt(dx * dx + dy * dy) * fx / z


@njit()
def cast_shadow(depth: NDArray, fx: float, baseline_mm: float) -> NDArray[np.bool_]:
    """(H, W) True where a light beside the camera is blocked by something nearer.

    baseline_mm: how far left of the camera the light stands; shadows then fall to the right. Negative: right of it.
    Every row is drawn as the light sees it, and what is not nearest there is dark.
    """
    height, width = depth.shape
    shift = fx * baseline_mm
    blocked = np.zeros((height, width), dtype=np.bool_)
    reach = int(abs(shift) / _NEAREST_LIT_MM) + 2
    lit = np.empty(width + 2 * reach + 2, dtype=depth.dtype)  # nearest depth in each of the light's columns
    for y in range(height):
        lit[:] = np.inf
        for x in range(width):
            z = depth[y, x]
            if _NEAREST_LIT_MM < z < np.inf:
                column = int(x + shift / z + reach)
                lit[column], lit[column + 1] = min(lit[column], z), min(lit[column + 1], z)
        for x in range(width):
            z = depth[y, x]
            if _NEAREST_LIT_MM < z < np.inf:
                blocked[y, x] = lit[int(x + shift / z + reach + 0.5)] < z - _JUMP_MM
    return blocked
