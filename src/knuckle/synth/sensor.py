"""Noise of depth sensors, at the sensor's own resolution. Labels travel with the surface that each pixel measured.

Structured light follows Handa et al. 2014 (after Barron and Malik 2013): lateral jitter, disparity noise of 1/6 px
rounded to 1/8 px, loss where the correlation window has little support, at grazing incidence and in the projector's
shadow. Time of flight mixes near and far along edges ("flying pixels") and has noise that grows with z².
"""

import numba
import numpy as np

from knuckle.errors import SettingsError

NOISES = ("structured-light", "time-of-flight", "none")

_BASELINE_MM = 75.0


def measure(depth, labels, fx, noise, strength, rng):
    """What a sensor makes of a rendered depth image.

    depth (H, W) mm, inf = nothing; labels (H, W) uint8; fx px; noise one of `NOISES`; strength scales the noise (1 =
    the literature's). Returns measured depth (H, W) float32 mm, 0 = no measurement, and the label (H, W) of what each
    pixel measured.
    """
    if noise == "none":
        seen = np.isfinite(depth)
        return np.where(seen, depth, 0).astype(np.float32), np.where(seen, labels, 0).astype(np.uint8)
    if noise == "structured-light":
        return _structured_light(depth, labels, fx, strength, rng)
    if noise == "time-of-flight":
        return _time_of_flight(depth, labels, fx, strength, rng)
    raise SettingsError(f"there is no noise model {noise!r}: choose one of {', '.join(NOISES)}")


@numba.njit(cache=True)
def _smooth_field(height, width, step, rng):
    """Spatially correlated noise (H, W) of about unit variance: normals on a coarse grid, bilinearly between."""
    rows, columns = int(height / step) + 2, int(width / step) + 2
    grid = np.empty((rows, columns))
    for i in range(rows):
        for j in range(columns):
            grid[i, j] = rng.standard_normal() * 1.5  # bilinear means of normals vary 1.5 times less
    field = np.empty((height, width))
    for y in range(height):
        i = int(y / step)
        b = y / step - i
        for x in range(width):
            j = int(x / step)
            a = x / step - j
            field[y, x] = (grid[i, j] * (1 - a) + grid[i, j + 1] * a) * (1 - b) + (
                grid[i + 1, j] * (1 - a) + grid[i + 1, j + 1] * a
            ) * b
    return field


@numba.njit(cache=True)
def _shadow(depth, fx):
    """(H, W) True where the projector, left of the camera, is blocked by something nearer."""
    height, width = depth.shape
    blocked = np.zeros((height, width), dtype=np.bool_)
    for y in range(height):
        furthest = -1e9
        for x in range(width):
            if np.isfinite(depth[y, x]):
                projected = x + fx * _BASELINE_MM / depth[y, x]
                blocked[y, x] = projected < furthest - 1.0
                furthest = max(furthest, projected)
    return blocked


@numba.njit(cache=True)
def _tangent(depth, y, x, fx):
    """Tangent of the angle between the surface at a pixel and the image plane; 0 across jumps in depth."""
    height, width = depth.shape
    z = depth[y, x]
    if y == 0 or x == 0 or y == height - 1 or x == width - 1:
        return 0.0
    dx, dy = (depth[y, x + 1] - depth[y, x - 1]) / 2, (depth[y + 1, x] - depth[y - 1, x]) / 2
    if not (abs(dx) < 25.0 and abs(dy) < 25.0):
        return 0.0
    return np.sqrt(dx * dx + dy * dy) * fx / z


@numba.njit(cache=True)
def _support(depth, y, x):
    """Share of a 9×9 window (on a 5×5 subgrid) that lies on the same surface as its middle."""
    height, width = depth.shape
    z = depth[y, x]
    same = 0
    for dy in range(-4, 5, 2):
        for dx in range(-4, 5, 2):
            yy, xx = y + dy, x + dx
            if 0 <= yy < height and 0 <= xx < width and abs(depth[yy, xx] - z) < 40.0:
                same += 1
    return same / 25.0


@numba.njit(cache=True)
def _nearest_index(value, count):
    return min(max(int(np.rint(value)), 0), count - 1)


@numba.njit(cache=True)
def _structured_light(depth, labels, fx, strength, rng):
    height, width = depth.shape
    measured = np.zeros((height, width), dtype=np.float32)
    carried = np.zeros((height, width), dtype=np.uint8)
    shadow = _shadow(depth, fx)
    shift_x, shift_y = _smooth_field(height, width, 3.0, rng), _smooth_field(height, width, 3.0, rng)
    ripple = _smooth_field(height, width, 3.0, rng)
    loss, blotch = _smooth_field(height, width, 3.5, rng), _smooth_field(height, width, 6.0, rng)
    lateral = min(1.0, 0.3 + 0.7 * strength)
    for y in range(height):
        for x in range(width):
            from_x = _nearest_index(x + lateral * (0.45 * rng.standard_normal() + 0.6 * shift_x[y, x]), width)
            from_y = _nearest_index(y + lateral * (0.45 * rng.standard_normal() + 0.6 * shift_y[y, x]), height)
            z = depth[from_y, from_x]
            if not np.isfinite(z) or shadow[from_y, from_x] or blotch[y, x] < -3.0:
                continue
            slope = _tangent(depth, from_y, from_x, fx)
            lost = min(max((np.degrees(np.arctan(slope)) - 65.0) / 20.0, 0.0), 1.0) * 0.7
            lost = max(lost, min(max((0.42 - _support(depth, from_y, from_x)) / 0.3, 0.0), 1.0) * 0.8)
            if lost > 0.0 and _cumulative_normal(loss[y, x]) < lost * strength:
                continue
            disparity = fx * _BASELINE_MM / z
            disparity += strength / 6.0 * (0.5 * rng.standard_normal() + 0.85 * ripple[y, x])
            disparity = np.rint(disparity * 8.0) / 8.0
            if disparity > 0.0:
                measured[y, x] = fx * _BASELINE_MM / disparity
                carried[y, x] = labels[from_y, from_x]
    return measured, carried


@numba.njit(cache=True)
def _cumulative_normal(value):
    return 1.0 / (1.0 + np.exp(-1.702 * value))  # logistic approximation, within 0.01


@numba.njit(cache=True)
def _time_of_flight(depth, labels, fx, strength, rng):
    height, width = depth.shape
    measured = np.zeros((height, width), dtype=np.float32)
    carried = np.zeros((height, width), dtype=np.uint8)
    ripple = _smooth_field(height, width, 2.5, rng)
    beyond = rng.uniform(100.0, 900.0)  # what lies behind everything that was rendered
    for y in range(height):
        for x in range(width):
            from_x = _nearest_index(x + 0.3 * rng.standard_normal(), width)
            from_y = _nearest_index(y + 0.3 * rng.standard_normal(), height)
            z, label = depth[from_y, from_x], labels[from_y, from_x]
            near, far = _range_around(depth, from_y, from_x)
            if not np.isfinite(near):
                continue
            if not np.isfinite(far):
                far = near + beyond
            if far - near > 30.0 and rng.random() < 0.35 * min(strength, 1.5):
                share = rng.random()
                mixed = near + share * (far - near)
                if abs(mixed - z) > 15.0:
                    label = 0
                z = mixed
            if not np.isfinite(z):
                continue
            slope = _tangent(depth, from_y, from_x, fx)
            lost = min(max((np.degrees(np.arctan(slope)) - 72.0) / 15.0, 0.0), 1.0) * 0.5
            if rng.random() < lost * strength:
                continue
            sigma = strength * (1.0 + 3.0 * (z / 1000.0) ** 2)
            measured[y, x] = z + sigma * (0.7 * rng.standard_normal() + 0.7 * ripple[y, x])
            carried[y, x] = label
    return measured, carried


@numba.njit(cache=True)
def _range_around(depth, y, x):
    """Nearest and farthest depth in the 3×3 neighbourhood."""
    height, width = depth.shape
    near, far = np.inf, -np.inf
    for yy in range(max(y - 1, 0), min(y + 2, height)):
        for xx in range(max(x - 1, 0), min(x + 2, width)):
            near, far = min(near, depth[yy, xx]), max(far, depth[yy, xx])
    return near, far
