"""The pose prior: prototypes of gestures, mixtures of them, correlated curls; limits and self-collision."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knuckle.anatomy import POSE, POSE_MAX, POSE_MIN
from knuckle.synth.hands import KNUCKLES, LAST_BONES, PARENTS, HandModel, chain, unit
from knuckle.synth.landmarks import place_joints
from knuckle.synth.skinning import apply_bone, bone_transforms, deepest_overlap

_SPLAY = np.array([-1.0, -0.2, 0.6, 1.0])  # which way index..pinky fan out, ulnar positive


def _prototype(thumb: tuple, *fingers: tuple) -> NDArray[np.float64]:
    return np.concatenate([[0, 0], thumb, *fingers]).astype(float)


def _fan(degrees: float) -> list[tuple]:
    return [(0, degrees * splay, 4, 3) for splay in _SPLAY]


_STRAIGHT, _CURLED = (0, 0, 3, 2), (75, 0, 95, 55)
_THUMB_OUT, _THUMB_OVER_FIST, _THUMB_OVER_RING = (10, -8, 0, 5, 5), (0, 33, 32, 25, 50), (4, 37, 30, 42, 36)
_THUMB_OPPOSED = (18, 13, 22, 17, 32)

# Angles in degrees, order of anatomy.POSE from the thumb on: palmar and radial abduction, twist, mcp, ip; then a
# finger's mcp, abduction, pip, dip.
PROTOTYPES = {
    "open": _prototype(_THUMB_OUT, *_fan(8)),
    "flat": _prototype((5, 10, 0, 5, 5), *[_STRAIGHT] * 4),
    "fist": _prototype(_THUMB_OVER_FIST, *[_CURLED] * 4),
    "point": _prototype(_THUMB_OVER_FIST, _STRAIGHT, *[_CURLED] * 3),
    "vee": _prototype(_THUMB_OVER_RING, _fan(8)[0], (0, 8, 4, 3), _CURLED, _CURLED),
    "three": _prototype(_THUMB_OVER_RING, _fan(8)[0], _STRAIGHT, _fan(8)[2], _CURLED),
    "four": _prototype(_THUMB_OVER_RING, *_fan(6)),
    "thumb_up": _prototype((5, -12, 0, 0, -5), *[_CURLED] * 4),
    "ell": _prototype((8, -15, 0, 0, 0), _STRAIGHT, *[_CURLED] * 3),
    "horns": _prototype(_THUMB_OVER_FIST, _STRAIGHT, _CURLED, _CURLED, _STRAIGHT),
    "pinky": _prototype(_THUMB_OVER_FIST, *[_CURLED] * 3, _STRAIGHT),
    "shaka": _prototype((8, -12, 0, 0, 0), *[_CURLED] * 3, _fan(8)[3]),
    "pinch": _prototype(_THUMB_OPPOSED, (48, 2, 48, 28), (25, 0, 35, 20), (18, 3, 28, 15), (12, 6, 22, 12)),
    "ok": _prototype(_THUMB_OPPOSED, (50, 2, 50, 30), (5, 0, 10, 5), (2, 6, 8, 5), (0, 10, 8, 4)),
    "claw": _prototype((25, 0, 10, 15, 35), *[(10, 5 * splay, 65, 45) for splay in _SPLAY]),
    "relaxed": _prototype((18, 5, 5, 12, 18), (15, -3, 25, 12), (20, 0, 30, 15), (24, 2, 34, 16), (26, 5, 34, 16)),
    "grasp": _prototype((42, 5, 20, 20, 30), *[(40, 4 * splay, 40, 25) for splay in _SPLAY]),
    "bent": _prototype((30, 18, 15, 15, 15), *[(75, 0, 5, 4)] * 4),
    "hook": _prototype(_THUMB_OUT, *[(5, 0, 95, 55)] * 4),
}
_ALL = np.stack(list(PROTOTYPES.values()))  # (P, 23) degrees

_JITTER = np.array([18, 8, *([6] * 5), *([6, 3, 6, 4] * 4)], dtype=float)  # (23,) degrees, 1 σ about a prototype
_FINGER_ANGLES = [slice(2, 7), *(slice(7 + 4 * f, 11 + 4 * f) for f in range(4))]

_CAPSULE_FINGER = np.array([0, 0, *np.repeat([1, 2, 3, 4], 3)])
_CAPSULE_RADIUS = np.array([9.5, 8.5, *([8.6, 7.6, 6.8] * 4)]) * 0.9 / 88.0  # per mm from wrist to middle knuckle
_OVERLAP_MM = 4.5  # soft tissue gives way this far before two fingers count as interpenetrating
_TRIES = 30


@dataclass(frozen=True, eq=False)
class PosedBones:
    """One posed hand, still in its rest frame, mm.

    maps (21, 3, 4); chain (21, 3): where the rig turns, and the fingertips; joints (21, 3): the anatomical joints (see
    `landmarks`); both in HAND21's order.
    """

    maps: NDArray[np.float64]
    chain: NDArray[np.float64]
    joints: NDArray[np.float64]


def sample_pose(rng: np.random.Generator) -> NDArray[np.float64]:
    """A pose vector (23,) degrees inside the limits of `anatomy`.

    35 %: between two prototypes; 25 %: every finger between two prototypes of its own; 40 %: curls that are correlated
    over the fingers (dip follows pip) under a random thumb.
    """
    kind = rng.random()
    if kind < 0.35:
        a, b = _ALL[rng.integers(len(_ALL), size=2)]
        pose = a + (b - a) * rng.random()
    elif kind < 0.6:
        pose = np.zeros(len(POSE))
        for angles in _FINGER_ANGLES:
            a, b = _ALL[rng.integers(len(_ALL), size=2), angles]
            pose[angles] = a + (b - a) * rng.random()
    else:
        pose = _correlated_curls(rng)
    return np.clip(pose + rng.normal(size=len(POSE)) * _JITTER, POSE_MIN, POSE_MAX)


def _correlated_curls(rng: np.random.Generator) -> NDArray[np.float64]:
    pose = np.zeros(len(POSE))
    pose[_FINGER_ANGLES[0]] = rng.uniform(POSE_MIN[_FINGER_ANGLES[0]], POSE_MAX[_FINGER_ANGLES[0]])
    curl = np.clip(rng.random() + rng.normal(size=4) * 0.3, 0, 1)
    bend = np.clip(curl + rng.normal(size=4) * 0.25, 0, 1)
    pip = 105 * bend
    dip = 0.62 * pip + rng.normal(size=4) * 6
    splay = (1 - 0.8 * curl) * (8 * _SPLAY * rng.random(4) * 1.4 + rng.normal(size=4) * 3)
    pose[7:] = np.stack([100 * curl - 15, splay, pip, dip], axis=1).ravel()
    return pose


def pose_bones(
    model: HandModel, joints: NDArray, tips: NDArray, pose: NDArray, lengths: NDArray, widths: NDArray
) -> PosedBones:
    """Poses the bones of one shaped hand: joints (21, 3), tips (5, 3) at rest; pose (23,); stretches (21,)."""
    maps = bone_transforms(joints, PARENTS, model.axes, model.angles(pose), model.directions, lengths, widths)
    bases = np.einsum("bij,bj->bi", maps[:, :, :3], joints) + maps[:, :, 3]
    posed_tips = np.stack([apply_bone(maps, bone, tip) for bone, tip in zip(LAST_BONES, tips, strict=True)])
    size = float(np.linalg.norm(joints[KNUCKLES[1]]) / np.linalg.norm(model.asset.joints[KNUCKLES[1]]))
    return PosedBones(maps, chain(bases, posed_tips), place_joints(model, maps, chain(joints, tips), size))


def collides(bones: PosedBones) -> bool:
    """Whether fingers interpenetrate by more than soft tissue gives way."""
    fingers = bones.chain[1:].reshape(5, 4, 3)  # base to tip
    starts = np.concatenate([fingers[0, 1:3], fingers[1:, :3].reshape(-1, 3)])
    ends = np.concatenate([fingers[0, 2:4], fingers[1:, 1:4].reshape(-1, 3)])
    size = np.linalg.norm(bones.chain[9] - bones.chain[0])  # wrist to middle knuckle
    return deepest_overlap(starts, ends, _CAPSULE_RADIUS * size, _CAPSULE_FINGER) > _OVERLAP_MM


def sample_posed(
    model: HandModel,
    joints: NDArray,
    tips: NDArray,
    lengths: NDArray,
    widths: NDArray,
    rng: np.random.Generator,
) -> PosedBones:
    """A hand in a random pose without interpenetration (after 30 refusals: the open hand, which has none)."""
    for _ in range(_TRIES):
        bones = pose_bones(model, joints, tips, sample_pose(rng), lengths, widths)
        if not collides(bones):
            return bones
    return pose_bones(model, joints, tips, PROTOTYPES["open"], lengths, widths)


def joints14(bones: PosedBones) -> NDArray[np.float64]:
    """NYU's 14 joints (14, 3) of a posed hand: the wrist's two sides and the palm's middle stand in for its markers."""
    j = bones.joints
    knuckles = j[[5, 9, 13, 17]]
    across = unit(knuckles[3] - knuckles[0]) * 0.30 * np.linalg.norm(knuckles[3] - knuckles[0])
    palm = 0.35 * j[0] + 0.65 * knuckles.mean(axis=0)
    fingers = [j[i] for i in (20, 18, 16, 14, 12, 10, 8, 6, 4, 3, 2)]
    return np.stack([*fingers, j[0] + across, j[0] - across, palm])
