"""Renders the frames that come with the package for `knuckle demo`.

    python tools/demo_frames.py

Hands of the SOMA model, which the shipped networks never saw, with the noise of two kinds of sensors.
"""

from pathlib import Path

import numpy as np

import knuckle
from knuckle import Camera
from knuckle.depth import write_depth
from knuckle.synth.frame import render_frame
from knuckle.synth.hands import HandModel

CAMERA = Camera(fx=575.8, fy=575.8, cx=319.5, cy=239.5, width=640, height=480, depth_unit_mm=1.0)
SCENES = {  # gesture, place mm, pitch, yaw and roll, sensor
    "1-open": ("open", (-60.0, 0.0, 620.0), (8.0, -28.0, -8.0), "structured-light"),
    "2-point": ("point", (-110.0, 40.0, 700.0), (12.0, -35.0, 25.0), "time-of-flight"),
    "3-ok": ("ok", (40.0, 10.0, 560.0), (5.0, 30.0, 10.0), "structured-light"),
    "4-vee": ("vee", (-30.0, 20.0, 720.0), (10.0, -20.0, 12.0), "time-of-flight"),
}


def main() -> None:
    folder = Path(knuckle.__file__).parent / "frames"
    folder.mkdir(exist_ok=True)
    model = HandModel.load("soma")
    CAMERA.save(folder / "camera.json")
    for seed, (name, (gesture, place, turn, sensor)) in enumerate(SCENES.items()):
        frame = render_frame(model, CAMERA, gesture, place, turn, sensor, np.random.default_rng(seed))
        write_depth(folder / f"{name}.png", frame.depth, unit_mm=1.0)


if __name__ == "__main__":
    main()
