"""What every source of depth frames looks like, live or recorded.

A frame that cannot be read does not end a stream: a `BadFrame` with the error stands in its place, and the next frame
follows. What ends a stream early, such as an unplugged camera, is a `SourceError` out of `frames()`.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from knuckle.camera import Camera
from knuckle.errors import CameraError, DepthError, KnuckleError

FRAME_SECONDS = 1 / 30
"""From frame to frame of a recording that does not tell when its frames were taken: the rate of most sensors."""


@dataclass(frozen=True, eq=False)
class LiveFrame:
    """A depth frame and when it was taken.

    timestamp: seconds on the source's own clock; depth (H, W) float32 mm, finite, 0 = no measurement: all of it where
    the sensor is covered; camera: whose depth_unit_mm is the step that depth is in whole 16-bit multiples of, and None
    where depth is not in steps.
    """

    timestamp: float
    depth: NDArray[np.float32]
    camera: Camera


@dataclass(frozen=True, eq=False)
class BadFrame:
    """In place of a frame that could not be read: when it was taken (seconds), and why, in one line."""

    timestamp: float
    error: KnuckleError


Frames = Generator[LiveFrame | BadFrame, None, None]
"""A stream; closing it, or leaving a loop over it, stops the sensor."""


class Source(ABC):
    """Where frames come from. Use it in a `with` block, or call `close`."""

    name: str
    """For a title or a message: a path, or the kind of sensor."""

    is_live: ClassVar[bool]
    """Frames come in their own time, without an end, and there is no going back; else it is a `RecordedSource`."""

    @abstractmethod
    def frames(self) -> Frames:
        """Its frames from now on, or from the first one of a recording.

        Raises `SourceError` where the sensor cannot be started or has stopped giving frames.
        """

    def close(self) -> None:  # noqa: B027 - most sources hold nothing open
        """Gives back what the source holds open; it gives no frames after that."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class RecordedSource(Source):
    """A source with a known number of frames, in any order and as often as wanted."""

    is_live = False

    @abstractmethod
    def __len__(self) -> int:
        """How many frames there are, those that cannot be read among them."""

    @abstractmethod
    def timestamp(self, index: int) -> float:
        """When a frame was taken, seconds."""

    @abstractmethod
    def frame(self, index: int) -> LiveFrame:
        """Frame `index`, 0 to len - 1.

        Raises `DepthError` or `CameraError` if that frame cannot be read or is not of the camera's size, and
        `IndexError` if there is none.
        """

    def frames(self) -> Frames:
        """All frames from the first on, at once: waiting until it is their time is left to who shows them."""
        for index in range(len(self)):
            try:
                yield self.frame(index)
            except (DepthError, CameraError) as error:
                yield BadFrame(self.timestamp(index), error)

    def check_index(self, index: int) -> None:
        """Raises `IndexError` for a frame that there is not, among them what Python would count from the end."""
        if not 0 <= index < len(self):
            raise IndexError(f"{self.name}: there is no frame {index}, only 0 to {len(self) - 1}")
