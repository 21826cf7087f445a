"""An endless hand that moves before a simulated sensor, for trials without a camera; it knows its true joints."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knuckle.camera import Camera
from knuckle.errors import MissingExtraError
from knuckle.sources.source import FRAME_SECONDS, Frames, LiveFrame, Source

UNIT_MM = 0.125
"""The step of the SR305, whose noise is simulated."""

CAMERA = Camera(fx=475.0, fy=475.0, cx=319.5, cy=239.5, width=640, height=480, depth_unit_mm=UNIT_MM)
"""About an SR305's."""

_GESTURE_SECONDS = 1.5
"""From one gesture to the next. The hand holds each for the first third of that."""

_MIDDLE, _REACH = np.array([-20.0, 10.0, 480.0]), np.array([70.0, 45.0, 60.0])  # mm: x right, y down, z forward
_TURN = np.array([14.0, 24.0, 18.0])  # degrees: pitch, yaw, roll
_PERIODS = np.array([[5.3, 7.1, 8.9], [6.1, 4.7, 7.9]])  # s, of place and turn: they hardly ever meet again


class SyntheticSource(Source):
    """A right hand that goes through random gestures while it moves and turns, 30 frames a second.

    Frame i depends on (seed, i) alone. paced: no faster than a sensor would; a machine that is too slow gives all
    frames, later. camera: of the frames. Needs the `train` extra: raises `MissingExtraError`.
    """

    is_live = True

    def __init__(self, seed: int = 0, camera: Camera = CAMERA, paced: bool = True) -> None:
        self.name, self.camera = "synthetic", camera
        self._seed, self._paced = seed, paced
        try:
            from knuckle.synth.hands import HandModel
        except ImportError as error:
            raise MissingExtraError("train", str(error.name)) from None
        self._model: Any = HandModel.load("makehuman")

    def frames(self) -> Frames:
        start = time.monotonic()
        index = 0
        while True:
            ahead = index * FRAME_SECONDS - (time.monotonic() - start)
            if self._paced and ahead > 0:
                time.sleep(ahead)
            yield self.frame(index)[0]
            index += 1

    def frame(self, index: int) -> tuple[LiveFrame, NDArray[np.float64]]:
        """Frame i ≥ 0, and the true joints in it, (21, 3) mm in camera axes."""
        from knuckle.synth.frame import render_scene
        from knuckle.synth.sensor import measure

        timestamp = index * FRAME_SECONDS
        place, turn = _motion(timestamp)
        scene, labels, joints = render_scene(self._model, self.camera, self._pose(timestamp), place, turn)
        rng = np.random.default_rng((self._seed, index))
        depth, _ = measure(scene, labels, self.camera.fx, "coded-light", 1.0, rng)
        unit = np.float32(self.camera.depth_unit_mm or UNIT_MM)
        if unit != UNIT_MM:  # else the sensor has done it
            depth = np.rint(depth / unit) * unit
        return LiveFrame(timestamp, depth, self.camera), joints

    def _pose(self, timestamp: float) -> NDArray[np.float64]:
        """(23,) degrees: on the way from one random gesture to the next."""
        from knuckle.synth.prior import PROTOTYPES

        number, share = divmod(timestamp / _GESTURE_SECONDS, 1.0)
        names = sorted(PROTOTYPES)
        before, after = (
            PROTOTYPES[names[np.random.default_rng((self._seed, int(number) + step, 1)).integers(len(names))]]
            for step in (0, 1)
        )
        moved = max(0.0, 1.5 * share - 0.5)
        return before + (after - before) * moved * moved * (3.0 - 2.0 * moved)  # starts and stops gently


def _motion(timestamp: float) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Place (mm) and turn (pitch, yaw, roll in degrees) of the hand, as `render_scene` takes them."""
    swing = np.sin(2 * np.pi * timestamp / _PERIODS)  # (2, 3)
    (x, y, z), (pitch, yaw, roll) = (_MIDDLE + _REACH * swing[0]).tolist(), (_TURN * swing[1]).tolist()
    return (x, y, z), (pitch, yaw, roll)
