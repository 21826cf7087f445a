"""HANDS17 as it is downloaded: x, y, z in camera axes, and a test split without joints."""

from pathlib import Path

import numpy as np
import pytest

from knuckle.anatomy import HAND21
from knuckle.data.hands17 import JOINTS, Hands17
from knuckle.errors import DatasetError
from made_up import FAR, text, write_hands17

NAMES = (
    "wrist thumb_cmc index_mcp middle_mcp ring_mcp pinky_mcp thumb_mcp thumb_ip thumb_tip index_pip "
    "index_dip index_tip middle_pip middle_dip middle_tip ring_pip ring_dip ring_tip pinky_pip pinky_dip pinky_tip"
)
GOOD = text(np.ones(63))


def test_frames_and_joints(tmp_path: Path) -> None:
    uvd = write_hands17(tmp_path)
    dataset = Hands17(tmp_path, "train")
    assert dataset.protocol.joints == JOINTS == tuple(NAMES.split())
    np.testing.assert_allclose(dataset.camera.project(dataset.labels), uvd[..., :2], atol=1e-3)
    np.testing.assert_allclose(dataset.labels[..., 2], uvd[..., 2], rtol=1e-6)
    assert dataset.path(1) == tmp_path / "training" / "images" / "image_D00000002.png"
    for index, row in enumerate(uvd):
        depth = dataset.depth(index)
        u, v, d = row[np.argmin(row[:, 2])]
        assert (depth[0, 0], depth[int(v), int(u)]) == (FAR, d)


def test_joints_of_a_hand_by_name(tmp_path: Path) -> None:
    write_hands17(tmp_path)
    dataset = Hands17(tmp_path, "train")
    for index, name in enumerate(NAMES.split()):
        np.testing.assert_array_equal(dataset.hand21[:, HAND21.index(name)], dataset.labels[:, index])
    assert not np.isnan(dataset.joints14).any()


def test_the_test_split_has_frames_and_no_joints(tmp_path: Path) -> None:
    write_hands17(tmp_path, frames=3)
    dataset = Hands17(tmp_path, "test")
    assert len(dataset) == 3
    assert dataset.path(2) == tmp_path / "frame" / "images" / "image_D00000003.png"
    assert np.isnan(dataset.labels).all()
    assert np.isnan(dataset.hand21).all()
    assert np.isnan(dataset.joints14).all()
    assert dataset.depth(2).shape == (480, 640)
    assert dataset.subject(0) == ""


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("", "holds no frame"),
        (f"a.png {GOOD}\n\nb.png {GOOD}\n", "line 2 is empty"),
        (f"a.png {GOOD}\nb.png {GOOD} 1\n", "line 2 has 64 numbers, not 63"),
        (f"a.png {GOOD} 1 2 3\n", "line 1 has 66 numbers, not 63"),
        (f"a.png {GOOD}\nb.png {GOOD[:-8]}infinity\n", "frame 2 of its 2 has a joint at infinity"),
        (f"{GOOD}\n", "do not begin with an image's name"),
    ],
)
def test_bad_annotations(tmp_path: Path, lines: str, said: str) -> None:
    write_hands17(tmp_path)
    file = tmp_path / "training" / "Training_Annotation.txt"
    file.write_text(lines, encoding="ascii")
    with pytest.raises(DatasetError) as caught:
        Hands17(tmp_path, "train")
    assert str(caught.value).startswith(f"{file}: ")
    assert said in str(caught.value)


def test_bad_boxes(tmp_path: Path) -> None:
    write_hands17(tmp_path)
    file = tmp_path / "frame" / "BoundingBox.txt"
    for data, said in ((b"", "holds no frame"), (b"\xff\xfe\x00" * 9, "not a text file")):
        file.write_bytes(data)
        with pytest.raises(DatasetError, match=rf"BoundingBox\.txt: {said}"):
            Hands17(tmp_path, "test")
    file.unlink()
    with pytest.raises(DatasetError, match=r"BoundingBox\.txt: missing: give the folder that holds training"):
        Hands17(tmp_path, "test")


def test_a_name_that_no_folder_can_have(tmp_path: Path) -> None:
    write_hands17(tmp_path, frames=2)
    boxes = tmp_path / "frame" / "BoundingBox.txt"
    boxes.write_text(boxes.read_text() + f"{'x' * 300}/c.png 1 2 3 4\n")
    dataset = Hands17(tmp_path, "test")
    assert [dataset.is_there(index) for index in range(len(dataset))] == [True, True, False]
    assert [path.name for path in dataset.images()] == ["image_D00000001.png", "image_D00000002.png"]
