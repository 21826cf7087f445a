"""Hands of random size, proportions and pose, placed before the camera."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from knuckle.compiled import njit
from knuckle.synth.assets import BONES, FOREARM, WRIST
from knuckle.synth.pose import joints14, sample_posed
from knuckle.synth.rig import Rig
from knuckle.synth.rotations import apply
from knuckle.synth.shaping import blend, fingertips
from knuckle.synth.skinning import distance, skin
from knuckle.synth.view import sample_view

_SCALE = (0.82, 1.15)  # of the model's mean length: hands of 153 to 215 mm
_FIRST_BONES, _PHALANGES = (3, 6, 10, 14, 18), (2, 3, 3, 3, 3)  # of thumb, index, middle, ring, pinky
_PALM_BONES = (1, 2, 5, 9, 13, 17)  # wrist, thumb cmc and the four metacarpals: one palm
_PALM_SPREAD = 0.03
_STRETCH = (0.8, 1.25)  # least and most


class PlacedHand(NamedTuple):
    """Skin (V, 3), HAND21 joints (21, 3) and NYU14 joints (14, 3), mm in camera axes."""

    points: NDArray[np.float64]
    joints: NDArray[np.float64]
    joints14: NDArray[np.float64]


@njit()
def sample_hand(
    rig: Rig,
    left: bool,
    mix: NDArray[np.float64],
    any_view_share: float,
    position: NDArray[np.float64],
    rng: np.random.Generator,
) -> PlacedHand:
    """A hand of random shape, pose and view with the middle of its chain at position (3,) mm.

    A left hand is a right one whose x is mirrored about its middle; mix, any_view_share: see `SynthSettings`.
    """
    vertices, joints, tips = sample_shape(rig, rng)
    lengths, widths = sample_stretch(0.05 if rig.shapes.shape[1] > 0 else 0.10, rng)
    bones = sample_posed(rig, joints, tips, lengths, widths, mix, rng)
    forearm = apply(bones.maps[FOREARM, :, :3], joints[WRIST] - joints[FOREARM])
    rotation = sample_view(rig.upright, forearm, any_view_share, rng)
    if left:
        rotation[0] *= -1.0
    middle = bones.chain.sum(axis=0) / bones.chain.shape[0]
    place = position - apply(rotation, middle)
    points = moved(skin(vertices, rig.skin_bones, rig.skin_weights, bones.maps), rotation, place)
    placed = moved(bones.joints, rotation, place)
    return PlacedHand(points, placed, joints14(placed))


@njit()
def moved(points: NDArray[np.float64], rotation: NDArray[np.float64], place: NDArray[np.float64]) -> NDArray:
    """Points (N, 3) turned by a matrix (3, 3), then moved by place (3,)."""
    out = np.empty_like(points)
    for i in range(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        for k in range(3):
            out[i, k] = rotation[k, 0] * x + rotation[k, 1] * y + rotation[k, 2] * z + place[k]
    return out


@njit()
def sample_shape(rig: Rig, rng: np.random.Generator) -> tuple[NDArray, NDArray, NDArray]:
    """Rest vertices (V, 3), bone bases (21, 3), tips (5, 3) mm: near a real body's hand where the rig has them.

    Its length is 0.82 to 1.15 times the mean hand's, whatever the body.
    """
    count = rig.shapes.shape[1]
    shape = 0.8 * rig.shapes[rng.integers(0, rig.shapes.shape[0])]
    for k in range(count):
        shape[k] += 0.35 * rng.standard_normal()
    vertices = blend(rig.vertices, rig.shape_vertices, shape)
    joints = blend(rig.joints, rig.shape_joints, shape)
    tips = fingertips(vertices, joints, rig.tip_vertices)
    scale = rng.uniform(*_SCALE) * rig.length / _middle_finger_length(joints, tips)
    return vertices * scale, joints * scale, tips * scale


@njit()
def _middle_finger_length(joints: NDArray[np.float64], tips: NDArray[np.float64]) -> float:
    """From wrist to middle fingertip along the bones, mm."""
    length = distance(joints[WRIST], joints[10]) + distance(joints[10], joints[11])
    return length + distance(joints[11], joints[12]) + distance(joints[12], tips[2])


@njit()
def sample_stretch(spread: float, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Length and width factors (21,) of the bones: palm, each finger, each phalanx; the forearm up to a thick sleeve.

    spread: 1 σ of the logarithm of a finger's length.
    """
    lengths, widths = np.ones(BONES), np.ones(BONES)
    palm_length, palm_width = _factor(_PALM_SPREAD, rng), _factor(_PALM_SPREAD, rng)
    for bone in _PALM_BONES:
        lengths[bone], widths[bone] = palm_length, palm_width
    for finger in range(5):
        length, width = spread * rng.standard_normal(), _factor(0.8 * spread, rng)
        for bone in range(_FIRST_BONES[finger], _FIRST_BONES[finger] + _PHALANGES[finger]):
            lengths[bone] = _clipped(np.exp(length + 0.5 * spread * rng.standard_normal()))
            widths[bone] = width
    widths[FOREARM] = rng.uniform(0.85, 1.1) if rng.random() < 0.6 else rng.uniform(1.1, 1.7)
    return lengths, widths


@njit()
def _factor(spread: float, rng: np.random.Generator) -> float:
    return _clipped(np.exp(spread * rng.standard_normal()))


@njit()
def _clipped(factor: float) -> float:
    return min(max(factor, _STRETCH[0]), _STRETCH[1])
