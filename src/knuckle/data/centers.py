"""Where the hand is in the frames of a dataset: from its annotation, or from a published file of centres.

A file of centres has one line a frame, x y z in mm, or the word "invalid" where there is none (V2V-PoseNet's
`center_test_refined.txt`, which others use too). Their y axis is the dataset's own.
"""

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knuckle.data.dataset import Dataset
from knuckle.data.joint_text import parse_joint_lines, read_lines, write_joint_text
from knuckle.errors import DatasetError

ANNOTATION, LOCATE = "annotation", "locate"
"""Sources of centres that are no file; the second one needs an estimator and is not known here."""

_NONE = "nan nan nan"

_FARTHEST = 1e5  # mm: 100 m, or an image far wider than any

_NEAR_MM = 20.0
"""Centres of the visible surface lie about this far from the joints' middle; where y is turned, much farther."""


def annotated_centers(dataset: Dataset) -> NDArray[np.float64]:
    """(N, 3) mm: the middle, on each axis, of the joints that are known; NaN in a frame without any.

    Raises `DatasetError` if no frame has one.
    """
    labels = dataset.labels.astype(np.float64)
    known = np.isfinite(labels)
    low = np.where(known, labels, np.inf).min(axis=1)
    high = np.where(known, labels, -np.inf).max(axis=1)
    found = np.isfinite(low) & np.isfinite(high)
    if not found.any():
        remedy = f"search the hand, with  --split {dataset.split} --centers {LOCATE}"
        raise DatasetError(f"{dataset.root}: no joints are known in {dataset.split}: {remedy}")
    centers = np.full(low.shape, np.nan)
    np.add(low, high, out=centers, where=found)
    return centers / 2


def read_centers(path: str | Path, dataset: Dataset) -> NDArray[np.float64]:
    """(N, 3) mm, camera axes, NaN where the file says "invalid".

    Raises `DatasetError` if it cannot be read, has another number of lines than the dataset has frames, or most of its
    centres lie a whole cube away from the annotated hands: then it belongs to another split, or has other axes.
    """
    path = Path(path)
    lines = [_NONE if line.strip().lower() == "invalid" else line for line in read_lines(path)]
    values = parse_joint_lines(path, lines, 1).values[:, 0]  # (N, 3)
    if len(values) != len(dataset):
        raise DatasetError(
            f"{path}: {len(values)} centres for {len(dataset)} frames of {dataset.split}: is it of another split?"
        )
    if (np.abs(values) > _FARTHEST).any():
        raise DatasetError(f"{path}: a centre is farther away than {_FARTHEST:g} mm or px: is it a file of centres?")
    centers = dataset.protocol.to_mm(values[:, None], "own")[:, 0]
    if dataset.protocol.signs[2] < 0:  # V2V's MSRA15 has z positive, unlike the dataset itself
        centers[:, 2] = np.abs(centers[:, 2])
    _refuse_far(path, centers, dataset)
    return centers


def write_centers(path: str | Path, centers: ArrayLike, dataset: Dataset) -> None:
    """Writes centres (N, 3) mm, camera axes, as `read_centers` reads them."""
    own = dataset.protocol.from_mm(np.asarray(centers, dtype=np.float64)[:, None], "own")
    own[..., 2] = np.abs(own[..., 2])
    write_joint_text(path, own)


def _refuse_far(path: Path, centers: NDArray[np.float64], dataset: Dataset) -> None:
    if not np.isfinite(dataset.labels).any():
        return
    truth = annotated_centers(dataset)
    away, mirrored = (_median_distance(centers * (1, sign, 1), truth) for sign in (1, -1))
    if away > _NEAR_MM and mirrored < away / 2:
        raise DatasetError(
            f"{path}: its centres lie {away:.0f} mm away from the annotated hands, with y turned {mirrored:.0f} mm: "
            "give y as the dataset itself has it"
        )
    if away > dataset.protocol.cube_mm / 3:
        raise DatasetError(
            f"{path}: its centres lie {away:.0f} mm away from the annotated hands: is it in mm, and of this split?"
        )


def _median_distance(centers: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    """Of the frames that have both; 0 without any."""
    away = np.linalg.norm(centers - truth, axis=1)
    away = away[np.isfinite(away)]
    return float(np.median(away)) if away.size else 0.0
