"""What a training run says of itself: JSON lines for programs, TensorBoard's events for people."""

import json
from pathlib import Path

from tensorboardX import SummaryWriter

from knuckle.files import write_whole


class TrainingLog:
    """Appends to `log.jsonl` and to TensorBoard's event files in a folder; `first`: the step that a run goes on from.

    A killed run may have logged steps after its last checkpoint. They are done again, so their lines are dropped, and
    TensorBoard is told to forget them: a curve has every step once.
    """

    def __init__(self, folder: Path, first: int = 0) -> None:
        path = folder / "log.jsonl"
        if path.exists():
            _forget_after(path, first)
        self._file = path.open("a", encoding="utf-8")
        self._events = SummaryWriter(str(folder), purge_step=first, write_to_disk=True)

    def add(self, step: int, **values: float) -> None:
        """Notes values by their names after a step."""
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        self._file.flush()
        for name, value in values.items():
            self._events.add_scalar(name, value, step)

    def close(self) -> None:
        self._file.close()
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
