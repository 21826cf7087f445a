"""What the page shows of a frame: the hands in it, and what each stage of finding them took."""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from knuckle.crop import CUBE_MM
from knuckle.errors import SettingsError
from knuckle.estimator import HandPoseEstimator
from knuckle.smoothing import OneEuroSettings
from knuckle.sources import LiveFrame
from knuckle.tracking import HandTracker, TrackedHand, TrackingSettings
from knuckle.viewer.feed import Arrived

RANGE_MM = (100.0, 3000.0)
"""Depths that the page's range can be set to."""


@dataclass(frozen=True)
class ViewSettings:
    """What the page's controls set. What is measured nearer than near_mm or beyond far_mm counts as not measured."""

    hands: int = 1
    side: str = "auto"
    cube_mm: float = CUBE_MM
    near_mm: float = 150.0
    far_mm: float = 1500.0
    smoothing: OneEuroSettings | None = field(default_factory=OneEuroSettings)

    def __post_init__(self) -> None:
        if not RANGE_MM[0] <= self.near_mm < self.far_mm <= RANGE_MM[1]:
            raise SettingsError(
                f"near_mm, far_mm must rise within {RANGE_MM[0]:g} to {RANGE_MM[1]:g} mm, "
                f"got {self.near_mm:g} and {self.far_mm:g}"
            )

    def tracking(self) -> TrackingSettings:
        return TrackingSettings(self.hands, self.side, self.cube_mm, self.smoothing)


@dataclass(frozen=True, eq=False)
class Look:
    """A frame and the hands in it.

    whole: as the sensor gave it; frame: with what lies outside of the depth range taken out; index: its number in the
    stream; arrived: when it came, seconds of `time.monotonic`; stages_ms: waiting, the two networks, and all else that
    finding hands took, by name.
    """

    whole: LiveFrame
    frame: LiveFrame
    hands: list[TrackedHand]
    index: int
    arrived: float
    stages_ms: dict[str, float]


class Watcher:
    """Follows hands through the frames, under settings that may change between them.

    weights, threads: as of `HandPoseEstimator`, and so are the errors.
    """

    def __init__(self, weights: str | Path | None = None, threads: int | None = None) -> None:
        self._estimator = _TimedEstimator(weights, threads)
        self._tracker = HandTracker(self._estimator, ViewSettings().tracking())

    def look(self, arrived: Arrived, settings: ViewSettings) -> Look:
        """Raises what `HandTracker` raises for a frame that is none; the next one is then followed on."""
        started = time.monotonic()
        if settings.tracking() != self._tracker.settings:
            self._tracker = HandTracker(self._estimator, settings.tracking())
        frame = replace(arrived.frame, depth=_within(arrived.frame.depth, settings))
        self._estimator.parts_s = self._estimator.joints_s = 0.0
        hands = self._hands(frame)
        parts_s, joints_s = self._estimator.parts_s, self._estimator.joints_s
        stages = {
            "wait": started - arrived.at,
            "parts": parts_s,
            "joints": joints_s,
            "locate, crop, track": time.monotonic() - started - parts_s - joints_s,
        }
        stages_ms = {name: 1000 * seconds for name, seconds in stages.items()}
        return Look(arrived.frame, frame, hands, arrived.index, arrived.at, stages_ms)

    def _hands(self, frame: LiveFrame) -> list[TrackedHand]:
        if frame.depth.any():
            return self._tracker(frame.depth, frame.camera, frame.timestamp)
        frame.camera.check_image(frame.depth.shape)
        self._tracker.reset()  # a covered sensor, or nothing within the range
        return []

    def reset(self) -> None:
        """Forgets the hands: another source begins."""
        self._tracker.reset()


class _TimedEstimator(HandPoseEstimator):
    """Adds up the seconds that each network takes."""

    parts_s = joints_s = 0.0

    def segment(self, crops: NDArray[np.float32]) -> NDArray[np.float32]:
        started = time.monotonic()
        found = super().segment(crops)
        self.parts_s += time.monotonic() - started
        return found

    def regress(
        self, crops: NDArray[np.float32], probabilities: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        started = time.monotonic()
        found = super().regress(crops, probabilities)
        self.joints_s += time.monotonic() - started
        return found


def _within(depth: NDArray[np.float32], settings: ViewSettings) -> NDArray[np.float32]:
    near = np.nextafter(np.float32(settings.near_mm), np.float32(0))  # OpenCV keeps what is beyond a threshold
    _, kept = cv2.threshold(depth, float(settings.far_mm), 0, cv2.THRESH_TOZERO_INV)
    return np.asarray(cv2.threshold(kept, float(near), 0, cv2.THRESH_TOZERO)[1], dtype=np.float32)
