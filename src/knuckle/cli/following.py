"""`knuckle predict` for frames that follow each other: recordings, stacks, bags, sensors."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from knuckle.cli.live import INTERRUPTED, stopping
from knuckle.cli.output import complain, progress, say
from knuckle.errors import CameraError, DepthError, SourceError
from knuckle.numpy_files import read_header

if TYPE_CHECKING:
    from knuckle.estimator import Hand
    from knuckle.sources import BadFrame, LiveFrame, Source
    from knuckle.tracking import HandTracker, TrackedHand

_NAMES = ("synthetic", "realsense")
_ENDINGS = (".zarr", ".npz", ".bag", ".mcap", ".db3")

Item = TypeVar("Item")


@dataclass(frozen=True)
class Wanted:
    """What is to be made of a source's frames; paths are None, and counts too, where they were not asked for."""

    frames: int | None
    as_json: bool
    csv: Path | None
    out: Path | None
    video: Path | None
    fps: float | None

    @property
    def tells(self) -> bool:
        """Whether a line for each frame is printed: what a file was asked for is not told as well."""
        return self.as_json or (self.csv is None and self.out is None and self.video is None)


def is_source(frames: list[Path]) -> bool:
    """Whether `knuckle predict` was given one source of frames instead of depth images."""
    if len(frames) != 1:
        return False
    path = frames[0]
    if path.is_dir() or path.suffix.lower() in _ENDINGS:
        return True
    return _holds_many(path) if path.suffix.lower() == ".npy" else str(path) in _NAMES and not path.exists()


def _holds_many(path: Path) -> bool:
    """Whether a .npy is a stack (N, H, W); one that cannot be read is left to whoever reads it."""
    try:
        with path.open("rb") as file:
            return len(read_header(file).shape) == 3
    except (OSError, ValueError):
        return False


def predict_source(source: "Source", tracker: "HandTracker", wanted: Wanted) -> None:
    """Follows the hands through a source's frames.

    Exits with 130 if Ctrl-C came before all that were asked for, with 2 if a frame could not be read or filmed, or the
    source failed; the files are kept.
    """
    from knuckle.predictions import csv_file, records_file, refuse_over
    from knuckle.sources import RecordedSource
    from knuckle.video import VideoFile

    total = min(wanted.frames or len(source), len(source)) if isinstance(source, RecordedSource) else wanted.frames
    for path in (wanted.csv, wanted.out):
        refuse_over(path, [Path(source.name)], [Path(source.name)])
    with ExitStack() as files:
        keeper = _Keeper(
            source.name,
            wanted,
            None if wanted.csv is None else files.enter_context(csv_file(wanted.csv)),
            None if wanted.out is None else files.enter_context(records_file(wanted.out)),
            None if wanted.video is None else files.enter_context(VideoFile(wanted.video, wanted.fps or _rate(source))),
        )
        stop = files.enter_context(stopping())
        advance = files.enter_context(progress("frames", total))
        stream = files.enter_context(closing(source.frames()))
        for index, frame, hands in _followed(watched(islice(stream, total), advance, stop), tracker, keeper):
            keeper.keep(index, frame, hands)
        interrupted = stop() and total is not None and keeper.frames + keeper.faults < total
    keeper.report()
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    if keeper.faults or keeper.unfilmed:
        raise typer.Exit(2)


def watched(items: Iterable[Item], advance: Callable[[], None], stop: Callable[[], bool]) -> Iterator[Item]:
    """The items, each counted when it has been dealt with, until Ctrl-C."""
    for item in items:
        yield item
        advance()
        if stop():
            return


def _followed(
    items: "Iterable[LiveFrame | BadFrame]", tracker: "HandTracker", keeper: "_Keeper"
) -> Iterator[tuple[int, "LiveFrame", "list[TrackedHand]"]]:
    """Every good frame with its number and its hands, until the frames end or their source fails."""
    from knuckle.sources import BadFrame

    try:
        for index, item in enumerate(items):
            if isinstance(item, BadFrame):
                keeper.complain(str(item.error))
                continue
            try:
                # a covered sensor shows no hand
                hands = tracker(item.depth, item.camera, item.timestamp) if item.depth.any() else []
            except (DepthError, CameraError) as error:
                keeper.complain(f"{keeper.name}, frame {index}: {error}")
                continue
            yield index, item, hands
    except SourceError as error:
        keeper.complain(str(error))


@dataclass
class _Keeper:
    """Writes and prints what was asked for, and counts."""

    name: str
    wanted: Wanted
    row: Callable[[list[str]], Any] | None
    records: Any
    film: Any
    frames: int = 0
    found: int = 0
    faults: int = 0
    unfilmed: int = 0

    def complain(self, line: str) -> None:
        self.faults += 1
        complain(line)

    def keep(self, index: int, frame: "LiveFrame", hands: "list[TrackedHand]") -> None:
        from knuckle.predictions import Moment, summary, to_record, to_row
        from knuckle.video import panels

        self.frames += 1
        self.found += bool(hands)
        rows: list[tuple[int | None, Hand | None]] = [(found.number, found.hand) for found in hands]
        for number, hand in rows or [(None, None)]:
            moment = Moment(index, frame.timestamp, number)
            if self.row is not None:
                self.row(to_row(Path(self.name), hand, moment))
            if self.records is not None:
                self.records.write(to_record(Path(self.name), hand, moment) + "\n")
            if self.wanted.as_json:
                say(to_record(Path(self.name), hand, moment))
            elif self.wanted.tells:
                say(summary(f"{self.name}, frame {index}", hand))
        if self.wanted.out is not None:
            self._picture(index, frame, hands)
        if self.film is not None:
            picture = panels(frame.depth, [found.hand for found in hands])
            if self.film.fits(picture):
                self.film.write(picture)
            else:  # everything else is kept of it
                self.unfilmed += 1
                complain(f"{self.name}, frame {index}: of another size than the first: left out of the video")

    def _picture(self, index: int, frame: "LiveFrame", hands: "list[TrackedHand]") -> None:
        from knuckle.draw import hand_picture, write_image

        assert self.wanted.out is not None
        for place, hand in enumerate([found.hand for found in hands] or [None]):
            name = f"{index:06d}-hand.png" if place == 0 else f"{index:06d}-hand-{place + 1}.png"
            write_image(self.wanted.out / name, hand_picture(frame.depth, hand))

    def report(self) -> None:
        if self.wanted.as_json:
            return
        say(f"{self.name}: a hand in {self.found} of {self.frames} frames")
        for path in (self.wanted.csv, self.wanted.out, self.wanted.video):
            if path is not None and (path is not self.wanted.video or self.frames):
                say(f"wrote {path}")


def _rate(source: "Source") -> float:
    """Frames a second of a recording, 30 of what does not tell."""
    import numpy as np

    from knuckle.sources import RecordedSource

    if not isinstance(source, RecordedSource) or len(source) < 2:
        return 30.0
    step = float(np.median(np.diff([source.timestamp(index) for index in range(min(len(source), 200))])))
    return min(max(1 / step, 1.0), 240.0) if step > 0 else 30.0
