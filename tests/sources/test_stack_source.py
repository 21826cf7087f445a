"""Stacks of frames in .npy and .npz."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray
from sourcing import CAMERA, Recorded, good, recordings, same, some_steps

from knuckle.errors import CameraError, DepthError, SourceError
from knuckle.sources.source import BadFrame, LiveFrame
from knuckle.sources.stack import StackSource


@given(recorded=recordings())
@settings(max_examples=40)
def test_a_stack_gives_back_what_was_saved(recorded: Recorded, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("stack")
    recorded.camera.save(folder / "camera.json")
    np.savez_compressed(folder / "a.npz", depth=recorded.steps, timestamps=np.array(recorded.times))
    frames = recorded.frames()
    assert all(same(*pair) for pair in zip(StackSource(folder / "a.npz").frames(), frames, strict=True))
    np.save(folder / "a.npy", recorded.steps)
    source = StackSource(folder / "a.npy")
    for index, frame in enumerate(frames):
        assert same(source.frame(index), LiveFrame(index * (1 / 30), frame.depth, frame.camera))


def write(folder: Path, frames: NDArray, name: str = "a.npy") -> Path:
    CAMERA.save(folder / "camera.json")
    np.save(folder / name, frames)
    return folder / name


@pytest.mark.parametrize(
    ("dtype", "scale", "unit"),
    [("u1", 1, 0.125), ("u2", 1, 0.125), (">u2", 1, 0.125), ("i4", 1, None), ("f4", 8, None), ("f8", 8, None)],
)
def test_integers_are_steps_and_floats_millimetres(tmp_path: Path, dtype: str, scale: int, unit: float | None) -> None:
    frames = (some_steps(2) % 250).astype(dtype)
    frame = StackSource(write(tmp_path, frames)).frame(1)
    np.testing.assert_array_equal(frame.depth, frames[1].astype(np.float32) * 0.125 * scale)
    assert frame.camera.depth_unit_mm == unit
    doubled = StackSource(tmp_path / "a.npy", unit_mm=0.25).frame(1).depth
    np.testing.assert_array_equal(doubled, frame.depth * (2 if scale == 1 else 1))


@pytest.mark.parametrize("unit", [1e300, -1.0, float("nan")])
def test_a_unit_that_no_sensor_has_is_refused(tmp_path: Path, unit: float) -> None:
    with pytest.raises(CameraError, match="depth_unit_mm must be"):
        StackSource(write(tmp_path, some_steps(2)), unit_mm=unit)


def test_a_bad_frame_does_not_end_the_stream(tmp_path: Path) -> None:
    frames = some_steps(4).astype(np.float32)
    frames[1, 0, 0], frames[2, 3, 3] = np.nan, -1
    items = list(StackSource(write(tmp_path, frames)).frames())
    assert good(items) == [0, 3]
    assert isinstance(items[1], BadFrame)
    assert isinstance(items[1].error, DepthError)
    assert "frame 1" in str(items[1].error)


def test_frames_of_another_size_than_the_camera_s_are_bad(tmp_path: Path) -> None:
    source = StackSource(write(tmp_path, some_steps(2)[:, :6]))
    with pytest.raises(CameraError, match="16 x 6 px"):
        source.frame(0)
    assert good(list(source.frames())) == []


def test_the_frames_handed_out_are_copies(tmp_path: Path) -> None:
    source = StackSource(write(tmp_path, some_steps(1).astype(np.float32)))
    before = source.frame(0).depth.copy()
    source.frame(0).depth[:] = 0
    np.testing.assert_array_equal(source.frame(0).depth, before)


@pytest.mark.parametrize(
    "frames",
    [np.zeros((12, 16)), np.zeros((0, 12, 16)), np.zeros((2, 12, 16), complex), np.zeros((2, 12, 16, 1)), np.array(5)],
)
def test_what_is_no_stack_is_refused(tmp_path: Path, frames: NDArray) -> None:
    with pytest.raises(SourceError, match=r"a\.npy: holds"):
        StackSource(write(tmp_path, frames))


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    whole = write(tmp_path, some_steps(2)).read_bytes()
    np.savez_compressed(tmp_path / "b.npz", depth=some_steps(2))
    packed = (tmp_path / "b.npz").read_bytes()
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 255
    contents = {
        "short.npy": whole[:-10],
        "text.npy": b"no array",
        "empty.npy": b"",
        "head.npy": whole[:40],
        "short.npz": packed[:-30],
        "text.npz": b"no archive",
        "flipped.npz": bytes(flipped),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SourceError, match=name):
            StackSource(tmp_path / name)
    with pytest.raises(SourceError, match=r"missing\.npy: cannot read"):
        StackSource(tmp_path / "missing.npy")


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    CAMERA.save(tmp_path / "camera.json")
    np.save(tmp_path / "a.npy", np.array([[[print]]], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", depth=np.array([[[print]]], dtype=object))
    for name in ("a.npy", "a.npz"):
        with pytest.raises(SourceError, match=name):
            StackSource(tmp_path / name)


def test_the_arrays_of_an_archive_must_fit(tmp_path: Path) -> None:
    CAMERA.save(tmp_path / "camera.json")
    for arrays, words in (
        ({"frames": some_steps(2)}, "no array 'depth'"),
        ({"depth": some_steps(2), "timestamps": np.arange(3.0)}, "each of the 2 frames"),
        ({"depth": some_steps(2), "timestamps": np.array(["a", "b"])}, "not numbers"),
        ({"depth": some_steps(2), "timestamps": np.array([True, False])}, "each of the 2 frames"),
        ({"depth": some_steps(2), "timestamps": np.array([0, np.inf])}, "not a finite number"),
    ):
        np.savez(tmp_path / "a.npz", **arrays)
        with pytest.raises(SourceError, match=words):
            StackSource(tmp_path / "a.npz")


def test_an_archive_that_would_fill_the_memory_is_not_unpacked(tmp_path: Path) -> None:
    CAMERA.save(tmp_path / "camera.json")
    np.savez_compressed(tmp_path / "a.npz", depth=np.zeros((3_600_000, 12, 16), np.uint8))  # 691 MB in less than 1 MB
    with pytest.raises(SourceError, match=r"a\.npz: .*659 MiB when unpacked, too much for"):
        StackSource(tmp_path / "a.npz")


def test_a_stack_needs_a_camera(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", some_steps(1))
    with pytest.raises(SourceError, match="--camera"):
        StackSource(tmp_path / "a.npy")
