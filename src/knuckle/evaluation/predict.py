"""Our estimator on a dataset, as a file that any evaluator of the field reads."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knuckle.crop import CUBE_MM
from knuckle.data.centers import ANNOTATION, LOCATE, annotated_centers, read_centers
from knuckle.data.dataset import Dataset
from knuckle.data.joint_text import write_joint_text
from knuckle.data.protocol import Form, weighted
from knuckle.errors import DatasetError, DepthError
from knuckle.estimator import HandPoseEstimator
from knuckle.files import require_writable


@dataclass(frozen=True)
class PredictSettings:
    """How the estimator is asked, and what is written.

    centers: "locate" (the estimator finds the hand itself), "annotation", or a file; form: of the numbers, None = the
    community's; side: of the hand; cube_mm: the networks' own, whatever the literature crops with.
    """

    centers: str = LOCATE
    form: Form | None = None
    side: str = "right"
    cube_mm: float = CUBE_MM


def predict_dataset(
    dataset: Dataset,
    estimator: HandPoseEstimator,
    out: Path,
    settings: PredictSettings | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[int, list[str]]:
    """Writes a line for every frame; returns how many show no hand, and a line for each that could not be read.

    Both kinds are lines of nan, which count as missing when they are evaluated. Raises `DatasetError` if centres are
    asked for that are not there, or the file cannot be written.
    """
    settings = settings or PredictSettings()
    require_writable(out, DatasetError)
    centers = _centers(dataset, settings.centers)
    protocol = dataset.protocol
    found = np.full((len(dataset), len(protocol.joints), 3), np.nan)  # mm
    unread: list[str] = []
    empty = 0
    for index in range(len(dataset)):
        try:
            depth = dataset.depth(index)
        except DepthError as error:
            unread.append(str(error))
        else:
            joints = _joints(dataset, estimator, depth, None if centers is None else centers[index], settings)
            empty += joints is None
            if joints is not None:
                found[index] = weighted(protocol.from_hand, joints)
        progress(index + 1, len(dataset))
    form = settings.form or protocol.form
    write_joint_text(out, protocol.from_mm(found, form, dataset.camera))
    return empty, unread


def _joints(
    dataset: Dataset,
    estimator: HandPoseEstimator,
    depth: NDArray[np.float32],
    center: NDArray[np.float64] | None,
    settings: PredictSettings,
) -> NDArray[np.float32] | None:
    """(21, 3) mm, or None without a hand, or without the centre that was asked for."""
    if center is not None and not (np.isfinite(center).all() and center[2] > 0):
        return None
    hand = estimator(depth, dataset.camera, center=center, side=settings.side, cube_mm=settings.cube_mm)
    return None if hand is None else hand.joints


def _centers(dataset: Dataset, source: str) -> NDArray[np.float64] | None:
    if source == LOCATE:
        return None
    return annotated_centers(dataset) if source == ANNOTATION else read_centers(source, dataset)
