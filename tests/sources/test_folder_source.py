"""A folder of depth images as a source: order, times, units, and frames that are bad in mid-stream."""

from pathlib import Path

import numpy as np
import pytest
from sourcing import CAMERA, good, some_steps, write_folder

from knuckle.camera import Camera
from knuckle.depth import write_depth
from knuckle.errors import CameraError, DepthError, SourceError
from knuckle.sources.folder import FolderSource
from knuckle.sources.source import BadFrame, LiveFrame

NO_UNIT = Camera(fx=20.0, fy=21.0, cx=7.5, cy=5.5, width=16, height=12)


def test_frames_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    depths = write_folder(tmp_path, 12)
    with FolderSource(tmp_path) as source:
        assert (source.name, source.is_live, len(source)) == (str(tmp_path), False, 12)
        items = list(source.frames())
        assert isinstance(source.frame(10), LiveFrame)
        np.testing.assert_array_equal(source.frame(10).depth, depths[10])
    assert good(items) == list(range(12))
    np.testing.assert_array_equal([item.depth for item in items if isinstance(item, LiveFrame)], depths)
    np.testing.assert_allclose([item.timestamp for item in items], np.arange(12) / 30)
    assert {item.camera for item in items if isinstance(item, LiveFrame)} == {CAMERA}


def test_a_bad_frame_does_not_end_the_stream(tmp_path: Path) -> None:
    write_folder(tmp_path, 6)
    (tmp_path / "1.png").write_bytes((tmp_path / "1.png").read_bytes()[:-20])
    write_depth(tmp_path / "3.png", np.full((6, 8), 500, np.float32), 0.125)  # another size
    (tmp_path / "4.png").write_bytes(b"")
    source = FolderSource(tmp_path)
    items = list(source.frames())
    assert good(items) == [0, 2, 5]
    faults = [item for item in items if isinstance(item, BadFrame)]
    assert [type(fault.error) for fault in faults] == [DepthError, CameraError, DepthError]
    assert [round(fault.timestamp * 30) for fault in faults] == [1, 3, 4]
    assert "1.png" in str(faults[0].error)
    with pytest.raises(CameraError, match="8 x 6 px"):
        source.frame(3)


def test_a_covered_sensor_gives_frames_without_a_measurement(tmp_path: Path) -> None:
    write_folder(tmp_path, 2)
    write_depth(tmp_path / "1.png", np.zeros((12, 16), np.float32), 0.125)
    frame = FolderSource(tmp_path).frame(1)
    assert not frame.depth.any()


def test_the_unit_is_the_argument_s_the_camera_s_or_1(tmp_path: Path) -> None:
    write_folder(tmp_path / "a", 1)
    write_folder(tmp_path / "b", 1, NO_UNIT)
    steps = some_steps(1)[0].astype(np.float32)
    for folder, given, unit in (("a", None, 0.125), ("a", 0.5, 0.5), ("b", None, 1.0), ("b", 0.25, 0.25)):
        frame = FolderSource(tmp_path / folder, unit_mm=given).frame(0)
        assert frame.camera.depth_unit_mm == unit
        np.testing.assert_array_equal(frame.depth, steps * np.float32(unit))


def test_floats_have_no_unit_and_are_not_scaled(tmp_path: Path) -> None:
    depths = write_folder(tmp_path, 1)
    np.save(tmp_path / "1.npy", depths[0] + np.float32(0.3))
    items = list(FolderSource(tmp_path).frames())
    assert good(items) == [0, 1]
    for item, wanted in zip(items, (depths[0], depths[0] + np.float32(0.3)), strict=True):
        assert isinstance(item, LiveFrame)
        assert item.camera.depth_unit_mm is None
        np.testing.assert_array_equal(item.depth, wanted)


def test_the_camera_may_lie_elsewhere(tmp_path: Path) -> None:
    write_folder(tmp_path / "a", 1)
    (tmp_path / "a" / "camera.json").rename(tmp_path / "other.json")
    with pytest.raises(SourceError, match=r"camera\.json: there is no camera file.*--camera"):
        FolderSource(tmp_path / "a")
    assert FolderSource(tmp_path / "a", tmp_path / "other.json").camera == CAMERA
    with pytest.raises(CameraError, match=r"missing\.json"):
        FolderSource(tmp_path / "a", tmp_path / "missing.json")


def test_a_folder_without_frames_is_refused(tmp_path: Path) -> None:
    CAMERA.save(tmp_path / "camera.json")
    (tmp_path / "readme.txt").write_text("none")
    with pytest.raises(SourceError, match="holds no depth image"):
        FolderSource(tmp_path)
    for path in (tmp_path / "missing", tmp_path / "readme.txt"):
        with pytest.raises(SourceError, match="cannot list"):
            FolderSource(path)


def test_timestamps_say_which_images_are_frames_and_when(tmp_path: Path) -> None:
    depths = write_folder(tmp_path, 4)
    (tmp_path / "timestamps.csv").write_text("file,timestamp_s\n3.png,-2.5\n0.png,1e3\ngone.png,1001\n")
    source = FolderSource(tmp_path)
    items = list(source.frames())
    assert [item.timestamp for item in items] == [-2.5, 1000, 1001]
    assert good(items) == [0, 1]
    np.testing.assert_array_equal(source.frame(0).depth, depths[3])
    np.testing.assert_array_equal(source.frame(1).depth, depths[0])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "first line"),
        ("file,time\n0.png,1\n", "first line"),
        ("file,timestamp_s\n0.png\n", "line 2"),
        ("file,timestamp_s\n0.png,1\n1.png,soon\n", "line 3"),
        ("file,timestamp_s\n0.png,nan\n", "line 2"),
        ("file,timestamp_s\n0.png,1,2\n", "line 2"),
        ("file,timestamp_s\n../0.png,1\n", r"'\.\./0\.png'"),
        ("file,timestamp_s\n,1\n", "line 2"),
        ("file,timestamp_s\n\udcff.png,1\n", "cannot read"),
        ("file,timestamp_s\n", "no depth image"),
    ],
)
def test_damaged_timestamps_are_refused(tmp_path: Path, text: str, words: str) -> None:
    write_folder(tmp_path, 1)
    (tmp_path / "timestamps.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(SourceError, match=words):
        FolderSource(tmp_path)
