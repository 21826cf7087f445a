"""What is compared: the labels of a dataset, and predictions of it, frame by frame."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knuckle.camera import Camera
from knuckle.data.dataset import Dataset
from knuckle.data.datasets import open_dataset, protocol_named, usual_splits
from knuckle.data.joint_text import JointText, read_joint_text
from knuckle.data.nyu import EVALUATED
from knuckle.data.protocol import Form, Protocol, Subject, weighted
from knuckle.errors import DatasetError
from knuckle.files import is_folder
from knuckle.numpy_files import map_npy

_FARTHEST_MM = 1e6
"""Beyond that lies no joint, but damage."""


@dataclass(frozen=True, eq=False)
class Truth:
    """joints: (N, J, 3) mm, camera axes, NaN in a frame that is not scored because a joint of its label is unknown.

    names: of each frame's image, below the folder of all images, where the labels have them; camera: in the place of
    the protocol's.
    """

    path: Path
    protocol: Protocol
    joints: NDArray[np.float64]
    subjects: tuple[Subject, ...]
    names: tuple[str, ...] | None = None
    camera: Camera | None = None

    def __len__(self) -> int:
        return len(self.joints)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """(N,) frames that can be scored."""
        return np.asarray(np.isfinite(self.joints).all(axis=(1, 2)))


def read_truth(dataset: str, path: str | Path, form: Form | None = None, split: str | None = None) -> Truth:
    """Labels from a text file of joints, or from the folder of the dataset itself.

    form: of the text, None = the community's for this dataset. split: of a folder, None = what is tested on. Raises
    `DatasetError` for what cannot be read or has no frame to score.
    """
    path = Path(path)
    truth = _from_folder(dataset, path, split) if is_folder(path) else _from_text(dataset, path, form)
    joints = _usable(truth.joints)
    truth = Truth(path, truth.protocol, joints, truth.subjects, truth.names, truth.camera)
    if not truth.labelled.any():
        raise DatasetError(f"{path}: no frame has all of its joints: there is nothing to compare with")
    return truth


def read_predictions(path: str | Path, truth: Truth, form: Form | None = None) -> NDArray[np.float64]:
    """(N, J, 3) mm, camera axes, in the order of the labels; NaN in a frame without a usable answer.

    That is one with a number that is not finite, or with a joint at depth 0, behind the camera or a kilometre away.
    Where both files name their images, lines belong to the label of the same name, and an image without a line has no
    answer; else line n is frame n. A .npy holds HAND21 (N, 21, 3) in mm, as `knuckle train` leaves a method's joints.

    Raises `DatasetError` if numbers of lines or joints differ, a name is unknown or stands there twice, or no frame
    with a label has a usable answer.
    """
    path = Path(path)
    joints = _usable(_from_npy(path, truth) if path.suffix == ".npy" else _from_lines(path, truth, form))
    if not (np.isfinite(joints[:, 0, 0]) & truth.labelled).any():
        raise DatasetError(
            f"{path}: no frame that has a label in {truth.path} has a usable answer: all are nan, or behind the camera"
        )
    return joints


def _usable(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """Joints (N, J, 3) mm, NaN in every frame with a joint that is nowhere, or where no camera sees one."""
    usable = np.asarray((np.abs(joints) < _FARTHEST_MM).all(axis=(1, 2)) & (joints[..., 2] > 0).all(axis=1))
    return np.where(usable[:, None, None], joints, np.nan)


def _from_npy(path: Path, truth: Truth) -> NDArray[np.float64]:
    """The dataset's joints (N, J, 3) made of HAND21."""
    hands = map_npy(path, DatasetError)
    if hands.dtype.kind != "f" or hands.shape != (len(truth), 21, 3):
        found = f"{hands.dtype} {hands.shape}"
        raise DatasetError(f"{path}: holds {found}, not real numbers ({len(truth)}, 21, 3): a HAND21 a frame")
    return weighted(truth.protocol.from_hand, hands)


def _from_lines(path: Path, truth: Truth, form: Form | None) -> NDArray[np.float64]:
    protocol, form = truth.protocol, form or truth.protocol.form
    text = read_joint_text(path, len(protocol.joints), _more_joints(protocol))
    values = _in_order(text, truth)
    return _to_mm(protocol, values, form, truth.camera)


def _to_mm(
    protocol: Protocol, values: NDArray[np.float64], form: Form, camera: Camera | None = None
) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", over="ignore"):  # of pixels that are infinite, or might as well be
        return protocol.to_mm(values, form, camera)


def evaluated_split(dataset: str) -> str:
    """The split that a dataset is evaluated on."""
    splits = usual_splits(dataset)
    return "test" if "test" in splits else splits[0]


def _from_folder(dataset: str, folder: Path, split: str | None) -> Truth:
    opened: Dataset = open_dataset(dataset, folder, split or evaluated_split(dataset))
    joints = opened.labels.astype(np.float64)
    return Truth(folder, opened.protocol, joints, opened.subjects, _image_names(opened), opened.camera)


def _image_names(dataset: Dataset) -> tuple[str, ...]:
    """Of each frame, below the folder that holds all images: what the community's files call them."""
    paths = [dataset.path(index).absolute() for index in range(len(dataset))]
    common = os.path.commonpath({path.parent for path in paths})
    return tuple(path.relative_to(common).as_posix() for path in paths)


def _from_text(dataset: str, path: Path, form: Form | None) -> Truth:
    protocol = protocol_named(dataset)
    text = read_joint_text(path, len(protocol.joints), _more_joints(protocol))
    joints = _to_mm(protocol, text.values, form or protocol.form)
    split = evaluated_split(dataset)
    whole = len(joints) == protocol.counts.get(split)  # of a part of the frames nobody knows which persons they show
    return Truth(path, protocol, joints, protocol.subjects.get(split, ()) if whole else (), text.names)


def _more_joints(protocol: Protocol) -> dict[int, Sequence[int]] | None:
    """NYU's files may hold all of its 36 joints."""
    return {36: EVALUATED} if protocol.name == "nyu" else None


def _in_order(text: JointText, truth: Truth) -> NDArray[np.float64]:
    """(N, J, 3) numbers, one row a label."""
    if text.names is not None and truth.names is not None:
        return _by_name(text, text.names, truth.path, truth.names)
    if len(text.values) != len(truth):
        raise DatasetError(
            f"{text.path}: {len(text.values):,} lines for the {len(truth):,} frames of {truth.path}: a file must have "
            "one line a frame, nan where there is no answer"
        )
    return text.values


def _by_name(text: JointText, names: tuple[str, ...], labels: Path, wanted: tuple[str, ...]) -> NDArray[np.float64]:
    places: dict[str, int] = {}
    for index, name in enumerate(wanted):
        if places.setdefault(name, index) != index:
            raise DatasetError(f"{labels}: {name!r} stands there twice")
    values = np.full((len(wanted), *text.values.shape[1:]), np.nan)
    seen: set[str] = set()
    for name, row in zip(names, text.values, strict=True):
        if name not in places:
            raise DatasetError(f"{text.path}: {name!r} is no image of the labels")
        if name in seen:
            raise DatasetError(f"{text.path}: {name!r} stands there twice")
        seen.add(name)
        values[places[name]] = row
    return values
