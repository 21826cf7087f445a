"""The one form of every dataset of real frames: depth in mm with y down, named joints, camera, subject, split."""

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from knuckle.anatomy import HAND21, NYU14_FROM_HAND21
from knuckle.camera import Camera
from knuckle.crop import CropBox
from knuckle.data.protocol import Protocol, Subject, picked, weighted
from knuckle.depth import read_depth
from knuckle.errors import DatasetError, DepthError
from knuckle.files import is_folder

FARTHEST = 1e6
"""Pixels, or mm: beyond that lies no joint, but damage."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame as its dataset has it.

    depth: (H, W) float32 mm, 0 = no measurement; joints: (J, 3) mm in camera axes, in the order of the dataset's own
    names; hand21: (21, 3) mm, those of HAND21, NaN where the dataset has no such joint.
    """

    path: Path
    depth: NDArray[np.float32]
    camera: Camera
    joints: NDArray[np.float32]
    hand21: NDArray[np.float32]
    subject: str
    split: str


class Dataset(ABC):
    """A split of a dataset in the folder that its download unpacks to. Labels are read at once, frames one by one.

    labels: (N, J, 3) float32 mm, camera axes, joints of `protocol.joints`, NaN where unknown; hand21 (N, 21, 3), the
    same as HAND21, and joints14 (N, 14, 3), as NYU14. Raises `DatasetError`, naming the file and the remedy, if labels
    are missing or damaged.
    """

    name: ClassVar[str]
    splits: ClassVar[tuple[str, ...]]

    protocol: Protocol
    labels: NDArray[np.float32]
    subjects: tuple[Subject, ...]

    def __init__(self, root: str | Path, split: str) -> None:
        self.root, self.split = require_folder(Path(root), self.layout()), split

    @classmethod
    @abstractmethod
    def layout(cls) -> str:
        """What a folder of this dataset holds, for messages."""

    @abstractmethod
    def path(self, index: int) -> Path:
        """File of a frame."""

    @property
    def camera(self) -> Camera:
        """Of all its frames."""
        assert self.protocol.camera is not None
        return self.protocol.camera

    @cached_property
    def hand21(self) -> NDArray[np.float32]:
        """(N, 21, 3) mm: here of labels that are named as HAND21."""
        return weighted(picked(HAND21, self.protocol.joints), self.labels).astype(np.float32)

    @property
    def joints14(self) -> NDArray[np.float32]:
        """(N, 14, 3) mm."""
        return weighted(NYU14_FROM_HAND21, self.hand21).astype(np.float32)

    def __len__(self) -> int:
        return len(self.labels)

    def is_there(self, index: int) -> bool:
        """Whether a frame has a file."""
        try:
            return self.path(index).is_file()
        except OSError:  # a label may name what cannot be a file's name
            return False

    def depth(self, index: int) -> NDArray[np.float32]:
        """(H, W) mm. Raises `DepthError` if the frame is missing, damaged or not of the camera's size."""
        path = self.path(index)
        depth = read_depth(path, self.camera.depth_unit_mm)
        if depth.shape != (self.camera.height, self.camera.width):
            sizes = [
                f"{width} x {height} px" for height, width in (depth.shape, (self.camera.height, self.camera.width))
            ]
            raise DepthError(f"{path}: an image of {sizes[0]} in a dataset of {sizes[1]}")
        return depth

    def frame(self, index: int) -> Frame:
        """Everything about one frame. Raises `DepthError` as `depth` does."""
        return Frame(
            self.path(index),
            self.depth(index),
            self.camera,
            self.labels[index],
            self.hand21[index],
            self.subject(index),
            self.split,
        )

    def subject(self, index: int) -> str:
        """Name of the person in a frame; empty where it is not known."""
        at = bisect_right([subject.start for subject in self.subjects], index) - 1
        return self.subjects[at].name if at >= 0 and index < self.subjects[at].stop else ""

    def crop_box(self, index: int, center: NDArray[np.float64], cube_mm: float | None = None) -> CropBox:
        """The cube about a centre (3,) mm; cube_mm None: as the literature has it for this person."""
        return CropBox(center, self.camera, cube_mm or self.protocol.cube_of(self.subject(index)))

    def images(self) -> Sequence[Path]:
        """Every depth image that lies in the split's folders, with or without a label, sorted."""
        folders = {self.path(index).parent for index in range(len(self))}
        return sorted(path for folder in folders if is_folder(folder) for path in folder.glob(self.pattern()))

    @classmethod
    def pattern(cls) -> str:
        """Of the names of its depth images."""
        return "*.png"

    def _file(self, *parts: str) -> Path:
        """A file of the folder that must be there."""
        path = self.root.joinpath(*parts)
        if not path.is_file():
            raise DatasetError(f"{path}: missing: give the folder that holds {self.layout()}, unpacked whole")
        return path


def require_folder(root: Path, layout: str) -> Path:
    """Returns the folder of a dataset. Raises `DatasetError`, with what it should hold, if there is none."""
    if is_folder(root):
        return root
    if root.name and root in root.parent.glob("*"):
        raise DatasetError(f"{root}: a file: unpack it, and give the folder that holds {layout}")
    raise DatasetError(f"{root}: no such folder: give the one that holds {layout}")


def check_places(path: Path, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns a file's joints (N, J, 3) if each is NaN or can be a place. Raises `DatasetError` if one cannot."""
    wrong = np.flatnonzero((np.abs(values) > FARTHEST).any(axis=(1, 2)))
    if wrong.size:
        raise DatasetError(f"{path}: frame {wrong[0] + 1} of its {len(values)} has a joint at infinity: copy it again")
    return values


def check_split(dataset: type[Dataset], split: str) -> str:
    """Returns the split if the dataset has it. Raises `DatasetError` if not."""
    if split not in dataset.splits:
        raise DatasetError(f"{dataset.name} has no split {split!r}: choose {', '.join(dataset.splits)}")
    return split
