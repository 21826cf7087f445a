"""A depth image that somebody gives to the page, as a source of one frame."""

import tempfile
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import TypeVar

from knuckle.camera import Camera
from knuckle.depth import read_depth
from knuckle.errors import CameraError, DepthError
from knuckle.sources import LiveFrame, RecordedSource

T = TypeVar("T")

MAX_BYTES = 64 << 20
"""Of an uploaded file; the largest depth images are a few megabytes."""


class StillSource(RecordedSource):
    """One frame, over and over."""

    def __init__(self, name: str, frame: LiveFrame) -> None:
        self.name = name
        self._frame = frame

    def __len__(self) -> int:
        return 1

    def timestamp(self, index: int) -> float:
        self.check_index(index)
        return self._frame.timestamp

    def frame(self, index: int) -> LiveFrame:
        self.check_index(index)
        return self._frame


def uploaded_camera(name: str, content: bytes) -> Camera:
    """A camera file's intrinsics. Raises `CameraError`."""
    return _through_file(name, content, Camera.load)


def uploaded_frame(name: str, content: bytes, camera: Camera) -> LiveFrame:
    """A depth image (.png, .npy, .bin) in steps of the camera's depth_unit_mm, or of 1 mm.

    Raises `DepthError` for a file that is none, or of more than 64 MiB, and `CameraError` if it is of another size than
    the camera's.
    """
    if len(content) > MAX_BYTES:
        raise DepthError(f"{name}: more than {MAX_BYTES >> 20} MiB: not a depth image")
    depth = _through_file(name, content, lambda path: read_depth(path, camera.depth_unit_mm))
    try:
        camera.check_image(depth.shape)
    except CameraError as error:
        raise CameraError(f"{name}: {error}") from None
    return LiveFrame(0.0, depth, camera)


def _through_file(name: str, content: bytes, read: Callable[[Path], T]) -> T:
    """What `read` makes of the content, as a file of that kind; messages name the file as its owner knows it."""
    with tempfile.TemporaryDirectory(prefix="knuckle-") as folder:
        path = Path(folder) / f"upload{PurePath(name).suffix[:8]}"
        try:
            path.write_bytes(content)
            return read(path)
        except (DepthError, CameraError) as error:
            raise type(error)(str(error).replace(str(path), name)) from None
        except (OSError, ValueError) as error:  # the disk is full, or an ending that no file can have
            raise DepthError(f"{name}: cannot be taken ({error})") from None
