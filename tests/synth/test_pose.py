"""Posed hands: self-collision, and NYU's joints beside ours."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from posing import Posing

from knuckle.anatomy import FINGERS, HAND21, NYU14, POSE, POSE_MAX, POSE_MIN
from knuckle.synth.assets import BONES
from knuckle.synth.hands import HandModel
from knuckle.synth.pose import PosedBones, collides, joints14, pose_bones, sample_posed
from knuckle.synth.prior import DEFAULT_MIX, PROTOTYPES
from knuckle.synth.rig import rig_of


def test_fingers_apart_do_not_collide(posed: Posing) -> None:
    assert not collides(posed(PROTOTYPES["open"]))


def test_crossing_fingers_collide(posed: Posing) -> None:
    bones = posed(PROTOTYPES["open"])
    index = slice(HAND21.index("index_mcp"), HAND21.index("index_tip") + 1)
    middle = slice(HAND21.index("middle_mcp"), HAND21.index("middle_tip") + 1)
    crossed = bones.chain.copy()
    crossed[index][-1] = bones.chain[middle][1]  # the index's tip inside the middle finger
    assert collides(PosedBones(bones.maps, crossed, bones.joints))


def test_a_thumb_through_the_fist_collides(posed: Posing) -> None:
    """The fist with the thumb bent as far as it goes through the curled fingers."""
    pose = PROTOTYPES["fist"].copy()
    pose[POSE.index("thumb_palmar_abduction")] = POSE_MIN[POSE.index("thumb_palmar_abduction")]
    pose[POSE.index("thumb_ulnar_adduction")] = POSE_MAX[POSE.index("thumb_ulnar_adduction")]
    assert collides(posed(pose))


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_sampled_hands_do_not_collide(soma: HandModel, seed: int) -> None:
    posing = Posing(soma)
    plain = np.ones(BONES)
    bones = sample_posed(
        rig_of(soma), posing.joints, posing.tips, plain, plain, DEFAULT_MIX, np.random.default_rng(seed)
    )
    assert not collides(bones)


def test_only_colliding_poses_end_in_the_open_hand(soma: HandModel) -> None:
    """With a middle knuckle far out, fingers count as so thick that every pose collides: the 31st is the open one."""
    posing, rig, plain = Posing(soma), rig_of(soma), np.ones(BONES)
    joints = posing.joints.copy()
    joints[10] *= 10
    for seed in range(3):
        bones = sample_posed(rig, joints, posing.tips, plain, plain, DEFAULT_MIX, np.random.default_rng(seed))
        assert collides(bones)
        refused = pose_bones(soma, joints, posing.tips, PROTOTYPES["open"], plain, plain)
        np.testing.assert_array_equal(bones.joints, refused.joints)


def test_joints14_are_the_joints_of_the_same_name(posed: Posing) -> None:
    for pose in (PROTOTYPES["open"], PROTOTYPES["fist"], PROTOTYPES["relaxed"]):
        bones = posed(pose)
        found = joints14(bones.joints)
        assert found.shape == (14, 3)
        for index, name in enumerate(NYU14):
            if name.split("_")[0] in FINGERS:
                np.testing.assert_array_equal(found[index], bones.joints[HAND21.index(name)])


def test_joints14_of_wrist_and_palm(posed: Posing) -> None:
    bones = posed(PROTOTYPES["open"])
    found = dict(zip(NYU14, joints14(bones.joints), strict=True))
    wrist = bones.joints[0]
    np.testing.assert_allclose((found["wrist_ulnar"] + found["wrist_radial"]) / 2, wrist)
    pinky, index = (bones.joints[HAND21.index(name)] for name in ("pinky_mcp", "index_mcp"))
    ulnar = found["wrist_ulnar"] - found["wrist_radial"]
    assert 15 < np.linalg.norm(ulnar) < 60
    assert ulnar @ (pinky - index) > 0
    knuckles = bones.joints[[5, 9, 13, 17]].mean(axis=0)
    along = (found["palm"] - wrist) @ (knuckles - wrist) / np.square(knuckles - wrist).sum()
    assert 0.3 < along < 1
