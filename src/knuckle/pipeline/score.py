"""How good part maps and joints are: the numbers of every table, as plain values for JSON."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from knuckle.data.memory import TrainingData
from knuckle.metrics import (
    class_accuracy,
    confusion_matrix,
    hand_iou,
    joint_errors,
    mean_error_2d,
    mean_error_3d,
    part_accuracies,
    pixel_accuracy,
    success_curve,
)

THRESHOLDS_MM = np.arange(81)
"""Of the share of frames whose worst joint is near enough ([N] Figure 8)."""


def part_scores(predicted: NDArray[np.uint8], truth: NDArray[np.uint8]) -> dict[str, Any]:
    """Accuracies in % of part maps (N, 48, 48): per pixel, per class and of every part (None where there is none).

    They look at the hand's pixels alone; hand_iou, of the hand as a whole, also sees what else is called hand.
    """
    confusion = confusion_matrix(predicted, truth)
    parts = 100 * part_accuracies(confusion)
    return {
        "pixel": 100 * pixel_accuracy(confusion),
        "class": 100 * class_accuracy(confusion),
        "hand_iou": 100 * hand_iou(confusion),
        "parts": [float(value) if np.isfinite(value) else None for value in parts],
    }


def joint_scores(places: NDArray[np.float32], data: TrainingData) -> dict[str, Any]:
    """Errors in mm of joints (N, 21, 3) in crop coordinates, and the share of frames within each threshold.

    Over the frames whose joints are all known.
    """
    hands = data.has_hand
    placed, truth = data.to_mm(places)[hands], data.joints_mm()[hands]
    errors = joint_errors(placed, truth)
    return {
        "mean_3d": mean_error_3d(placed, truth),
        "mean_2d": mean_error_2d(placed, truth),
        "median_3d": float(np.median(errors)),
        "joints": errors.mean(axis=0).tolist(),
        "curve": success_curve(errors, THRESHOLDS_MM).tolist(),
    }


def accuracy_of_each(predicted: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Share (N,) of each map's true hand pixels that carry the right label; NaN without a hand."""
    hand = truth > 0
    right = ((predicted == truth) & hand).sum(axis=(1, 2))
    count = hand.sum(axis=(1, 2))
    return np.divide(right, count, out=np.full(len(truth), np.nan), where=count > 0)
