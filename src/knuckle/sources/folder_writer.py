"""A recording as a folder, as `FolderSource` reads it: a PNG or .npy a frame, camera.json and timestamps.csv."""

import io
from pathlib import Path
from typing import IO

import cv2
import numpy as np
from numpy.typing import NDArray

from knuckle.camera import Camera
from knuckle.errors import SourceError
from knuckle.files import reason_of, write_whole
from knuckle.sources.intrinsics import CAMERA_FILE
from knuckle.sources.timestamps import HEADER, TIMES_FILE, format_line
from knuckle.sources.writer import FrameWriter


class FolderWriter(FrameWriter):
    """16-bit PNG in steps of the camera's unit, float32 .npy in mm where it has none: 000000.png, 000001.png, ...

    An image is written whole before its line in timestamps.csv, and only what has a line is a frame. Raises
    `SourceError` if the folder cannot be made.
    """

    def __init__(self, path: Path, camera: Camera) -> None:
        super().__init__(path, camera)
        self._count = 0
        try:
            path.mkdir(parents=True, exist_ok=True)
            camera.save(path / CAMERA_FILE)
            # Unbuffered: a line goes to the system in one call, so a killed process leaves all of it or nothing.
            self._times: IO[bytes] = (path / TIMES_FILE).open("xb", buffering=0)
            self._append(f"{HEADER}\n")
        except OSError as error:
            raise SourceError(f"{path}: cannot write ({reason_of(error)})") from None

    @property
    def count(self) -> int:
        return self._count

    def _write(self, depth: NDArray[np.uint16] | NDArray[np.float32], timestamp: float) -> None:
        ending, data = _encode(depth)
        name = f"{self._count:06d}{ending}"
        write_whole(self.path / name, data, SourceError)
        try:
            self._append(format_line(name, timestamp))
        except OSError as error:
            raise SourceError(f"{self.path / TIMES_FILE}: cannot write ({reason_of(error)})") from None
        self._count += 1

    def _append(self, line: str) -> None:
        """Adds a line, or leaves the file as it was: a full disk may take only the first half of it."""
        data, size = line.encode(), self._times.tell()
        try:
            written = self._times.write(data)
            while written < len(data):  # the rest fails with the reason, or fits after all
                written += self._times.write(data[written:])
        except OSError:
            self._times.seek(size)
            self._times.truncate()
            raise

    def close(self) -> None:
        self._times.close()


def _encode(depth: NDArray[np.uint16] | NDArray[np.float32]) -> tuple[str, bytes]:
    """How the file's name ends, and what is in it."""
    if depth.dtype == np.uint16:
        return ".png", cv2.imencode(".png", depth)[1].tobytes()
    file = io.BytesIO()
    np.save(file, depth)
    return ".npy", file.getvalue()
