"""A stack of depth frames in one NumPy file, .npy or .npz, with its camera.json in the same folder."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knuckle.depth.check import as_depth
from knuckle.depth.limits import MAX_PIXELS
from knuckle.errors import SourceError
from knuckle.numpy_files import map_npy, read_npz
from knuckle.sources.intrinsics import camera_beside
from knuckle.sources.source import FRAME_SECONDS, LiveFrame, RecordedSource

_DEPTH, _TIMES = "depth", "timestamps"


class StackSource(RecordedSource):
    """Frames (N, H, W): integers in steps of a unit, or floats in mm. Nothing is unpickled.

    A .npy may be of any size, as it is mapped; a .npz is held in memory, and may have 4 GiB unpacked. It holds the
    frames as `depth` and, if known, N seconds as `timestamps`; otherwise they are 1/30 s apart.
    camera: a camera file instead of camera.json beside it; unit_mm: millimetres a step, instead of the camera file's
    depth_unit_mm or 1.

    Raises `SourceError` for a file that is damaged or holds anything else, or has no camera; `CameraError`.
    """

    def __init__(self, path: str | Path, camera: str | Path | None = None, unit_mm: float | None = None) -> None:
        self.name = str(path)
        path = Path(path)
        self._frames, times = _load(path)
        self._times = np.arange(len(self._frames)) * FRAME_SECONDS if times is None else times
        intrinsics = camera_beside(path.parent, camera)
        intrinsics = replace(intrinsics, depth_unit_mm=unit_mm or intrinsics.depth_unit_mm or 1.0)  # within bounds
        unit = intrinsics.depth_unit_mm
        kind = self._frames.dtype
        self._unit = np.float32(unit if kind.kind in "ui" else 1.0)
        fits = kind.kind == "u" and kind.itemsize <= 2  # other integers may go beyond a recording's 16 bits
        self.camera = replace(intrinsics, depth_unit_mm=unit if fits else None)

    def __len__(self) -> int:
        return len(self._frames)

    def timestamp(self, index: int) -> float:
        self.check_index(index)
        return float(self._times[index])

    def frame(self, index: int) -> LiveFrame:
        self.check_index(index)
        depth = as_depth(np.asarray(self._frames[index]), f"{self.name}, frame {index}")
        self.camera.check_image(depth.shape)
        return LiveFrame(self.timestamp(index), depth * self._unit, self.camera)  # a copy of what is mapped


def _load(path: Path) -> tuple[NDArray, NDArray[np.float64] | None]:
    """Frames (N, H, W), and N seconds where the file has them."""
    if path.suffix.lower() == ".npz":
        arrays = read_npz(path, SourceError, (_DEPTH, _TIMES))
        if _DEPTH not in arrays:
            raise SourceError(f"{path}: holds no array {_DEPTH!r}: save it with  np.savez(path, {_DEPTH}=frames)")
        frames, times = arrays[_DEPTH], arrays.get(_TIMES)
    else:
        frames, times = map_npy(path, SourceError), None
    _check_frames(path, frames)
    if times is not None and (times.shape != (len(frames),) or times.dtype.kind not in "uif"):
        raise SourceError(f"{path}: {_TIMES} must be a number of seconds for each of the {len(frames)} frames")
    if times is not None and not np.isfinite(times).all():
        raise SourceError(f"{path}: {_TIMES} holds what is not a finite number of seconds")
    return frames, None if times is None else times.astype(np.float64)


def _check_frames(path: Path, frames: NDArray) -> None:
    if frames.ndim != 3 or frames.size == 0 or frames.dtype.kind not in "uif":
        raise SourceError(f"{path}: holds {frames.dtype} of shape {frames.shape}; a stack is (N, H, W) of real numbers")
    if frames.shape[1] * frames.shape[2] > MAX_PIXELS:
        raise SourceError(f"{path}: frames of {frames.shape[2]} x {frames.shape[1]} px, larger than any depth image")
