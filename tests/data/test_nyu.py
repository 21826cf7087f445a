"""NYU as it is downloaded: view 1, packed depth, 36 joints, two persons; and one genuine frame."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from knuckle.anatomy import HAND21, NYU14
from knuckle.data.nyu import EVALUATED, Nyu
from knuckle.errors import DatasetError
from made_up import FAR, NYU_FOCAL, nyu_joints, own_axes, places, write_nyu, write_nyu_image

INDEX36 = {
    "pinky_tip": 0,
    "pinky_pip": 3,
    "pinky_mcp": 5,
    "ring_tip": 6,
    "ring_dip": 7,
    "middle_pip": 15,
    "index_tip": 18,
    "index_mcp": 23,
    "thumb_tip": 24,
    "thumb_ip": 25,
    "thumb_mcp": 27,
}
"""Where some joints of a hand stand among the 36: a finger has two a knuckle, the tip first."""


def write_labels(root: Path, split: str, joints: np.ndarray, name: str = "joint_uvd") -> Path:
    (root / split).mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(root / split / "joint_data.mat", {name: joints})
    return root / split / "joint_data.mat"


@pytest.mark.parametrize("version", ["5", "7.3"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_frames_and_joints(tmp_path: Path, version: str, split: str) -> None:
    uvd = write_nyu(tmp_path, split, frames=2, version=version)
    dataset = Nyu(tmp_path, split)
    assert len(dataset) == 2
    assert dataset.protocol.joints == NYU14
    mm = own_axes(uvd, NYU_FOCAL, 320, 240)  # y down
    np.testing.assert_allclose(dataset.labels, mm[:, list(EVALUATED)], rtol=1e-6, atol=1e-4)
    np.testing.assert_array_equal(dataset.joints14, dataset.labels)
    for index in range(2):
        depth = dataset.depth(index)
        assert depth[0, 0] == FAR
        nearest = np.argmin(uvd[index, :, 2])
        u, v, d = uvd[index, nearest]
        assert depth[int(v), int(u)] == d
        for joint, place in enumerate(EVALUATED):
            np.testing.assert_allclose(
                dataset.camera.project(dataset.labels[index, joint]), uvd[index, place, :2], atol=1e-3
            )


def test_y_points_down(tmp_path: Path) -> None:
    uvd = write_nyu(tmp_path, "test", images=False)
    labels = Nyu(tmp_path, "test").labels
    assert ((labels[..., 1] > 0) == (uvd[:, list(EVALUATED), 1] > 240)).all()
    own = nyu_joints(uvd)["joint_xyz"][0][:, list(EVALUATED)]
    np.testing.assert_allclose(labels * [1, -1, 1], own, rtol=1e-6, atol=1e-4)


def test_joints_of_a_hand_by_name(tmp_path: Path) -> None:
    uvd = write_nyu(tmp_path, "test", images=False)
    dataset = Nyu(tmp_path, "test")
    assert not np.isnan(dataset.hand21).any()
    for name, place in INDEX36.items():
        pixels = dataset.camera.project(dataset.hand21[:, HAND21.index(name)])
        np.testing.assert_allclose(pixels, uvd[:, place, :2], atol=1e-3)
        if name in NYU14:
            np.testing.assert_array_equal(dataset.hand21[:, HAND21.index(name)], dataset.joints14[:, NYU14.index(name)])
    sides = own_axes(uvd, NYU_FOCAL, 320, 240)[:, [30, 31]]
    np.testing.assert_allclose(dataset.hand21[:, 0], sides.mean(axis=1), rtol=1e-5, atol=1e-3)


def test_other_images_of_the_folder_are_none_of_its_own(tmp_path: Path) -> None:
    write_nyu(tmp_path, "train", frames=2)
    assert [path.name for path in Nyu(tmp_path, "train").images()] == ["depth_1_0000001.png", "depth_1_0000002.png"]


def test_depths_of_every_byte(tmp_path: Path) -> None:
    write_nyu(tmp_path, "test", frames=1)
    mm = np.arange(480 * 640).reshape(480, 640) % 1700 + 300  # green and blue take every value
    write_nyu_image(tmp_path / "test" / "depth_1_0000001.png", mm.astype(np.uint16))
    np.testing.assert_array_equal(Nyu(tmp_path, "test").depth(0), mm)


def test_persons_of_the_test_frames(tmp_path: Path) -> None:
    write_nyu(tmp_path, "test", frames=2442, images=False)
    dataset = Nyu(tmp_path, "test")
    assert [dataset.subject(index) for index in (0, 2439, 2440, 2441)] == ["A", "A", "B", "B"]
    assert [(one.name, one.start, one.stop) for one in dataset.subjects] == [("A", 0, 2440), ("B", 2440, 2442)]
    center = np.array([0, 0, 700.0])
    assert [dataset.crop_box(index, center).cube_mm for index in (2439, 2440)] == [300, 250]


def test_everybody_who_trains_is_a(tmp_path: Path) -> None:
    write_nyu(tmp_path, "train", frames=2442, images=False)
    dataset = Nyu(tmp_path, "train")
    assert {dataset.subject(index) for index in (0, 2440, 2441)} == {"A"}


def test_a_joint_without_depth_is_unknown(tmp_path: Path) -> None:
    joints = np.stack([places(2, 36, 640, 480)] * 3)
    joints[0, 0, 3] = 0  # the second of the 14
    joints[0, 1, 0, 2] = np.nan
    write_labels(tmp_path, "test", joints)
    labels = Nyu(tmp_path, "test").labels
    assert np.argwhere(np.isnan(labels).all(axis=2)).tolist() == [[0, 1], [1, 0]]
    assert np.argwhere(np.isnan(labels).any(axis=2)).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    "joints",
    [
        places(2, 36, 640, 480),  # one view alone
        np.stack([places(2, 14, 640, 480)] * 3),
        np.stack([places(2, 36, 640, 480)[..., :2]] * 3),
        np.zeros((3, 0, 36, 3)),
        np.full((3, 2, 36, 3), np.inf),
        np.full((3, 2, 36, 3), 1e39),
    ],
)
def test_labels_of_another_shape_or_without_end(tmp_path: Path, joints: np.ndarray) -> None:
    file = write_labels(tmp_path, "test", joints)
    with pytest.raises(DatasetError) as caught:
        Nyu(tmp_path, "test")
    assert str(caught.value).startswith(f"{file}: ")


def test_labels_without_pixels(tmp_path: Path) -> None:
    file = write_labels(tmp_path, "test", np.ones((3, 2, 36, 3)), "joint_xyz")
    with pytest.raises(DatasetError, match="holds no joint_uvd") as caught:
        Nyu(tmp_path, "test")
    assert str(file) in str(caught.value)


def test_missing_and_damaged_labels(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    with pytest.raises(DatasetError, match=r"test.joint_data\.mat: missing: give the folder that holds train and test"):
        Nyu(tmp_path, "test")
    (tmp_path / "test" / "joint_data.mat").write_bytes(b"MATLAB 5.0 MAT-file" * 99)
    with pytest.raises(DatasetError, match=r"joint_data\.mat: damaged"):
        Nyu(tmp_path, "test")


def test_a_genuine_frame_has_its_joints_just_behind_the_surface(tmp_path: Path, shared_data: Path) -> None:
    if not (shared_data / "nyu").is_dir():
        pytest.skip("no frame of NYU")
    with gzip.open(shared_data / "nyu" / "test_groundtruth_uvd.txt.gz", "rt") as file:
        truth = np.array(file.readline().split(), dtype=float).reshape(14, 3)
    joints = np.zeros((3, 1, 36, 3))
    joints[0, 0, list(EVALUATED)] = truth
    write_labels(tmp_path, "test", joints)
    shutil.copy(shared_data / "nyu" / "depth_1_0000001.png", tmp_path / "test")
    frame = Nyu(tmp_path, "test").frame(0)
    u, v = np.rint(frame.camera.project(frame.joints)).astype(int).T
    np.testing.assert_allclose(frame.camera.project(frame.joints), truth[:, :2], atol=1e-3)
    behind = frame.joints[:, 2] - frame.depth[v, u]
    assert behind.min() >= 0
    assert behind.max() <= 60
    assert frame.subject == "A"
