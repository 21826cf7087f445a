"""What every kind of recording is written by."""

import math
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knuckle.camera import Camera
from knuckle.errors import CameraError, DepthError
from knuckle.sources.source import LiveFrame
from knuckle.sources.steps import to_steps


class FrameWriter(ABC):
    """A recording of one camera that grows frame by frame. `close` finishes it; what is written can be read without.

    camera: of all its frames; its depth_unit_mm decides how depth is kept (see `steps`).
    """

    def __init__(self, path: Path, camera: Camera) -> None:
        self.path, self.camera = path, camera

    @property
    @abstractmethod
    def count(self) -> int:
        """Frames that can be read from the recording now, whatever happens next."""

    def add(self, frame: LiveFrame) -> None:
        """One more frame.

        Raises `CameraError` or `DepthError` for a frame of another camera, or one that cannot be kept without loss:
        it is left out, and the recording goes on. Raises `SourceError` if the recording cannot be written.
        """
        if frame.camera != self.camera:
            raise CameraError(
                f"{_in_words(frame.camera)}, but this recording began with {_in_words(self.camera)}: record it apart"
            )
        self.camera.check_image(frame.depth.shape)
        if not math.isfinite(frame.timestamp):
            raise DepthError(f"its time is {frame.timestamp}: a frame needs a time in seconds")
        self._write(to_steps(frame.depth, self.camera.depth_unit_mm), float(frame.timestamp))

    @abstractmethod
    def _write(self, depth: NDArray[np.uint16] | NDArray[np.float32], timestamp: float) -> None:
        """depth (H, W): steps, or mm; timestamp: s."""

    @abstractmethod
    def close(self) -> None:
        """Writes what is still held back. Raises `SourceError` if that fails; `count` is right all the same."""


def _in_words(camera: Camera) -> str:
    unit = "floats" if camera.depth_unit_mm is None else f"steps of {camera.depth_unit_mm:g} mm"
    return f"{camera.width} x {camera.height} px in {unit} with a focal length of {camera.fx:g} px"
