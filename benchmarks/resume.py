"""Kills a rendering run at random moments, resumes it each time, and compares its bytes with an undisturbed run.

    python benchmarks/resume.py [--kills 20] [--count 4096] [--workers 2] [--seed 0] [--json]

Each run is killed (SIGKILL; its worker processes end with it) at a random moment between its start and the end of its
fourth shard. Exit code 0 only if every file of the resumed store equals that of the undisturbed one. A run that
finishes before all its kills is followed by another, so that all of them hit a run at work.
"""

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

SHARD = 128  # samples: small, so that many kills fit into a run
RUN = """
import sys
from knuckle.synth.generate import SynthSettings
from knuckle.synth.production import generate
if __name__ == "__main__":
    url, count, workers, shard = sys.argv[1], *map(int, sys.argv[2:])
    generate(url, SynthSettings(hand="soma"), count, 7, workers, lambda done: print(done, flush=True), shard=shard)
"""


def start(store: Path, count: int, workers: int, errors: int | None = None) -> subprocess.Popen[str]:
    """A run in a process of its own, which prints a line when it begins and one after each shard."""
    program = store.parent / "run.py"
    program.write_text(RUN, encoding="utf-8")
    command = [sys.executable, str(program), str(store), str(count), str(workers), str(SHARD)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)


def killed(store: Path, count: int, workers: int, moments: random.Random) -> bool:
    """Starts a run and kills it at a random moment; False if it finished before."""
    with start(store, count, workers, subprocess.DEVNULL) as run:  # Python warns of what a killed process leaves
        assert run.stdout is not None
        begun = time.monotonic()
        for _ in range(moments.randint(0, 4)):
            run.stdout.readline()
        took = time.monotonic() - begun
        time.sleep(moments.uniform(0, max(0.2, took / 4)))
        run.kill()
        run.stdout.read()  # until the last worker has gone too
        return run.wait() == -signal.SIGKILL


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def finish(store: Path, count: int, workers: int) -> dict[str, bytes]:
    """Runs to the end; returns the store's files."""
    with start(store, count, workers) as run:
        assert run.stdout is not None
        run.stdout.read()
        if run.wait() != 0:
            raise typer.Exit(1)
    return files(store)


def main(
    kills: Annotated[int, typer.Option(min=1, help="How often a run is killed.")] = 20,
    count: Annotated[int, typer.Option(min=1, help="Samples of the run.")] = 4096,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2,
    seed: Annotated[int, typer.Option(help="Of the random moments.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Kill, resume, compare."""
    moments = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        expected = finish(folder / "undisturbed.zarr", count, workers)
        hits, runs, same = 0, 1, True
        while hits < kills:
            store = folder / f"killed-{runs}.zarr"
            if killed(store, count, workers, moments):
                hits += 1
            else:
                same &= files(store) == expected
                runs += 1
        same &= finish(folder / f"killed-{runs}.zarr", count, workers) == expected
    print(f"{hits} kills of {runs} runs of {count} samples: {'identical bytes' if same else 'OTHER BYTES'}")
    if as_json:
        print(json.dumps({"kills": hits, "runs": runs, "count": count, "files": len(expected), "identical": same}))
    raise typer.Exit(0 if same else 1)


if __name__ == "__main__":
    typer.run(main)
