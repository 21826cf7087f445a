"""Cases run in a process of their own, with a limit of memory and of time; one that dies is replaced by another."""

import contextlib
import faulthandler
import gc
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fuzz_target import FaultError, Target, refusal

MEMORY = 1 << 30
"""Bytes that a case may ask for, beyond what the process had when it began."""

SECONDS = 10.0
"""Of computing time that a case may take; it may wait for ten times as long."""

_STARTING = 600.0  # seconds that a process may take before its first case
_RESERVE = 300 << 20  # of the memory, for what stays behind from case to case, before a fresh process takes over
_CASE, _ACCEPTED, _REFUSED, _PEAK = range(4)


@dataclass
class Outcome:
    """What became of the cases of a target; peak_mb: resident memory of its largest case, beyond the program's own."""

    name: str
    accepted: int = 0
    refused: int = 0
    seconds: float = 0.0
    peak_mb: float = 0.0
    faults: list[tuple[int, str]] = field(default_factory=list)

    @property
    def cases(self) -> int:
        return self.accepted + self.refused + len(self.faults)


def run_cases(
    find: Callable[[str], Target],
    name: str,
    cases: int,
    seed: int = 0,
    seconds: float | None = None,
    keep: Path | None = None,
    most_faults: int = 100,
    note: Callable[[Outcome], None] = lambda outcome: None,
) -> Outcome:
    """Runs cases of a target, or as many as there is time for; what is wrong with which one is kept in a folder.

    find: gives the target by its name, in any process.
    """
    outcome, first, begun = Outcome(name), 0, time.monotonic()
    until = None if seconds is None else begun + seconds
    while first < cases and len(outcome.faults) < most_faults and (until is None or time.monotonic() < until):
        with tempfile.TemporaryDirectory(prefix="knuckle-fuzz-") as folder:
            worker = _Worker(find, name, seed, range(first, cases), Path(folder), keep)
            first = worker.watch(outcome, until, note)
    outcome.seconds = time.monotonic() - begun
    return outcome


class _Worker:
    """One process, and what it says."""

    def __init__(
        self, find: Callable[[str], Target], name: str, seed: int, cases: range, folder: Path, keep: Path | None
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self.counts = context.RawArray("q", 4)
        self.counts[_CASE] = cases.start - 1
        self.name, self.seed, self.cases, self.folder, self.keep = name, seed, cases, folder, keep
        self.heard, said = context.Pipe(duplex=False)
        arguments = (find, name, seed, cases, folder, keep, self.counts, said)
        self.process: Any = context.Process(target=_work, args=arguments, daemon=True)
        self.process.start()
        said.close()

    def watch(self, outcome: Outcome, until: float | None, note: Callable[[Outcome], None]) -> int:
        """Waits for its end; returns the number of the next case."""
        before = outcome.accepted, outcome.refused
        moved, at = time.monotonic(), self.counts[_CASE]
        stopped, finished = "", False
        while not finished and not stopped:
            try:
                while self.heard.poll(0.2):
                    said = self.heard.recv()
                    finished |= said is None
                    if said is not None:
                        outcome.faults.append(said)
            except EOFError:
                break
            if self.counts[_CASE] != at:
                moved, at = time.monotonic(), self.counts[_CASE]
            stopped = "time" if until and time.monotonic() > until else ""
            patience = 10 * SECONDS if at >= self.cases.start else _STARTING
            stopped = "hang" if time.monotonic() - moved > patience else stopped
            outcome.accepted, outcome.refused = before[0] + self.counts[_ACCEPTED], before[1] + self.counts[_REFUSED]
            outcome.peak_mb = max(outcome.peak_mb, self.counts[_PEAK] / 1024)
            note(outcome)
        if stopped:
            self.process.kill()
        self.process.join()
        outcome.accepted, outcome.refused = before[0] + self.counts[_ACCEPTED], before[1] + self.counts[_REFUSED]
        if not finished and stopped != "time":
            self._note_death(outcome, stopped)
        return int(self.counts[_CASE]) + 1

    def _note_death(self, outcome: Outcome, stopped: str) -> None:
        code = self.process.exitcode
        kind = signal.Signals(-code).name if code and code < 0 else f"exit code {code}"
        what = "hang: waits" if stopped else f"hang: {SECONDS:g} s" if kind == "SIGPROF" else f"crash: {kind}"
        if self.counts[_CASE] < self.cases.start:
            raise RuntimeError(f"{self.name}: cannot be begun ({what})")
        outcome.faults.append((int(self.counts[_CASE]), what))
        _keep(self.keep, self.name, int(self.counts[_CASE]), what, lambda to: _copy_all(self.folder, to))


def _copy_all(folder: Path, to: Path) -> None:
    for name in ("case", "crash.txt"):
        if (folder / name).is_dir():
            shutil.copytree(folder / name, to / name, dirs_exist_ok=True)
        elif (folder / name).exists():
            shutil.copy(folder / name, to)


def _keep(keep: Path | None, name: str, case: int, what: str, write: Callable[[Path], None]) -> None:
    if keep is not None:
        folder = keep / name / str(case)
        folder.mkdir(parents=True, exist_ok=True)
        write(folder)
        (folder / "fault.txt").write_text(f"{what}\n", encoding="utf-8", errors="backslashreplace")


def _work(
    find: Callable[[str], Target],
    name: str,
    seed: int,
    cases: range,
    folder: Path,
    keep: Path | None,
    counts: Any,
    say: Connection,
) -> None:
    """Runs cases one after the other; says every fault, and None at the end."""
    target = find(name)
    target.open(folder)
    with (folder / "crash.txt").open("w") as crash:
        faulthandler.enable(crash)
        if "--verbose" not in sys.argv:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        gc.collect()
        size, files = _size(), _open_files()
        resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY + _RESERVE,) * 2)
        start = _peak_kb()
        for number in cases:
            counts[_CASE] = number
            signal.setitimer(signal.ITIMER_PROF, SECONDS)  # kills the process, also within a library
            try:
                counts[_ACCEPTED if refusal(target, seed, number) is None else _REFUSED] += 1
            except FaultError as error:
                signal.setitimer(signal.ITIMER_PROF, 0)
                say.send((number, str(error)))
                with contextlib.suppress(OSError, ValueError):
                    _keep(keep, name, number, str(error), target.keep)
            if number % 100 == 99:
                signal.setitimer(signal.ITIMER_PROF, 0)
                counts[_PEAK] = max(counts[_PEAK], _peak_kb() - start)
                if _size() > size + _RESERVE or _leaks(files):
                    break
        signal.setitimer(signal.ITIMER_PROF, 0)
        counts[_PEAK] = max(counts[_PEAK], _peak_kb() - start)
        gc.collect()
        if _open_files() > files + 3:
            say.send((int(counts[_CASE]), f"leak: {_open_files() - files} files are left open"))
        say.send(None)


def _leaks(files: int) -> bool:
    if _open_files() <= files + 100:
        return False
    gc.collect()
    return _open_files() > files + 100


def _size() -> int:
    """Bytes of address space."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
