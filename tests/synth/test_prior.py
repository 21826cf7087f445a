"""The pose prior: limits, shares, couplings between joints, and repeatability."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from knuckle.anatomy import FINGERS, POSE, POSE_MAX, POSE_MIN
from knuckle.synth.prior import DEFAULT_MIX, PROTOTYPES, sample_pose

BETWEEN, MIXED, CURLS = np.eye(3)


def sampled(mix: NDArray, count: int = 4000, seed: int = 0) -> NDArray:
    rng = np.random.default_rng(seed)
    return np.stack([sample_pose(mix, rng) for _ in range(count)])


def angle(poses: NDArray, name: str) -> NDArray:
    return poses[:, POSE.index(name)]


@given(st.integers(0, 2**32 - 1), st.sampled_from([BETWEEN, MIXED, CURLS, DEFAULT_MIX]))
def test_poses_keep_the_limits(seed: int, mix: NDArray) -> None:
    pose = sample_pose(mix, np.random.default_rng(seed))
    assert pose.shape == (len(POSE),)
    assert (pose >= POSE_MIN).all()
    assert (pose <= POSE_MAX).all()


@given(st.integers(0, 2**32 - 1))
def test_a_bent_knuckle_holds_its_finger(seed: int) -> None:
    """At 90° of mcp flexion 40 % of the abduction is left, in between in proportion."""
    pose = sample_pose(DEFAULT_MIX, np.random.default_rng(seed))
    for finger in range(4):
        mcp, abduction = pose[7 + 4 * finger], pose[8 + 4 * finger]
        free = 1 - 0.6 * max(mcp, 0) / 90
        assert free * POSE_MIN[8 + 4 * finger] - 1e-9 <= abduction <= free * POSE_MAX[8 + 4 * finger] + 1e-9


@pytest.mark.parametrize("name", PROTOTYPES)
def test_prototypes_are_inside_the_limits(name: str) -> None:
    pose = PROTOTYPES[name]
    assert pose.shape == (len(POSE),)
    assert (pose >= POSE_MIN).all()
    assert (pose <= POSE_MAX).all()
    free = 1 - 0.6 * np.maximum(pose[7::4], 0) / 90
    assert (pose[8::4] >= free * POSE_MIN[8::4]).all()
    assert (pose[8::4] <= free * POSE_MAX[8::4]).all()


def test_poses_depend_on_the_generator_alone() -> None:
    np.testing.assert_array_equal(sampled(DEFAULT_MIX, 20, seed=5), sampled(DEFAULT_MIX, 20, seed=5))
    assert len(np.unique(angle(sampled(DEFAULT_MIX, 20), "index_abduction"))) > 10


def test_shares_may_have_any_sum() -> None:
    np.testing.assert_array_equal(sampled(DEFAULT_MIX, 50), sampled(DEFAULT_MIX * 100, 50))


def test_shares_are_kept() -> None:
    """A third of the poses between gestures are one gesture, but for their jitter; curls are never near one."""
    gestures = np.stack(list(PROTOTYPES.values()))[:, 2:]

    def held(poses: NDArray) -> float:
        apart = np.abs(poses[:, None, 2:] - gestures).max(axis=2).min(axis=1)  # degrees from the nearest gesture
        return float((apart < 6).mean())

    assert 0.08 < held(sampled(BETWEEN)) < 0.35
    assert held(sampled(CURLS)) < 0.01
    assert held(sampled(np.array([0.5, 0.0, 0.5]))) == pytest.approx(held(sampled(BETWEEN)) / 2, abs=0.03)


def test_the_whole_range_is_used() -> None:
    """Every bending angle is met in the lowest and the highest quarter of its range."""
    share = (sampled(DEFAULT_MIX) - POSE_MIN) / (POSE_MAX - POSE_MIN)
    bending = [i for i, name in enumerate(POSE) if name.endswith(("_mcp", "_pip", "_dip", "_ip"))]
    assert (np.quantile(share[:, bending], 0.02, axis=0) < 0.3).all()
    assert (np.quantile(share[:, bending], 0.98, axis=0) > 0.7).all()


@pytest.mark.parametrize("finger", FINGERS[1:])
def test_the_dip_follows_the_pip_by_two_thirds(finger: str) -> None:
    poses = sampled(CURLS)
    pip, dip = angle(poses, f"{finger}_pip"), angle(poses, f"{finger}_dip")
    inside = (pip > 5) & (pip < 100) & (dip < 79)
    slope, offset = np.polyfit(pip[inside], dip[inside], 1)
    assert 0.58 < slope < 0.68
    assert abs(offset) < 4
    assert np.corrcoef(pip, dip)[0, 1] > 0.9


def test_neighbours_curl_together_and_ring_and_pinky_most() -> None:
    poses = sampled(CURLS)
    together = np.corrcoef(np.stack([angle(poses, f"{finger}_mcp") for finger in FINGERS[1:]]))
    index_middle, middle_ring, ring_pinky = together[0, 1], together[1, 2], together[2, 3]
    assert 0.5 < index_middle < middle_ring < ring_pinky < 0.9
    assert 0.2 < together[0, 3] < index_middle


def test_the_thumb_is_free_of_the_fingers() -> None:
    poses = sampled(CURLS)
    for name in POSE[2:7]:
        for finger in FINGERS[1:]:
            assert abs(np.corrcoef(angle(poses, name), angle(poses, f"{finger}_mcp"))[0, 1]) < 0.06
