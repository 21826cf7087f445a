"""What is fuzzed: a reader with valid files for it, or a function; and what counts as a fault."""

import shutil
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fuzz_bytes import chance, some, splice
from fuzz_formats import change_file
from knuckle.errors import KnuckleError


class FaultError(Exception):
    """A reader did what no reader may do. Its text begins with the kind of fault: error, memory, message."""


class Target(ABC):
    """Something that is given case after case."""

    name: str

    @abstractmethod
    def open(self, folder: Path) -> None:
        """Makes ready in an empty folder, and tries what is valid."""

    @abstractmethod
    def case(self, rng: np.random.Generator) -> None:
        """One case. Raises what the reader raises."""

    @abstractmethod
    def keep(self, folder: Path) -> None:
        """Writes what the last case was into a folder."""


@dataclass
class FileTarget(Target):
    """A reader of files. make: fills an empty folder with valid ones; read: reads such a folder.

    changed: patterns of the files that are changed, by default all; the first that matches is the main one.
    """

    name: str
    make: Callable[[Path], None]
    read: Callable[[Path], object]
    changed: Sequence[str] = ("**/*",)

    def open(self, folder: Path) -> None:
        self._valid, self.place = folder / "valid", folder / "case"
        self._valid.mkdir()
        self.make(self._valid)
        shutil.copytree(self._valid, self.place)
        found = dict.fromkeys(path for pattern in self.changed for path in sorted(self._valid.glob(pattern)))
        self._files = {str(path.relative_to(self._valid)): path.read_bytes() for path in found if path.is_file()}
        self._touched: set[str] = set()
        self.read(self.place)

    @property
    def main(self) -> str:
        """Name of the file that is changed where only one can be."""
        return next(iter(self._files))

    def case(self, rng: np.random.Generator) -> None:
        for name, data in self._changes(rng):
            self.put(name, data)
        self.read(self.place)

    def put(self, name: str, data: bytes | None) -> None:
        """Changes or removes a file of the case."""
        self._touched.add(name)
        if data is None:
            (self.place / name).unlink(missing_ok=True)
        else:
            (self.place / name).write_bytes(data)

    def restore(self) -> None:
        """Undoes the changes of the last case, whatever the reader did to its folder."""
        for name in self._touched:
            (self.place / name).write_bytes(self._files[name])
        self._touched.clear()

    def keep(self, folder: Path) -> None:
        shutil.copytree(self.place, folder, dirs_exist_ok=True)

    def _changes(self, rng: np.random.Generator) -> Iterator[tuple[str, bytes | None]]:
        self.restore()
        names = list(self._files)
        for _ in range(1 if len(names) == 1 or chance(rng, 0.7) else 2):
            name, other = some(rng, names), some(rng, names)
            if len(names) > 1 and chance(rng, 0.03):
                yield name, some(rng, (None, b"", self._files[other]))
            elif chance(rng, 0.05):
                yield name, splice(self._files[name], self._files[other], rng)
            else:
                yield name, change_file(name, self._files[name], rng)


@dataclass
class CallTarget(Target):
    """A function that is called with whatever comes out of the generator."""

    name: str
    prepare: Callable[[], Callable[[np.random.Generator], object]]

    def open(self, folder: Path) -> None:
        self._call = self.prepare()

    def case(self, rng: np.random.Generator) -> None:
        self._call(rng)

    def keep(self, folder: Path) -> None:
        """The number of the case says it all."""


def refusal(target: Target, seed: int, number: int) -> str | None:
    """Runs a case, which depends on (target, seed, number) alone; as `checked`."""
    rng = np.random.default_rng([seed, number, *target.name.encode()])
    return checked(lambda: target.case(rng))


def checked(work: Callable[[], object]) -> str | None:
    """Calls a reader: with what words it refused, None if it did not.

    Raises `FaultError` for any other exception, for a refusal in more than one line, and for memory that ran out.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # on a user's screen they are noise about a damaged file
            work()
    except KnuckleError as error:
        _check_refusal(error)
        return str(error)
    except MemoryError as error:
        raise FaultError(f"memory: {error}") from error
    except Exception as error:
        raise FaultError(f"error: {type(error).__name__}: {' '.join(str(error).split())[:300]}") from error
    return None


def _check_refusal(error: KnuckleError) -> None:
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, MemoryError) or "bad_alloc" in str(below) or "bad allocation" in str(below):
            raise FaultError(f"memory: asked for before it was refused: {str(error)[:300]}") from error
        below = below.__cause__ or below.__context__
    text = str(error)
    if len(text.splitlines()) != 1 or len(text) > 2000:
        raise FaultError(f"message: {len(text.splitlines())} lines, {len(text)} characters: {text[:300]!r}")
