"""What a training run says of itself: JSON lines for programs, TensorBoard's events for people."""

import json
from pathlib import Path

from tensorboardX import SummaryWriter


class TrainingLog:
    """Appends to `log.jsonl` and to TensorBoard's event files in a folder; `first`: the step that a run goes on from.

    A killed run may have logged steps after its last checkpoint: TensorBoard is told to forget them, and of two lines
    for one step the later one counts.
    """

    def __init__(self, folder: Path, first: int = 0) -> None:
        self._file = (folder / "log.jsonl").open("a", encoding="utf-8")
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
