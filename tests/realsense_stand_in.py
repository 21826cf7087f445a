"""Stands in for pyrealsense2, with the part of its interface that a depth stream needs, and its ways to fail.

Set `script`: what each wait gives, a frame number, an error's text or None (a set without depth); then `after`.
"""

import time
from types import SimpleNamespace

import numpy as np

SCALE = float(np.float32(0.000125))  # m, as get_depth_scale gives it

script: list[int | str | None] = []
after: int | str | None = "Frame didn't arrive within 1000"
"""Once the script is over, for ever; -1: frames without an end."""

plugged_in = True
frame_seconds = 0.0
size = (640, 480)
log: list[str] = []

stream = SimpleNamespace(depth="depth")
format = SimpleNamespace(z16="z16")


def reset() -> None:
    global script, after, plugged_in, frame_seconds
    script, after, plugged_in, frame_seconds = [], "Frame didn't arrive within 1000", True, 0.0
    log.clear()


def steps_of(number: int) -> np.ndarray:
    """The depth of a frame, (480, 640) uint16 steps, told from others by its first column."""
    steps = np.full((size[1], size[0]), 4000, dtype=np.uint16)
    steps[:, 0] = number % 60000
    return steps


class config:  # noqa: N801 - pyrealsense2's names
    def enable_stream(self, *wanted: object) -> None:
        self.wanted = wanted


class _Frame:
    def __init__(self, number: int) -> None:
        self.number = number
        self.buffer = steps_of(number)

    def __bool__(self) -> bool:
        return self.number >= 0

    def get_data(self) -> np.ndarray:
        return self.buffer

    def get_timestamp(self) -> float:
        return 5000.0 + self.number * 1000 / 30  # ms


class _Profile:
    def get_device(self) -> SimpleNamespace:
        return SimpleNamespace(first_depth_sensor=lambda: SimpleNamespace(get_depth_scale=lambda: SCALE))

    def get_stream(self, kind: object) -> SimpleNamespace:
        assert kind == stream.depth
        lens = SimpleNamespace(fx=475.5, fy=476.25, ppx=310.5, ppy=245.125, width=size[0], height=size[1])
        return SimpleNamespace(as_video_stream_profile=lambda: SimpleNamespace(get_intrinsics=lambda: lens))


class pipeline:  # noqa: N801
    def __init__(self) -> None:
        self._waits = 0
        self._last: _Frame | None = None

    def start(self, settings: config) -> _Profile:
        if not plugged_in:
            raise RuntimeError("No device connected")
        assert settings.wanted == (stream.depth, 640, 480, format.z16, 30)
        log.append("start")
        return _Profile()

    def wait_for_frames(self, timeout_ms: int = 5000) -> SimpleNamespace:
        time.sleep(frame_seconds)
        what = script[self._waits] if self._waits < len(script) else after
        what = self._waits if what == -1 else what
        self._waits += 1
        if self._last is not None:
            self._last.buffer[:] = 0  # the library takes its buffers back
        if isinstance(what, str):
            raise RuntimeError(what)
        self._last = _Frame(-1 if what is None else what)
        return SimpleNamespace(get_depth_frame=lambda: self._last)

    def stop(self) -> None:
        log.append("stop")
        if not plugged_in:
            raise RuntimeError("stop() cannot be called before start()")
