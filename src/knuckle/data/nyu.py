"""NYU Hand Pose (Tompson et al. 2014): Kinect v1, 72,757 frames to train on, 8,252 to test, 36 joints, 14 evaluated.

    {train,test}/depth_1_0000001.png ...    640×480 RGB PNG, mm = G·256 + B, view 1 of 3, the only one that is evaluated
    {train,test}/joint_data.mat             joint_uvd (3, N, 36, 3): px, px, mm

The dataset's own x, y, z have y up; what is read here has y down. The test frames show two people: A, the one of the
training frames, and B, whose hand is a sixth smaller.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knuckle.anatomy import HAND21, NYU14, NYU14_FROM_HAND21
from knuckle.camera import Camera
from knuckle.data.dataset import Dataset, check_places, check_split
from knuckle.data.matlab import read_matlab
from knuckle.data.protocol import Protocol, Subject, weighted
from knuckle.errors import DatasetError

EVALUATED = (0, 3, 6, 9, 12, 15, 18, 21, 24, 25, 27, 30, 31, 32)
"""Of the 36 joints: NYU14."""

_FINGERS = {"pinky": 0, "ring": 6, "middle": 12, "index": 18}  # index of the tip; then dip, -, pip, -, mcp
_STEPS = {"tip": 0, "dip": 1, "pip": 3, "mcp": 5}
_THUMB = {"thumb_tip": 24, "thumb_ip": 25, "thumb_mcp": 27, "thumb_cmc": 28}
_WRIST = (30, 31)  # its ulnar and its radial side: the wrist is halfway

PROTOCOL = Protocol(
    name="nyu",
    title="NYU",
    joints=NYU14,
    from_hand=NYU14_FROM_HAND21,
    bones=((0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (9, 10), *((joint, 13) for joint in (1, 3, 5, 7, 10, 11, 12))),
    camera=Camera(588.03, 587.07, 320.0, 240.0, 640, 480),
    cube_mm=300.0,
    signs=(1, -1, 1),
    subject_cube_mm={"B": 250.0},
    counts={"train": 72_757, "test": 8_252},
    subjects={
        "train": (Subject("A", 0, 72_757),),
        "test": (Subject("A", 0, 2_440), Subject("B", 2_440, 8_252)),
    },
)


class Nyu(Dataset):
    """NYU as it is downloaded: ROOT/train and ROOT/test."""

    name = "nyu"
    splits = ("train", "test")

    def __init__(self, root: str | Path, split: str) -> None:
        super().__init__(root, check_split(Nyu, split))
        self.protocol = PROTOCOL
        file = self._file(split, "joint_data.mat")
        joints = read_matlab(file, "joint_uvd", first=0)
        if joints.ndim != 3 or joints.shape[1:] != (36, 3) or not len(joints):
            raise DatasetError(f"{file}: joint_uvd has shape {joints.shape} a view, not (frames, 36, 3)")
        placed = PROTOCOL.to_mm(check_places(file, joints), "uvd")  # (N, 36, 3) mm
        placed[joints[..., 2] <= 0] = np.nan  # no depth, no place
        self._all36 = placed.astype(np.float32)
        self.labels = self._all36[:, EVALUATED]
        self.subjects = tuple(
            Subject(person.name, person.start, min(person.stop, len(joints)))
            for person in PROTOCOL.subjects[split]
            if person.start < len(joints)
        )

    @classmethod
    def layout(cls) -> str:
        return "train and test, with depth_1_*.png and joint_data.mat in each"

    @classmethod
    def pattern(cls) -> str:
        return "depth_1_*.png"

    def path(self, index: int) -> Path:
        return self.root / self.split / f"depth_1_{index + 1:07d}.png"

    @cached_property
    def hand21(self) -> NDArray[np.float32]:
        return weighted(_weights(), self._all36).astype(np.float32)

    @property
    def joints14(self) -> NDArray[np.float32]:
        return self.labels


def _weights() -> NDArray[np.float64]:
    """(21, 36): HAND21 from NYU's 36."""
    weights = np.zeros((21, 36))
    weights[0, list(_WRIST)] = 0.5
    for name, source in _sources():
        weights[HAND21.index(name), source] = 1
    return weights


def _sources() -> Iterator[tuple[str, int]]:
    yield from _THUMB.items()
    for finger, tip in _FINGERS.items():
        yield from ((f"{finger}_{joint}", tip + step) for joint, step in _STEPS.items())
