"""MSRA15 (Sun et al. 2015): Intel Creative, 76,375 frames of 9 persons in 17 gestures, 21 joints, one person left out.

    P0..P8/GESTURE/000000_depth.bin     six int32 (width, height, left, top, right, bottom), then float32 mm
    P0..P8/GESTURE/joint.txt            number of frames, then 63 numbers a line: mm with y up and z negative

V2V-PoseNet's labels differ a little from these.
"""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knuckle.anatomy import BONES, HAND21
from knuckle.camera import Camera
from knuckle.data.dataset import Dataset, check_places, check_split
from knuckle.data.joint_text import parse_joint_lines, read_lines
from knuckle.data.protocol import Protocol, Subject, picked
from knuckle.errors import DatasetError

_PERSONS = tuple(f"P{number}" for number in range(9))
_CUBES = (200.0, 200.0, 200.0, 180.0, 180.0, 180.0, 170.0, 160.0, 150.0)  # mm, as DeepPrior++ has them

JOINTS = (
    "wrist",
    *(f"{finger}_{joint}" for finger in ("index", "middle", "ring", "pinky") for joint in ("mcp", "pip", "dip", "tip")),
    *(f"thumb_{joint}" for joint in ("cmc", "mcp", "ip", "tip")),
)
"""The thumb's four are called mcp, pip, dip and tip there."""

PROTOCOL = Protocol(
    name="msra15",
    title="MSRA15",
    joints=JOINTS,
    from_hand=picked(JOINTS),
    bones=tuple((JOINTS.index(HAND21[parent]), JOINTS.index(HAND21[child])) for parent, child in BONES),
    camera=Camera(241.42, 241.42, 160.0, 120.0, 320, 240),
    cube_mm=200.0,
    signs=(1, -1, -1),
    subject_cube_mm=dict(zip(_PERSONS, _CUBES, strict=True)),
    counts={"all": 76_375},
)


class Msra15(Dataset):
    """MSRA15 as it is downloaded. Splits: all, one person (P3), or all but one (not-P3), to train on for that one."""

    name = "msra15"
    splits = ("all", *_PERSONS, *(f"not-{person}" for person in _PERSONS))

    def __init__(self, root: str | Path, split: str) -> None:
        super().__init__(root, check_split(Msra15, split))
        self.protocol = PROTOCOL
        self._paths: list[Path] = []
        labels: list[NDArray[np.float64]] = []
        subjects: list[Subject] = []
        for person in _people(split):
            start = len(self._paths)
            for folder in self._gestures(person):
                joints = _read_joints(folder / "joint.txt")
                labels.append(joints)
                self._paths += [folder / f"{index:06d}_depth.bin" for index in range(len(joints))]
            subjects.append(Subject(person, start, len(self._paths)))
        self.labels = PROTOCOL.to_mm(np.concatenate(labels), "own").astype(np.float32)
        self.subjects = tuple(subjects)

    @classmethod
    def layout(cls) -> str:
        return "P0 to P8, with a folder for each gesture and in it joint.txt and *_depth.bin"

    @classmethod
    def pattern(cls) -> str:
        return "*_depth.bin"

    def path(self, index: int) -> Path:
        return self._paths[index]

    def _gestures(self, person: str) -> list[Path]:
        folder = self.root / person
        found = sorted(path for path in folder.glob("[!.]*") if path.is_dir())
        for gesture in found:
            self._file(person, gesture.name, "joint.txt")
        if not found:
            raise DatasetError(f"{folder}: no gesture: give the folder that holds {self.layout()}")
        return found


def _people(split: str) -> tuple[str, ...]:
    if split == "all":
        return _PERSONS
    left_out = split.removeprefix("not-")
    return tuple(person for person in _PERSONS if (person == left_out) == (split == left_out))


def _read_joints(path: Path) -> NDArray[np.float64]:
    """(N, 21, 3) in the dataset's own axes."""
    lines = read_lines(path)
    if not lines or not re.fullmatch(r"\s*\d{1,9}\s*", lines[0]):
        raise DatasetError(f"{path}: must begin with the number of its frames: download it again")
    if int(lines[0]) != len(lines) - 1:
        raise DatasetError(f"{path}: says {int(lines[0])} frames and has {len(lines) - 1} lines: download it again")
    return check_places(path, parse_joint_lines(path, lines[1:], len(JOINTS), first=2).values)
