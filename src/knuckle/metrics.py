"""How well joints are placed and parts are labelled. Pure functions on arrays, the measures of [N] §5.

Joint measures start from (N, J, 3) points in mm, camera axes, for any set of J joints, NYU14 or HAND21.
Part measures start from a confusion matrix, so that they can be summed over batches of any size first.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knuckle.anatomy import LABELS
from knuckle.errors import SettingsError


def joint_errors(predicted: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Euclidean distance of every joint from where it should be.

    predicted, truth: (N, J, 3) mm. Returns (N, J) mm.
    Raises `SettingsError` if the shapes differ, there is no frame, or a coordinate is NaN or infinite.
    """
    return np.linalg.norm(_offsets(predicted, truth), axis=-1)


def mean_error_3d(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Mean over frames and joints of the 3D distance, mm ([N] Table 4). Arguments and errors as `joint_errors`."""
    return float(joint_errors(predicted, truth).mean())


def mean_error_2d(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Mean over frames and joints of the distance in x and y alone, mm ([N] Table 4).

    This is [N]'s "2D error": not pixels, but millimetres between the back-projected points, leaving out z.
    Arguments and errors as `joint_errors`.
    """
    return float(np.linalg.norm(_offsets(predicted, truth)[..., :2], axis=-1).mean())


def success_curve(errors: ArrayLike, thresholds: ArrayLike) -> NDArray[np.float64]:
    """Share of frames whose worst joint is within each threshold ([N] Fig. 8).

    errors: (N, J) mm, as `joint_errors` gives them; thresholds: (T,) mm. Returns (T,) in 0..1.
    Raises `SettingsError` if there is no error at all, or one is NaN, infinite or negative.
    """
    errors = np.asarray(errors, dtype=np.float64)
    if errors.ndim != 2 or errors.size == 0:
        raise SettingsError(f"errors must be (frames, joints) in mm with at least one of each, got {errors.shape}")
    if not np.isfinite(errors).all() or (errors < 0).any():
        raise SettingsError("errors must be finite and not negative: leave out the frames without a hand first")
    worst = errors.max(axis=1)  # (N,) mm
    return (worst[:, None] <= np.asarray(thresholds, dtype=np.float64)).mean(axis=0)


def area_under_curve(thresholds: ArrayLike, shares: ArrayLike) -> float:
    """Area under a success curve by the trapezoidal rule, divided by its width: 1 = every frame at every threshold.

    thresholds: (T,) mm, rising; shares: (T,) in 0..1, as `success_curve` gives them.
    Raises `SettingsError` if there are fewer than two thresholds, they do not rise, or the lengths differ.
    """
    x, y = np.asarray(thresholds, dtype=np.float64), np.asarray(shares, dtype=np.float64)
    if x.ndim != 1 or x.size < 2 or x.shape != y.shape or not (np.diff(x) > 0).all():
        raise SettingsError(f"thresholds must be two or more rising values, one a share; got {x.shape} and {y.shape}")
    return float((np.diff(x) * (y[1:] + y[:-1]) / 2).sum() / (x[-1] - x[0]))


def confusion_matrix(predicted: ArrayLike, truth: ArrayLike) -> NDArray[np.int64]:
    """Counts of pixels by true label (row) and predicted label (column), (21, 21); matrices of batches add up.

    predicted, truth: part maps of one shape, any number of axes, whole-number labels 0..20.
    Raises `SettingsError` if the shapes differ or a value is no label.
    """
    predicted, truth = np.asarray(predicted), np.asarray(truth)
    if predicted.shape != truth.shape:
        raise SettingsError(f"part maps must have one shape, got {predicted.shape} predicted and {truth.shape} true")
    count = len(LABELS)
    for name, labels in (("predicted", predicted), ("true", truth)):
        if not np.issubdtype(labels.dtype, np.integer):
            raise SettingsError(f"{name} part map must hold whole-number labels, got {labels.dtype}: take the argmax")
        if labels.size and not 0 <= labels.min() <= labels.max() < count:
            raise SettingsError(f"{name} part map must hold labels 0..{count - 1}, got {labels.min()}..{labels.max()}")
    pairs = truth.astype(np.int64).ravel() * count + predicted.astype(np.int64).ravel()
    return np.bincount(pairs, minlength=count * count).reshape(count, count).astype(np.int64)


def pixel_accuracy(confusion: ArrayLike) -> float:
    """Share of the hand's pixels (true label > 0) that carry the right label ([N] Table 2, "per pixel").

    confusion: (21, 21), as `confusion_matrix` gives it. Raises `SettingsError` if the truth shows no hand.
    """
    parts = _hand_rows(confusion)
    return float(parts.diagonal(offset=1).sum() / parts.sum())


def class_accuracy(confusion: ArrayLike) -> float:
    """Mean over the parts of the share of a part's pixels that carry its label ([N] Table 2, "per class").

    Parts that the truth does not show are left out of the mean. Argument and errors as `pixel_accuracy`.
    """
    shares = part_accuracies(confusion)
    return float(shares[np.isfinite(shares)].mean())


def part_accuracies(confusion: ArrayLike) -> NDArray[np.float64]:
    """Share of each part's pixels that carry its label ([N] Fig. 6), (20,) in the order of `PARTS`.

    NaN for a part that the truth does not show. Argument and errors as `pixel_accuracy`.
    """
    parts = _hand_rows(confusion)
    total = parts.sum(axis=1)
    shares = np.full(len(total), np.nan)
    return np.divide(parts.diagonal(offset=1), total, out=shares, where=total > 0)


def hand_iou(confusion: ArrayLike) -> float:
    """Intersection over union of hand (any label > 0) against not hand, whichever part it is.

    confusion: (21, 21). Raises `SettingsError` if neither truth nor prediction shows a hand.
    """
    counts = _checked_confusion(confusion)
    union = counts.sum() - counts[0, 0]
    if union == 0:
        raise SettingsError("neither the true nor the predicted part map shows a hand: there is nothing to compare")
    return float(counts[1:, 1:].sum() / union)


def _offsets(predicted: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """(N, J, 3) mm from the true to the predicted joints."""
    predicted, truth = np.asarray(predicted, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if predicted.shape != truth.shape or truth.ndim != 3 or truth.shape[-1] != 3 or truth.size == 0:
        raise SettingsError(
            f"joints must be (frames, joints, 3) mm, predicted and true alike; got {predicted.shape} and {truth.shape}"
        )
    for name, joints in (("predicted", predicted), ("true", truth)):
        bad = np.flatnonzero(~np.isfinite(joints).all(axis=(1, 2)))
        if bad.size:
            raise SettingsError(
                f"{name} joints of {bad.size} of {len(joints)} frames are not finite (first: frame {bad[0]}): "
                "leave out the frames without a hand, and count them apart"
            )
    return predicted - truth


def _checked_confusion(confusion: ArrayLike) -> NDArray[np.int64]:
    counts = np.asarray(confusion)
    if counts.shape != (len(LABELS), len(LABELS)) or not np.issubdtype(counts.dtype, np.integer) or (counts < 0).any():
        raise SettingsError(f"confusion must be a {len(LABELS)} x {len(LABELS)} matrix of counts, got {counts.shape}")
    return counts


def _hand_rows(confusion: ArrayLike) -> NDArray[np.int64]:
    """(20, 21): the rows of the hand's parts, at least one pixel in them."""
    parts = _checked_confusion(confusion)[1:]
    if parts.sum() == 0:
        raise SettingsError("the true part map shows no hand: accuracy is measured over the hand's pixels")
    return parts
