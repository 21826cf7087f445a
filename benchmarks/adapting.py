"""`knuckle adapt` on a simulated sensor of one's own: does it help, is nonsense refused, how long does it take?

    python benchmarks/adapting.py [--frames 400] [--steps 300] [--json]

The "own" recording: SOMA's hand in random gestures on its way through the frame, 320×240 px with a time-of-flight
sensor's noise at 1.5 times its strength, and joints that mean something else: each is put 8 mm off, in a direction of
its own that is the same in every hand. A second run gets the joints of other frames, which must be refused.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

from knuckle.camera import Camera
from knuckle.data.frames import write_joints
from knuckle.depth import write_depth
from knuckle.pipeline.labels import disturbed
from knuckle.synth.frame import render_scene
from knuckle.synth.hands import HandModel
from knuckle.synth.prior import PROTOTYPES
from knuckle.synth.sensor import measure

CAMERA = Camera(fx=290.0, fy=290.0, cx=159.5, cy=119.5, width=320, height=240, depth_unit_mm=1.0)
SHIFT_MM, STRENGTH = 8.0, 1.5
RUN = "import sys; from knuckle.cli import main; sys.exit(main())"


def write_recording(folder: Path, count: int) -> NDArray[np.float64]:
    """Images and camera.json; returns the joints (N, 21, 3) mm that an annotator with other habits would give."""
    model, rng = HandModel.load("soma"), np.random.default_rng(5)
    CAMERA.save(folder / "camera.json")
    names, joints = sorted(PROTOTYPES), []
    for index in range(count):
        share = rng.random()
        pose = share * PROTOTYPES[names[rng.integers(len(names))]]
        pose = pose + (1 - share) * PROTOTYPES[names[rng.integers(len(names))]]
        t = index / 10
        place = (80 * np.sin(0.9 * t), 40 * np.sin(1.3 * t), 480 + 60 * np.sin(0.5 * t))
        turn = (20 * np.sin(0.7 * t), -10 + 35 * np.sin(0.6 * t), 30 * np.sin(0.8 * t))
        depth, parts, placed = render_scene(model, CAMERA, pose, place, turn)
        write_depth(folder / f"{index}.png", measure(depth, parts, CAMERA.fx, "time-of-flight", STRENGTH, rng)[0], 1.0)
        joints.append(placed)
    return disturbed(np.array(joints), SHIFT_MM, 0)


def adapt(folder: Path, out: Path, steps: int) -> tuple[int, str, float]:
    """Exit code, what it says, and seconds."""
    began = time.monotonic()
    arguments = ["adapt", str(folder), "--joints", str(folder / "joints.csv"), "--out", str(out), "--steps", str(steps)]
    done = subprocess.run([sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, check=False)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if " mm before, " in line or " mm from " in line]
    return done.returncode, lines[-1] if lines else done.stderr, time.monotonic() - began


def main(
    frames: Annotated[int, typer.Option(min=60, help="Of the recording.")] = 400,
    steps: Annotated[int, typer.Option(min=1, help="Batches of training.")] = 300,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Record, adapt, adapt to nonsense."""
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "recording"
        folder.mkdir()
        joints, names = write_recording(folder, frames), [f"{index}.png" for index in range(frames)]
        write_joints(folder, names, joints)
        code, words, seconds = adapt(folder, Path(name) / "weights", steps)
        console.print(f"true joints: exit code {code}, {seconds / 60:.1f} minutes: {words}")
        write_joints(folder, names, np.random.default_rng(0).permutation(joints))
        wrong, refusal, _ = adapt(folder, Path(name) / "nonsense", min(steps, 100))
        console.print(f"joints of other frames: exit code {wrong}: {refusal}")
        written = (Path(name) / "nonsense").exists()
    if as_json:
        print(json.dumps({"code": code, "minutes": seconds / 60, "says": words, "wrong": wrong, "written": written}))


if __name__ == "__main__":
    typer.run(main)
