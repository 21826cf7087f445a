"""ICVL (Tang et al. 2014): Intel Creative, 16 joints; 331,006 frames to train on (22,000 and their rotations), 1,596 to
test in two sequences.

    Training/labels.txt, Training/Depth/...                 a line: path, then 16 × (u px, v px, d mm)
    Testing/test_seq_{1,2}.txt, Testing/Depth/test_seq_*/   320×240 16-bit PNG, mm

Two sets of focal lengths are in use: 241.42 (DeepPrior, V2V) and 240.99, 240.96 (A2J, and the published evaluator of
awesome-hand-pose-estimation). Here the second, so that errors agree with that evaluator's.
"""

from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knuckle.anatomy import FINGERS, HAND21
from knuckle.camera import Camera
from knuckle.data.dataset import Dataset, check_places, check_split
from knuckle.data.joint_text import read_joint_text
from knuckle.data.protocol import PALM, Protocol, Subject, picked, weighted
from knuckle.errors import DatasetError

JOINTS = ("palm", *(f"{finger}_{joint}" for finger in FINGERS for joint in ("root", "mid", "tip")))


def _ours(joint: str) -> str | None:
    """The joint of HAND21 that is meant: the middle one of a finger is its pip, of the thumb its ip."""
    finger, _, place = joint.partition("_")
    if finger == "palm":
        return None
    return f"{finger}_{'mcp' if place == 'root' else 'tip' if place == 'tip' else 'ip' if finger == 'thumb' else 'pip'}"


def _from_hand() -> NDArray[np.float64]:
    weights = picked([_ours(joint) for joint in JOINTS])
    weights[0] = PALM
    return weights


PROTOCOL = Protocol(
    name="icvl",
    title="ICVL",
    joints=JOINTS,
    from_hand=_from_hand(),
    bones=tuple((0 if step == 0 else 3 * f + step, 3 * f + step + 1) for f in range(5) for step in range(3)),
    camera=Camera(240.99, 240.96, 160.0, 120.0, 320, 240),
    cube_mm=250.0,
    counts={"train": 331_006, "test": 1_596},
    subjects={"test": (Subject("test_seq_1", 0, 702), Subject("test_seq_2", 702, 1_596))},
)

_TESTS = ("test_seq_1", "test_seq_2")


class Icvl(Dataset):
    """ICVL as it is downloaded: ROOT/Training and ROOT/Testing. Sequences stand for persons, who are not named."""

    name = "icvl"
    splits = ("train", "test")

    def __init__(self, root: str | Path, split: str) -> None:
        super().__init__(root, check_split(Icvl, split))
        self.protocol = PROTOCOL
        if split == "train":
            files = [self._file("Training", "labels.txt")]
        else:
            files = [self._file("Testing", f"{name}.txt") for name in _TESTS]
        texts = [read_joint_text(file, len(JOINTS)) for file in files]
        for text in texts:
            if text.names is None:
                raise DatasetError(f"{text.path}: its lines do not begin with an image's path: download it again")
        self._names = [name for text in texts for name in text.names or ()]
        values = np.concatenate([check_places(text.path, text.values) for text in texts])
        placed = PROTOCOL.to_mm(values, "uvd")
        placed[values[..., 2] <= 0] = np.nan
        self.labels = placed.astype(np.float32)
        ends = np.cumsum([len(text.values) for text in texts]).tolist()
        starts = [0, *ends[:-1]]
        named = zip(_TESTS, starts, ends, strict=True) if split == "test" else ()
        self.subjects = tuple(Subject(*one) for one in named)

    @classmethod
    def layout(cls) -> str:
        return "Training (labels.txt and Depth) and Testing (test_seq_1.txt, test_seq_2.txt and Depth)"

    def path(self, index: int) -> Path:
        return self.root / ("Training" if self.split == "train" else "Testing") / "Depth" / self._names[index]

    @cached_property
    def hand21(self) -> NDArray[np.float32]:
        return weighted(picked(HAND21, tuple(_ours(joint) or "" for joint in JOINTS)), self.labels).astype(np.float32)
