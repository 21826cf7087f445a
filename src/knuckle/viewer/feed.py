"""A source that plays in a thread of its own, so that a slow, broken or silent one holds nobody up."""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace

from knuckle.errors import CameraError, DepthError
from knuckle.sources import BadFrame, LiveFrame, RecordedSource, Source
from knuckle.sources.source import FRAME_SECONDS

RETRY_SECONDS = 2.0
"""After a fault, until the source is opened again: a camera that is plugged in again comes back by itself."""

_MOST_WAITING = 4
"""Frames: enough that none is lost to a look or two that take several times longer than a frame lasts."""

_LONGEST_PAUSE = 1.0  # s between two frames of a recording: nobody wants to sit through longer ones


@dataclass(frozen=True, eq=False)
class Arrived:
    """A frame, its number in the stream, and when it came, in seconds of `time.monotonic`."""

    frame: LiveFrame
    index: int
    at: float


@dataclass(frozen=True)
class FeedState:
    """length: frames of a recording, None of a live source or before it is open; fault: why no frames come, "" while
    they do; bad, last_bad: how many could not be read, and why the last one could not; dropped: came while nobody took
    them."""

    name: str = ""
    length: int | None = None
    paused: bool = False
    fault: str = ""
    bad: int = 0
    last_bad: str = ""
    dropped: int = 0


class Feed:
    """Plays a source: the four newest frames wait until they are taken; older ones are dropped.

    A recording plays at its own pace, over and over, and can be moved about in; a live source is what it is. Whatever a
    source raises becomes the state's `fault`, and it is opened again after `retry_seconds`. open_it: opens it, in the
    feed's thread.
    """

    def __init__(self, open_it: Callable[[], Source], name: str, retry_seconds: float = RETRY_SECONDS) -> None:
        self._open, self._retry = open_it, retry_seconds
        self._changed = threading.Condition()
        self._state = FeedState(name)
        self._waiting: deque[Arrived] = deque()
        self._closed = False
        self._steps = 0
        self._next = 0  # of a recording
        self._jumped = False
        self._thread = threading.Thread(target=self._run, name=f"feed of {name}", daemon=True)
        self._thread.start()

    @property
    def state(self) -> FeedState:
        """As it is now."""
        with self._changed:
            return self._state

    @property
    def waiting(self) -> int:
        """Frames that wait to be taken."""
        return len(self._waiting)

    def take(self, timeout: float) -> Arrived | None:
        """The next frame that was not taken yet, waited for up to `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed, timeout)
            self._changed.notify_all()
            return self._waiting.popleft() if self._waiting else None

    def pause(self, paused: bool) -> None:
        """Holds the picture, or lets it go on; a live source runs on, unseen."""
        with self._changed:
            self._steps = 0
            self._note(paused=paused)

    def step(self) -> None:
        """Lets one more frame through while it is paused."""
        with self._changed:
            self._steps += 1
            self._changed.notify_all()

    def seek(self, index: int) -> None:
        """Shows this frame of a recording next, paused or not; the nearest one if there is none."""
        with self._changed:
            self._next, self._jumped = min(max(index, 0), (self._state.length or 1) - 1), True
            self._changed.notify_all()

    def close(self) -> None:
        """Stops it. A sensor that is being waited for is given back as soon as it answers."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout=1.0)

    def _run(self) -> None:
        while not self._closed:
            try:
                with self._open() as source:
                    length = len(source) if isinstance(source, RecordedSource) else None
                    with self._changed:
                        self._note(name=source.name, length=length, fault="")
                    if isinstance(source, RecordedSource):
                        self._play_recording(source)
                    else:
                        self._play_live(source)
                fault = "the stream has ended"
            except Exception as error:  # a driver may raise anything, and the page must go on
                fault = " ".join(str(error).split()) or type(error).__name__
            with self._changed:
                self._note(fault=fault)
                self._changed.wait_for(lambda: self._closed, self._retry)

    def _play_live(self, source: Source) -> None:
        with closing(source.frames()) as frames:
            for index, item in enumerate(frames):
                with self._changed:
                    if self._closed:
                        return
                    if isinstance(item, BadFrame):
                        self._note_bad(str(item.error))
                    elif not self._state.paused or self._steps:
                        self._steps = max(0, self._steps - 1)
                        self._offer(item, index)

    def _play_recording(self, source: RecordedSource) -> None:
        due = time.monotonic()
        while (index := self._await_turn(due)) is not None:
            try:
                frame = source.frame(index)
            except (DepthError, CameraError) as error:
                with self._changed:
                    self._note_bad(str(error))
            else:
                with self._changed:
                    self._offer(frame, index)
            following = (index + 1) % len(source)
            due = max(due, time.monotonic() - FRAME_SECONDS) + _pause(source, index, following)
            with self._changed:
                if not self._jumped:
                    self._next = following

    def _await_turn(self, due: float) -> int | None:
        """The number of the frame to show, when it is time for it; None when the feed is closed."""
        with self._changed:
            while not self._closed:
                left = due - time.monotonic()
                if self._jumped or self._steps or (not self._state.paused and left <= 0):
                    self._steps = max(0, self._steps - 1)
                    self._jumped = False
                    return self._next
                self._changed.wait(None if self._state.paused else left)
        return None

    def _offer(self, frame: LiveFrame, index: int) -> None:
        if len(self._waiting) == _MOST_WAITING:
            self._waiting.popleft()
            self._note(dropped=self._state.dropped + 1)
        self._waiting.append(Arrived(frame, index, time.monotonic()))
        self._changed.notify_all()

    def _note_bad(self, error: str) -> None:
        self._note(bad=self._state.bad + 1, last_bad=" ".join(error.split()))

    def _note(self, **changes: str | int | bool | None) -> None:
        self._state = replace(self._state, **changes)  # type: ignore[arg-type]
        self._changed.notify_all()


def _pause(source: RecordedSource, index: int, following: int) -> float:
    """Seconds from a frame of a recording to the next one."""
    seconds = source.timestamp(following) - source.timestamp(index)
    return min(seconds, _LONGEST_PAUSE) if seconds > 0 else FRAME_SECONDS
