"""Forward kinematics, linear blend skinning and the overlap of capsules, in compiled loops."""

import numpy as np

from knuckle.compiled import njit


@njit()
def _turn(axis, angle, out):
    """Rodrigues' rotation (3, 3) about a unit axis."""
    c, s = np.cos(angle), np.sin(angle)
    x, y, z = axis[0], axis[1], axis[2]
    k = 1.0 - c
    out[0, 0], out[0, 1], out[0, 2] = c + x * x * k, x * y * k - z * s, x * z * k + y * s
    out[1, 0], out[1, 1], out[1, 2] = y * x * k + z * s, c + y * y * k, y * z * k - x * s
    out[2, 0], out[2, 1], out[2, 2] = z * x * k - y * s, z * y * k + x * s, c + z * z * k


@njit()
def _multiply(a, b, out):
    for i in range(3):
        for j in range(3):
            out[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + a[i, 2] * b[2, j]


@njit()
def bone_transforms(joints, parents, axes, angles, directions, lengths, widths):
    """Affine map of every bone, (21, 3, 4), from rest to posed space.

    joints (21, 3) mm, parents (21,), axes (21, 3, 3), angles (21, 3) rad, directions (21, 3); lengths and widths (21,)
    stretch each bone along and across its direction.
    """
    bones = joints.shape[0]
    turned = np.empty((bones, 3, 3))
    maps = np.empty((bones, 3, 4))
    step, product, stretch = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    for b in range(bones):
        rotation = turned[b]
        rotation[:] = np.eye(3) if parents[b] < 0 else turned[parents[b]]
        for k in range(3):
            if angles[b, k] != 0.0:
                _turn(axes[b, k], angles[b, k], step)
                _multiply(rotation, step, product)
                rotation[:] = product
        for i in range(3):
            for j in range(3):
                stretch[i, j] = (lengths[b] - widths[b]) * directions[b, i] * directions[b, j]
            stretch[i, i] += widths[b]
        _multiply(rotation, stretch, product)
        for i in range(3):
            base = joints[b, i]
            if parents[b] >= 0:
                parent = maps[parents[b]]
                base = parent[i, 3]
                for j in range(3):
                    base += parent[i, j] * joints[b, j]
            for j in range(3):
                maps[b, i, j] = product[i, j]
                base -= product[i, j] * joints[b, j]
            maps[b, i, 3] = base
    return maps


@njit()
def apply_bone(maps, bone, point):
    """A rest point (3,) carried by one bone."""
    out = np.empty(3)
    for i in range(3):
        m = maps[bone, i]
        out[i] = m[0] * point[0] + m[1] * point[1] + m[2] * point[2] + m[3]
    return out


@njit(fastmath=True)
def skin(vertices, bones, weights, maps):
    """Posed vertices (V, 3): each the weighted mean of where its (up to) four bones carry it."""
    posed = np.empty_like(vertices)
    for v in range(vertices.shape[0]):
        x, y, z = vertices[v, 0], vertices[v, 1], vertices[v, 2]
        a = b = c = 0.0
        for k in range(bones.shape[1]):
            w = weights[v, k]
            if w > 0.0:
                m = maps[bones[v, k]]
                a += w * (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3])
                b += w * (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3])
                c += w * (m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3])
        posed[v, 0], posed[v, 1], posed[v, 2] = a, b, c
    return posed


@njit()
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit()
def distance(p, q):
    """Distance between two points (3,)."""
    gap = (p[0] - q[0], p[1] - q[1], p[2] - q[2])
    return np.sqrt(_dot(gap, gap))


@njit()
def segment_distance(p, p_end, q, q_end):
    """Smallest distance between two segments in space (Ericson, Real-Time Collision Detection, §5.1.9)."""
    d1 = (p_end[0] - p[0], p_end[1] - p[1], p_end[2] - p[2])
    d2 = (q_end[0] - q[0], q_end[1] - q[1], q_end[2] - q[2])
    r = (p[0] - q[0], p[1] - q[1], p[2] - q[2])
    a, e, f = _dot(d1, d1), _dot(d2, d2), _dot(d2, r)
    c, b = _dot(d1, r), _dot(d1, d2)
    denominator = a * e - b * b
    s = min(1.0, max(0.0, (b * f - c * e) / denominator)) if denominator > 1e-9 else 0.0
    t = (b * s + f) / e
    if t < 0.0:
        t = 0.0
        s = min(1.0, max(0.0, -c / a))
    elif t > 1.0:
        t = 1.0
        s = min(1.0, max(0.0, (b - c) / a))
    gap = (r[0] + d1[0] * s - d2[0] * t, r[1] + d1[1] * s - d2[1] * t, r[2] + d1[2] * s - d2[2] * t)
    return np.sqrt(_dot(gap, gap))


@njit()
def deepest_overlap(starts, ends, radii, fingers):
    """Deepest overlap (mm) of capsules of different fingers: starts, ends (S, 3), radii (S,), fingers (S,)."""
    worst = 0.0
    for i in range(starts.shape[0]):
        for j in range(i + 1, starts.shape[0]):
            if fingers[i] != fingers[j]:
                gap = segment_distance(starts[i], ends[i], starts[j], ends[j])
                worst = max(worst, radii[i] + radii[j] - gap)
    return worst
