"""What a run keeps for pictures: some test frames with what every row says of them, and what the gate rejected."""

from dataclasses import dataclass
from pathlib import Path

from numpy.typing import NDArray

from knuckle.errors import SettingsError
from knuckle.numpy_files import read_npz
from knuckle.report.runs import FinishedRun

_EXAMPLES = "examples.npz"
_OF_EXAMPLES = ("depth", "truth", "predicted", "joints", "center", "cube_mm")
_REJECTED = "rejected.npz"
_OF_REJECTED = ("depth", "predicted", "restored")


@dataclass(frozen=True, eq=False)
class Arrays:
    """The arrays of one file, (N, ...) each."""

    path: Path
    named: dict[str, NDArray]

    def __getitem__(self, name: str) -> NDArray:
        """Raises `SettingsError` if the file lacks it."""
        if name not in self.named:
            raise SettingsError(f"{self.path}: has no {name!r}: remove the file and run  knuckle train  again")
        return self.named[name]

    def __contains__(self, name: str) -> bool:
        return name in self.named

    def __len__(self) -> int:
        return len(self["depth"])


def read_examples(run: FinishedRun) -> Arrays | None:
    """Test frames: depth, truth, predicted, maybe restored, joints, center, cube_mm, "parts of ROW", "joints of ROW".

    None if the run kept none. Raises `SettingsError` if the file is damaged.
    """
    return _read(run.folder / _EXAMPLES, _OF_EXAMPLES)


def read_rejected(run: FinishedRun, row: str) -> Arrays | None:
    """Training frames whose restoration a row's gate rejected: depth, predicted, restored.

    None if the row kept none. Raises `SettingsError` if the file is damaged.
    """
    return _read(run.folder / "supervision" / row / _REJECTED, _OF_REJECTED)


def _read(path: Path, names: tuple[str, ...]) -> Arrays | None:
    if not path.exists():
        return None
    arrays = Arrays(path, read_npz(path, SettingsError))
    for name in names:
        arrays[name]
    frames = {name: array.shape[:1] for name, array in arrays.named.items()}  # () of a single number
    other = next((name for name, found in frames.items() if found == () or found != frames["depth"]), None)
    if other is not None:
        raise SettingsError(
            f"{path}: {other!r} is not of as many frames as the depth: remove the file and run  knuckle train  again"
        )
    return arrays
