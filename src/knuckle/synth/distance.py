"""Signed distances of points from a surface of triangles, closed or not, in compiled loops."""

import numpy as np
from numpy.typing import NDArray

from knuckle.compiled import njit


@njit()
def signed_distances(points: NDArray[np.float64], corners: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """Distance (N,) mm, at most `reach`, of points (N, 3) from outward triangles (F, 3, 3); negative inside.

    Inside is where the surface covers more than half of all directions (its generalized winding number, Jacobson et al.
    2013, exceeds ½), which also makes sense for the open surface of a finger cut off from its hand.
    """
    middles, radii = _spheres(corners)
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for t in range(corners.shape[0]):
        for k in range(3):
            low[k], high[k] = min(low[k], middles[t, k] - radii[t]), max(high[k], middles[t, k] + radii[t])
    found = np.full(points.shape[0], reach)
    for i in range(points.shape[0]):
        px, py, pz = points[i, 0], points[i, 1], points[i, 2]
        if max(low[0] - px, px - high[0], low[1] - py, py - high[1], low[2] - pz, pz - high[2]) > reach:
            continue
        best = reach * reach
        for t in range(corners.shape[0]):
            dx, dy, dz = px - middles[t, 0], py - middles[t, 1], pz - middles[t, 2]
            if dx * dx + dy * dy + dz * dz < (np.sqrt(best) + radii[t]) ** 2:
                best = min(best, _square_distance(px, py, pz, corners[t]))
        if best < reach * reach:
            found[i] = -np.sqrt(best) if _winding(px, py, pz, corners) > 0.5 else np.sqrt(best)
    return found


@njit()
def _spheres(corners: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A sphere about each triangle: middles (F, 3), radii (F,)."""
    middles, radii = np.zeros((corners.shape[0], 3)), np.zeros(corners.shape[0])
    for t in range(corners.shape[0]):
        for k in range(3):
            middles[t, k] = (corners[t, 0, k] + corners[t, 1, k] + corners[t, 2, k]) / 3.0
        for corner in range(3):
            x, y = corners[t, corner, 0] - middles[t, 0], corners[t, corner, 1] - middles[t, 1]
            z = corners[t, corner, 2] - middles[t, 2]
            radii[t] = max(radii[t], np.sqrt(x * x + y * y + z * z))
    return middles, radii


@njit()
def _winding(px: float, py: float, pz: float, corners: NDArray[np.float64]) -> float:
    """Share of all directions from a point that outward triangles (F, 3, 3) cover (van Oosterom & Strackee 1983)."""
    angle = 0.0
    for t in range(corners.shape[0]):
        ax, ay, az = corners[t, 0, 0] - px, corners[t, 0, 1] - py, corners[t, 0, 2] - pz
        bx, by, bz = corners[t, 1, 0] - px, corners[t, 1, 1] - py, corners[t, 1, 2] - pz
        cx, cy, cz = corners[t, 2, 0] - px, corners[t, 2, 1] - py, corners[t, 2, 2] - pz
        a, b, c = (
            np.sqrt(ax * ax + ay * ay + az * az),
            np.sqrt(bx * bx + by * by + bz * bz),
            np.sqrt(cx * cx + cy * cy + cz * cz),
        )
        volume = ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)
        ab, bc, ca = ax * bx + ay * by + az * bz, bx * cx + by * cy + bz * cz, cx * ax + cy * ay + cz * az
        angle += 2.0 * np.arctan2(volume, a * b * c + ab * c + bc * a + ca * b)
    return angle / (4.0 * np.pi)


@njit()
def _square_distance(px: float, py: float, pz: float, corners: NDArray[np.float64]) -> float:
    """Squared distance of a point from a triangle (3, 3) (Ericson, Real-Time Collision Detection, §5.1.5)."""
    ax, ay, az = corners[0, 0], corners[0, 1], corners[0, 2]
    ux, uy, uz = corners[1, 0] - ax, corners[1, 1] - ay, corners[1, 2] - az  # from corner a to b
    vx, vy, vz = corners[2, 0] - ax, corners[2, 1] - ay, corners[2, 2] - az  # from corner a to c
    qx, qy, qz = px - ax, py - ay, pz - az
    uu, uv, vv = ux * ux + uy * uy + uz * uz, ux * vx + uy * vy + uz * vz, vx * vx + vy * vy + vz * vz
    d1, d2 = ux * qx + uy * qy + uz * qz, vx * qx + vy * qy + vz * qz
    d3, d4, d5, d6 = d1 - uu, d2 - uv, d1 - uv, d2 - vv
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    if d1 <= 0 and d2 <= 0:
        s, t = 0.0, 0.0
    elif d3 >= 0 and d4 <= d3:
        s, t = 1.0, 0.0
    elif vc <= 0 and d1 >= 0 and d3 <= 0:
        s, t = d1 / (d1 - d3), 0.0
    elif d6 >= 0 and d5 <= d6:
        s, t = 0.0, 1.0
    elif vb <= 0 and d2 >= 0 and d6 <= 0:
        s, t = 0.0, d2 / (d2 - d6)
    elif va <= 0 and d4 >= d3 and d5 >= d6:
        t = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        s = 1.0 - t
    else:
        s, t = vb / (va + vb + vc), vc / (va + vb + vc)
    qx, qy, qz = qx - s * ux - t * vx, qy - s * uy - t * vy, qz - s * uz - t * vz
    return qx * qx + qy * qy + qz * qz
