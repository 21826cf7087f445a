"""What `benchmarks/faults.py` kills: every job that writes for longer than a moment, made small.

    python benchmarks/fault_jobs.py JOB GIVEN OUT COUNT WORKERS [OPERATION]

does a job: it reads what `Job.prepare` left in the folder GIVEN, writes below the folder OUT, and prints a line after
each step. With OPERATION the process kills itself (SIGKILL) just before it opens, renames or removes a file below OUT
for that many-th time.
"""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHARD = 64  # samples: small, so that many kills fit into a run
MAPS = 3_300  # of the dictionary that restores: 10⁶ patches

Tell = Callable[..., None]
Work = Callable[[Path, Path, int, int, Tell], None]


@dataclass(frozen=True)
class Job:
    """work(given, out, count, workers, tell) does it; prepare(given, count) makes what it reads.

    count: of samples, frames or steps; lines: printed, within which a run is killed; operations: on files, likewise.
    """

    work: Work
    prepare: Callable[[Path, int], None]
    count: int
    lines: int
    operations: int


def _settings(**more: Any) -> Any:
    from knuckle.synth.generate import SynthSettings

    return SynthSettings(hand="soma", **more)


def _render(path: Path, count: int, seed: int = 7, **more: Any) -> None:
    from knuckle.synth.production import generate

    generate(path, _settings(**more), count, seed, shard=SHARD)


_CLEAN = {"sensor": "clean", "clutter": False, "coarse_share": 0, "empty_share": 0}


def synth(given: Path, out: Path, count: int, workers: int, tell: Tell) -> None:
    from knuckle.synth.production import generate

    generate(out / "hands.zarr", _settings(), count, 7, workers, tell, shard=SHARD)


def nyu_frames(given: Path, count: int) -> None:
    from made_up_nyu import write_nyu

    write_nyu(given / "nyu", count)


def import_(given: Path, out: Path, count: int, workers: int, tell: Tell) -> None:
    from knuckle.pipeline.importing import import_split

    import_split("nyu", given / "nyu", "test", out / "nyu.zarr/test", workers=workers, progress=tell, shard=SHARD)


def predict(given: Path, out: Path, count: int, workers: int, tell: Tell) -> None:
    from knuckle.data.datasets import open_dataset
    from knuckle.evaluation.predict import predict_dataset

    dataset = open_dataset("nyu", given / "nyu", "test")
    predict_dataset(dataset, None, out / "joints.txt", workers=workers, progress=tell, frames=SHARD)


def clean_maps(given: Path, count: int) -> None:
    _render(given / "clean.zarr", count, 1, **_CLEAN)


def dictionary(given: Path, out: Path, count: int, workers: int, tell: Tell) -> None:
    from knuckle.pipeline import dictionary as building

    building._BLOCK = 128  # maps encoded at once: many steps to be killed between
    building.build_dictionary([given / "clean.zarr"], out / "parts.kdict", progress=tell)


def noisy_maps(given: Path, count: int) -> None:
    from knuckle.pipeline.dictionary import build_dictionary

    clean_maps(given, MAPS)
    build_dictionary([given / "clean.zarr"], given / "parts.kdict")
    _render(given / "noisy.zarr", count)


def restore(given: Path, out: Path, count: int, workers: int, tell: Tell) -> None:
    from knuckle.pipeline.restore import restore_store

    restore_store(given / "noisy.zarr", out / "restored.zarr", given / "parts.kdict", workers=workers, progress=tell)


def frames(given: Path, count: int) -> None:
    import numpy as np

    from knuckle.camera import Camera

    steps = np.random.default_rng(0).integers(500, 900, (count, 60, 80)).astype(np.uint16)
    np.save(given / "frames.npy", steps)
    Camera(fx=80, fy=80, cx=40, cy=30, width=80, height=60, depth_unit_mm=1).save(given / "camera.json")


def record_zarr(given: Path, out: Path, count: int, workers: int, tell: Tell) -> None:
    _record(given, out / "recording.zarr", tell)


def record_folder(given: Path, out: Path, count: int, workers: int, tell: Tell) -> None:
    _record(given, out / "recording", tell)


def _record(given: Path, out: Path, tell: Tell) -> None:
    from knuckle.sources import open_source, record

    def stop() -> bool:
        tell()
        return False

    with open_source(str(given / "frames.npy"), given / "camera.json") as source:
        record(source, out, stop=stop)


def recipe_stores(given: Path, count: int) -> None:
    _render(given / "source.zarr", 24, 1, **_CLEAN)
    for seed, (name, samples) in enumerate({"train": 10, "dev": 4, "test": 6}.items(), start=2):
        _render(given / f"{name}.zarr", samples, seed)


def train(given: Path, out: Path, count: int, workers: int, tell: Tell) -> None:
    """Every step of [N] and every network, so small that a checkpoint is written a few times a second."""
    from fault_recipe import recipe_of
    from knuckle.pipeline import train as steps
    from knuckle.pipeline import weak
    from knuckle.regression import paper
    from knuckle.training import loop

    smaller = [(loop, "_CHECKPOINT_SECONDS", 0.1), (loop, "_LOG_STEPS", 3), (paper, "_HIDDEN", 8)]
    smaller += [(weak, "_PATCH", 5), (weak, "_TABLE_2", 2), (steps, "_TIMED", 2)]
    for module, name, value in smaller:
        assert hasattr(module, name), f"{module.__name__} has no {name} any more"
        setattr(module, name, value)
    steps.train(recipe_of(given, count), out / "run", tell)


JOBS = {
    "synth": Job(synth, lambda given, count: None, 1024, 4, 60),
    "import": Job(import_, nyu_frames, 512, 4, 60),
    "predict": Job(predict, nyu_frames, 256, 3, 12),
    "dictionary": Job(dictionary, clean_maps, 1024, 12, 14),
    "restore": Job(restore, noisy_maps, 512, 4, 60),
    "record": Job(record_zarr, frames, 200, 200, 120),
    "record-folder": Job(record_folder, frames, 200, 200, 400),
    "train": Job(train, recipe_stores, 12, 10, 40),
}


def kill_before_operation(number: int, below: Path) -> None:
    """SIGKILL just before the many-th time that Python changes a file below a folder."""
    left = number

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event == "open":
            changes = isinstance(arguments[2], int) and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        else:
            changes = event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
        if changes and str(arguments[0]).startswith(str(below)):
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def main(name: str, given: str, out: str, count: str, workers: str, operation: str = "") -> None:
    Path(out).mkdir(exist_ok=True)
    if operation:
        kill_before_operation(int(operation), Path(out))
    JOBS[name].work(Path(given), Path(out), int(count), int(workers), lambda *done: print("done", flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
