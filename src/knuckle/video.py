"""Videos of results: depth, part map and skeleton side by side, as [N]'s demonstration shows them."""

import os
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from knuckle.draw import HandLike, Image, depth_image, overlay_parts, skeleton
from knuckle.errors import SettingsError
from knuckle.files import reason_of

_ENDING, _CODEC = ".mp4", "mp4v"
"""MPEG-4 part 2: every player knows it, browsers do not. OpenCV's wheels come without H.264, and their VP9 takes a
third of a second a picture."""

_SHADE_MM = 250.0
"""Before and behind the hand, in greys: the rest of the room is black or white."""


def panels(depth: NDArray[np.float32], hands: list[HandLike]) -> Image:
    """Depth (H, W) mm and the hands in it → (H, 3·W, 3): depth, part map over it, skeleton over it."""
    z = float(np.mean([np.asarray(hand.center)[2] for hand in hands])) if hands else None
    grey = depth_image(depth) if z is None else depth_image(depth, z - _SHADE_MM, z + _SHADE_MM)
    parts, bones = grey // 2, grey
    for hand in hands:
        parts = overlay_parts(parts, hand.parts, alpha=0.9)
        bones = skeleton(bones, hand.pixels, hand.confidence)
    return np.hstack([grey, parts, bones])


class VideoFile:
    """A video that is written picture by picture, and appears when it is finished.

    Use it as a context: if the block fails, an earlier file stays as it was. fps: frames a second. Raises
    `SettingsError` for a name that does not end in .mp4, a rate that is none, pictures of different sizes, or
    a file that cannot be written.
    """

    def __init__(self, path: str | Path, fps: float = 30.0) -> None:
        self._path, self._fps = Path(path), fps
        if self._path.suffix.lower() != _ENDING:
            raise SettingsError(f"{path}: a video's name must end in {_ENDING}")
        if not 1 <= fps <= 240:
            raise SettingsError(f"fps must be 1 to 240, got {fps!r}")
        # OpenCV tells the container by the ending
        self._partial = self._path.with_name(f".{self._path.stem}.{os.getpid()}.part{_ENDING}")
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self.pictures = 0  # written so far

    def __enter__(self) -> "VideoFile":
        return self

    def fits(self, picture: Image) -> bool:
        """Whether a picture (H, W, 3) is of the size of those before it."""
        return self._writer is None or self._size == _even(picture)

    def write(self, picture: Image) -> None:
        """Adds a picture (H, W, 3) RGB; odd heights and widths lose a row or column, as codecs want even ones."""
        width, height = _even(picture)
        if self._writer is None:
            self._writer = self._opened((width, height))
        if not self.fits(picture):
            raise SettingsError(f"{self._path}: pictures of {self._size} px, and one of {(width, height)}")
        self.pictures += 1
        self._writer.write(np.ascontiguousarray(picture[:height, :width, ::-1]))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.release()
        try:
            if kind is None and self._writer is not None:
                self._partial.replace(self._path)
        except OSError as fault:
            raise SettingsError(f"{self._path}: cannot write the video ({reason_of(fault)})") from None
        finally:
            if self._partial.exists():
                self._partial.unlink()

    def _opened(self, size: tuple[int, int]) -> cv2.VideoWriter:
        if not self._path.parent.is_dir():
            raise SettingsError(f"{self._path}: cannot write the video (no such folder)")
        writer = cv2.VideoWriter(str(self._partial), cv2.VideoWriter.fourcc(*_CODEC), self._fps, size)
        if not writer.isOpened():
            raise SettingsError(f"{self._path}: cannot write the video (is the folder writable?)")
        self._size = size
        return writer


def _even(picture: Image) -> tuple[int, int]:
    """Width and height, both even."""
    return picture.shape[1] // 2 * 2, picture.shape[0] // 2 * 2
