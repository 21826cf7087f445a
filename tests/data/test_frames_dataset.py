"""Recordings of one's own: any joints by name, in a table that is read as it was written."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from knuckle.anatomy import HAND21, NYU14
from knuckle.data.frames import Frames, write_joints
from knuckle.errors import CameraError, DatasetError
from made_up import FAR, FRAMES_CAMERA, msra_bin, write_frames

ORDER = ("pinky_tip", "palm", "wrist", "index_mcp")
HEADER = "file,wrist_x,wrist_y,wrist_z\n"

names = st.lists(st.sampled_from(sorted({*HAND21, *NYU14})), min_size=1, max_size=6, unique=True)


@given(names, st.integers(0, 2**32 - 1))
def test_joints_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, order: list[str], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("frames") / "a"
    write_frames(folder, frames=3)
    rng = np.random.default_rng(seed)
    joints = rng.uniform(-2000, 2000, (3, len(order), 3))
    joints[rng.random(joints.shape) < 0.2] = np.nan
    write_joints(folder, ["2.png", "0.png", "1.png"], joints, order)
    dataset = Frames(folder)
    assert dataset.protocol.joints == tuple(order)
    np.testing.assert_allclose(dataset.labels[[2, 0, 1]], joints, atol=0.6e-3)
    assert sorted(path.name for path in folder.iterdir()) == ["0.png", "1.png", "2.png", "camera.json", "joints.csv"]


def test_frames_and_joints(tmp_path: Path) -> None:
    uvd = write_frames(tmp_path / "a", joints=ORDER)
    dataset = Frames(tmp_path / "a")
    assert dataset.protocol.joints == ORDER
    np.testing.assert_allclose(dataset.camera.project(dataset.labels), uvd[..., :2], atol=1e-3)
    np.testing.assert_allclose(dataset.labels[..., 2], uvd[..., 2], rtol=1e-6)
    for index, row in enumerate(uvd):
        depth = dataset.depth(index)  # the camera's unit is half a millimetre
        u, v, d = row[np.argmin(row[:, 2])]
        assert (depth[0, 0], depth[int(v), int(u)]) == (FAR, d)


def test_joints_of_a_hand_by_name(tmp_path: Path) -> None:
    write_frames(tmp_path / "a", joints=ORDER)
    dataset = Frames(tmp_path / "a")
    np.testing.assert_array_equal(dataset.hand21[:, 20], dataset.labels[:, 0])
    np.testing.assert_array_equal(dataset.hand21[:, 0], dataset.labels[:, 2])
    assert np.isfinite(dataset.hand21).all(axis=(0, 2)).nonzero()[0].tolist() == [0, 5, 20]
    np.testing.assert_array_equal(dataset.joints14[:, 13], dataset.labels[:, 1])  # the palm that is named
    assert np.isfinite(dataset.joints14).all(axis=(0, 2)).nonzero()[0].tolist() == [0, 13]


def test_a_palm_that_is_not_named_is_made_of_the_hand(tmp_path: Path) -> None:
    write_frames(tmp_path / "a", joints=HAND21)
    dataset = Frames(tmp_path / "a")
    hands = dataset.hand21.astype(float)
    made = 0.35 * hands[:, 0] + 0.1625 * hands[:, [5, 9, 13, 17]].sum(axis=1)
    np.testing.assert_allclose(dataset.joints14[:, 13], made, rtol=1e-5, atol=1e-3)


def test_a_recording_without_joints(tmp_path: Path) -> None:
    write_frames(tmp_path / "a")
    dataset = Frames(tmp_path / "a")
    assert dataset.protocol.joints == HAND21
    assert np.isnan(dataset.labels).all()
    assert np.isnan(dataset.joints14).all()
    assert dataset.crop_box(0, np.array([0, 0, 500.0])).cube_mm == 250


def test_numbers_in_names_are_sorted_as_numbers(tmp_path: Path) -> None:
    write_frames(tmp_path / "a", frames=1)
    for name in ("b10.png", "b2.png", "b02.png", "b2-11.npy", "b2-3.PNG", "a.png", "10.png", "9.bin"):
        (tmp_path / "a" / name).write_bytes(b"x")
    found = [path.name for path in Frames(tmp_path / "a").images()]
    assert found == ["0.png", "9.bin", "10.png", "a.png", "b2-3.PNG", "b2-11.npy", "b02.png", "b2.png", "b10.png"]


def test_names_of_the_same_number_have_an_order_of_their_own(tmp_path: Path) -> None:
    write_frames(tmp_path / "a", frames=1)
    names = [f"{'0' * zeros}7.png" for zeros in range(7)]
    for name in names:
        (tmp_path / "a" / name).write_bytes(b"x")
    assert [path.name for path in Frames(tmp_path / "a").images()] == ["0.png", *sorted(names)]


def test_all_kinds_of_depth_images(tmp_path: Path) -> None:
    write_frames(tmp_path / "a", frames=1)
    steps = np.arange(48 * 64).reshape(48, 64) % 400 + 900
    cv2.imwrite(str(tmp_path / "a" / "0.png"), steps.astype(np.uint16))
    np.save(tmp_path / "a" / "1.npy", (steps / 2).astype(np.float32))
    for name in ("2.bin", "3.BIN"):
        (tmp_path / "a" / name).write_bytes(msra_bin(steps // 2, 0, 0, 64, 48))
    dataset = Frames(tmp_path / "a")
    assert len(dataset) == 4
    for index in range(4):
        np.testing.assert_allclose(dataset.depth(index), steps / 2, atol=0.5)


def test_unknown_joints_and_files_without_a_line(tmp_path: Path) -> None:
    write_frames(tmp_path / "a")
    (tmp_path / "a" / "joints.csv").write_text(f"{HEADER}1.png, , nan,\n2.png,1,,3\n", encoding="ascii")
    labels = Frames(tmp_path / "a").labels
    np.testing.assert_array_equal(labels, [[[np.nan] * 3], [[np.nan] * 3], [[1, np.nan, 3]]])
    assert np.isnan(Frames(tmp_path / "a").hand21).all()  # half a joint is none


def test_a_table_as_spreadsheets_write_it(tmp_path: Path) -> None:
    write_frames(tmp_path / "a")
    (tmp_path / "a" / "0.png").rename(tmp_path / "a" / "0, left.png")
    rows = '\ufefffile, wrist_x ,wrist_y,wrist_z\r\n"0, left.png",1,"2",3e0\r\n'
    (tmp_path / "a" / "joints.csv").write_bytes(rows.encode())
    assert Frames(tmp_path / "a").labels[0].tolist() == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("", "its first line must be  file,JOINT_x"),
        ("file\n", "its first line must be  file,JOINT_x"),
        ("1.png,1,2,3\n", "its first line must be  file,JOINT_x"),
        ("file,wrist_x,wrist_z,wrist_y\n", "its first line must be  file,JOINT_x"),
        ("file,wrist_x,wrist_y\n", "its first line must be  file,JOINT_x"),
        ("name,wrist_x,wrist_y,wrist_z\n", "its first line must be  file,JOINT_x"),
        ("file,frame,timestamp_s,hand\n", "such as  file,wrist_x,wrist_y,wrist_z"),  # as predict --csv writes
        ("file,nose_x,nose_y,nose_z\n", "'nose' is no joint of"),
        (f"{HEADER.strip()},wrist_x,wrist_y,wrist_z\n", "a joint stands there twice"),
        (f"{HEADER}1.png,1,2,3\n1.png,1,2,3\n", "line 3: '1.png' stands there twice"),
        (f"{HEADER}9.png,1,2,3\n", "'9.png' is no depth image of this folder"),
        (f"{HEADER}camera.json,1,2,3\n", "'camera.json' is no depth image of this folder"),
        (f"{HEADER}1.png,1,2\n", "line 2 has 3 cells, its header 4"),
        (f"{HEADER}1.png,1,2,3,\n", "line 2 has 5 cells, its header 4"),
        (f"{HEADER}\n1.png,1,2,3\n", "line 2 has 0 cells, its header 4"),
        (f"{HEADER}1.png,1,two,3\n", "line 2: could not convert string to float: 'two'"),
        (f"{HEADER}0.png,1,2,3\n1.png,1,inf,3\n", "line 3 holds an infinite number"),
        (f"{HEADER}1.png,1,2,1e39\n", "line 2 holds an infinite number"),
        (f"{HEADER}" + "x" * 200_000, "a line of more than"),
        (b"\x89PNG\r\n\x1a\n\xff", "not a text file"),
        (b"\x1f\x8b\x08", "cannot read"),
    ],
)
def test_bad_tables(tmp_path: Path, table: str | bytes, said: str) -> None:
    write_frames(tmp_path / "Aufnahme 1 ö")
    file = tmp_path / "Aufnahme 1 ö" / "joints.csv"
    file.write_bytes(table if isinstance(table, bytes) else table.encode())
    with pytest.raises(DatasetError) as caught:
        Frames(file.parent)
    assert str(caught.value).startswith(f"{file}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"camera\.json: missing: give the folder that holds depth images"):
        Frames(tmp_path)
    (tmp_path / "camera.json").write_text("{}", encoding="ascii")
    with pytest.raises(CameraError, match=r"camera\.json: a camera file must hold"):
        Frames(tmp_path)
    (tmp_path / "camera.json").write_text(json.dumps(FRAMES_CAMERA), encoding="ascii")
    with pytest.raises(DatasetError, match="no depth image: give the folder that holds"):
        Frames(tmp_path)


@pytest.mark.parametrize("joints", [np.ones((2, 4, 3)), np.ones((1, 1, 3))])
def test_a_table_has_a_name_for_each_row(tmp_path: Path, joints: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError):
        write_joints(tmp_path, ["a.png", "b.png", "c.png"], joints, ORDER)
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"joints\.csv: cannot write"):
        write_joints(tmp_path / "file", ["a.png"], np.ones((1, 4, 3)), ORDER)
