"""The pose prior: limits, self-collision, and NYU's joints beside ours."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from posing import Posing

from knuckle.anatomy import FINGERS, HAND21, NYU14, POSE, POSE_MAX, POSE_MIN
from knuckle.synth import pose as pose_module
from knuckle.synth.assets import BONES
from knuckle.synth.hands import HandModel
from knuckle.synth.pose import PROTOTYPES, PosedBones, collides, joints14, sample_pose, sample_posed


@given(st.integers(0, 2**32 - 1))
def test_sampled_poses_keep_the_limits(seed: int) -> None:
    pose = sample_pose(np.random.default_rng(seed))
    assert pose.shape == (len(POSE),)
    assert (pose >= POSE_MIN).all()
    assert (pose <= POSE_MAX).all()


def test_sampled_poses_depend_on_the_generator_alone() -> None:
    first, again = (np.stack([sample_pose(rng) for _ in range(20)]) for rng in map(np.random.default_rng, (5, 5)))
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(first[:, 8])) > 10  # and they differ among themselves


def test_sampled_poses_use_the_whole_range() -> None:
    """Every finger angle is met in the lowest and the highest quarter of its range."""
    rng = np.random.default_rng(0)
    share = (np.stack([sample_pose(rng) for _ in range(1500)]) - POSE_MIN) / (POSE_MAX - POSE_MIN)
    bending = [i for i, name in enumerate(POSE) if name.endswith(("_mcp", "_pip", "_dip", "_ip"))]
    assert (np.quantile(share[:, bending], 0.03, axis=0) < 0.3).all()
    assert (np.quantile(share[:, bending], 0.97, axis=0) > 0.7).all()


@pytest.mark.parametrize("name", PROTOTYPES)
def test_prototypes_are_inside_the_limits(name: str) -> None:
    assert (PROTOTYPES[name] >= POSE_MIN).all()
    assert (PROTOTYPES[name] <= POSE_MAX).all()


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
    pose[POSE.index("thumb_radial_abduction")] = POSE_MAX[POSE.index("thumb_radial_abduction")]
    assert collides(posed(pose))


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_sampled_hands_do_not_collide(soma: HandModel, seed: int) -> None:
    posing = Posing(soma)
    plain = np.ones(BONES)
    bones = sample_posed(soma, posing.joints, posing.tips, plain, plain, np.random.default_rng(seed))
    assert not collides(bones)


def test_only_colliding_poses_end_in_the_open_hand(posed: Posing, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(bones: PosedBones) -> bool:
        asked.append(bones)
        return True

    monkeypatch.setattr(pose_module, "collides", refuse)
    plain = np.ones(BONES)
    bones = sample_posed(posed.model, posed.joints, posed.tips, plain, plain, np.random.default_rng(0))
    assert len(asked) == 30
    np.testing.assert_array_equal(bones.joints, posed(PROTOTYPES["open"]).joints)


def test_joints14_are_the_joints_of_the_same_name(posed: Posing) -> None:
    for pose in (PROTOTYPES["open"], PROTOTYPES["fist"], PROTOTYPES["relaxed"]):
        bones = posed(pose)
        found = joints14(bones)
        assert found.shape == (14, 3)
        for index, name in enumerate(NYU14):
            if name.split("_")[0] in FINGERS:
                np.testing.assert_array_equal(found[index], bones.joints[HAND21.index(name)])


def test_joints14_of_wrist_and_palm(posed: Posing) -> None:
    bones = posed(PROTOTYPES["open"])
    found = dict(zip(NYU14, joints14(bones), strict=True))
    wrist = bones.joints[0]
    np.testing.assert_allclose((found["wrist_ulnar"] + found["wrist_radial"]) / 2, wrist)
    pinky, index = (bones.joints[HAND21.index(name)] for name in ("pinky_mcp", "index_mcp"))
    ulnar = found["wrist_ulnar"] - found["wrist_radial"]
    assert 15 < np.linalg.norm(ulnar) < 60
    assert ulnar @ (pinky - index) > 0
    knuckles = bones.joints[[5, 9, 13, 17]].mean(axis=0)
    along = (found["palm"] - wrist) @ (knuckles - wrist) / np.square(knuckles - wrist).sum()
    assert 0.3 < along < 1
