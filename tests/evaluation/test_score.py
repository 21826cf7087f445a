"""Every number of a score against a plain loop; intervals; what counts where answers or labels are missing."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled import places, truth_of

from knuckle.data.protocol import Subject
from knuckle.errors import DatasetError
from knuckle.evaluation import score as module
from knuckle.evaluation.score import interval, score


def off(joint: np.ndarray, other: np.ndarray, axes: int = 3) -> float:
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(joint[:axes], other[:axes], strict=True)))


@given(st.integers(0, 2**32 - 1), st.integers(2, 9))
def test_numbers_are_those_of_plain_loops(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    true = places(count, rng)
    found = true + rng.normal(0, 15, true.shape)
    half = count // 2
    got = score(found, truth_of(true, Subject("A", 0, half), Subject("B", half, count)))
    errors = [[off(found[n, j], true[n, j]) for j in range(14)] for n in range(count)]
    flat = [error for row in errors for error in row]
    assert got.mean_3d == pytest.approx(sum(flat) / len(flat))
    flat_2d = [off(found[n, j], true[n, j], 2) for n in range(count) for j in range(14)]
    assert got.mean_2d == pytest.approx(sum(flat_2d) / len(flat_2d))
    assert got.median_3d == pytest.approx(np.median(flat))
    of_joint = [sum(row[j] for row in errors) / count for j in range(14)]
    assert list(got.per_joint.values()) == pytest.approx(of_joint)
    assert got.per_joint["palm"] == pytest.approx(of_joint[13])
    assert got.per_finger["thumb"] == pytest.approx(sum(of_joint[8:11]) / 3)
    assert got.per_finger["palm"] == pytest.approx(sum(of_joint[11:14]) / 3)
    assert got.per_subject["A"] == pytest.approx(sum(map(sum, errors[:half])) / (14 * half))
    assert got.per_subject["B"] == pytest.approx(sum(map(sum, errors[half:])) / (14 * (count - half)))
    within = [sum(max(row) <= mm for row in errors) / count for mm in range(81)]
    assert got.within.tolist() == pytest.approx(within)
    assert got.area == pytest.approx(sum((a + b) / 2 for a, b in itertools.pairwise(within)) / 80)


def test_a_missing_answer_is_left_out_of_means_and_fails_at_every_distance() -> None:
    true = places(4, np.random.default_rng(0))
    found = true + (3.0, 0, 4.0)
    found[1] = np.nan
    got = score(found, truth_of(true, Subject("A", 0, 1), Subject("B", 1, 2), Subject("C", 2, 4)))
    assert (got.frames, got.missing, got.unlabelled) == (4, 1, 0)
    assert (got.mean_3d, got.mean_2d) == (pytest.approx(5), pytest.approx(3))
    assert got.within[[4, 6, 80]].tolist() == [0, 0.75, 0.75]
    assert got.per_subject["A"] == pytest.approx(5)
    assert got.per_subject["B"] is None
    assert np.isnan(got.errors).all(axis=1).tolist() == [False, True, False, False]


def test_a_frame_without_a_label_counts_for_nobody() -> None:
    true = places(3, np.random.default_rng(0))
    found = true + (1.0, 0, 0)
    true[2] = np.nan
    got = score(found, truth_of(true))
    assert (got.frames, got.missing, got.unlabelled) == (2, 0, 1)
    assert got.within[1:].tolist() == [1] * 80


def test_nothing_in_common_is_an_error() -> None:
    true = places(2, np.random.default_rng(0))
    found = true.copy()
    true[0], found[1] = np.nan, np.nan
    with pytest.raises(DatasetError, match=r"no frame has both a label in labels\.txt"):
        score(found, truth_of(true))


def test_json_has_plain_values_under_the_promised_names() -> None:
    true = places(3, np.random.default_rng(0))
    found = score(true + 1.0, truth_of(true, Subject("A", 0, 3))).as_json()
    assert list(found) == [
        "frames", "missing_frames", "unlabelled_frames", "mean_3d_mm", "mean_3d_interval_mm", "mean_2d_mm",
        "median_3d_mm", "per_joint_mm", "per_finger_mm", "per_subject_mm", "within_mm", "area_under_curve",
    ]  # fmt: skip
    assert found["within_mm"]["2"] == 1
    assert list(found["within_mm"]) == [str(mm) for mm in range(81)]
    assert found["per_subject_mm"] == {"A": pytest.approx(math.sqrt(3))}


class Fixed:
    """In the place of a generator: gives the same starts of blocks to both twins."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def integers(self, high: int, size: tuple[int, int]) -> np.ndarray:
        return np.random.default_rng(self.seed).integers(high, size=size)


def interval_by_loops(values: list[float], block: int, starts: np.ndarray) -> list[float]:
    means = []
    for row in starts.tolist():
        drawn = [values[(start + step) % len(values)] for start in row for step in range(block)]
        means.append(sum(drawn) / len(drawn))
    return np.percentile(means, [2.5, 97.5]).tolist()


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 12))
def test_the_interval_is_a_bootstrap_of_circular_blocks(seed: int, count: int, block: int) -> None:
    values = np.random.default_rng(seed).gamma(2, 5, count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK", block)
        patch.setattr(module, "_RESAMPLES", 20)
        found = interval(values, Fixed(seed))  # type: ignore[arg-type]
    used = min(block, max(1, count // 10))
    starts = Fixed(seed).integers(count, (20, -(-count // used)))
    assert list(found) == pytest.approx(interval_by_loops(values.tolist(), used, starts))


def test_an_interval_holds_the_mean_and_is_wider_where_neighbours_err_alike() -> None:
    rng = np.random.default_rng(0)
    slow = 10 + 5 * np.sin(np.arange(5000) / 150) + rng.normal(0, 1, 5000)
    low, high = interval(slow, rng)
    assert low < slow.mean() < high
    mixed_low, mixed_high = interval(rng.permutation(slow), rng)
    assert high - low > 3 * (mixed_high - mixed_low)


def test_the_interval_of_few_frames_is_no_point() -> None:
    values = np.random.default_rng(0).gamma(2, 5, 60)
    low, high = interval(values, np.random.default_rng(0))
    assert low < values.mean() - 0.5
    assert high > values.mean() + 0.5


def test_equal_values_have_no_interval() -> None:
    assert interval(np.full(7, 3.0), np.random.default_rng(0)) == (pytest.approx(3), pytest.approx(3))
