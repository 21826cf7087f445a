"""Sources for the tests of the viewer: frames that are written down, and everything that can go wrong."""

import threading
from collections.abc import Callable, Iterator

import numpy as np

from knuckle.camera import Camera
from knuckle.errors import DepthError, SourceError
from knuckle.sources import BadFrame, LiveFrame, RecordedSource, Source
from knuckle.sources.source import Frames

CAMERA = Camera(fx=60.0, fy=60.0, cx=30.0, cy=23.5, width=64, height=48, depth_unit_mm=0.5)


def frame(number: int, camera: Camera = CAMERA) -> LiveFrame:
    """A wall whose distance tells its number: 500 mm and one more for each."""
    return LiveFrame(number / 30, np.full((camera.height, camera.width), 500.0 + number, np.float32), camera)


def number_of(shown: LiveFrame) -> int:
    return round(float(shown.depth[0, 0]) - 500)


class Tape(RecordedSource):
    """A recording of frames 0, 1, 2, ...; those in `torn` cannot be read."""

    def __init__(self, count: int, torn: tuple[int, ...] = (), step_s: float = 1 / 30) -> None:
        self.name, self._count, self._torn, self._step = "tape", count, torn, step_s
        self.closed = False

    def __len__(self) -> int:
        return self._count

    def timestamp(self, index: int) -> float:
        return index * self._step

    def frame(self, index: int) -> LiveFrame:
        self.check_index(index)
        if index in self._torn:
            raise DepthError(f"frame {index}: torn")
        return frame(index)

    def close(self) -> None:
        self.closed = True


class Camera3D(Source):
    """A live source that yields what `script` does; items that are exceptions are raised."""

    is_live = True

    def __init__(self, script: Callable[[], Iterator[LiveFrame | BadFrame | Exception]]) -> None:
        self.name, self._script = "camera", script

    def frames(self) -> Frames:
        for item in self._script():
            if isinstance(item, Exception):
                raise item
            yield item


class Gate:
    """Lets a scripted source go on one frame at a time."""

    def __init__(self) -> None:
        self._go = threading.Semaphore(0)

    def open(self, count: int = 1) -> None:
        self._go.release(count)

    def wait(self) -> None:
        assert self._go.acquire(timeout=120)


UNPLUGGED = SourceError("camera: no frame for five seconds: is it unplugged?")
