"""RealSense cameras, through a stand-in for their library."""

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from sourcing import good

import realsense_stand_in as stand_in
from knuckle.camera import Camera
from knuckle.errors import DepthError, SourceError
from knuckle.sources import open_source, record
from knuckle.sources.realsense import RealSenseSource
from knuckle.sources.source import BadFrame, LiveFrame, RecordedSource

LATE = "Frame didn't arrive within 1000"


@pytest.fixture(autouse=True)
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    stand_in.reset()
    monkeypatch.setitem(sys.modules, "pyrealsense2", stand_in)
    yield
    stand_in.reset()


def test_frames_are_in_millimetres_with_the_sensor_s_camera() -> None:
    stand_in.after = -1
    source = RealSenseSource()
    assert (source.name, source.is_live) == ("realsense", True)
    items = list(islice(source.frames(), 3))
    assert good(items) == [0, 1, 2]
    for index, item in enumerate(items):
        assert isinstance(item, LiveFrame)
        assert item.timestamp == pytest.approx(5 + index / 30)
        assert item.camera == Camera(475.5, 476.25, 310.5, 245.125, 640, 480, 0.125)
        np.testing.assert_array_equal(item.depth, stand_in.steps_of(index).astype(np.float32) * np.float32(0.125))


def test_leaving_the_stream_stops_the_sensor() -> None:
    stand_in.after = -1
    stream = RealSenseSource().frames()
    assert stand_in.log == []
    next(stream)
    assert stand_in.log == ["start"]
    stream.close()
    assert stand_in.log == ["start", "stop"]


def test_a_frame_that_does_not_come_does_not_end_the_stream() -> None:
    stand_in.script = [LATE, 1, LATE, None, LATE, LATE, 6, LATE, 8]
    items: list[LiveFrame | BadFrame] = []
    with pytest.raises(SourceError, match=r"no more frames \(Frame didn't arrive within 1000\): is it still plugged"):
        _take_all(RealSenseSource(), items)
    assert good(items) == [1, 6, 8]
    assert len(items) == 9 + 4  # the fifth miss in a row is the end
    assert all(isinstance(item.error, DepthError) for item in items if isinstance(item, BadFrame))
    times = [item.timestamp for item in items[1:]]
    assert times == pytest.approx([5 + 1 / 30] * 5 + [5.2] * 2 + [5 + 8 / 30] * 5, abs=0.2)


def _take_all(source: RealSenseSource, items: list[LiveFrame | BadFrame]) -> None:
    for item in source.frames():
        items.append(item)  # one by one: what comes before the error stays


def test_a_camera_that_is_unplugged_leaves_the_recording(tmp_path: Path) -> None:
    stand_in.script = list(range(11))
    with pytest.raises(SourceError, match=r"still plugged in.*; 11 frames before that can be read"):
        record(RealSenseSource(), tmp_path / "a.zarr")
    assert stand_in.log == ["start", "stop"]
    with open_source(str(tmp_path / "a.zarr")) as source:
        assert isinstance(source, RecordedSource)
        frame = source.frame(10)
        np.testing.assert_array_equal(frame.depth, stand_in.steps_of(10) * 0.125)


def test_without_a_camera_the_first_frame_says_so() -> None:
    stand_in.plugged_in = False
    with pytest.raises(SourceError, match=r"does not start \(No device connected\): plug it in"):
        next(RealSenseSource().frames())


def test_a_camera_pulled_while_it_stops_is_no_error() -> None:
    stand_in.after = -1
    stream = RealSenseSource().frames()
    next(stream)
    stand_in.plugged_in = False
    stream.close()
    assert stand_in.log == ["start", "stop"]
