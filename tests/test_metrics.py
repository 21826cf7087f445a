"""The measures against plain loops, hand-made cases, and the published numbers of other methods on NYU."""

import gzip
import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from knuckle.anatomy import LABELS
from knuckle.camera import Camera
from knuckle.errors import SettingsError
from knuckle.metrics import (
    area_under_curve,
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

NYU_CAMERA = Camera(fx=588.03, fy=587.07, cx=320, cy=240, width=640, height=480)
PUBLISHED_3D = {  # mm, mean over 14 joints x 8,252 frames
    "DeepPrior": 20.750,
    "DeepPrior-Refinement": 19.726,
    "DeepModel": 17.036,
    "Feedback": 15.973,
    "LieX": 14.507,
    "REN-4x6x6": 13.393,
    "DeepPriorPP": 12.238,
    "V2V-PoseNet": 8.419,
}
PUBLISHED_2D = {"DeepPrior-Refinement": 14.77, "Feedback": 12.28}  # mm; [N] Table 4 rounds them to 14.8 and 12.4

COORDINATE = st.floats(-1000, 1000, allow_nan=False)


@st.composite
def joint_pairs(draw: st.DrawFn) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    shape = (draw(st.integers(1, 4)), draw(st.integers(1, 6)), 3)
    return draw(hnp.arrays(float, shape, elements=COORDINATE)), draw(hnp.arrays(float, shape, elements=COORDINATE))


@st.composite
def part_maps(draw: st.DrawFn) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Two part maps of one shape; few distinct labels in some, so that right, wrong and absent parts all happen."""
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    labels = st.integers(0, draw(st.sampled_from([1, 3, 20])))
    return draw(hnp.arrays(np.uint8, shape, elements=labels)), draw(hnp.arrays(np.uint8, shape, elements=labels))


@given(joint_pairs())
def test_joint_errors_are_those_of_a_plain_loop(pair: tuple[NDArray[np.float64], NDArray[np.float64]]) -> None:
    predicted, truth = pair
    errors = joint_errors(predicted, truth)
    flat = []
    for frame in range(len(truth)):
        for joint in range(truth.shape[1]):
            dx, dy, _ = predicted[frame, joint] - truth[frame, joint]
            assert errors[frame, joint] == pytest.approx(math.dist(predicted[frame, joint], truth[frame, joint]))
            flat.append(math.hypot(dx, dy))
    assert mean_error_3d(predicted, truth) == pytest.approx(sum(errors.ravel()) / errors.size)
    assert mean_error_2d(predicted, truth) == pytest.approx(sum(flat) / len(flat))


@given(joint_pairs(), st.lists(st.floats(0, 4000), min_size=2, max_size=6, unique=True))
def test_success_curve_is_that_of_a_plain_loop(
    pair: tuple[NDArray[np.float64], NDArray[np.float64]], thresholds: list[float]
) -> None:
    errors = joint_errors(*pair)
    thresholds = sorted(thresholds)
    shares = success_curve(errors, thresholds)
    for threshold, share in zip(thresholds, shares, strict=True):
        good = sum(all(error <= threshold for error in frame) for frame in errors)
        assert share == good / len(errors)
    area = 0.0
    for i in range(1, len(thresholds)):
        area += (thresholds[i] - thresholds[i - 1]) * (shares[i] + shares[i - 1]) / 2
    assert area_under_curve(thresholds, shares) == pytest.approx(area / (thresholds[-1] - thresholds[0]), abs=1e-12)


@given(part_maps())
def test_part_measures_are_those_of_plain_loops(maps: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
    predicted, truth = maps
    counts = [[0] * len(LABELS) for _ in LABELS]
    for guess, right in zip(predicted.ravel().tolist(), truth.ravel().tolist(), strict=True):
        counts[right][guess] += 1
    confusion = confusion_matrix(predicted, truth)
    assert confusion.tolist() == counts

    union = sum(bool(p or t) for p, t in zip(predicted.ravel(), truth.ravel(), strict=True))
    if union:
        both = sum(bool(p and t) for p, t in zip(predicted.ravel(), truth.ravel(), strict=True))
        assert hand_iou(confusion) == pytest.approx(both / union)
    if not truth.any():
        with pytest.raises(SettingsError, match="no hand"):
            pixel_accuracy(confusion)
        return
    hand = [(p, t) for p, t in zip(predicted.ravel(), truth.ravel(), strict=True) if t > 0]
    assert pixel_accuracy(confusion) == pytest.approx(sum(p == t for p, t in hand) / len(hand))
    shares = []
    for part in range(1, len(LABELS)):
        own = [p == part for p, t in hand if t == part]
        assert np.isnan(part_accuracies(confusion)[part - 1]) == (not own)
        if own:
            shares.append(sum(own) / len(own))
            assert part_accuracies(confusion)[part - 1] == pytest.approx(shares[-1])
    assert class_accuracy(confusion) == pytest.approx(sum(shares) / len(shares))


@settings(max_examples=30)
@given(part_maps(), part_maps())
def test_confusion_matrices_of_batches_add_up(
    first: tuple[NDArray[np.uint8], NDArray[np.uint8]], second: tuple[NDArray[np.uint8], NDArray[np.uint8]]
) -> None:
    predicted = np.concatenate([first[0].ravel(), second[0].ravel()])
    truth = np.concatenate([first[1].ravel(), second[1].ravel()])
    np.testing.assert_array_equal(
        confusion_matrix(predicted, truth), confusion_matrix(*first) + confusion_matrix(*second)
    )


def test_the_two_accuracies_weigh_parts_differently() -> None:
    truth = np.array([1] * 9 + [4] + [0] * 5, dtype=np.uint8)
    predicted = np.array([1] * 9 + [5] + [7] * 5, dtype=np.uint8)
    confusion = confusion_matrix(predicted, truth)
    assert pixel_accuracy(confusion) == pytest.approx(0.9)  # the false hand pixels in the background do not count
    assert class_accuracy(confusion) == pytest.approx(0.5)
    assert hand_iou(confusion) == pytest.approx(10 / 15)


def test_one_bad_joint_spoils_its_frame() -> None:
    errors = np.array([[1.0, 2.0, 30.0], [1.0, 2.0, 3.0]])
    np.testing.assert_array_equal(success_curve(errors, [2.9, 3.0, 29.0, 30.0]), [0.0, 0.5, 0.5, 1.0])


def test_frames_without_a_hand_are_refused() -> None:
    truth = np.zeros((3, 21, 3))
    for value in (np.nan, np.inf):
        predicted = truth.copy()
        predicted[1, 4, 2] = value
        for measure in (joint_errors, mean_error_3d, mean_error_2d):
            with pytest.raises(SettingsError, match=r"predicted joints of 1 of 3 frames.*first: frame 1"):
                measure(predicted, truth)
            with pytest.raises(SettingsError, match="true joints of 1 of 3 frames"):
                measure(truth, predicted)
        with pytest.raises(SettingsError, match="without a hand"):
            success_curve(np.array([[1.0, value]]), [10.0])


@pytest.mark.parametrize(
    ("predicted", "truth"),
    [
        (np.zeros((2, 21, 3)), np.zeros((2, 14, 3))),
        (np.zeros((21, 3)), np.zeros((21, 3))),
        (np.zeros((2, 21, 2)), np.zeros((2, 21, 2))),
        (np.zeros((0, 21, 3)), np.zeros((0, 21, 3))),
    ],
)
def test_joints_of_a_wrong_shape_are_refused(predicted: NDArray[np.float64], truth: NDArray[np.float64]) -> None:
    with pytest.raises(SettingsError, match="frames, joints, 3"):
        joint_errors(predicted, truth)


def test_curves_of_a_wrong_form_are_refused() -> None:
    with pytest.raises(SettingsError, match="at least one"):
        success_curve(np.zeros((0, 21)), [10.0])
    with pytest.raises(SettingsError, match="not negative"):
        success_curve(np.array([[-1.0]]), [10.0])
    for thresholds, shares in (([1.0], [0.5]), ([2.0, 1.0], [0.5, 0.5]), ([1.0, 2.0, 3.0], [0.5, 0.5])):
        with pytest.raises(SettingsError, match="rising"):
            area_under_curve(thresholds, shares)


def test_part_maps_of_a_wrong_form_are_refused() -> None:
    empty = np.zeros((4, 4), dtype=np.uint8)
    with pytest.raises(SettingsError, match="one shape"):
        confusion_matrix(empty, empty[:2])
    with pytest.raises(SettingsError, match=r"predicted.*0\.\.20.*21"):
        confusion_matrix(empty + 21, empty)
    with pytest.raises(SettingsError, match=r"true.*-1"):
        confusion_matrix(empty, empty.astype(np.int8) - 1)
    with pytest.raises(SettingsError, match="argmax"):
        confusion_matrix(empty.astype(np.float32), empty)
    with pytest.raises(SettingsError, match="nothing to compare"):
        hand_iou(confusion_matrix(empty, empty))
    with pytest.raises(SettingsError, match="21 x 21"):
        pixel_accuracy(np.zeros((20, 20), dtype=int))


@pytest.fixture
def nyu_truth(shared_data: Path) -> NDArray[np.float64]:
    return _read_uvd(shared_data / "nyu" / "test_groundtruth_uvd.txt.gz")


@pytest.mark.parametrize("method", PUBLISHED_3D)
def test_published_errors_on_nyu_are_reproduced(method: str, shared_data: Path, nyu_truth: NDArray[np.float64]) -> None:
    predicted = _read_uvd(shared_data / "nyu" / "predictions" / f"{method}.txt.gz")
    assert predicted.shape == (8252, 14, 3)
    assert mean_error_3d(predicted, nyu_truth) == pytest.approx(PUBLISHED_3D[method], abs=5e-4)
    if method in PUBLISHED_2D:
        assert mean_error_2d(predicted, nyu_truth) == pytest.approx(PUBLISHED_2D[method], abs=5e-3)


@cache
def _read_uvd(path: Path) -> NDArray[np.float64]:
    """(N, 14, 3) mm from lines of 14 x (u px, v px, d mm)."""
    with gzip.open(path, "rt") as lines:
        uvd = np.array([line.split() for line in lines], dtype=np.float64).reshape(-1, 14, 3)
    return NYU_CAMERA.back_project(uvd[..., :2], uvd[..., 2])
