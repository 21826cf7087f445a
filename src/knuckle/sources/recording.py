"""knuckle's own recording: a folder in Zarr format 3, which any Zarr library reads. It grows by chunks of frames.

    attributes      layout, source (its name), camera (fx, fy, cx, cy, width, height, depth_unit_mm)
    depth           (N, H, W) uint16 steps of depth_unit_mm, or float32 mm without a unit; 8 frames a chunk, checksummed
    timestamps      (N,) float64 seconds, NaN = not written yet

Depth is written before its timestamps, so the frames before the first NaN are whole, whenever the recorder died.
"""

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from knuckle.camera import Camera
from knuckle.depth.check import as_depth
from knuckle.errors import DepthError, MissingExtraError, SourceError
from knuckle.files import naming
from knuckle.sources.source import LiveFrame, RecordedSource
from knuckle.sources.steps import from_steps
from knuckle.sources.writer import FrameWriter

if TYPE_CHECKING:
    import zarr

CHUNK = 8
"""Frames a chunk: a killed recorder loses up to eight, a quarter of a second, and a seek decodes no more than eight."""

_TIMES_AT_ONCE = 1024 * CHUNK

_LAYOUT = "knuckle recording 1"


class RecordingWriter(FrameWriter):
    """Writes a recording, a chunk when it is full. Raises `SourceError` if it cannot be made, `MissingExtraError`."""

    def __init__(self, path: Path, camera: Camera, source: str) -> None:
        super().__init__(path, camera)
        self._written = 0
        self._held: list[tuple[NDArray, float]] = []
        with naming(path, SourceError):
            self._depth, self._times = _create(path, camera, source)

    @property
    def count(self) -> int:
        return self._written

    def _write(self, depth: NDArray[np.uint16] | NDArray[np.float32], timestamp: float) -> None:
        self._held.append((depth, timestamp))
        if len(self._held) == CHUNK:
            self._flush()

    def close(self) -> None:
        if self._held:
            self._flush()

    def _flush(self) -> None:
        held, self._held = self._held, []  # given up if the disk is full: what follows could not be written, either
        first, end = self._written, self._written + len(held)
        with naming(self.path, SourceError):
            self._depth.resize((end, *self._depth.shape[1:]))
            self._depth[first:end] = np.stack([depth for depth, _ in held])
            self._times.resize((end,))
            self._times[first:end] = np.array([time for _, time in held])
        self._written = end


class RecordingSource(RecordedSource):
    """A recording, also one whose recorder was killed or is still at it: the frames that were whole when it was opened.

    Raises `SourceError` for a folder that is no recording, or one without a frame; `MissingExtraError`.
    """

    def __init__(self, path: str | Path) -> None:
        self.name = str(path)
        self._path = Path(path)
        self.camera, self._depth, self._times = _open(self._path)
        if not len(self._times):
            raise SourceError(f"{path}: its recorder was stopped before the first frames were written")
        self._chunk = -1, np.empty(0)

    def __len__(self) -> int:
        return len(self._times)

    def timestamp(self, index: int) -> float:
        self.check_index(index)
        return float(self._times[index])

    def frame(self, index: int) -> LiveFrame:
        self.check_index(index)
        number, within = divmod(index, CHUNK)
        if self._chunk[0] != number:
            self._chunk = number, self._read(number)
        depth = from_steps(self._chunk[1][within], self.camera.depth_unit_mm)
        return LiveFrame(self.timestamp(index), as_depth(depth, f"{self.name}, frame {index}"), self.camera)

    def _read(self, number: int) -> NDArray:
        """The frames of a chunk, (up to 8, H, W)."""
        if not (self._path / "depth" / "c" / str(number) / "0" / "0").exists():  # Zarr would read zeros
            raise DepthError(f"{self.name}: the file of frames {number * CHUNK} to {number * CHUNK + 7} is lost")
        try:
            return np.asarray(self._depth[number * CHUNK : min(len(self), (number + 1) * CHUNK)])
        except Exception as error:  # every codec has its own kinds
            raise DepthError(f"{self.name}: damaged from frame {number * CHUNK} on ({error})") from None


def _create(path: Path, camera: Camera, source: str) -> "tuple[zarr.Array, zarr.Array]":
    """Arrays for depth and timestamps, without a frame yet."""
    zarr = _zarr()
    attributes = {"layout": _LAYOUT, "source": source, "camera": asdict(camera)}
    group = zarr.create_group(zarr.storage.LocalStore(path), attributes=attributes, zarr_format=3)
    size = (camera.height, camera.width)
    depth = group.create_array(
        "depth",
        shape=(0, *size),
        chunks=(CHUNK, *size),
        dtype="float32" if camera.depth_unit_mm is None else "uint16",
        # Level 1 keeps up with a sensor; the checksum tells damage from depth.
        compressors=(
            zarr.codecs.BloscCodec(cname="zstd", clevel=1, shuffle="shuffle"),
            zarr.codecs.Crc32cCodec(),
        ),
        attributes={"units": "mm"} if camera.depth_unit_mm is None else {"scale_factor": camera.depth_unit_mm},
        config={"write_empty_chunks": True},  # so that a file that is not there is lost, and not all zeros
    )
    times = group.create_array(
        "timestamps", shape=(0,), chunks=(CHUNK,), dtype="float64", fill_value=math.nan, compressors=None
    )
    return depth, times


def _open(path: Path) -> "tuple[Camera, zarr.Array, NDArray[np.float64]]":
    """Camera, depth (at least N, H, W) and timestamps (N,) of a recording."""
    zarr = _zarr()
    from knuckle.zarr_arrays import checked_array

    if not path.is_dir():
        raise SourceError(f"{path}: there is no such recording")
    try:
        group = zarr.open_group(zarr.storage.LocalStore(path, read_only=True), mode="r", zarr_format=3)
        if group.attrs.get("layout") != _LAYOUT:
            raise SourceError(f"{path}: a Zarr folder, but no recording: make one with  knuckle record")
        if "depth" not in group or "timestamps" not in group:
            raise SourceError(f"{path}: its recorder was stopped before the first frames were written")
        camera = Camera(**cast(dict[str, Any], group.attrs["camera"]))
        kind = "float32" if camera.depth_unit_mm is None else "uint16"
        depth = checked_array(group, "depth", (camera.height, camera.width), kind)
        times = _written(checked_array(group, "timestamps", (), "float64"))
        if depth.chunks[0] != CHUNK or depth.shape[0] < len(times):
            raise ValueError(f"its depth is {depth.shape}, which does not fit its times")
    except SourceError:
        raise
    except Exception as error:  # whatever a foreign or damaged Zarr folder makes it fail with
        raise SourceError(f"{path}: no recording, or a damaged one ({' '.join(str(error).split())})") from None
    return camera, depth, times


def _written(times: "zarr.Array") -> NDArray[np.float64]:
    """The timestamps before the first that is not written, read no further than that: an array may say any length."""
    if not math.isnan(times.fill_value) or times.chunks != (CHUNK,):
        raise ValueError("its timestamps are not a recorder's")
    found: list[NDArray[np.float64]] = []
    for start in range(0, times.shape[0], _TIMES_AT_ONCE):
        block = np.asarray(times[start : start + _TIMES_AT_ONCE], dtype=np.float64)
        unwritten = np.flatnonzero(np.isnan(block))
        found.append(block[: unwritten[0]] if len(unwritten) else block)
        if len(unwritten):
            break
    seconds = np.concatenate(found) if found else np.empty(0)
    if np.isinf(seconds).any():
        raise ValueError("its timestamps are not finite")
    return seconds


def _zarr() -> Any:
    try:
        import zarr
        import zarr.codecs
        import zarr.storage
    except ImportError:
        raise MissingExtraError("data", "zarr") from None
    return zarr
