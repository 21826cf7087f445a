"""Rigged hands: which hand it is, which way each angle of the pose vector bends it, and where the parts lie."""

import numpy as np
import pytest
from posing import Posing

from knuckle.anatomy import FINGERS, HAND21, JOINT_FINGER, LABELS, POSE, POSE_MAX, POSE_MIN
from knuckle.synth.assets import BONES, FOREARM, WRIST
from knuckle.synth.hands import HandModel
from knuckle.synth.pose import pose_bones
from knuckle.synth.prior import DEFAULT_MIX, PROTOTYPES, sample_pose
from knuckle.synth.shaping import bone_turns

OPEN, FLAT, FIST = PROTOTYPES["open"], PROTOTYPES["flat"], PROTOTYPES["fist"]
TIPS = [HAND21.index(f"{finger}_tip") for finger in FINGERS]
PINKY_KNUCKLE = HAND21.index("pinky_mcp")


def with_angle(name: str, change: float) -> np.ndarray:
    pose = FLAT.copy()
    pose[POSE.index(name)] += change
    return pose


def test_it_is_a_right_hand(model: HandModel) -> None:
    """Seen with the fingers up and the thumb to the right, a right hand shows its palm: there the fingers curl to.

    Which way they curl is taken from the mesh as it was modelled, whose fingers rest slightly bent.
    """
    joints, tips = model.asset.joints, Posing(model).tips
    back = np.cross(joints[10] - joints[WRIST], joints[6] - joints[18])  # along the middle finger × towards the thumb
    for first, tip in zip((6, 10, 14, 18), tips[1:], strict=True):
        proximal = joints[first + 1] - joints[first]
        distal = tip - joints[first + 2]
        curl = distal - (distal @ proximal) / (proximal @ proximal) * proximal
        assert curl @ back < 0
    assert (tips[0] - joints[WRIST]) @ back < 0  # the thumb lies before the palm
    assert model.palmar @ back < 0


def test_axes_of_the_palm(model: HandModel) -> None:
    axes = np.stack([model.distal, model.ulnar, model.palmar])
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-9)
    joints = model.asset.joints
    assert (joints[18] - joints[6]) @ model.ulnar > 30  # from the index's to the pinky's knuckle
    assert (joints[3] - joints[WRIST]) @ model.ulnar < 0  # the thumb is on the other side


def test_rest_angles_bring_back_the_rest_pose(model: HandModel, posed: Posing) -> None:
    """The pose whose angles are those of the rest pose leaves the bones where they were modelled."""
    pose = np.zeros(len(POSE))
    pose[5:7] = np.degrees(model.rest[3:5])
    for finger in range(4):
        pose[[7 + 4 * finger, 9 + 4 * finger, 10 + 4 * finger]] = np.degrees(
            model.rest[6 + 4 * finger : 9 + 4 * finger]
        )
    turns = bone_turns(pose, model.rest)
    metacarpals = [5, 9, 13, 17]
    np.testing.assert_allclose(np.delete(turns, metacarpals, axis=0), 0, atol=1e-12)
    assert np.abs(turns[metacarpals]).max() < np.radians(2)  # these follow their finger


def test_skinning_keeps_the_strongest_bones(model: HandModel) -> None:
    bones, weights = model.skinning
    assert bones.shape == weights.shape == (len(model.asset.vertices), 4)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    kept = np.take_along_axis(model.asset.weights, bones.astype(int), axis=1).sum(axis=1)
    assert kept.min() > 0.75
    assert (kept < 0.98).mean() < 0.05
    np.testing.assert_array_equal(bones[:, 0], model.asset.weights.argmax(axis=1))


def test_a_fist_brings_the_fingertips_to_the_palm(posed: Posing) -> None:
    def to_palm(pose: np.ndarray) -> np.ndarray:
        joints = posed(pose).joints
        palm = joints[[0, 5, 9, 13, 17]].mean(axis=0)
        return np.linalg.norm(joints[TIPS] - palm, axis=1)

    assert (to_palm(FIST) < to_palm(OPEN) - 15).all()
    assert (to_palm(FIST)[1:] < 60).all()


@pytest.mark.parametrize("finger", range(1, 5))
@pytest.mark.parametrize("joint", ["mcp", "pip", "dip"])
def test_flexion_moves_its_own_finger_to_the_palm(model: HandModel, posed: Posing, finger: int, joint: str) -> None:
    name = f"{FINGERS[finger]}_{joint}"
    moved = posed(with_angle(name, 25)).chain - posed(FLAT).chain
    assert moved[TIPS[finger]] @ model.palmar > 5
    beyond = HAND21.index(name) + 1
    still = [j for j in range(21) if JOINT_FINGER[j] != finger or (j < beyond and joint != "mcp")]
    np.testing.assert_allclose(moved[still], 0, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "towards"),
    [
        ("wrist_flexion", "palmar"),
        ("wrist_deviation", "ulnar"),
        ("thumb_palmar_abduction", "palmar"),
        ("thumb_ulnar_adduction", "ulnar"),  # in the palm's plane; ulnar is positive, as everywhere
        ("thumb_mcp", "pinky"),
        ("thumb_ip", "pinky"),
        *((f"{finger}_abduction", "ulnar") for finger in FINGERS[1:]),
    ],
)
def test_the_other_angles_move_the_hand_as_named(model: HandModel, posed: Posing, name: str, towards: str) -> None:
    before, after = posed(FLAT).chain, posed(with_angle(name, 15)).chain
    finger = FINGERS.index(name.split("_")[0]) if name.split("_")[0] in FINGERS else 2
    tip, start = after[TIPS[finger]], before[TIPS[finger]]
    to_pinky = before[PINKY_KNUCKLE] - start
    direction = {"palmar": model.palmar, "ulnar": model.ulnar, "pinky": to_pinky}[towards]
    assert (tip - start) @ direction / np.linalg.norm(direction) > 3
    if not name.startswith("wrist"):
        others = np.array(JOINT_FINGER) != finger
        np.testing.assert_allclose(after[others], before[others], atol=1e-9)


def test_the_thumb_twists_about_its_metacarpal(posed: Posing) -> None:
    before, after = posed(FLAT).chain, posed(with_angle("thumb_twist", 20)).chain
    np.testing.assert_allclose(after[:3], before[:3], atol=1e-9)  # wrist, cmc and mcp stay
    assert np.linalg.norm(after[4] - before[4]) > 2


RIGID = [(0, 1), (0, 5), (0, 9), *((4 * f + s, 4 * f + s + 1) for f in range(5) for s in (1, 2, 3))]


def test_bones_keep_their_lengths(posed: Posing) -> None:
    a, b = np.array(RIGID).T
    rest = posed(FLAT).chain
    lengths = np.linalg.norm(rest[a] - rest[b], axis=1)
    rng = np.random.default_rng(0)
    for _ in range(20):
        chain = posed(sample_pose(DEFAULT_MIX, rng)).chain
        np.testing.assert_allclose(np.linalg.norm(chain[a] - chain[b], axis=1), lengths, atol=1e-6)


def test_bones_stretch_by_their_factor(posed: Posing) -> None:
    factors = np.ones(BONES)
    factors[[7, 12]] = 1.2, 0.8  # the index's middle and the middle finger's last phalanx
    plain = np.ones(BONES)
    bones = pose_bones(posed.model, posed.joints, posed.tips, FIST, factors, plain)
    before, after = posed(FIST).chain, bones.chain

    def length(chain: np.ndarray, a: int, b: int) -> float:
        return float(np.linalg.norm(chain[a] - chain[b]))

    assert length(after, 6, 7) == pytest.approx(1.2 * length(before, 6, 7))
    assert length(after, 11, 12) == pytest.approx(0.8 * length(before, 11, 12))
    assert length(after, 5, 6) == pytest.approx(length(before, 5, 6))
    assert length(after, 7, 8) == pytest.approx(length(before, 7, 8))


def test_extreme_angles_stay_finite(posed: Posing) -> None:
    for pose in (POSE_MIN, POSE_MAX):
        assert np.isfinite(posed(pose).joints).all()


def test_every_part_lies_on_its_bone(model: HandModel) -> None:
    labels, bone = model.face_labels, model.asset.weights[model.asset.faces].sum(axis=1).argmax(axis=1)
    assert set(labels.tolist()) == set(range(len(LABELS)))
    assert (labels[bone == FOREARM] == 0).all()
    assert (labels[bone != FOREARM] > 0).all()
    middles = model.asset.vertices[model.asset.faces].mean(axis=1)
    for finger, tip in zip(FINGERS, Posing(model).tips, strict=True):
        nearest = np.argsort(np.linalg.norm(middles - tip, axis=1))[:10]
        assert (labels[nearest] == LABELS.index(f"{finger}_tip")).all()


def test_shapes_change_the_hand_smoothly(model: HandModel) -> None:
    """Each sampled body gives a hand of an adult's size; scale multiplies everything."""
    asset = model.asset
    for shape in asset.shapes[:10]:
        vertices, joints, tips = model.shaped(shape, 1.0)
        assert 140 < np.linalg.norm(tips[2] - joints[WRIST]) < 225
        larger = model.shaped(shape, 1.1)
        for one, other in zip((vertices, joints, tips), larger, strict=True):
            np.testing.assert_allclose(other, 1.1 * one)
