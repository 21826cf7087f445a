"""A source → a recording."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from knuckle.errors import CameraError, DepthError, SettingsError, SourceError
from knuckle.lock import only_writer
from knuckle.sources.folder_writer import FolderWriter
from knuckle.sources.recording import RecordingWriter
from knuckle.sources.source import FRAME_SECONDS, BadFrame, LiveFrame, Source
from knuckle.sources.writer import FrameWriter


@dataclass(frozen=True)
class Recorded:
    """frames: how many the recording holds; bad: how many could not be read or kept; stopped: before all was done."""

    frames: int
    bad: int
    stopped: bool


def record(
    source: Source,
    out: str | Path,
    frames: int | None = None,
    seconds: float | None = None,
    complain: Callable[[str], None] = lambda line: None,
    stop: Callable[[], bool] = lambda: False,
) -> Recorded:
    """Writes a source's frames, without loss, into a new folder: Zarr if its name ends in .zarr, else images.

    It ends with the source, after so many whole frames, with the first frame that is so many seconds (by the source's
    clock) later than the first one, or when `stop`, which is asked after each frame, says so. `complain` gets a line
    for every frame that could not be read or kept; those are left out.

    Raises `SettingsError` if something is at `out`, or being recorded there; `SourceError`, saying how many frames are
    in the recording, if the source stops giving frames or the recording cannot be written: what is there can be read.
    """
    with only_writer(Path(out)):
        return _record(source, _Taker(Path(out), source.name, frames, seconds, complain), stop)


def _record(source: Source, taker: "_Taker", stop: Callable[[], bool]) -> Recorded:
    stopped = False
    try:
        try:
            with closing(source.frames()) as stream:
                for item in stream:
                    wanted = taker.take(item)
                    stopped = wanted and stop()
                    if stopped or not wanted:
                        break
        finally:
            taker.close()
    except SourceError as error:
        raise SourceError(f"{error}; {taker.in_words()}") from None
    if not taker.count:
        raise SourceError(f"{source.name}: not one frame could be recorded")
    return Recorded(taker.count, taker.bad, stopped)


class _Taker:
    """Takes frames, opens the recording with the first good one, and knows when it has all that were asked for."""

    def __init__(
        self, out: Path, name: str, frames: int | None, seconds: float | None, complain: Callable[[str], None]
    ) -> None:
        _require_free(out)
        self._out, self._name, self._complain = out, name, complain
        self._frames, self._seconds = frames, seconds
        self._writer: FrameWriter | None = None
        self._first: float | None = None  # s on the source's clock, and of the frame before
        self._before = 0.0
        self._kept = self.bad = 0

    @property
    def count(self) -> int:
        """Whole frames in the recording."""
        return 0 if self._writer is None else self._writer.count

    def in_words(self) -> str:
        frames = "1 frame" if self.count == 1 else f"{self.count} frames"
        return f"{frames} before that can be read from {self._out}" if self.count else "no frame was recorded"

    def take(self, item: LiveFrame | BadFrame) -> bool:
        """Takes a frame, or leaves it out; whether more are wanted."""
        if self._seconds is not None and self._elapsed(item.timestamp) >= self._seconds:
            return False
        if isinstance(item, BadFrame):
            self._leave_out(str(item.error))
            return True
        self._writer = self._writer or open_writer(self._out, item, self._name)
        try:
            self._writer.add(item)
            self._kept += 1
        except (CameraError, DepthError) as error:
            self._leave_out(f"{self._name}: the frame at {item.timestamp:.3f} s cannot be recorded: {error}")
        return self._kept != self._frames

    def _elapsed(self, timestamp: float) -> float:
        """Seconds since the first frame; a clock that goes back, as after a camera's reset, goes on from there."""
        if self._first is None:
            self._first = timestamp
        elif timestamp < self._before:
            self._first -= self._before + FRAME_SECONDS - timestamp
        self._before = timestamp
        return timestamp - self._first

    def _leave_out(self, line: str) -> None:
        self.bad += 1
        self._complain(line)

    def close(self) -> None:
        """Finishes the recording. Raises `SourceError` if that fails."""
        if self._writer is not None:
            self._writer.close()


def open_writer(out: Path, first: LiveFrame, source: str) -> FrameWriter:
    """A new recording of the first frame's camera: Zarr or a folder of images, by the name."""
    if out.suffix == ".zarr":
        return RecordingWriter(out, first.camera, source)
    return FolderWriter(out, first.camera)


def _require_free(out: Path) -> None:
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise SettingsError(f"{out}: something is there already: choose another name for the recording")
