"""Anatomical joints: where they lie in the flesh, that two rigs agree on them, and what carries them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from posing import Posing

from knuckle.anatomy import FINGERS, HAND21, POSE
from knuckle.synth.assets import BONES
from knuckle.synth.hands import HandModel
from knuckle.synth.landmarks import CARRIERS, joint_offsets, place_joints
from knuckle.synth.pose import pose_bones
from knuckle.synth.prior import DEFAULT_MIX, PROTOTYPES, sample_pose
from knuckle.synth.skinning import skin

MCP = [HAND21.index(f"{finger}_mcp") for finger in FINGERS[1:]]


def palm_coordinates(model: HandModel, points: np.ndarray) -> np.ndarray:
    """Rest points (N, 3) as mm distal, ulnar and palmar of the rig's wrist."""
    return (points - model.chain[0]) @ np.stack([model.distal, model.ulnar, model.palmar]).T


def rest_joints(model: HandModel) -> np.ndarray:
    return model.chain + joint_offsets(model)


def winding_number(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """How often a closed mesh goes round each point: 1 inside, 0 outside (van Oosterom & Strackee 1983)."""
    total = np.zeros(len(points))
    for i, point in enumerate(points):
        a, b, c = (vertices[faces[:, k]] - point for k in range(3))
        la, lb, lc = (np.linalg.norm(x, axis=1) for x in (a, b, c))
        volume = np.einsum("fx,fx->f", a, np.cross(b, c))
        rest = la * lb * lc + (a * b).sum(1) * lc + (b * c).sum(1) * la + (c * a).sum(1) * lb
        total[i] = np.arctan2(volume, rest).sum() / (2 * np.pi)
    return total


def test_joints_lie_in_the_flesh_at_rest(model: HandModel) -> None:
    inside = winding_number(rest_joints(model), model.asset.vertices, model.asset.faces)
    np.testing.assert_allclose(inside, 1, atol=0.01)


def test_joints_stay_in_the_flesh_in_most_poses(model: HandModel, posed: Posing) -> None:
    """Skinned skin caves in where a finger bends hard, so not every joint of every pose."""
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(12):
        bones = posed(sample_pose(DEFAULT_MIX, rng))
        vertices = skin(posed.vertices, *model.skinning, bones.maps)
        inside.append(winding_number(bones.joints, vertices, model.asset.faces))
    assert (np.abs(inside) > 0.5).mean() > 0.95


def test_finger_joints_lie_halfway_between_pad_and_back(model: HandModel) -> None:
    """Of a thin slice of the skin about each joint inside a finger, the joint is near the middle."""
    joints = rest_joints(model)
    for finger in range(1, 5):
        for joint in (2 + 4 * finger, 3 + 4 * finger):
            along = model.chain[joint + 1] - model.chain[joint - 1]
            along /= np.linalg.norm(along)
            pad = np.cross(model.axes[2 + 4 * finger, 1], along)
            skin_bone = model.asset.weights.argmax(axis=1)
            near = np.isin(skin_bone, [joint // 4 * 4 + b for b in (2, 3, 4)])  # proximal, middle, distal
            offset = model.asset.vertices[near] - joints[joint]
            slice_pad = (offset @ pad)[np.abs(offset @ along) < 5]
            assert abs(slice_pad.max() + slice_pad.min()) / 2 < 2.0


def test_two_rigs_agree_in_the_palm(soma: HandModel) -> None:
    """Their bones' bases are up to 12 mm apart there, thumb included up to 23."""
    makehuman = HandModel.load("makehuman")
    soma_mm, makehuman_mm = (palm_coordinates(m, rest_joints(m))[MCP] for m in (soma, makehuman))
    assert np.linalg.norm(soma_mm - makehuman_mm, axis=1).max() < 6
    base = [HAND21.index("thumb_cmc")]
    soma_mm, makehuman_mm = (palm_coordinates(m, rest_joints(m))[base] for m in (soma, makehuman))
    assert np.linalg.norm((soma_mm - makehuman_mm)[:, :2]) < 5  # depth differs: their thenars do


def test_finger_lengths_are_an_adults(model: HandModel) -> None:
    """From mcp to fingertip against the X-ray's bones, mm: 78, 88, 84 and 67."""
    joints = rest_joints(model).reshape(-1, 3)[1:].reshape(5, 4, 3)[1:]
    lengths = np.linalg.norm(np.diff(joints, axis=1), axis=2).sum(axis=1)
    np.testing.assert_allclose(lengths, [78.0, 88.4, 84.3, 66.8], rtol=0.1)


@given(st.integers(0, 2**32 - 1))
def test_joints_are_halfway_between_where_their_two_bones_carry_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    offsets, chain = rng.normal(size=(2, 21, 3)) * 20
    maps = rng.normal(size=(BONES, 3, 4))
    rest = chain + 1.1 * offsets
    plain = [np.mean([maps[bone] @ [*rest[joint], 1] for bone in CARRIERS[joint]], axis=0) for joint in range(21)]
    np.testing.assert_allclose(place_joints(offsets, maps, chain, 1.1), plain, atol=1e-9)


def test_the_palm_carries_its_joints(posed: Posing) -> None:
    """Thumb and fingers bend and leave wrist, cmc and (nearly) mcp where they are."""
    rest = posed(np.zeros(len(POSE))).joints
    still = [0, 1, 5, 9]  # the ulnar metacarpals follow their fingers into a fist
    np.testing.assert_allclose(posed(PROTOTYPES["fist"]).joints[still], rest[still], atol=1e-9)


@pytest.mark.parametrize("angle", ["index_pip", "middle_dip", "thumb_ip"])
def test_a_joint_inside_a_finger_moves_half_as_far_as_its_outer_bone(posed: Posing, angle: str) -> None:
    pose = np.zeros(len(POSE))
    bent = pose.copy()
    bent[POSE.index(angle)] = 60
    joint = HAND21.index(angle)
    before, after = posed(pose), posed(bent)
    np.testing.assert_allclose(after.chain[joint], before.chain[joint], atol=1e-9)  # the rig turns about this point
    arm = before.joints[joint] - before.chain[joint]
    flexion = posed.model.axes[{"index_pip": 7, "middle_dip": 12, "thumb_ip": 4}[angle], 0]
    across = arm - (arm @ flexion) * flexion
    moved = np.linalg.norm(after.joints[joint] - before.joints[joint])
    assert moved == pytest.approx(np.linalg.norm(across) * np.sin(np.radians(30)), abs=0.1)


@settings(max_examples=20)
@given(st.floats(0.7, 1.4), st.integers(0, 2**32 - 1))
def test_joints_scale_with_the_hand(soma: HandModel, scale: float, seed: int) -> None:
    pose, plain = sample_pose(DEFAULT_MIX, np.random.default_rng(seed)), np.ones(BONES)
    shape = np.zeros(0)
    (_, joints, tips), (_, big_joints, big_tips) = soma.shaped(shape, 1.0), soma.shaped(shape, scale)
    small = pose_bones(soma, joints, tips, pose, plain, plain).joints
    big = pose_bones(soma, big_joints, big_tips, pose, plain, plain).joints
    np.testing.assert_allclose(big, small * scale, atol=1e-6)
