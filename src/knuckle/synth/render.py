"""A z-buffer for triangle meshes and simple shapes at the sensor's own resolution."""

import numpy as np

from knuckle.compiled import njit

NOTHING = np.inf
"""Depth of a pixel that no surface covers, in rendered (not measured) depth images."""


@njit(nogil=True, fastmath={"nsz", "arcp", "contract", "afn"})
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
        a, b, c = faces[t, 0], faces[t, 1], faces[t, 2]
        qa, qb, qc = q[a], q[b], q[c]
        if qa == 0.0 or qb == 0.0 or qc == 0.0:
            continue
        x0, y0, x1, y1, x2, y2 = u[a], v[a], u[b], v[b], u[c], v[c]
        left, right = max(0.0, np.ceil(min(x0, x1, x2))), min(width - 1.0, np.floor(max(x0, x1, x2)))
        top, bottom = max(0.0, np.ceil(min(y0, y1, y2))), min(height - 1.0, np.floor(max(y0, y1, y2)))
        if left > right or top > bottom:
            continue
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area == 0.0:
            continue
        scale = 1.0 / area
        # barycentric coordinates and inverse depth are linear over the image
        w1_x, w1_y = (y2 - y0) * scale, (x0 - x2) * scale
        w2_x, w2_y = (y0 - y1) * scale, (x1 - x0) * scale
        for y in range(int(top), int(bottom) + 1):
            w1_row, w2_row = (y - y0) * w1_y, (y - y0) * w2_y
            for x in range(int(left), int(right) + 1):
                w1 = w1_row + (x - x0) * w1_x
                w2 = w2_row + (x - x0) * w2_x
                if w1 >= -1e-9 and w2 >= -1e-9 and w1 + w2 <= 1.0 + 1e-9:
                    z = 1.0 / (qa + w1 * (qb - qa) + w2 * (qc - qa))
                    if z < depth[y, x]:
                        depth[y, x] = z
                        face[y, x] = t


@njit()
def rectangle_matrix(side, up):
    """(3, 3) of a rectangle for `draw_shape`: half-edges side and up (3,) mm, orthogonal."""
    matrix = np.empty((3, 3))
    side_square, up_square = 0.0, 0.0
    for i in range(3):
        side_square += side[i] * side[i]
        up_square += up[i] * up[i]
        j, k = (i + 1) % 3, (i + 2) % 3
        matrix[2, i] = side[j] * up[k] - side[k] * up[j]
    for i in range(3):
        matrix[0, i], matrix[1, i] = side[i] / side_square, up[i] / up_square
    return matrix


@njit(inline="always")
def shape_depth(flat, matrix, middle, ray_x, ray_y):
    """Depth (mm) at which the ray (ray_x, ray_y, 1) meets a shape, `NOTHING` where it does not: see `draw_shape`."""
    d0 = matrix[0, 0] * ray_x + matrix[0, 1] * ray_y + matrix[0, 2]
    d1 = matrix[1, 0] * ray_x + matrix[1, 1] * ray_y + matrix[1, 2]
    d2 = matrix[2, 0] * ray_x + matrix[2, 1] * ray_y + matrix[2, 2]
    if flat:
        if d2 == 0.0:
            return NOTHING
        z = middle[2] / d2
        if abs(z * d0 - middle[0]) > 1.0 or abs(z * d1 - middle[1]) > 1.0:
            return NOTHING
    else:
        a = d0 * d0 + d1 * d1 + d2 * d2
        b = d0 * middle[0] + d1 * middle[1] + d2 * middle[2]
        root = b * b - a * (middle[0] ** 2 + middle[1] ** 2 + middle[2] ** 2 - 1.0)
        if root <= 0.0:
            return NOTHING
        z = (b - np.sqrt(root)) / a
    return z if z > 1.0 else NOTHING


@njit(fastmath={"arcp", "contract"})
def draw_shape(flat, center, matrix, fx, fy, cx, cy, depth, labels):
    """Draws a shape into depth (H, W) mm where it is nearer than what is there, and sets labels (H, W) to 0 there.

    center (3,) mm; matrix (3, 3) from mm about the centre to the shape's own coordinates. flat: the part of the plane
    where the third is 0 and the others are at most 1; else the ellipsoid of points at distance 1.
    """
    middle = shape_middle(matrix, center)
    for y in range(depth.shape[0]):
        ray_y = (y - cy) / fy
        for x in range(depth.shape[1]):
            z = shape_depth(flat, matrix, middle, (x - cx) / fx, ray_y)
            if z < depth[y, x]:
                depth[y, x] = z
                labels[y, x] = 0


@njit()
def shape_middle(matrix, center):
    """The centre (3,) mm of a shape in its own coordinates."""
    middle = np.empty(3)
    for i in range(3):
        middle[i] = matrix[i, 0] * center[0] + matrix[i, 1] * center[1] + matrix[i, 2] * center[2]
    return middle


@njit()
def draw_rectangle(center, side, up, fx, fy, cx, cy, depth):
    """Draws a flat rectangle into depth (H, W) mm: center (3,), side and up (3,) its half-edges (mm, orthogonal)."""
    unused = np.empty(depth.shape, dtype=np.uint8)
    draw_shape(True, center, rectangle_matrix(side, up), fx, fy, cx, cy, depth, unused)


@njit(nogil=True)
def draw_ellipsoid(center, inverse, fx, fy, cx, cy, depth):
    """Draws an ellipsoid |inverse @ (p - center)| = 1 into depth (H, W) mm; inverse (3, 3) is 1/radii times axes."""
    unused = np.empty(depth.shape, dtype=np.uint8)
    draw_shape(False, center, inverse, fx, fy, cx, cy, depth, unused)
