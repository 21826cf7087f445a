"""ICVL as it is downloaded: paths in the lists, 16 joints, two test sequences."""

from pathlib import Path

import numpy as np
import pytest

from knuckle.anatomy import HAND21, NYU14
from knuckle.data.icvl import JOINTS, Icvl
from knuckle.errors import DatasetError
from made_up import FAR, ICVL_FOCAL, own_axes, text, write_icvl

NAMES = (
    "palm thumb_root thumb_mid thumb_tip index_root index_mid index_tip middle_root middle_mid middle_tip "
    "ring_root ring_mid ring_tip pinky_root pinky_mid pinky_tip"
)
OURS = {"thumb_mcp": 1, "thumb_ip": 2, "thumb_tip": 3, "index_mcp": 4, "middle_pip": 8, "pinky_tip": 15}
UNKNOWN = ["wrist", "thumb_cmc", "index_dip", "middle_dip", "ring_dip", "pinky_dip"]


@pytest.mark.parametrize("split", ["train", "test"])
def test_frames_and_joints(tmp_path: Path, split: str) -> None:
    train, *tests = write_icvl(tmp_path)
    uvd = train if split == "train" else np.concatenate(tests)
    dataset = Icvl(tmp_path, split)
    assert dataset.protocol.joints == JOINTS == tuple(NAMES.split())
    np.testing.assert_allclose(dataset.labels, own_axes(uvd, ICVL_FOCAL, 160, 120), rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(dataset.camera.project(dataset.labels), uvd[..., :2], atol=1e-3)
    for index, row in enumerate(uvd):
        depth = dataset.depth(index)
        u, v, d = row[np.argmin(row[:, 2])]
        assert depth.shape == (240, 320)
        assert (depth[0, 0], depth[int(v), int(u)]) == (FAR, d)


def test_paths_are_those_of_the_lists(tmp_path: Path) -> None:
    write_icvl(tmp_path)
    train, test = Icvl(tmp_path, "train"), Icvl(tmp_path, "test")
    assert train.path(1) == tmp_path / "Training" / "Depth" / "201403121135" / "22-5" / "image_0001.png"
    assert test.path(1) == tmp_path / "Testing" / "Depth" / "test_seq_1" / "image_0001.png"
    assert test.path(2) == tmp_path / "Testing" / "Depth" / "test_seq_2" / "image_0000.png"


def test_sequences_stand_for_persons(tmp_path: Path) -> None:
    write_icvl(tmp_path)
    test, train = Icvl(tmp_path, "test"), Icvl(tmp_path, "train")
    assert [test.subject(index) for index in range(3)] == ["test_seq_1", "test_seq_1", "test_seq_2"]
    assert train.subject(0) == ""
    assert test.crop_box(2, np.array([0, 0, 500.0])).cube_mm == 250


def test_joints_of_a_hand_by_name(tmp_path: Path) -> None:
    write_icvl(tmp_path)
    dataset = Icvl(tmp_path, "train")
    for name, index in OURS.items():
        np.testing.assert_array_equal(dataset.hand21[:, HAND21.index(name)], dataset.labels[:, index])
    assert [name for name, unknown in zip(HAND21, np.isnan(dataset.hand21[0]).all(axis=1), strict=True) if unknown] == (
        UNKNOWN
    )
    known = [name for name, joint in zip(NYU14, dataset.joints14[0], strict=True) if np.isfinite(joint).all()]
    assert known == list(NYU14[:11])  # wrist and palm of NYU need a wrist
    np.testing.assert_array_equal(dataset.joints14[:, 1], dataset.labels[:, JOINTS.index("pinky_mid")])


def test_a_joint_without_depth_is_unknown(tmp_path: Path) -> None:
    (uvd, *_) = write_icvl(tmp_path)
    uvd[0, 3, 2] = 0
    file = tmp_path / "Training" / "labels.txt"
    file.write_text("".join(f"image_{index}.png {text(row)}\n" for index, row in enumerate(uvd)), encoding="ascii")
    assert np.argwhere(np.isnan(Icvl(tmp_path, "train").labels).any(axis=2)).tolist() == [[0, 3]]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "line 2 is empty"),
        (text(np.ones(48)), "line 2: 'a.png' is not a number"),  # lines with and without a name
        ("a.png", "line 2 is a word without numbers"),
        ("a.png " + text(np.ones(45)), "line 2 has 45 numbers, not 48"),
        ("a.png " + text(np.ones(47)) + " high", "line 2: 'high' is not a number"),
        ("a.png " + text(np.ones(47)) + " inf", "frame 2 of its 3 has a joint at infinity"),
        ("a.png " + text(np.ones(47)) + " -1e300", "frame 2 of its 3 has a joint at infinity"),
    ],
)
def test_bad_lists(tmp_path: Path, line: str, said: str) -> None:
    write_icvl(tmp_path)
    good = "a.png " + text(np.ones(48))
    lines = [good, line, good] if "without" in said or "'a.png'" not in said else [line, good, good]
    file = tmp_path / "Testing" / "test_seq_2.txt"
    file.write_text("\n".join(lines), encoding="ascii")
    with pytest.raises(DatasetError) as caught:
        Icvl(tmp_path, "test")
    assert str(caught.value).startswith(f"{file}: ")
    assert said in str(caught.value)


def test_a_list_without_paths(tmp_path: Path) -> None:
    write_icvl(tmp_path)
    file = tmp_path / "Training" / "labels.txt"
    file.write_text(text(np.ones(48)), encoding="ascii")
    with pytest.raises(DatasetError, match=r"labels\.txt: its lines do not begin with an image's path"):
        Icvl(tmp_path, "train")


def test_a_missing_list(tmp_path: Path) -> None:
    write_icvl(tmp_path)
    (tmp_path / "Testing" / "test_seq_2.txt").unlink()
    with pytest.raises(DatasetError, match=r"test_seq_2\.txt: missing: give the folder that holds Training"):
        Icvl(tmp_path, "test")
