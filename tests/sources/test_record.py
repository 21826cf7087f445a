"""Recording a source: where it ends, what is left out, and what stays when something breaks."""

import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sourcing import CAMERA, ListSource, same, some_frames

from knuckle.errors import DepthError, SettingsError, SourceError
from knuckle.sources import BadFrame, LiveFrame, Recorded, open_source, record
from knuckle.sources.recording import RecordingWriter
from knuckle.sources.source import RecordedSource

BAD = BadFrame(12.0, DepthError("torn"))


def read(path: Path) -> list[LiveFrame | BadFrame]:
    with open_source(str(path)) as source:
        assert isinstance(source, RecordedSource)
        return list(source.frames())


@pytest.mark.parametrize("name", ["a.zarr", "deep/er/a"])
def test_a_source_is_recorded_to_its_end(tmp_path: Path, name: str) -> None:
    frames = some_frames(11)
    source = ListSource(frames)
    assert record(source, tmp_path / name) == Recorded(11, 0, False)
    assert all(same(*pair) for pair in zip(read(tmp_path / name), frames, strict=True))
    assert not source.open


@pytest.mark.parametrize("name", ["a.zarr", "a"])
def test_so_many_frames_or_seconds_are_enough(tmp_path: Path, name: str) -> None:
    source = ListSource([BAD, *some_frames(40)])
    for limits, count in (
        ({"frames": 9}, 9),
        ({"frames": 1}, 1),
        ({"frames": 40}, 40),
        ({"frames": 50}, 40),
    ):
        out = tmp_path / f"{count}-{len(limits)}-{next(iter(limits.values()))}" / name
        assert record(source, out, **limits) == Recorded(count, 1, False)  # type: ignore[arg-type]
        assert len(read(out)) == count
        assert not source.open
    assert record(ListSource(some_frames(40)), tmp_path / "s" / name, seconds=2) == Recorded(8, 0, False)
    assert record(ListSource(some_frames(40)), tmp_path / "b" / name, frames=5, seconds=2).frames == 5


def test_bad_frames_are_named_and_left_out(tmp_path: Path) -> None:
    frames = some_frames(3)
    odd = LiveFrame(11, np.ones((5, 4), np.float32), CAMERA.window(0, 0, 4, 5))
    half = LiveFrame(11.5, frames[0].depth + np.float32(0.01), CAMERA)
    lines: list[str] = []
    done = record(
        ListSource([BAD, frames[0], odd, frames[1], half, BAD, frames[2]]), tmp_path / "a", complain=lines.append
    )
    assert done == Recorded(3, 4, False)
    assert [line for line in lines if line != "torn"] == lines[1:3]
    assert "11.000 s" in lines[1]
    assert "4 x 5 px" in lines[1]
    assert "whole steps" in lines[2]
    assert all(same(*pair) for pair in zip(read(tmp_path / "a"), frames, strict=True))


@pytest.mark.parametrize("name", ["a.zarr", "a"])
def test_stop_keeps_what_came_before(tmp_path: Path, name: str) -> None:
    asked = iter([False] * 10 + [True])
    assert record(ListSource(some_frames(40)), tmp_path / name, stop=lambda: next(asked)) == Recorded(11, 0, True)
    assert len(read(tmp_path / name)) == 11


@pytest.mark.parametrize("name", ["a.zarr", "a"])
def test_a_source_that_breaks_off_leaves_what_came_before(tmp_path: Path, name: str) -> None:
    source = ListSource([*some_frames(11), SourceError("unplugged")])
    with pytest.raises(SourceError, match=f"^unplugged; 11 frames before that can be read from .*{name}$"):
        record(source, tmp_path / name)
    assert len(read(tmp_path / name)) == 11


def test_a_clock_that_goes_back_does_not_make_a_recording_endless(tmp_path: Path) -> None:
    frames = [replace(frame, timestamp=1000 + index / 30) for index, frame in enumerate(some_frames(30))]
    reset = [replace(frame, timestamp=index / 30) for index, frame in enumerate(some_frames(300))]
    done = record(ListSource([*frames, *reset]), tmp_path / "a.zarr", seconds=2.0)
    assert abs(done.frames - 60) <= 1
    assert read(tmp_path / "a.zarr")[30].timestamp == 0.0  # as the sensor says


def test_a_source_that_gives_nothing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"^unplugged; no frame was recorded$"):
        record(ListSource([SourceError("unplugged")]), tmp_path / "a")
    for items in ([], [BAD, BAD]):
        with pytest.raises(SourceError, match="a list: not one frame"):
            record(ListSource(list(items)), tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_an_error_of_any_kind_leaves_what_came_before(tmp_path: Path) -> None:
    def interrupt() -> bool:
        raise KeyboardInterrupt

    source = ListSource(some_frames(3))
    with pytest.raises(KeyboardInterrupt):
        record(source, tmp_path / "a.zarr", stop=interrupt)
    assert len(read(tmp_path / "a.zarr")) == 1
    assert not source.open


def test_a_full_disk_is_told_with_the_frames_that_are_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flush = RecordingWriter._flush

    def fail_later(writer: RecordingWriter) -> None:
        if writer.count == 16:
            monkeypatch.setattr(type(writer._depth), "resize", full)
        flush(writer)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RecordingWriter, "_flush", fail_later)
    with pytest.raises(SourceError, match=r"cannot write \(No space left on device: make room\); 16 frames before"):
        record(ListSource(some_frames(40)), tmp_path / "a.zarr")
    monkeypatch.undo()
    assert len(read(tmp_path / "a.zarr")) == 16


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert record(ListSource(some_frames(2)), tmp_path / "empty").frames == 2
    (tmp_path / "file").write_text("")
    for name in ("empty", "file"):
        with pytest.raises(SettingsError, match=f"{name}: something is there"):
            record(ListSource(some_frames(2)), tmp_path / name)
    with pytest.raises(SettingsError, match="cannot write"):
        record(ListSource(some_frames(2)), tmp_path / ("x" * 300))
