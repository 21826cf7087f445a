"""The numbers of one method on one set of labels ([N] §5, and the protocol of the published evaluators)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knuckle.errors import DatasetError
from knuckle.evaluation.truth import Truth
from knuckle.metrics import area_under_curve, joint_errors, mean_error_2d, success_curve

THRESHOLDS_MM = np.arange(81)
"""Of the share of frames whose worst joint is near enough ([N] Figure 8)."""

_RESAMPLES = 1_000
_BLOCK = 100
"""Frames that are drawn together: neighbours in a video err alike, and drawn one by one would make the interval seem
several times narrower than another recording's result would be. Of fewer than 1,000 frames it is a tenth: one block of
all of them would always have the same mean."""


@dataclass(frozen=True, eq=False)
class Score:
    """Errors in mm over the frames that have a label and a prediction.

    frames: with a label; missing: those of them without a usable prediction, which count as not within any threshold;
    unlabelled: left out for every method; interval_3d: 95 % of the mean, by a bootstrap of blocks of neighbours;
    per_subject: None for a person without a scored frame; within: (81,) share of the labelled frames whose worst joint
    is within 0..80 mm; errors: (N, J), NaN where nothing is scored.
    """

    frames: int
    missing: int
    unlabelled: int
    mean_3d: float
    mean_2d: float
    median_3d: float
    interval_3d: tuple[float, float]
    per_joint: dict[str, float]
    per_finger: dict[str, float]
    per_subject: dict[str, float | None]
    within: NDArray[np.float64]
    area: float
    errors: NDArray[np.float64]

    def as_json(self) -> dict[str, Any]:
        """For `knuckle evaluate --json`: lengths in mm, shares in 0..1."""
        return {
            "frames": self.frames,
            "missing_frames": self.missing,
            "unlabelled_frames": self.unlabelled,
            "mean_3d_mm": self.mean_3d,
            "mean_3d_interval_mm": list(self.interval_3d),
            "mean_2d_mm": self.mean_2d,
            "median_3d_mm": self.median_3d,
            "per_joint_mm": self.per_joint,
            "per_finger_mm": self.per_finger,
            "per_subject_mm": self.per_subject,
            "within_mm": {str(mm): float(share) for mm, share in zip(THRESHOLDS_MM, self.within, strict=True)},
            "area_under_curve": self.area,
        }


def score(predicted: NDArray[np.float64], truth: Truth) -> Score:
    """Compares (N, J, 3) mm, NaN in frames without an answer, with the labels.

    Raises `DatasetError` if not a single frame has both.
    """
    labelled = truth.labelled
    answered = labelled & np.isfinite(predicted).all(axis=(1, 2))
    if not answered.any():
        raise DatasetError(f"no frame has both a label in {truth.path} and a usable prediction")
    errors = np.full(predicted.shape[:2], np.nan)
    errors[answered] = joint_errors(predicted[answered], truth.joints[answered])
    scored = errors[answered]  # (M, J) mm
    joints = scored.mean(axis=0)
    within = success_curve(scored, THRESHOLDS_MM) * (answered.sum() / labelled.sum())
    return Score(
        frames=int(labelled.sum()),
        missing=int((labelled & ~answered).sum()),
        unlabelled=int((~labelled).sum()),
        mean_3d=float(scored.mean()),
        mean_2d=mean_error_2d(predicted[answered], truth.joints[answered]),
        median_3d=float(np.median(scored)),
        interval_3d=interval(scored.mean(axis=1), np.random.default_rng(0)),
        per_joint=dict(zip(truth.protocol.joints, joints.tolist(), strict=True)),
        per_finger={name: float(joints[rows].mean()) for name, rows in truth.protocol.fingers().items()},
        per_subject={person.name: _mean(errors[person.start : person.stop]) for person in truth.subjects},
        within=within,
        area=area_under_curve(THRESHOLDS_MM, within),
        errors=errors,
    )


def block_length(count: int) -> int:
    """How many of `count` frames `interval` draws together."""
    return min(_BLOCK, max(1, count // 10))


def interval(values: NDArray[np.float64], rng: np.random.Generator) -> tuple[float, float]:
    """2.5 and 97.5 % of the mean of values (N,), resampled in circular blocks (Politis and Romano 1992)."""
    count = len(values)
    block = block_length(count)
    sums = np.concatenate([values, values[:block]]).cumsum()
    sums = sums[block - 1 :][:count] - np.concatenate([[0.0], sums])[:count]  # (N,) of the block from each frame on
    blocks = -(-count // block)
    starts = rng.integers(count, size=(_RESAMPLES, blocks))
    means = sums[starts].sum(axis=1) / (blocks * block)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _mean(errors: NDArray[np.float64]) -> float | None:
    known = errors[np.isfinite(errors)]
    return float(known.mean()) if known.size else None
