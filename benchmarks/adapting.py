"""`knuckle adapt` on simulated recordings: what does it gain, is nonsense refused, how long does it take?

    python benchmarks/adapting.py [habits] [sensor] [nonsense] [alone] [--frames 400] [--steps 300] [--json]

All are SOMA's hand in random gestures on its way through the frame, 320×240 px, with a time-of-flight sensor's noise.

- habits: 1.5 times the noise, and joints that mean something else: each is put 8 mm off, in a direction of its own that
  is the same in every hand.
- sensor: 6 times the noise, joints as they are.
- nonsense: as sensor, but every frame has the joints of another one, moved to where its own are. To be refused.
- alone: as sensor, but without joints: those that the networks find take their place, in the gate and in training. This
  is not a part of the command; the true joints judge.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

from knuckle.camera import Camera
from knuckle.data.frames import write_joints
from knuckle.depth import write_depth
from knuckle.estimator import HandPoseEstimator
from knuckle.networks import SHIPPED
from knuckle.pipeline.adapt import errors_of, rendered, split
from knuckle.pipeline.labels import disturbed
from knuckle.pipeline.own_frames import own_frames
from knuckle.pipeline.tuning import AdaptSettings, Pair
from knuckle.sources import RecordedSource, open_source
from knuckle.synth.frame import render_scene
from knuckle.synth.hands import HandModel
from knuckle.synth.prior import PROTOTYPES
from knuckle.synth.sensor import measure

CAMERA = Camera(fx=290.0, fy=290.0, cx=159.5, cy=119.5, width=320, height=240, depth_unit_mm=1.0)
SHIFT_MM = 8.0
STRENGTH = {"habits": 1.5, "sensor": 6.0, "nonsense": 6.0, "alone": 6.0}
RUN = "import sys; from knuckle.cli import main; sys.exit(main())"


def record(folder: Path, count: int, case: str) -> None:
    """Images, camera.json and joints.csv of a case."""
    folder.mkdir()
    CAMERA.save(folder / "camera.json")
    model, rng = HandModel.load("soma"), np.random.default_rng(5)
    names, placed = sorted(PROTOTYPES), []
    for index in range(count):
        share = rng.random()
        pose = share * PROTOTYPES[names[rng.integers(len(names))]]
        pose = pose + (1 - share) * PROTOTYPES[names[rng.integers(len(names))]]
        t = index / 10
        place = (80 * np.sin(0.9 * t), 40 * np.sin(1.3 * t), 480 + 60 * np.sin(0.5 * t))
        turn = (20 * np.sin(0.7 * t), -10 + 35 * np.sin(0.6 * t), 30 * np.sin(0.8 * t))
        depth, parts, joints = render_scene(model, CAMERA, pose, place, turn)
        noisy = measure(depth, parts, CAMERA.fx, "time-of-flight", STRENGTH[case], rng)[0]
        write_depth(folder / f"{index}.png", noisy, 1.0)
        placed.append(joints)
    write_joints(folder, [f"{index}.png" for index in range(count)], said(np.array(placed), case))


def said(joints: NDArray[np.float64], case: str) -> NDArray[np.float64]:
    """What the annotator of a case says of joints (N, 21, 3) mm."""
    if case == "habits":
        return disturbed(joints, SHIFT_MM, 0)
    if case == "nonsense":
        others = np.random.default_rng(0).permutation(joints)
        return others - others.mean(axis=1, keepdims=True) + joints.mean(axis=1, keepdims=True)
    return joints


def by_command(folder: Path, out: Path, steps: int) -> dict[str, Any]:
    """What `knuckle adapt` says and takes; computing: minutes of all cores together."""
    began, used = time.monotonic(), _computing()
    arguments = ["adapt", str(folder), "--joints", str(folder / "joints.csv"), "--out", str(out), "--steps", str(steps)]
    done = subprocess.run([sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    said = [line for line in lines if " mm before, " in line or line.startswith("knuckle: ")]
    return {
        "exit_code": done.returncode,
        "written": out.exists(),
        "minutes": round((time.monotonic() - began) / 60, 1),
        "computing": round((_computing() - used) / 60, 1),
        "says": said[-1] if said else done.stderr,
    }


def without_joints(folder: Path, steps: int) -> dict[str, float]:
    """True mean error, mm, on the held-out frames: before, with parts learned alone, with joints learned alone, too."""
    with open_source(str(folder)) as source:
        assert isinstance(source, RecordedSource)
        frames, _ = own_frames(source, folder / "joints.csv", HandPoseEstimator(), "right", 250.0)
    settings = AdaptSettings(steps=steps)
    train, held_out = split(frames, settings.held_out)
    pair = Pair.load(SHIPPED)
    found = {"before": _error(pair, held_out)}
    blind = replace(train, joints=pair.place(train))
    work = folder / "work"
    synthetic = rendered(work, settings, _silent)
    found["gated"] = pair.tune_parts(blind, synthetic, settings, work, _silent)
    found["parts"] = _error(pair, held_out)
    pair.tune_joints(blind, synthetic, settings, work, _silent)
    return found | {"joints": _error(pair, held_out)}


def _error(pair: Pair, frames: Any) -> float:
    return round(float(errors_of(pair.place(frames), frames).mean()), 2)


def _computing() -> float:
    """Seconds that finished processes have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _silent(*_: object) -> None:
    return None


def main(
    cases: Annotated[list[str] | None, typer.Argument(help="habits, sensor, nonsense, alone; by default all.")] = None,
    frames: Annotated[int, typer.Option(min=60, help="Of each recording.")] = 400,
    steps: Annotated[int, typer.Option(min=1, help="Batches of training.")] = 300,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Record, adapt, judge."""
    console, results = Console(), {}
    for case in cases or list(STRENGTH):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / case
            record(folder, frames, case)
            result = without_joints(folder, steps) if case == "alone" else by_command(folder, Path(name) / "out", steps)
        console.print(f"{case}: {result}")
        results[case] = result
    if as_json:
        print(json.dumps(results))


if __name__ == "__main__":
    typer.run(main)
