"""A rendered hand that moves and changes its gesture: is it followed, how calm are its joints, how long does it take?

    python benchmarks/tracking.py [--frames 300] [--json]

30 frames/s of 640×480 px with a structured-light sensor's noise; SOMA's hand, in front of a person. It holds a gesture
for 0.6 s, goes to the next within 0.9 s, and wanders and turns all the while. Jitter: mean length of the second
difference of a joint's places, mm a frame; of the true joints too, which do move. Error: mean distance from the truth.
"""

import json
import statistics
import time
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from knuckle.camera import Camera
from knuckle.estimator import HandPoseEstimator
from knuckle.smoothing import OneEuroFilter
from knuckle.synth.frame import render_scene
from knuckle.synth.hands import HandModel
from knuckle.synth.prior import PROTOTYPES
from knuckle.synth.sensor import measure
from knuckle.tracking import HandTracker, TrackingSettings

CAMERA = Camera(575.8, 575.8, 319.5, 239.5, 640, 480)
GESTURES = ("open", "point", "vee", "fist", "ok", "open", "three", "claw")
FPS, EACH_S, HOLD = 30, 1.5, 0.4


def pose_at(seconds: float) -> NDArray[np.float64]:
    """(23,) degrees: a gesture that is held, or a smooth way to the next one."""
    number, share = divmod(seconds / EACH_S, 1)
    before, after = (PROTOTYPES[GESTURES[(int(number) + step) % len(GESTURES)]] for step in (0, 1))
    way = np.clip((share - HOLD) / (1 - HOLD), 0, 1)
    way = way * way * (3 - 2 * way)
    return (1 - way) * before + way * after


def animate(frames: int) -> tuple[list[NDArray[np.float32]], NDArray[np.float64]]:
    """Depth frames mm and true joints (N, 21, 3) mm."""
    model, rng = HandModel.load("soma"), np.random.default_rng(0)
    depths, joints = [], []
    for frame in range(frames):
        t = frame / FPS
        place = (60 * np.sin(0.9 * t), 25 * np.sin(1.3 * t), 640 + 60 * np.sin(0.5 * t))
        turn = (8 * np.sin(0.7 * t), -15 + 20 * np.sin(0.6 * t), 10 * np.sin(0.8 * t))
        depth, parts, placed = render_scene(model, CAMERA, pose_at(t), place, turn)
        depths.append(measure(depth, parts, CAMERA.fx, "structured-light", 0.7, rng)[0])
        joints.append(placed)
    return depths, np.array(joints)


def jitter(places: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(np.diff(places, 2, axis=0), axis=2).mean())


def error(places: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(places - truth, axis=2).mean())


def main(
    frames: Annotated[int, typer.Option(min=30, help="Frames of the animation.")] = 300,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Render, follow, compare."""
    depths, truth = animate(frames)
    tracker = HandTracker(HandPoseEstimator(), TrackingSettings(smoothing=None))
    raw, took, lost = truth.copy(), [], 0
    for frame, depth in enumerate(depths):
        begun = time.perf_counter()
        hands = tracker(depth, CAMERA, frame / FPS)
        took.append(1000 * (time.perf_counter() - begun))
        lost += not hands
        raw[frame] = hands[0].hand.joints if hands else np.nan
    if lost:
        print(f"lost in {lost} of {frames} frames: no jitter can be told")
        raise typer.Exit(1)
    smooth = OneEuroFilter()
    calm = np.array([smooth(joints, frame / FPS) for frame, joints in enumerate(raw)])
    found = {
        "frames": frames,
        "median_ms": statistics.median(took),
        "jitter_true_mm": jitter(truth),
        "jitter_raw_mm": jitter(raw),
        "jitter_smooth_mm": jitter(calm),
        "error_raw_mm": error(raw, truth),
        "error_smooth_mm": error(calm, truth),
    }
    print(f"followed in all of {frames} frames, {found['median_ms']:.1f} ms a frame (median)")
    before, after, true = jitter(raw), jitter(calm), jitter(truth)
    print(f"jitter: {before:.2f} mm, smoothed {after:.2f} (/ {before / after:.1f}); of the true joints {true:.2f}")
    print(f"error: {error(raw, truth):.2f} mm, smoothed {error(calm, truth):.2f}")
    if as_json:
        print(json.dumps(found))


if __name__ == "__main__":
    typer.run(main)
