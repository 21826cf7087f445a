"""Posed hands: bones turned by a pose vector, refused where fingers interpenetrate; NYU's joints beside ours."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from knuckle.anatomy import PALM_WRIST_SHARE, WRIST_HALF_WIDTH
from knuckle.compiled import njit
from knuckle.synth.hands import HandModel
from knuckle.synth.landmarks import place_joints
from knuckle.synth.prior import PROTOTYPES, sample_pose
from knuckle.synth.rig import Rig, rig_of
from knuckle.synth.shaping import bone_turns
from knuckle.synth.skinning import apply_bone, bone_transforms, deepest_overlap, distance

_CAPSULE_JOINTS = np.array([2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19])  # each reaches to the next joint
_CAPSULE_FINGER = np.array([0, 0, *np.repeat([1, 2, 3, 4], 3)])
_CAPSULE_RADIUS = np.array([9.5, 8.5, *([8.6, 7.6, 6.8] * 4)]) * 0.9 / 88.0  # per mm from wrist to middle knuckle
_OVERLAP_MM = 6.0  # soft tissue, and what capsules are thicker than fingers: fists held by contact reach 5.3
_TRIES = 30
_OPEN = PROTOTYPES["open"]
_FINGER_JOINTS14 = np.array([20, 18, 16, 14, 12, 10, 8, 6, 4, 3, 2])  # NYU's eleven on the fingers, in our order


class PosedBones(NamedTuple):
    """One posed hand, still in its rest frame, mm.

    maps (21, 3, 4); chain (21, 3): where the rig turns, and the fingertips; joints (21, 3): the anatomical joints (see
    `landmarks`); both in HAND21's order.
    """

    maps: NDArray[np.float64]
    chain: NDArray[np.float64]
    joints: NDArray[np.float64]


def pose_bones(
    model: HandModel, joints: NDArray, tips: NDArray, pose: NDArray, lengths: NDArray, widths: NDArray
) -> PosedBones:
    """Poses the bones of one shaped hand: joints (21, 3), tips (5, 3) at rest; pose (23,); stretches (21,)."""
    posed: PosedBones = pose_rig(rig_of(model), joints, tips, pose, lengths, widths)
    return posed


@njit()
def pose_rig(rig: Rig, joints: NDArray, tips: NDArray, pose: NDArray, lengths: NDArray, widths: NDArray) -> PosedBones:
    """`pose_bones` for compiled callers."""
    maps = bone_transforms(joints, rig.parents, rig.axes, bone_turns(pose, rig.rest), rig.directions, lengths, widths)
    rest, chain = np.empty((21, 3)), np.empty((21, 3))
    for joint in range(21):
        bone = joint  # of HAND21's joint: bones 1-4 are wrist and thumb, then come a finger's four with its metacarpal
        if joint > 0 and joint % 4 == 0:
            rest[joint] = tips[joint // 4 - 1]
        else:
            bone = joint + 1
            rest[joint] = joints[bone]
        chain[joint] = apply_bone(maps, bone, rest[joint])
    size = distance(joints[1], joints[10]) / rig.size
    return PosedBones(maps, chain, place_joints(rig.offsets, maps, rest, size))


@njit()
def collides(bones: PosedBones) -> bool:
    """Whether fingers interpenetrate by more than soft tissue gives way."""
    size = distance(bones.chain[0], bones.chain[9])  # wrist to middle knuckle
    count = len(_CAPSULE_JOINTS)
    starts, ends = np.empty((count, 3)), np.empty((count, 3))
    for k in range(count):
        starts[k], ends[k] = bones.chain[_CAPSULE_JOINTS[k]], bones.chain[_CAPSULE_JOINTS[k] + 1]
    overlap: float = deepest_overlap(starts, ends, _CAPSULE_RADIUS * size, _CAPSULE_FINGER)
    return overlap > _OVERLAP_MM


@njit()
def sample_posed(
    rig: Rig,
    joints: NDArray,
    tips: NDArray,
    lengths: NDArray,
    widths: NDArray,
    mix: NDArray[np.float64],
    rng: np.random.Generator,
) -> PosedBones:
    """A hand in a random pose without interpenetration (after 30 refusals: the open hand, which has none).

    mix (3,): see `prior.sample_pose`; the others as in `pose_bones`.
    """
    for _ in range(_TRIES):
        bones = pose_rig(rig, joints, tips, sample_pose(mix, rng), lengths, widths)
        if not collides(bones):
            return bones
    return pose_rig(rig, joints, tips, _OPEN, lengths, widths)


@njit()
def joints14(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """NYU's 14 joints (14, 3) of joints (21, 3): the wrist's two sides and the palm's middle replace its markers."""
    found = np.empty((14, 3))
    for x in range(3):
        for k in range(11):
            found[k, x] = joints[_FINGER_JOINTS14[k], x]
        wrist, across = joints[0, x], WRIST_HALF_WIDTH * (joints[17, x] - joints[5, x])
        found[11, x], found[12, x] = wrist + across, wrist - across
        knuckles = joints[5, x] + joints[9, x] + joints[13, x] + joints[17, x]
        found[13, x] = PALM_WRIST_SHARE * wrist + (1 - PALM_WRIST_SHARE) / 4.0 * knuckles
    return found
