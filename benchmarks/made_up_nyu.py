"""A made-up NYU for benchmarks: full-size Kinect frames of rendered hands, packed and labelled as the dataset's are."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

from knuckle.anatomy import NYU14_FROM_HAND21
from knuckle.data.nyu import EVALUATED, PROTOCOL
from knuckle.synth.frame import render_frame
from knuckle.synth.hands import HandModel
from knuckle.synth.prior import PROTOTYPES

_SCENES = 24  # rendered; every further frame is one of them, moved


def write_nyu(root: Path, frames: int, split: str = "test", seed: int = 0) -> None:
    """Writes ROOT/SPLIT: depth_1_*.png and joint_data.mat. The 22 joints that nobody evaluates stay at the palm."""
    assert PROTOCOL.camera is not None
    rng = np.random.default_rng(seed)
    model, folder = HandModel.load("soma"), root / split
    folder.mkdir(parents=True)
    uvd = np.empty((3, frames, 36, 3))
    scenes = []
    for _ in range(min(_SCENES, frames)):
        gesture = str(rng.choice(list(PROTOTYPES)))
        place = (float(rng.uniform(-120, 120)), float(rng.uniform(-80, 80)), float(rng.uniform(600, 900)))
        turn = (float(rng.uniform(-20, 20)), float(rng.uniform(-40, 40)), float(rng.uniform(-30, 30)))
        scenes.append(render_frame(model, PROTOCOL.camera, gesture, place, turn, "structured-light", rng))
    for index in range(frames):
        scene = scenes[index % len(scenes)]
        farther = index // len(scenes)  # mm
        depth = np.where(scene.depth > 0, scene.depth + farther, 0)
        cv2.imwrite(str(folder / f"depth_1_{index + 1:07d}.png"), packed(depth))
        joints = NYU14_FROM_HAND21 @ scene.joints
        numbers = np.concatenate([PROTOCOL.camera.project(joints), joints[:, 2:] + farther], axis=1)
        uvd[:, index] = numbers[-1]
        uvd[:, index, EVALUATED] = numbers
    savemat(folder / "joint_data.mat", {"joint_uvd": uvd})


def packed(depth: NDArray) -> NDArray[np.uint8]:
    """Depth (H, W) mm → BGR: green has the upper eight bits, blue the lower, red nothing."""
    steps = np.rint(depth).astype(np.uint16)
    return np.dstack([steps & 255, steps >> 8, np.zeros_like(steps)]).astype(np.uint8)
