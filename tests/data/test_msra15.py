"""MSRA15 as it is downloaded: windows in .bin, y up and z negative, a person left out."""

from pathlib import Path

import numpy as np
import pytest

from knuckle.anatomy import HAND21
from knuckle.data.msra15 import JOINTS, Msra15
from knuckle.errors import DatasetError, DepthError
from made_up import MSRA_HEADER, msra_bin, text, write_gesture, write_msra15

NAMES = (
    "wrist index_mcp index_pip index_dip index_tip middle_mcp middle_pip middle_dip middle_tip ring_mcp ring_pip "
    "ring_dip ring_tip pinky_mcp pinky_pip pinky_dip pinky_tip thumb_cmc thumb_mcp thumb_ip thumb_tip"
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("msra")
    write_msra15(folder)
    return folder


def test_frames_and_joints(tmp_path: Path) -> None:
    written = write_msra15(tmp_path, frames=2)
    dataset = Msra15(tmp_path, "all")
    uvd = np.concatenate(list(written.values()))
    assert dataset.protocol.joints == JOINTS == tuple(NAMES.split())
    assert len(dataset) == len(uvd) == 36
    np.testing.assert_allclose(dataset.camera.project(dataset.labels), uvd[..., :2], atol=1e-3)
    np.testing.assert_allclose(dataset.labels[..., 2], uvd[..., 2], rtol=1e-6)
    assert ((dataset.labels[..., 1] > 0) == (uvd[..., 1] > 120)).all()  # y points down
    for index in (0, 1, 35):
        depth = dataset.depth(index)
        u, v, d = uvd[index, np.argmin(uvd[index, :, 2])]
        assert depth.shape == (240, 320)
        assert (depth[0, 0], depth[int(v), int(u)]) == (0, d)


def test_joints_of_a_hand_by_name(root: Path) -> None:
    dataset = Msra15(root, "all")
    for index, name in enumerate(NAMES.split()):
        np.testing.assert_array_equal(dataset.hand21[:, HAND21.index(name)], dataset.labels[:, index])
    assert not np.isnan(dataset.joints14).any()


@pytest.mark.parametrize(
    ("split", "persons"),
    [
        ("all", "P0 P1 P2 P3 P4 P5 P6 P7 P8"),
        ("P3", "P3"),
        ("not-P3", "P0 P1 P2 P4 P5 P6 P7 P8"),
        ("not-P0", "P1 P2 P3 P4 P5 P6 P7 P8"),
    ],
)
def test_splits_leave_a_person_out(root: Path, split: str, persons: str) -> None:
    dataset = Msra15(root, split)
    assert [one.name for one in dataset.subjects] == persons.split()
    for index in range(len(dataset)):
        assert dataset.path(index).parts[-3] == dataset.subject(index)
    assert {dataset.path(index).parts[-3] for index in range(len(dataset))} == set(persons.split())
    assert len(dataset) == 2 * len(persons.split())


def test_cubes_are_the_persons(root: Path) -> None:
    dataset, center = Msra15(root, "all"), np.array([0, 0, 500.0])
    found = [dataset.crop_box(2 * person, center).cube_mm for person in range(9)]
    assert found == [200, 200, 200, 180, 180, 180, 170, 160, 150]
    assert Msra15(root, "P7").crop_box(1, center).cube_mm == 160


def test_only_that_persons_folder_is_needed(tmp_path: Path) -> None:
    write_gesture(tmp_path / "P3" / "5")
    assert len(Msra15(tmp_path, "P3")) == 2
    with pytest.raises(DatasetError, match="P0: no gesture: give the folder that holds P0 to P8"):
        Msra15(tmp_path, "all")


def joint_lines(*rows: object, count: int | str | None = None) -> str:
    return "".join(f"{line}\n" for line in [len(rows) if count is None else count, *rows])


GOOD = text(np.arange(63) - 400)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("", "must begin with the number of its frames"),
        (joint_lines(GOOD, GOOD, count=3), "says 3 frames and has 2 lines"),
        (joint_lines(GOOD, GOOD, count=1), "says 1 frames and has 2 lines"),
        (joint_lines(GOOD, count="1.5"), "must begin with the number of its frames"),
        (joint_lines(GOOD, count="-1"), "must begin with the number of its frames"),
        (f"{GOOD}\n", "must begin with the number of its frames"),
        (joint_lines(count=0), "holds no frame"),
        (joint_lines(GOOD, "", GOOD), "line 3 is empty"),
        (joint_lines(GOOD, GOOD.rpartition(" ")[0]), "line 3 has 62 numbers, not 63"),
        (joint_lines(text(np.ones(60))), "line 2 has 60 numbers, not 63"),
        (joint_lines(GOOD, GOOD.replace("-399", "left")), "line 3: 'left.000000' is not a number"),
        (joint_lines(GOOD, GOOD.replace("-399.000000", "-inf")), "frame 2 of its 2 has a joint at infinity"),
    ],
)
def test_bad_joint_files(tmp_path: Path, lines: str, said: str) -> None:
    write_gesture(tmp_path / "P3" / "1")
    file = tmp_path / "P3" / "1" / "joint.txt"
    file.write_text(lines, encoding="ascii")
    with pytest.raises(DatasetError) as caught:
        Msra15(tmp_path, "P3")
    assert str(caught.value).startswith(f"{file}: ")
    assert said in str(caught.value)


def test_unknown_joints_stay_unknown(tmp_path: Path) -> None:
    write_gesture(tmp_path / "P3" / "1")
    (tmp_path / "P3" / "1" / "joint.txt").write_text(joint_lines(GOOD, " ".join(["nan"] * 63)), encoding="ascii")
    labels = Msra15(tmp_path, "P3").labels
    assert np.isnan(labels).all(axis=(1, 2)).tolist() == [False, True]
    assert labels[0, 0].tolist() == [-400, 399, 398]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (msra_bin(np.full((240, 320), 500), 0, 0, 9, 9)[:-1], "damaged file, it has 347 bytes, not 348"),
        (msra_bin(np.full((480, 640), 500), 0, 0, 9, 9), "an image of 640 x 480 px in a dataset of 320 x 240 px"),
        (MSRA_HEADER.pack(320, 240, 9, 9, 9, 12), "its window 9, 9 to 9, 12 is none of 320 x 240 px"),
    ],
)
def test_bad_frames(tmp_path: Path, data: bytes, said: str) -> None:
    write_gesture(tmp_path / "P3" / "1")
    dataset = Msra15(tmp_path, "P3")
    dataset.path(1).write_bytes(data)
    with pytest.raises(DepthError) as caught:
        dataset.frame(1)
    assert str(caught.value).startswith(f"{dataset.path(1)}: ")
    assert said in str(caught.value)
    assert dataset.depth(0).max() > 0


def test_a_gesture_without_its_labels_is_named(tmp_path: Path) -> None:
    for gesture in ("1", "2"):
        write_gesture(tmp_path / "P3" / gesture)
    (tmp_path / "P3" / "2" / "joint.txt").unlink()
    with pytest.raises(DatasetError, match=r"P3/2/joint\.txt: missing"):
        Msra15(tmp_path, "P3")
