"""Recordings, in Zarr and in folders: they give back every bit, and what is whole when they are cut short."""

import errno
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from sourcing import CAMERA, Recorded, fill, good, recordings, same, some_frames

from knuckle.errors import CameraError, DepthError, MissingExtraError, SourceError
from knuckle.sources.folder import FolderSource
from knuckle.sources.folder_writer import FolderWriter
from knuckle.sources.recording import CHUNK, RecordingSource, RecordingWriter
from knuckle.sources.source import BadFrame, LiveFrame


@given(recorded=recordings())
@settings(max_examples=30)
def test_a_recording_gives_back_every_bit(recorded: Recorded, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("round") / "a.zarr"
    frames = recorded.frames()
    writer = RecordingWriter(path, recorded.camera, "somewhere")
    fill(writer, frames)
    writer.close()
    source = RecordingSource(path)
    assert writer.count == len(source) == len(frames)
    assert source.camera == recorded.camera
    assert all(same(*pair) for pair in zip(source.frames(), frames, strict=True))


@given(recorded=recordings())
@settings(max_examples=30)
def test_a_folder_gives_back_every_bit(recorded: Recorded, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("round") / "a"
    frames = recorded.frames()
    writer = FolderWriter(path, recorded.camera)
    fill(writer, frames)
    writer.close()
    source = FolderSource(path)
    assert writer.count == len(source) == len(frames)
    assert source.camera == recorded.camera
    assert all(same(*pair) for pair in zip(source.frames(), frames, strict=True))


def write(path: Path, count: int) -> list[LiveFrame]:
    frames = some_frames(count)
    writer = RecordingWriter(path, CAMERA, "test")
    fill(writer, frames)
    writer.close()
    return frames


def test_frames_are_found_in_any_order(tmp_path: Path) -> None:
    frames = write(tmp_path / "a.zarr", 20)
    source = RecordingSource(tmp_path / "a.zarr")
    for index in (19, 0, 8, 7, 19, 16):
        assert same(source.frame(index), frames[index])
        assert source.timestamp(index) == frames[index].timestamp
    for index in (20, -1):
        with pytest.raises(IndexError, match=str(index)):
            source.frame(index)


def test_any_zarr_library_can_read_it(tmp_path: Path) -> None:
    import zarr

    frames = write(tmp_path / "a.zarr", 3)
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    depth = group["depth"]
    np.testing.assert_array_equal(np.asarray(depth[:]) * depth.attrs["scale_factor"], [frame.depth for frame in frames])
    assert group.attrs["camera"] == {"fx": 20, "fy": 21, "cx": 7.5, "cy": 5.5, "width": 16, "height": 12} | {
        "depth_unit_mm": 0.125
    }


@pytest.mark.parametrize("count", [7, 8, 19])
def test_without_its_end_a_recording_has_its_whole_chunks(tmp_path: Path, count: int) -> None:
    frames = some_frames(count)
    writer = RecordingWriter(tmp_path / "a.zarr", CAMERA, "test")
    fill(writer, frames)
    whole = count // CHUNK * CHUNK
    assert writer.count == whole
    if not whole:
        with pytest.raises(SourceError, match="before the first frames"):
            RecordingSource(tmp_path / "a.zarr")
        return
    found = list(RecordingSource(tmp_path / "a.zarr").frames())
    assert len(found) == whole
    assert all(same(*pair) for pair in zip(found, frames, strict=False))


@pytest.mark.parametrize("array", ["_depth", "_times"])
@pytest.mark.parametrize("method", ["resize", "__setitem__"])
def test_a_disk_that_is_full_at_any_moment_leaves_the_chunks_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, array: str, method: str
) -> None:
    frames = some_frames(16)
    writer = RecordingWriter(tmp_path / "a.zarr", CAMERA, "test")
    fill(writer, frames[:15])
    full = getattr(writer, array)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    class Full:
        def __getattr__(self, name: str) -> object:
            return fail if name == method else getattr(full, name)

        def __setitem__(self, key: object, value: object) -> None:
            if method == "__setitem__":
                fail()
            full[key] = value

    monkeypatch.setattr(writer, array, Full())
    with pytest.raises(SourceError, match="No space left"):
        writer.add(frames[15])
    writer.close()
    assert writer.count == len(RecordingSource(tmp_path / "a.zarr")) == 8
    assert all(same(*pair) for pair in zip(RecordingSource(tmp_path / "a.zarr").frames(), frames[:8], strict=True))


def test_damage_costs_its_chunk_alone(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", 24)
    chunk = tmp_path / "a.zarr" / "depth" / "c" / "1" / "0" / "0"
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(data)
    items = list(RecordingSource(tmp_path / "a.zarr").frames())
    assert good(items) == [*range(8), *range(16, 24)]
    assert isinstance(items[8], BadFrame)
    assert items[8].timestamp == 12
    assert isinstance(items[8].error, DepthError)
    chunk.unlink()
    assert good(list(RecordingSource(tmp_path / "a.zarr").frames())) == [*range(8), *range(16, 24)]
    with pytest.raises(DepthError, match="frames 8 to 15 is lost"):
        RecordingSource(tmp_path / "a.zarr").frame(9)


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", 3)
    (tmp_path / "file.zarr").write_text("no folder")
    (tmp_path / "empty.zarr").mkdir()
    for name in ("missing.zarr", "file.zarr", "empty.zarr"):
        with pytest.raises(SourceError, match=name):
            RecordingSource(tmp_path / name)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("layout", "another"), ("camera", {"fx": -1}), ("camera", None), ("camera", {**CAMERA.__dict__, "width": 17})],
)
def test_a_foreign_head_is_refused(tmp_path: Path, attribute: str, value: object) -> None:
    write(tmp_path / "a.zarr", 3)
    head = tmp_path / "a.zarr" / "zarr.json"
    content = json.loads(head.read_text())
    content["attributes"][attribute] = value
    head.write_text(json.dumps(content))
    with pytest.raises(SourceError, match=r"a\.zarr"):
        RecordingSource(tmp_path / "a.zarr")


@pytest.mark.parametrize("array", ["depth", "timestamps"])
@pytest.mark.parametrize("content", [None, "{", '{"zarr_format": 3, "node_type": "group"}'])
def test_a_damaged_array_is_refused(tmp_path: Path, array: str, content: str | None) -> None:
    write(tmp_path / "a.zarr", 3)
    if content is None:
        shutil.rmtree(tmp_path / "a.zarr" / array)
    else:
        (tmp_path / "a.zarr" / array / "zarr.json").write_text(content)
    with pytest.raises(SourceError, match=r"a\.zarr"):
        RecordingSource(tmp_path / "a.zarr")


@pytest.mark.parametrize("kind", [RecordingWriter, FolderWriter])
def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path, kind: type) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="file"):
        kind(tmp_path / "file" / "a", CAMERA, *(["test"] if kind is RecordingWriter else []))


def test_frames_that_do_not_fit_are_refused_and_the_others_kept(tmp_path: Path) -> None:
    frames = some_frames(2)
    writer = FolderWriter(tmp_path / "a", CAMERA)
    writer.add(frames[0])
    depth = frames[1].depth
    with pytest.raises(CameraError, match=r"10 x 12 px.*16 x 12 px"):
        writer.add(LiveFrame(11, depth[:, :10], CAMERA.window(0, 0, 10, 12)))
    with pytest.raises(CameraError, match="10 x 12 px"):
        writer.add(LiveFrame(11, depth[:, :10], CAMERA))
    with pytest.raises(DepthError, match=r"whole steps of 0\.125 mm"):
        writer.add(LiveFrame(11, depth + np.float32(0.01), CAMERA))
    with pytest.raises(DepthError, match=r"9\.0 m does not fit"):
        writer.add(LiveFrame(11, np.full_like(depth, 9000), CAMERA))
    with pytest.raises(DepthError, match="time"):
        writer.add(LiveFrame(float("nan"), depth, CAMERA))
    writer.add(frames[1])
    writer.close()
    assert all(same(*pair) for pair in zip(FolderSource(tmp_path / "a").frames(), frames, strict=True))


def test_half_a_line_on_a_full_disk_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = some_frames(3)
    writer = FolderWriter(tmp_path / "a", CAMERA)
    fill(writer, frames[:2])
    file = writer._times

    class Full:
        calls = 0

        def __getattr__(self, name: str) -> object:
            return getattr(file, name)

        def write(self, data: bytes) -> int:
            self.calls += 1
            if self.calls > 1:
                raise OSError(errno.ENOSPC, "No space left on device")
            return file.write(data[:5])

    monkeypatch.setattr(writer, "_times", Full())
    with pytest.raises(SourceError, match=r"timestamps.csv: cannot write \(No space left"):
        writer.add(frames[2])
    writer.close()
    assert writer.count == len(FolderSource(tmp_path / "a")) == 2


def test_without_zarr_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(MissingExtraError, match=r"knuckle\[data\]"):
        RecordingWriter(tmp_path / "a.zarr", CAMERA, "test")
