"""Intel RealSense depth cameras, through pyrealsense2."""

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from knuckle.camera import Camera
from knuckle.errors import DepthError, MissingExtraError, SourceError
from knuckle.sources.source import BadFrame, Frames, LiveFrame, Source
from knuckle.sources.steps import from_steps

WIDTH, HEIGHT, RATE = 640, 480, 30
"""Every RealSense has this depth mode."""

WAIT_MS = 1000
_MISSES = 5
"""Waits for a frame, one after the other, that may be in vain before the camera counts as gone."""


class RealSenseSource(Source):
    """The first RealSense that is plugged in. Depth is along the optical axis, as the sensor gives it, unfiltered.

    Needs the `realsense` extra: raises `MissingExtraError`. `frames` raises `SourceError` if no camera starts, or it is
    unplugged; a single frame that does not come is a `BadFrame`. Lens distortion is ignored: its depth is rectified.
    """

    is_live = True

    def __init__(self) -> None:
        self.name = "realsense"
        try:
            import pyrealsense2
        except ImportError:
            raise MissingExtraError("realsense", "pyrealsense2") from None
        self._rs: Any = pyrealsense2

    def frames(self) -> Frames:
        pipeline = self._rs.pipeline()
        config = self._rs.config()
        config.enable_stream(self._rs.stream.depth, WIDTH, HEIGHT, self._rs.format.z16, RATE)
        try:
            profile = pipeline.start(config)
        except RuntimeError as error:
            raise SourceError(f"realsense: the camera does not start ({error}): plug it in, into USB 3") from None
        try:
            camera = self._camera(profile)
            watch = _Watch()
            while True:
                yield _next_frame(pipeline, camera, watch)
        finally:
            with suppress(RuntimeError):  # an unplugged one cannot be stopped
                pipeline.stop()

    def _camera(self, profile: Any) -> Camera:
        """Intrinsics of the depth stream, px, and the unit of its steps."""
        try:
            scale = profile.get_device().first_depth_sensor().get_depth_scale()  # m, a float32
            lens = profile.get_stream(self._rs.stream.depth).as_video_stream_profile().get_intrinsics()
        except RuntimeError as error:
            raise SourceError(f"realsense: the camera does not tell its intrinsics ({error})") from None
        unit = float(f"{1000 * scale:.7g}")  # 0.1 of float32(0.0001) m, which is 0.0000999999975
        return Camera(lens.fx, lens.fy, lens.ppx, lens.ppy, lens.width, lens.height, unit)


@dataclass
class _Watch:
    """last: the time of the last frame, s on the camera's clock; seen: the same on ours; misses: since then."""

    last: float = 0.0
    seen: float = 0.0
    misses: int = 0


def _next_frame(pipeline: Any, camera: Camera, watch: _Watch) -> LiveFrame | BadFrame:
    """The next depth frame, or that none came. Raises `SourceError` if none has come for a while."""
    now = time.monotonic()
    try:
        frame = pipeline.wait_for_frames(WAIT_MS).get_depth_frame()
        if not frame:
            raise RuntimeError("it has no depth")
        # from_steps copies, and must: the library takes its buffer back.
        depth = from_steps(np.asarray(frame.get_data()), camera.depth_unit_mm)
        watch.last, watch.seen, watch.misses = frame.get_timestamp() / 1000, now, 0
    except RuntimeError as error:
        watch.misses += 1
        if watch.misses >= _MISSES:
            raise SourceError(
                f"realsense: the camera gives no more frames ({error}): is it still plugged in?"
            ) from None
        return BadFrame(
            watch.last + time.monotonic() - (watch.seen or now), DepthError(f"realsense: no frame ({error})")
        )
    return LiveFrame(watch.last, depth, camera)
