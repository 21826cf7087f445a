"""Where the 21 joints are: points in the flesh that are found alike on every hand, whatever its rig.

Rigs turn their bones about points of their own: MakeHuman's lie 4 mm under the skin of the back and its knuckles near
the web, SOMA's in the middle of the fingers. What a hand reports are anatomical joints instead. The wrist and the
joints inside the fingers keep their rig's place along the bone, since there the skin bends; the mcp joints and the
thumb's base (cmc), which no crease shows, have a place set by the bones' lengths; and all lie halfway between palm and
back.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from knuckle.anatomy import HAND21
from knuckle.compiled import njit
from knuckle.synth.assets import THUMB, WRIST
from knuckle.synth.hands import HandModel, unit
from knuckle.synth.skinning import apply_bone

CARRIERS = np.array(
    [
        [WRIST, WRIST],
        *([WRIST, WRIST], [2, 3], [3, 4], [4, 4]),
        *([b + k, b + m] for b in (5, 9, 13, 17) for k, m in ((0, 0), (1, 2), (2, 3), (3, 3))),
    ]
)
"""(21, 2) the bones that carry each joint of HAND21: halfway between the two where they differ."""

# Mean lengths in mm of the bones on X-rays (Buryanov & Kotiuk 2010, "Proportions of hand segments", Int. J. Morphol.
# 28(3)): metacarpal, proximal, middle and distal of index, middle, ring, pinky; metacarpal and proximal of the thumb.
_BONES_MM = np.array(
    [
        [68.12, 39.78, 22.38, 15.82],
        [64.60, 44.63, 26.33, 17.40],
        [58.00, 41.37, 25.65, 17.30],
        [53.69, 32.74, 18.11, 15.96],
    ]
)
_THUMB_MM = (46.22, 31.57)
_CARPUS_MM = 0.54 * _BONES_MM[1, 0]  # carpal height ratio (Youm et al. 1978, J. Bone Joint Surg. Am. 60(4))
_KNUCKLE = _BONES_MM[:, 1:].sum(axis=1) / (_CARPUS_MM + _BONES_MM.sum(axis=1))
"""(4,) the mcp joint's place on the chain from fingertip to wrist, as a share of its length."""
_THUMB_KNUCKLE = _THUMB_MM[1] / sum(_THUMB_MM)
"""The thumb's mcp joint's place on the chain from ip to cmc, as a share of its length."""

# The thumb's base, as shares of the length from wrist to middle fingertip: between where the two rigs have it, since no
# published figure is given in axes that can be found on a mesh.
_CMC_DISTAL, _CMC_RADIAL = 0.15, 0.14


@lru_cache(maxsize=8)
def joint_offsets(model: HandModel) -> NDArray[np.float64]:
    """(21, 3) mm from where the rig turns (`HandModel.chain`) to where the joint is, on the mean hand at rest."""
    chain = model.chain
    joints = chain.copy()
    joints[0] = _halfway(model, chain[0], (model.palmar, model.ulnar))
    for finger in range(1, 5):
        base, flexion = 1 + 4 * finger, model.axes[2 + 4 * finger, 1]
        joints[base], along = _on_chain(chain[[0, *range(base, base + 4)]], _KNUCKLE[finger - 1])
        joints[base] = _halfway(model, joints[base], (unit(np.cross(flexion, along)),))
        for joint in range(base + 1, base + 4):
            joints[joint] = _halfway(model, chain[joint], _across(chain, joint, flexion))
    flexion = model.axes[THUMB[1], 0]
    joints[1] = _thumb_base(model, joints[0])
    joints[2], along = _on_chain(np.stack([joints[1], chain[2], chain[3]]), _THUMB_KNUCKLE)
    joints[2] = _halfway(model, joints[2], (unit(np.cross(flexion, along)),))
    for joint in (3, 4):
        joints[joint] = _halfway(model, chain[joint], _across(chain, joint, flexion))
    return joints - chain


@njit()
def place_joints(
    offsets: NDArray[np.float64], maps: NDArray[np.float64], chain: NDArray[np.float64], size: float
) -> NDArray[np.float64]:
    """Joints (21, 3) of a posed hand: offsets (21, 3) as above, bone maps (21, 3, 4), chain (21, 3) at rest.

    size: of the hand, relative to the mean hand.
    """
    joints = np.empty((21, 3))
    for joint in range(21):
        rest = chain[joint] + size * offsets[joint]
        carriers = CARRIERS[joint]
        joints[joint] = (apply_bone(maps, carriers[0], rest) + apply_bone(maps, carriers[1], rest)) / 2.0
    return joints


def _on_chain(points: NDArray, share: float) -> tuple[NDArray, NDArray]:
    """The point at a share of a chain's length from its end, near its second point (N, 3), and the bone's direction."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    ahead = share * steps.sum() - steps[1:].sum()  # mm from the second point towards the first
    along = unit(points[1] - points[0]) if ahead > 0 else unit(points[2] - points[1])
    return points[1] - ahead * along, along


def _thumb_base(model: HandModel, wrist: NDArray) -> NDArray[np.float64]:
    middle = model.chain[[0, *range(9, 13)]]
    length = np.linalg.norm(np.diff(middle, axis=0), axis=1).sum()
    base = wrist + length * (_CMC_DISTAL * model.distal - _CMC_RADIAL * model.ulnar)
    return _halfway(model, base, (model.palmar,))


def _across(chain: NDArray, joint: int, flexion: NDArray) -> tuple[NDArray, NDArray]:
    """Two directions across a finger at a joint: towards its pad, and sideways."""
    tip = HAND21[joint].endswith("_tip")
    along = unit(chain[joint] - chain[joint - 1] if tip else chain[joint + 1] - chain[joint - 1])
    pad = unit(np.cross(flexion, along))
    return pad, np.cross(along, pad)


def _halfway(model: HandModel, point: NDArray, directions: tuple[NDArray, ...]) -> NDArray[np.float64]:
    """The point moved along each direction in turn to halfway between the skin on both sides."""
    for direction in directions:
        distances = _skin_distances(model, point, direction)
        point = point + direction * (distances[distances > 0].min() + distances[distances < 0].max()) / 2
    return point


def _skin_distances(model: HandModel, point: NDArray, direction: NDArray) -> NDArray[np.float64]:
    """Signed distances mm from a point along a line to where it meets the skin (Möller & Trumbore 1997)."""
    corners = model.asset.vertices[model.asset.faces]  # (F, 3, 3)
    edge1, edge2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normal = np.cross(direction, edge2)
    determinant = np.einsum("fx,fx->f", edge1, normal)
    faces = np.abs(determinant) > 1e-9
    edge1, edge2, normal = edge1[faces], edge2[faces], normal[faces]
    offset = (point - corners[faces, 0]) / determinant[faces, None]
    u = np.einsum("fx,fx->f", offset, normal)
    across = np.cross(offset, edge1)
    v = across @ direction
    return np.einsum("fx,fx->f", across, edge2)[(u >= 0) & (v >= 0) & (u + v <= 1)]
