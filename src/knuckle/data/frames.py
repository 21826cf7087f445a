"""Recordings of one's own: a folder of depth images, the camera, and joints where they are known.

    *.png, *.npy, *.bin     depth images, in the order of their names, 2.png before 10.png
    camera.json             fx, fy, cx, cy, width, height, and depth_unit_mm for the images' unit
    joints.csv              optional: file, then JOINT_x, JOINT_y, JOINT_z for any joints of HAND21 and NYU14

Joints are in mm, camera axes, y down; an empty cell is unknown, and so is every joint of a file without a line.
"""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knuckle.anatomy import BONES, HAND21, NYU14, NYU14_FROM_HAND21
from knuckle.camera import Camera
from knuckle.crop import CUBE_MM
from knuckle.data.dataset import FARTHEST, Dataset, check_split
from knuckle.data.joint_text import read_lines
from knuckle.data.protocol import Protocol, picked, weighted
from knuckle.depth.listing import depth_images
from knuckle.errors import DatasetError
from knuckle.files import write_whole

JOINTS_FILE = "joints.csv"
CAMERA_FILE = "camera.json"

_AXES = ("x", "y", "z")


def protocol_of(joints: Sequence[str] = HAND21) -> Protocol:
    """Of a recording with these joints, of HAND21 and NYU14; text files hold x, y, z in camera axes."""
    weights = {**dict(zip(NYU14, NYU14_FROM_HAND21, strict=True)), **dict(zip(HAND21, np.eye(21), strict=True))}
    pairs = [(HAND21[parent], HAND21[child]) for parent, child in BONES]
    return Protocol(
        name="frames",
        title="Frames",
        joints=tuple(joints),
        from_hand=np.stack([weights[joint] for joint in joints]),
        bones=tuple((joints.index(a), joints.index(b)) for a, b in pairs if a in joints and b in joints),
        camera=None,
        cube_mm=CUBE_MM,
        form="xyz",
    )


class Frames(Dataset):
    """A folder as the head of this file describes it."""

    name = "frames"
    splits = ("all",)

    def __init__(self, root: str | Path, split: str = "all") -> None:
        super().__init__(root, check_split(Frames, split))
        self._camera = Camera.load(self._file(CAMERA_FILE))
        self._paths = depth_images(self.root)
        self.subjects = ()
        if not self._paths:
            raise DatasetError(f"{root}: no depth image: give the folder that holds {self.layout()}")
        file = self.root / JOINTS_FILE
        joints, rows = read_joints(file) if file.exists() else (HAND21, {})
        self.protocol = protocol_of(joints)
        self.labels = np.full((len(self._paths), len(joints), 3), np.nan, dtype=np.float32)
        places = {path.name: index for index, path in enumerate(self._paths)}
        for name, row in rows.items():
            if name not in places:
                raise DatasetError(f"{file}: {name!r} is no depth image of this folder")
            self.labels[places[name]] = row

    @classmethod
    def layout(cls) -> str:
        return f"depth images (*.png, *.npy, *.bin), {CAMERA_FILE} and, if joints are known, {JOINTS_FILE}"

    @classmethod
    def pattern(cls) -> str:
        return "*.*"

    def images(self) -> Sequence[Path]:
        return self._paths

    def path(self, index: int) -> Path:
        return self._paths[index]

    @property
    def camera(self) -> Camera:
        return self._camera

    @property
    def joints14(self) -> NDArray[np.float32]:
        """Those that the file names, the others made of its HAND21."""
        made = weighted(NYU14_FROM_HAND21, self.hand21)
        named = weighted(picked(NYU14, self.protocol.joints), self.labels)
        return np.where(np.isnan(named), made, named).astype(np.float32)


def write_joints(folder: str | Path, names: Sequence[str], joints: ArrayLike, order: Sequence[str] = HAND21) -> None:
    """Writes joints.csv into a folder: names of N images, joints (N, J, 3) mm in camera axes, NaN = unknown.

    It appears whole or not at all. Raises `DatasetError` if it cannot be written.
    """
    rows = np.asarray(joints, dtype=np.float64).reshape(-1, 3 * len(order))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", *(f"{joint}_{axis}" for joint in order for axis in _AXES)])
    for name, row in zip(names, rows.tolist(), strict=True):
        writer.writerow([name, *("" if math.isnan(value) else f"{value:.3f}" for value in row)])
    write_whole(Path(folder) / JOINTS_FILE, text.getvalue(), DatasetError)


def read_joints(path: Path) -> tuple[tuple[str, ...], dict[str, NDArray[np.float32]]]:
    """Names of the joints in a joints.csv, and (J, 3) mm, camera axes, of every file that has a line; NaN = unknown.

    Raises `DatasetError`, naming the line, if it is not such a table.
    """
    try:
        rows = list(csv.reader(read_lines(path)))
    except csv.Error as error:
        raise DatasetError(f"{path}: not a table ({error}): write it as comma-separated values") from None
    joints = _header(path, rows[0] if rows else [])
    found: dict[str, NDArray[np.float32]] = {}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != 1 + 3 * len(joints):
            raise DatasetError(f"{path}: line {number} has {len(row)} cells, its header {1 + 3 * len(joints)}")
        if row[0] in found:
            raise DatasetError(f"{path}: line {number}: {row[0]!r} stands there twice")
        found[row[0]] = _place(path, number, row[1:])
    return joints, found


def _header(path: Path, cells: list[str]) -> tuple[str, ...]:
    cells = [cell.strip() for cell in cells]
    joints = tuple(cell.removesuffix("_x") for cell in cells[1::3])
    wanted = ["file", *(f"{joint}_{axis}" for joint in joints for axis in _AXES)]
    if not joints or cells != wanted:
        example = "file,wrist_x,wrist_y,wrist_z"  # not from these cells, which may name anything
        raise DatasetError(f"{path}: its first line must be  file,JOINT_x,JOINT_y,JOINT_z,...  such as  {example}")
    for joint in joints:
        if joint not in HAND21 and joint not in NYU14:
            raise DatasetError(f"{path}: {joint!r} is no joint of knuckle.anatomy.HAND21 or NYU14")
    if len(set(joints)) < len(joints):
        raise DatasetError(f"{path}: a joint stands there twice")
    return joints


def _place(path: Path, number: int, cells: list[str]) -> NDArray[np.float32]:
    try:
        values = np.array([float(cell) if cell.strip() else math.nan for cell in cells])
    except ValueError as error:
        raise DatasetError(f"{path}: line {number}: {error}") from None
    if (np.abs(values) > FARTHEST).any():
        raise DatasetError(f"{path}: line {number} holds an infinite number: leave a cell empty where it is unknown")
    return values.reshape(-1, 3).astype(np.float32)
