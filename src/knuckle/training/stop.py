"""SIGTERM, as machines on loan send it before they go, and Ctrl-C: a training ends after a step, not amid one."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

STOPPING = (signal.SIGTERM, signal.SIGINT)
"""What stops a training between two steps."""


class TrainingStopped(KeyboardInterrupt):
    """A signal has stopped a training, whose checkpoint is written: the same call goes on from there."""

    def __init__(self, number: int, folder: Path, step: int, steps: int) -> None:
        name = signal.Signals(number).name
        super().__init__(
            f"{folder}: stopped by {name} after step {step} of {steps}: the same command goes on from there"
        )
        self.number = number

    @property
    def exit_code(self) -> int:
        """0 after SIGTERM: what it asked for is done; 130 after Ctrl-C, as shells have it."""
        return 0 if self.number == signal.SIGTERM else 130


@contextmanager
def noting_signals() -> Iterator[Callable[[], int]]:
    """While the block runs, the first of `STOPPING` is only noted; a second one acts as ever.

    Yields what returns the signal's number, 0 before there is one. Outside of the main thread, where Python lets nobody
    handle signals, none is noted.
    """
    noted = 0
    if threading.current_thread() is not threading.main_thread():
        yield lambda: noted
        return
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in STOPPING}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, _: FrameType | None) -> None:
        nonlocal noted
        noted = number
        restore()

    for number in STOPPING:
        signal.signal(number, note)
    try:
        yield lambda: noted
    finally:
        restore()
