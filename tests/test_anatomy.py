"""The names and orders that files and users rely on, written out."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from knuckle import anatomy
from knuckle.synth.pose import joints14

MEDIAPIPE = """
    wrist thumb_cmc thumb_mcp thumb_ip thumb_tip index_mcp index_pip index_dip index_tip middle_mcp middle_pip
    middle_dip middle_tip ring_mcp ring_pip ring_dip ring_tip pinky_mcp pinky_pip pinky_dip pinky_tip
"""


def test_joints_are_in_mediapipes_order() -> None:
    assert list(anatomy.HAND21) == MEDIAPIPE.split()


def test_parts_are_the_twenty_in_order() -> None:
    assert len(anatomy.PARTS) == len(set(anatomy.PARTS)) == 20
    assert anatomy.PARTS[:4] == ("palm", "thumb_proximal", "thumb_distal", "thumb_tip")
    assert anatomy.PARTS[4:8] == ("index_proximal", "index_middle", "index_distal", "index_tip")
    assert anatomy.LABELS.index("pinky_tip") == 20
    assert anatomy.LABELS[0] == "not_hand"


def test_nyu14_ends_with_both_wrists_and_the_palm() -> None:
    assert len(set(anatomy.NYU14)) == 14
    assert anatomy.NYU14[-3:] == ("wrist_ulnar", "wrist_radial", "palm")
    assert set(anatomy.NYU14[:11]) <= set(anatomy.HAND21)


@given(st.integers(0, 2**32 - 1))
def test_nyu14_are_weighted_sums_of_the_21(seed: int) -> None:
    joints = np.random.default_rng(seed).normal(size=(21, 3)) * 300 + [0, 0, 600]
    np.testing.assert_allclose(anatomy.NYU14_FROM_HAND21 @ joints, joints14(joints), rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(anatomy.NYU14_FROM_HAND21.sum(axis=1), 1)


def test_joints_that_both_have_are_the_same() -> None:
    for name, weights in zip(anatomy.NYU14[:11], anatomy.NYU14_FROM_HAND21[:11], strict=True):
        assert weights.nonzero()[0].tolist() == [anatomy.HAND21.index(name)]


def test_bones_are_a_tree_that_leaves_the_wrist_once_a_finger() -> None:
    parents = {child: parent for parent, child in anatomy.BONES}
    assert len(anatomy.BONES) == 20
    assert sorted(parents) == list(range(1, 21))  # every joint but the wrist has exactly one parent
    assert [child for parent, child in anatomy.BONES if parent == 0] == [1, 5, 9, 13, 17]
    for parent, child in anatomy.BONES:
        assert parent == 0 or anatomy.JOINT_FINGER[parent] == anatomy.JOINT_FINGER[child]


def test_finger_of_each_joint_and_label_agrees_with_its_name() -> None:
    for names, fingers in ((anatomy.HAND21, anatomy.JOINT_FINGER), (anatomy.LABELS, anatomy.PART_FINGER)):
        assert len(names) == len(fingers) == 21
        for name, finger in zip(names, fingers, strict=True):
            prefix = name.split("_")[0]
            assert finger == (anatomy.FINGERS.index(prefix) if prefix in anatomy.FINGERS else -1)


def test_each_joint_lies_on_parts_of_its_own_finger() -> None:
    assert list(anatomy.JOINT_PARTS) == list(anatomy.HAND21)
    for name, finger in zip(anatomy.HAND21, anatomy.JOINT_FINGER, strict=True):
        labels = anatomy.JOINT_PARTS[name]
        assert labels
        assert all(label == anatomy.LABELS.index("palm") or anatomy.PART_FINGER[label] == finger for label in labels)
        if name.endswith("_tip"):
            assert [anatomy.LABELS[label] for label in labels] == [name]


def test_every_part_carries_a_joint() -> None:
    assert {label for labels in anatomy.JOINT_PARTS.values() for label in labels} == set(range(1, 21))


def test_pose_limits_hold_the_flat_hand() -> None:
    assert len(set(anatomy.POSE)) == 23
    assert anatomy.POSE_MIN.shape == anatomy.POSE_MAX.shape == (23,)
    assert (anatomy.POSE_MIN < 0).all()
    assert (anatomy.POSE_MAX > 0).all()
    assert np.abs([anatomy.POSE_MIN, anatomy.POSE_MAX]).max() < 180
