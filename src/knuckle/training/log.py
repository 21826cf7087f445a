"""What a training run says of itself: JSON lines for programs, TensorBoard's events for people."""

import json
import time
from pathlib import Path

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.summary import scalar

from knuckle.files import naming, write_whole


class TrainingLog:
    """Appends to `log.jsonl` and to TensorBoard's event files in a folder; `first`: the step that a run goes on from.

    A killed run may have logged steps after its last checkpoint. They are done again, so their lines are dropped, and
    TensorBoard is told to forget them: a curve has every step once. Both files are written at once, not by a thread as
    tensorboardX's `SummaryWriter` would: on a full disk that thread dies, and its queue then blocks the training for
    ever. Raises `SettingsError` if they cannot be written.
    """

    def __init__(self, folder: Path, first: int = 0) -> None:
        self._path = folder / "log.jsonl"
        if self._path.exists():
            _forget_after(self._path, first)
        with naming(self._path):
            self._file = self._path.open("ab", buffering=0)  # a line goes to the system in one call
            self._events = EventsWriter(str(folder / "events"))
            start = SessionLog(status=SessionLog.START)
            self._events.write_event(Event(wall_time=time.time(), step=first, session_log=start))
            self._events.flush()

    def add(self, step: int, **values: float) -> None:
        """Notes values by their names after a step."""
        with naming(self._path):
            self._file.write((json.dumps({"step": step, **values}) + "\n").encode())
            for name, value in values.items():
                self._events.write_event(Event(wall_time=time.time(), step=step, summary=scalar(name, value)))
            self._events.flush()

    def close(self) -> None:
        self._file.close()
        with naming(self._path):
            self._events.close()


def _forget_after(path: Path, step: int) -> None:
    """Drops lines of later steps, and what a kill or a full disk left of half a line."""
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if line.endswith(b"\n") and _step_of(line) <= step]
    if kept != lines:
        write_whole(path, b"".join(kept))


def _step_of(line: bytes) -> float:
    """Infinite for what is no line of a log."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
