"""Kills every long job again and again, resumes it each time, and compares what it leaves with an undisturbed run.

    python benchmarks/faults.py [--kills 200] [--job NAME] [--count N] [--workers 2] [--seed 0] [--json]

Jobs: synth (render a store), import (a made-up NYU into a store), restore (the part maps of a store), dictionary (build
one), predict (a file of joints for a dataset), record and record-folder (a recording as Zarr, as images), train (all
three steps of a tiny recipe). The kills are shared out among them.

Every other kill comes at a random moment, the rest just before a random change of a file; SIGKILL each time, and worker
processes end with their parent. After each, no file may be torn, and the job goes on from what is there; what cannot be
resumed (a recording) must be readable up to there, and is made anew. A run that finishes before all its kills is
followed by another. Exit code 0 only if nothing was torn and every run ended in the bytes of the undisturbed one;
of training: the same weights, results and loss curves, within 1e-6, with every step once.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import psutil
import typer

from fault_checks import Files, differences, files, torn
from fault_jobs import JOBS

PROGRAM = Path(__file__).with_name("fault_jobs.py")


@dataclass
class Found:
    """What became of a job."""

    job: str
    kills: int = 0
    runs: int = 0
    torn: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    files: int = 0
    seconds: float = 0.0
    half_mb: float = 0.0
    peak_mb: float = 0.0

    @property
    def is_good(self) -> bool:
        return not self.torn and not self.other


class Campaign:
    """One job in a folder of its own."""

    def __init__(self, job: str, folder: Path, count: int | None, workers: int, moments: random.Random) -> None:
        self.job, self.folder, self.moments = JOBS[job], folder, moments
        self.count, self.workers = count or self.job.count, workers
        self.found = Found(job)
        self.given = folder / "given"
        self.expected: Files = {}

    def run(self, kills: int) -> Found:
        begun = time.monotonic()
        self.given.mkdir()
        self.job.prepare(self.given, self.count)
        self.expected = self._undisturbed()
        self.found.files = len(self.expected)
        out = self._new()
        while self.found.kills < kills:
            if self._killed(out):
                self.found.kills += 1
                self._look_at(out)
            else:
                self._finished(out)
                out = self._new()
        self._finish(out)
        self._finished(out)
        self.found.seconds = time.monotonic() - begun
        return self.found

    def _new(self) -> Path:
        self.found.runs += 1
        return self.folder / f"run-{self.found.runs}"

    def _start(self, out: Path, workers: int, *more: str, errors: int | None = None) -> subprocess.Popen[str]:
        arguments = [self.found.job, self.given, out, self.count, workers, *more]
        cache = {"PYTHONPYCACHEPREFIX": str(self.folder.parent / "compiled")}  # a start takes half the time with it
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"} | cache
        command = [sys.executable, str(PROGRAM), *map(str, arguments)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)

    def _killed(self, out: Path) -> bool:
        """Starts a run and kills it; False if it finished before."""
        if self.found.kills % 2:
            operation = str(self.moments.randint(1, self.job.operations))
            with self._start(out, 1, operation, errors=subprocess.DEVNULL) as run:
                return _died(run)
        with self._start(out, self.workers, errors=subprocess.DEVNULL) as run:
            assert run.stdout is not None
            begun = time.monotonic()
            for _ in range(self.moments.randint(0, self.job.lines)):
                run.stdout.readline()
            took = time.monotonic() - begun
            time.sleep(self.moments.uniform(0, max(0.2, took / 4)))
            run.kill()
            return _died(run)

    def _look_at(self, out: Path) -> None:
        """After a kill: nothing may be torn; a recording is not gone on with, but made anew."""
        if not out.exists():
            return
        job = self.found.job
        self.found.torn += [f"{out.name}: {name}" for name in torn(job, self.given, out, self.expected)]
        if job.startswith("record"):
            shutil.rmtree(out)

    def _finish(self, out: Path, memory: list[float] | None = None) -> None:
        """Runs to the end. memory: filled with MB of all processes together, five times a second."""
        with self._start(out, self.workers) as run:
            assert run.stdout is not None
            if memory is not None:
                threading.Thread(target=watch, args=(run, memory), daemon=True).start()
            run.stdout.read()
            if run.wait() != 0:
                self.found.other.append(f"{out.name}: exit code {run.returncode}")

    def _undisturbed(self) -> Files:
        memory: list[float] = []
        self._finish(self.folder / "undisturbed", memory)
        self.found.half_mb, self.found.peak_mb = max(memory[: len(memory) // 2], default=0.0), max(memory, default=0.0)
        return files(self.folder / "undisturbed")

    def _finished(self, out: Path) -> None:
        self.found.other += [f"{out.name}: {name}" for name in differences(files(out), self.expected)]
        if not self.found.other:
            shutil.rmtree(out)


def _died(run: subprocess.Popen[str]) -> bool:
    """Waits for a run; whether SIGKILL ended it. Any other end but success is a fault of the job."""
    assert run.stdout is not None
    run.stdout.read()  # until the last worker has gone too
    code = run.wait()
    if code not in (0, -signal.SIGKILL):
        raise SystemExit(f"faults: {' '.join(map(str, run.args[2:]))}: exit code {code}")  # type: ignore[index, union-attr]
    return code != 0


def watch(run: subprocess.Popen[str], memory: list[float]) -> None:
    """Appends the memory that the processes of a run hold for themselves, until it ends."""
    root = psutil.Process(run.pid)
    while run.poll() is None:
        try:
            family = [root, *root.children(recursive=True)]
            memory.append(sum(process.memory_full_info().uss for process in family) / 1e6)
        except psutil.Error:  # one has just ended
            pass
        time.sleep(0.2)


def shares(kills: int, jobs: list[str]) -> dict[str, int]:
    """As many kills for every job, the rest for the first ones."""
    return {job: kills // len(jobs) + (number < kills % len(jobs)) for number, job in enumerate(jobs)}


def main(
    kills: Annotated[int, typer.Option(min=1, help="How often a run is killed, all jobs together.")] = 200,
    job: Annotated[str | None, typer.Option(help="One job only.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Samples, frames or steps of a run of that job.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes, where a job has any.")] = 2,
    seed: Annotated[int, typer.Option(help="Of the random moments.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Kill, resume, compare."""
    if job is not None and job not in JOBS:
        typer.echo(f"faults: there is no job {job!r}: choose {', '.join(JOBS)}", err=True)
        raise typer.Exit(2)
    if count is not None and job is None:
        typer.echo("faults: --count is of one job: say which, with  --job", err=True)
        raise typer.Exit(2)
    print(f"{'job':14}{'kills':>6}{'runs':>6}{'files':>7}{'torn':>6}{'other':>7}{'s':>6}{'MB, half, all':>16}")
    all_found = []
    with tempfile.TemporaryDirectory(prefix="knuckle-faults-") as name:
        for one, some in shares(kills, list(JOBS) if job is None else [job]).items():
            (folder := Path(name) / one).mkdir()
            found = Campaign(one, folder, count, workers, random.Random(f"{seed} {one}")).run(some)
            all_found.append(found)
            row = f"{one:14}{found.kills:6}{found.runs:6}{found.files:7}{len(found.torn):6}{len(found.other):7}"
            print(f"{row}{found.seconds:6.0f}{found.half_mb:8.0f}{found.peak_mb:8.0f}", flush=True)
            for line in (*found.torn, *found.other):
                print(f"  {line}")
            shutil.rmtree(folder)
    good = all(found.is_good for found in all_found)
    done = sum(found.kills for found in all_found)
    print(f"{done} kills: {'nothing torn, every run the same' if good else 'TORN OR OTHER FILES'}")
    if as_json:
        print(json.dumps({"kills": done, "good": good, "jobs": [asdict(found) for found in all_found]}))
    raise typer.Exit(0 if good else 1)


if __name__ == "__main__":
    typer.run(main)
