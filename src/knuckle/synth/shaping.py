"""A hand's rest shape and the turns of its bones, compiled: what `HandModel` offers, for whole samples."""

import numpy as np
from numpy.typing import NDArray

from knuckle.compiled import njit
from knuckle.synth.skinning import distance

_TIP_INSIDE_MM = 4.0  # the tip joint lies this far inside the skin
_METACARPAL_FLEXION = np.radians([0.0, 0.0, 3.0, 7.0])  # the ulnar metacarpals follow their finger into a fist


@njit(fastmath={"contract", "reassoc"})
def blend(mean: NDArray[np.float64], offsets: NDArray[np.float64], shape: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (N, 3) of shape coefficients (K,): mean (N, 3) and the offsets (K, N, 3) of one unit of each."""
    points = mean.copy()
    for k in range(shape.shape[0]):
        for i in range(points.shape[0]):
            for x in range(3):
                points[i, x] += shape[k] * offsets[k, i, x]
    return points


@njit()
def fingertips(
    vertices: NDArray[np.float64], joints: NDArray[np.float64], tip_vertices: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(5, 3) fingertip joints mm: the middle of the outermost vertices (5, 8), pulled inside the skin.

    vertices (V, 3), joints (21, 3): bone bases, the last one of finger f being bone 4 + 4f.
    """
    tips = np.zeros((5, 3))
    for finger in range(5):
        tip, base = tips[finger], joints[4 + 4 * finger]
        for vertex in tip_vertices[finger]:
            for x in range(3):
                tip[x] += vertices[vertex, x] / tip_vertices.shape[1]
        inside = _TIP_INSIDE_MM / distance(tip, base)
        for x in range(3):
            tip[x] -= inside * (tip[x] - base[x])
    return tips


@njit()
def bone_turns(pose: NDArray[np.float64], rest: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pose vector (23,) degrees, order of `anatomy.POSE` → turns (21, 3) rad of the bones, from the rest pose.

    rest (21,) rad: flexion of the rest pose.
    """
    pose = np.radians(pose)
    turns = np.zeros((21, 3))
    turns[1, 0], turns[1, 1] = pose[1], pose[0]
    turns[2, 0], turns[2, 1], turns[2, 2] = pose[3], pose[2], -pose[4]
    turns[3, 0], turns[4, 0] = pose[5] - rest[3], pose[6] - rest[4]
    for finger in range(4):
        angle, base = 7 + 4 * finger, 6 + 4 * finger
        mcp, abduction = pose[angle], pose[angle + 1]
        turns[base - 1, 0] = _METACARPAL_FLEXION[finger] * min(max(mcp / 1.5, 0.0), 1.0)
        turns[base, 0], turns[base, 1] = abduction, mcp - rest[base]
        turns[base + 1, 0] = pose[angle + 2] - rest[base + 1]
        turns[base + 2, 0] = pose[angle + 3] - rest[base + 2]
    return turns
