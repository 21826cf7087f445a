"""HANDS 2017 challenge (Yuan et al. 2017): SR300, 957,032 frames with 21 joints to train on, 295,510 without to test.

    training/Training_Annotation.txt, training/images/*.png     a line: image, then 21 × (x, y, z mm), y down
    frame/BoundingBox.txt, frame/images/*.png                   a line: image, then u, v, width, height px

Persons are not told apart.
"""

from pathlib import Path

import numpy as np

from knuckle.anatomy import BONES, FINGERS, HAND21
from knuckle.camera import Camera
from knuckle.data.dataset import Dataset, check_places, check_split
from knuckle.data.joint_text import read_joint_text, read_lines
from knuckle.data.protocol import Protocol, picked
from knuckle.errors import DatasetError


def _finger(finger: str) -> tuple[str, ...]:
    """Its three joints behind the knuckle."""
    places = ("mcp", "ip", "tip") if finger == "thumb" else ("pip", "dip", "tip")
    return tuple(f"{finger}_{place}" for place in places)


JOINTS = (
    "wrist",
    "thumb_cmc",
    *(f"{finger}_mcp" for finger in FINGERS[1:]),
    *(joint for finger in FINGERS for joint in _finger(finger)),
)
"""The thumb's four are called MCP, PIP, DIP and TIP there."""

PROTOCOL = Protocol(
    name="hands17",
    title="HANDS17",
    joints=JOINTS,
    from_hand=picked(JOINTS),
    bones=tuple((JOINTS.index(HAND21[parent]), JOINTS.index(HAND21[child])) for parent, child in BONES),
    camera=Camera(475.065948, 475.065857, 315.944855, 245.287079, 640, 480),
    cube_mm=250.0,
    form="xyz",
    counts={"train": 957_032, "test": 295_510},
)


class Hands17(Dataset):
    """HANDS17 as it is downloaded: ROOT/training and ROOT/frame. The test split's joints are not published: NaN."""

    name = "hands17"
    splits = ("train", "test")

    def __init__(self, root: str | Path, split: str) -> None:
        super().__init__(root, check_split(Hands17, split))
        self.protocol = PROTOCOL
        self.subjects = ()
        if split == "train":
            file = self._file("training", "Training_Annotation.txt")
            text = read_joint_text(file, len(JOINTS))
            if text.names is None:
                raise DatasetError(f"{file}: its lines do not begin with an image's name: download it again")
            self._names, self.labels = list(text.names), check_places(file, text.values).astype(np.float32)
        else:
            file = self._file("frame", "BoundingBox.txt")
            lines = read_lines(file)
            empty = next((number for number, line in enumerate(lines, start=1) if not line.split()), None)
            if empty is not None:
                raise DatasetError(f"{file}: line {empty} is empty: download it again")
            self._names = [line.split()[0] for line in lines]
            self.labels = np.full((len(self._names), len(JOINTS), 3), np.nan, dtype=np.float32)
        if not self._names:
            raise DatasetError(f"{file}: holds no frame: download it again")

    @classmethod
    def layout(cls) -> str:
        return "training (Training_Annotation.txt and images) and frame (BoundingBox.txt and images)"

    def path(self, index: int) -> Path:
        folder = "training" if self.split == "train" else "frame"
        return self.root / folder / "images" / self._names[index]
