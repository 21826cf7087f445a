"""Kills a run at random moments, resumes it each time, and compares its bytes with an undisturbed run.

    python benchmarks/resume.py [--job synth] [--kills 20] [--count 4096] [--workers 2] [--seed 0] [--json]

Jobs: synth (render a store), restore (restore the part maps of a store), dictionary (build one from a store, with one
process whatever --workers says), import (a made-up NYU into a store). Each run is killed (SIGKILL; its worker processes
end with it) at a random moment of its first steps. Exit code 0 only if every file of the resumed run equals that of the
undisturbed one. A run that finishes before all its kills is followed by another, so that all of them hit a run at work.
The memory of all processes of the undisturbed run is looked at all the time: the most in its first half and in all.
"""

import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Annotated

import psutil
import typer

from knuckle.synth.generate import SynthSettings
from knuckle.synth.production import generate
from made_up_nyu import write_nyu

STEPS = {"synth": 4, "restore": 4, "dictionary": 14, "import": 4}  # within which a run is killed; lines that it prints
SHARD = 128  # samples: small, so that many kills fit into a run
MAPS = 3_300  # of the dictionary that restores: 10⁶ patches
CLEAN = SynthSettings(sensor="clean", clutter=False, coarse_share=0, empty_share=0)
JOBS = {
    "synth": """
from knuckle.synth.generate import SynthSettings
from knuckle.synth.production import generate
def job(given, out, count, workers, tell):
    generate(out, SynthSettings(hand="soma"), count, 7, workers, tell, shard=128)
""",
    "restore": """
from pathlib import Path
from knuckle.pipeline.restore import restore_store
def job(given, out, count, workers, tell):
    restore_store(given + "/noisy.zarr", out, Path(given, "parts.kdict"), workers=workers, progress=tell)
""",
    "dictionary": """
from pathlib import Path
from knuckle.pipeline import dictionary
dictionary._BLOCK = 256  # maps encoded at once: many steps to be killed between
def job(given, out, count, workers, tell):
    Path(out).mkdir(exist_ok=True)
    path = Path(out, "parts.kdict")
    dictionary.build_dictionary([given + "/clean.zarr"], path, progress=lambda step, done, all: tell(done))
""",
    "import": """
from knuckle.pipeline.importing import import_split
def job(given, out, count, workers, tell):
    import_split("nyu", given + "/nyu", "test", out, workers=workers, progress=tell, shard=128)
""",
}
RUN = """
import sys
if __name__ == "__main__":
    given, out, count, workers = *sys.argv[1:3], *map(int, sys.argv[3:])
    job(given, out, count, workers, lambda done: print(done, flush=True))
"""


def prepare(job: str, folder: Path, count: int) -> None:
    """Makes what a job reads."""
    if job == "synth":
        return
    if job == "import":
        write_nyu(folder / "nyu", count)
        return
    from knuckle.pipeline.dictionary import build_dictionary

    maps = count if job == "dictionary" else MAPS
    generate(folder / "clean.zarr", CLEAN, maps, 1)
    if job == "restore":
        build_dictionary([folder / "clean.zarr"], folder / "parts.kdict")
        generate(folder / "noisy.zarr", SynthSettings(hand="soma"), count, 7, shard=SHARD)


def start(job: str, out: Path, count: int, workers: int, errors: int | None = None) -> subprocess.Popen[str]:
    """A run in a process of its own, which prints a line when it begins and one after each step."""
    program = out.parent / "run.py"
    program.write_text(JOBS[job] + RUN, encoding="utf-8")
    command = [sys.executable, str(program), str(out.parent), str(out), str(count), str(workers)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)


def killed(job: str, out: Path, count: int, workers: int, moments: random.Random) -> bool:
    """Starts a run and kills it at a random moment; False if it finished before."""
    with start(job, out, count, workers, subprocess.DEVNULL) as run:  # Python warns of what a killed process leaves
        assert run.stdout is not None
        begun = time.monotonic()
        for _ in range(moments.randint(0, STEPS[job])):
            run.stdout.readline()
        took = time.monotonic() - begun
        time.sleep(moments.uniform(0, max(0.2, took / 4)))
        run.kill()
        run.stdout.read()  # until the last worker has gone too
        return run.wait() == -signal.SIGKILL


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def finish(job: str, out: Path, count: int, workers: int, memory: list[float] | None = None) -> dict[str, bytes]:
    """Runs to the end; returns the files. memory: filled with MB of all processes together, five times a second."""
    with start(job, out, count, workers) as run:
        assert run.stdout is not None
        if memory is not None:
            threading.Thread(target=watch, args=(run, memory), daemon=True).start()
        run.stdout.read()
        if run.wait() != 0:
            raise typer.Exit(1)
    return files(out)


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


def main(
    job: Annotated[str, typer.Option(help="synth, restore, dictionary or import.")] = "synth",
    kills: Annotated[int, typer.Option(min=1, help="How often a run is killed.")] = 20,
    count: Annotated[int, typer.Option(min=1, help="Samples of the run.")] = 4096,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2,
    seed: Annotated[int, typer.Option(help="Of the random moments.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Kill, resume, compare."""
    if job not in JOBS:
        typer.echo(f"resume: there is no job {job!r}: choose {', '.join(JOBS)}", err=True)
        raise typer.Exit(2)
    moments = random.Random(seed)
    memory: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(job, folder, count)
        expected = finish(job, folder / "undisturbed.zarr", count, workers, memory)
        hits, runs, same = 0, 1, True
        while hits < kills:
            out = folder / f"killed-{runs}.zarr"
            if killed(job, out, count, workers, moments):
                hits += 1
            else:
                same &= files(out) == expected
                runs += 1
        same &= finish(job, folder / f"killed-{runs}.zarr", count, workers) == expected
    early, most = max(memory[: len(memory) // 2], default=0.0), max(memory, default=0.0)
    print(f"{hits} kills of {runs} runs of {count} samples: {'identical bytes' if same else 'OTHER BYTES'}")
    print(f"memory of all processes: {early:.0f} MB at most in the first half of a run, {most:.0f} MB in all of it")
    if as_json:
        found = {"job": job, "kills": hits, "runs": runs, "count": count, "files": len(expected), "identical": same}
        print(json.dumps({**found, "first_half_mb": early, "peak_mb": most}))
    raise typer.Exit(0 if same else 1)


if __name__ == "__main__":
    typer.run(main)
