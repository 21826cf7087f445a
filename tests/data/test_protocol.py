"""What datasets fix: pixels to millimetres and back, axes, weighted joints, cubes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from knuckle.anatomy import HAND21, NYU14
from knuckle.camera import Camera
from knuckle.data.datasets import DATASETS, dataset_kind, open_dataset, protocol_named, usual_splits
from knuckle.data.frames import protocol_of
from knuckle.data.protocol import Form, Protocol, picked, weighted
from knuckle.errors import DatasetError

CAMERA = Camera(475.3, 474.9, 315.9, 245.2, 640, 480)
PROTOCOLS = [protocol_named(name) for name in DATASETS]

seeds = st.integers(0, 2**32 - 1)


def random_joints(seed: int, shape: tuple[int, ...] = (4, 7)) -> NDArray[np.float64]:
    """Joints (*shape, 3) mm in front of a camera, one of them unknown."""
    rng = np.random.default_rng(seed)
    joints = rng.uniform([-400, -300, 150], [400, 300, 2000], (*shape, 3))
    joints.reshape(-1, 3)[0] = np.nan
    return joints


def weighted_by_loops(weights: NDArray[np.float64], joints: NDArray[np.float64]) -> NDArray[np.float64]:
    found = np.full((len(weights), 3), np.nan)
    for row, shares in enumerate(weights):
        parts = [share * joint for share, joint in zip(shares, joints, strict=True) if share != 0]
        if parts:
            found[row] = sum(parts) if np.isfinite(parts).all() else np.nan
    return found


@given(seeds, st.sampled_from(PROTOCOLS), st.sampled_from(["uvd", "xyz", "own"]))
def test_numbers_of_a_file_return(seed: int, protocol: Protocol, form: Form) -> None:
    camera = None if protocol.camera else CAMERA
    joints = random_joints(seed)
    numbers = protocol.from_mm(joints, form, camera)
    np.testing.assert_allclose(protocol.to_mm(numbers, form, camera), joints, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(protocol.from_mm(protocol.to_mm(numbers, form, camera), form, camera), numbers)


@given(seeds, st.sampled_from([protocol.camera or CAMERA for protocol in PROTOCOLS]))
def test_pixels_of_a_dataset_return(seed: int, camera: Camera) -> None:
    rng = np.random.default_rng(seed)
    pixels, depth = rng.uniform([-50, -50], [700, 500], (9, 2)), rng.uniform(100, 3000, 9)
    points = camera.back_project(pixels, depth)
    np.testing.assert_allclose(camera.project(points), pixels, atol=1e-9)
    np.testing.assert_array_equal(points[:, 2], depth)


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("nyu", [10, -20, 500]),  # y up
        ("msra15", [10, -20, -500]),  # y up, z towards the camera
        ("icvl", [10, 20, 500]),
        ("hands17", [10, 20, 500]),
        ("frames", [10, 20, 500]),
    ],
)
def test_axes_of_each_dataset(name: str, own: list[float]) -> None:
    protocol = protocol_named(name)
    assert protocol.to_mm(own, "own").tolist() == [10, 20, 500]
    assert protocol.from_mm([10, 20, 500], "own").tolist() == own
    assert protocol.to_mm([10, 20, 500], "xyz").tolist() == [10, 20, 500]


@pytest.mark.parametrize(
    ("name", "uvd", "mm"),
    [
        ("nyu", [320 + 588.03, 240 + 587.07, 500], [500, 500, 500]),  # v grows downwards, and so does our y
        ("icvl", [160 + 240.99, 120 + 240.96, 500], [500, 500, 500]),
        ("msra15", [160 + 241.42, 120 + 241.42, 500], [500, 500, 500]),
        ("hands17", [315.944855 + 475.065948, 245.287079 + 475.065857, 500], [500, 500, 500]),
    ],
)
def test_pixels_by_the_camera_of_each_dataset(name: str, uvd: list[float], mm: list[float]) -> None:
    np.testing.assert_allclose(protocol_named(name).to_mm(uvd, "uvd"), mm)


def test_another_camera_may_stand_in() -> None:
    numbers = [CAMERA.cx + CAMERA.fx, CAMERA.cy, 800]
    np.testing.assert_allclose(protocol_named("nyu").to_mm(numbers, "uvd", CAMERA), [800, 0, 800])


def test_pixels_need_a_camera() -> None:
    for convert in (protocol_of().to_mm, protocol_of().from_mm):
        with pytest.raises(DatasetError, match="Frames: pixels need a camera"):
            convert([[1, 2, 500]], "uvd")


@given(seeds, st.integers(1, 5), st.integers(1, 6))
def test_weighted_sums_equal_plain_loops(seed: int, frames: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(count, 6)) * (rng.random((count, 6)) < 0.4)
    joints = rng.normal(size=(frames, 6, 3)) * 300
    joints[rng.random(joints.shape) < 0.1] = np.nan
    found = weighted(weights, joints)
    expected = np.stack([weighted_by_loops(weights, frame) for frame in joints])
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(weighted(weights, joints[0]), expected[0], rtol=1e-9, atol=1e-9)


@given(hnp.arrays(np.float64, (3, 3), elements=st.sampled_from([1.0, np.nan, np.inf, -np.inf])))
def test_an_unknown_joint_matters_only_where_it_counts(joints: NDArray[np.float64]) -> None:
    found = weighted(np.array([[0, 0, 1], [0.5, 0.5, 0], [0, 0, 0]]), joints)
    known = np.isfinite(joints).all(axis=1)
    assert np.isfinite(found).all(axis=1).tolist() == [known[2], known[0] and known[1], False]


def test_joints_are_picked_by_name() -> None:
    weights = picked(["pinky_tip", None, "wrist", "nose"])
    assert weights.shape == (4, 21)
    assert (weights[0, 20], weights[2, 0], weights.sum()) == (1, 1, 2)
    np.testing.assert_array_equal(picked(["b", "a"], ("a", "b", "c")), [[0, 1, 0], [1, 0, 0]])


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_joints_and_bones_are_whole(protocol: Protocol) -> None:
    assert len(set(protocol.joints)) == len(protocol.joints)
    assert protocol.from_hand.shape == (len(protocol.joints), 21)
    np.testing.assert_allclose(protocol.from_hand.sum(axis=1), 1)  # a joint moves along with the hand
    reached = {0}
    for _ in protocol.bones:
        reached |= {joint for bone in protocol.bones if reached & set(bone) for joint in bone}
    assert len(protocol.bones) == len(protocol.joints) - 1
    assert reached == set(range(len(protocol.joints)))
    fingers = protocol.fingers()
    assert sorted(index for joints in fingers.values() for index in joints) == list(range(len(protocol.joints)))


@pytest.mark.parametrize("name", ["msra15", "hands17", "frames"])
def test_the_same_21_joints_have_the_same_names(name: str) -> None:
    protocol = protocol_named(name)
    assert set(protocol.joints) == set(HAND21)
    hand = random_joints(1, (21,))
    for index, joint in enumerate(protocol.joints):
        np.testing.assert_array_equal(weighted(protocol.from_hand, hand)[index], hand[HAND21.index(joint)])


def test_orders_that_files_rely_on() -> None:
    assert protocol_named("nyu").joints == NYU14
    assert protocol_named("icvl").joints[:5] == ("palm", "thumb_root", "thumb_mid", "thumb_tip", "index_root")
    assert protocol_named("msra15").joints[:6] == (
        "wrist",
        "index_mcp",
        "index_pip",
        "index_dip",
        "index_tip",
        "middle_mcp",
    )
    assert protocol_named("msra15").joints[17:] == ("thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip")
    hands17 = protocol_named("hands17").joints
    assert hands17[:6] == ("wrist", "thumb_cmc", "index_mcp", "middle_mcp", "ring_mcp", "pinky_mcp")
    assert hands17[6:12] == ("thumb_mcp", "thumb_ip", "thumb_tip", "index_pip", "index_dip", "index_tip")


def test_icvls_joints_of_a_hand() -> None:
    hand = random_joints(2, (21,))
    hand[0] = [1, 2, 500]
    found = dict(zip(protocol_named("icvl").joints, weighted(protocol_named("icvl").from_hand, hand), strict=True))
    for joint, ours in {"thumb_root": 2, "thumb_mid": 3, "thumb_tip": 4, "ring_root": 13, "ring_mid": 14}.items():
        np.testing.assert_array_equal(found[joint], hand[ours])
    np.testing.assert_allclose(found["palm"], 0.35 * hand[0] + 0.1625 * hand[[5, 9, 13, 17]].sum(axis=0))


def test_fingers_of_nyu() -> None:
    assert protocol_named("nyu").fingers() == {
        "pinky": [0, 1],
        "ring": [2, 3],
        "middle": [4, 5],
        "index": [6, 7],
        "thumb": [8, 9, 10],
        "palm": [11, 12, 13],
    }


def test_cubes_of_persons() -> None:
    assert (protocol_named("nyu").cube_of("A"), protocol_named("nyu").cube_of("B")) == (300, 250)
    cubes = [protocol_named("msra15").cube_of(f"P{person}") for person in range(9)]
    assert cubes == [200, 200, 200, 180, 180, 180, 170, 160, 150]
    assert (protocol_named("icvl").cube_of(""), protocol_named("hands17").cube_of("")) == (250, 250)


def test_published_sizes() -> None:
    counts = {name: dict(protocol_named(name).counts) for name in ("nyu", "icvl", "msra15", "hands17")}
    assert counts == {
        "nyu": {"train": 72_757, "test": 8_252},
        "icvl": {"train": 331_006, "test": 1_596},
        "msra15": {"all": 76_375},
        "hands17": {"train": 957_032, "test": 295_510},
    }


@pytest.mark.parametrize("use", [dataset_kind, usual_splits, protocol_named, lambda name: open_dataset(name, ".", "")])
def test_an_unknown_dataset_is_refused_with_the_known_ones(use) -> None:
    with pytest.raises(DatasetError, match="no dataset 'kinect': choose nyu, icvl, msra15, hands17, frames"):
        use("kinect")


def test_usual_splits() -> None:
    assert {name: usual_splits(name) for name in DATASETS} == {
        "nyu": ("train", "test"),
        "icvl": ("train", "test"),
        "msra15": ("all",),
        "hands17": ("train", "test"),
        "frames": ("all",),
    }
