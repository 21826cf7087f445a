"""Small sets of labels and predictions, in memory and as files."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knuckle.data.joint_text import write_joint_text
from knuckle.data.nyu import PROTOCOL
from knuckle.data.protocol import Subject
from knuckle.evaluation.truth import Truth


def places(count: int, rng: np.random.Generator, joints: int = 14) -> NDArray[np.float64]:
    """Joints (N, J, 3) mm before a camera."""
    return rng.uniform((-150, -150, 500), (150, 150, 900), (count, joints, 3))


def truth_of(joints: NDArray[np.float64], *subjects: Subject) -> Truth:
    return Truth(Path("labels.txt"), PROTOCOL, joints, subjects)


def uvd_file(path: Path, joints: NDArray[np.float64]) -> Path:
    """A file of NYU's, with enough decimals to lose nothing that a test would see."""
    write_joint_text(path, PROTOCOL.from_mm(joints, "uvd"))
    return path
