"""A z-buffer for triangle meshes at the sensor's own resolution."""

import numba
import numpy as np

NOTHING = np.inf
"""Depth of a pixel that no surface covers, in rendered (not measured) depth images."""


@numba.njit(cache=True, fastmath={"nsz", "arcp", "contract", "afn"})
def rasterize(points, faces, fx, fy, cx, cy, depth, face):
    """Draws a mesh into depth (H, W) mm and face (H, W) int32 where it is nearer than what is there.

    points (V, 3) mm in camera axes; faces (F, 3). A pixel is covered if its centre lies inside the projected triangle;
    depth is interpolated perspective-correctly. Faces with a vertex nearer than 1 mm are left out.
    """
    height, width = depth.shape
    count = points.shape[0]
    u, v, q = np.empty(count), np.empty(count), np.empty(count)
    for i in range(count):
        z = points[i, 2]
        q[i] = 1.0 / z if z > 1.0 else 0.0
        u[i] = fx * points[i, 0] * q[i] + cx
        v[i] = fy * points[i, 1] * q[i] + cy
    for t in range(faces.shape[0]):
        a, b, c = faces[t]
        if q[a] == 0.0 or q[b] == 0.0 or q[c] == 0.0:
            continue
        x0, y0, x1, y1, x2, y2 = u[a], v[a], u[b], v[b], u[c], v[c]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area == 0.0:
            continue
        left, right = max(0, int(np.ceil(min(x0, x1, x2)))), min(width - 1, int(np.floor(max(x0, x1, x2))))
        top, bottom = max(0, int(np.ceil(min(y0, y1, y2)))), min(height - 1, int(np.floor(max(y0, y1, y2))))
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                w1 = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) / area
                w2 = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) / area
                w0 = 1.0 - w1 - w2
                if w0 >= -1e-9 and w1 >= -1e-9 and w2 >= -1e-9:
                    z = 1.0 / (w0 * q[a] + w1 * q[b] + w2 * q[c])
                    if z < depth[y, x]:
                        depth[y, x] = z
                        face[y, x] = t


@numba.njit(cache=True)
def draw_rectangle(center, side, up, fx, fy, cx, cy, depth):
    """Draws a flat rectangle into depth (H, W) mm: center (3,), side and up (3,) its half-edges (mm, orthogonal)."""
    normal = np.cross(side, up)
    offset = normal @ center
    side_square, up_square = side @ side, up @ up
    for y in range(depth.shape[0]):
        for x in range(depth.shape[1]):
            ray_x, ray_y = (x - cx) / fx, (y - cy) / fy
            facing = normal[0] * ray_x + normal[1] * ray_y + normal[2]
            if facing == 0.0:
                continue
            z = offset / facing
            if z <= 1.0 or z >= depth[y, x]:
                continue
            px, py, pz = z * ray_x - center[0], z * ray_y - center[1], z - center[2]
            along_side = px * side[0] + py * side[1] + pz * side[2]
            along_up = px * up[0] + py * up[1] + pz * up[2]
            if abs(along_side) <= side_square and abs(along_up) <= up_square:
                depth[y, x] = z


@numba.njit(cache=True)
def draw_ellipsoid(center, inverse, fx, fy, cx, cy, depth):
    """Draws an ellipsoid |inverse @ (p - center)| = 1 into depth (H, W) mm; inverse (3, 3) is 1/radii times axes."""
    c = inverse @ center
    outside = c @ c - 1.0
    for y in range(depth.shape[0]):
        for x in range(depth.shape[1]):
            ray_x, ray_y = (x - cx) / fx, (y - cy) / fy
            a = b = 0.0
            for i in range(3):
                d = inverse[i, 0] * ray_x + inverse[i, 1] * ray_y + inverse[i, 2]
                a += d * d
                b += d * c[i]
            root = b * b - a * outside
            if root > 0.0:
                z = (b - np.sqrt(root)) / a
                if 1.0 < z < depth[y, x]:
                    depth[y, x] = z
