"""What is predicted so far, beside the file that will hold all: a killed run goes on from it."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knuckle.errors import DatasetError
from knuckle.files import write_whole


@dataclass(frozen=True, eq=False)
class Part:
    """A run of a dataset's frames.

    joints: (n, J, 3) mm, the dataset's own, nan where no hand was found; empty: how many frames show none; unread: a
    line for each frame that could not be read.
    """

    number: int
    joints: NDArray[np.float64]
    empty: int
    unread: list[str]


class Parts:
    """The parts of a file that is being made, in the folder `.NAME.parts` beside it.

    made_by: a checksum of all that the numbers depend on; parts of another one are not seen.
    """

    def __init__(self, out: Path, made_by: str) -> None:
        self._folder = out.with_name(f".{out.name}.parts")
        self._made_by = made_by[:16]

    def keep(self, part: Part) -> None:
        """Writes a part, whole or not at all. Raises `DatasetError` if that cannot be."""
        body = json.dumps({"joints": part.joints.tolist(), "empty": part.empty, "unread": part.unread})
        write_whole(self._path(part.number), f"{_sha256(body)}\n{body}", DatasetError)

    def read(self, number: int) -> Part | None:
        """A part that was kept, to the last bit, or None."""
        try:
            checksum, _, body = self._path(number).read_text(encoding="utf-8").partition("\n")
        except (OSError, UnicodeDecodeError):
            return None
        if checksum != _sha256(body):  # damaged: it is made again
            return None
        held = json.loads(body)
        return Part(number, np.array(held["joints"]), held["empty"], held["unread"])

    def remove(self) -> None:
        """Removes all parts, those of other runs too."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._made_by}-{number:06d}.json"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
