"""Box sums against comparing every patch with every patch: same matches, to the bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from knuckle.restoration.exact import FAR, nearest_exact


def blob_map(rng: np.random.Generator, size: int, labels: int) -> NDArray[np.uint8]:
    """A map with hand pixels in a random rectangle (at the border, or none), in patches of equal labels."""
    part_map = np.zeros((size, size), dtype=np.uint8)
    top, left = rng.integers(0, size, 2)
    bottom, right = top + rng.integers(0, size), left + rng.integers(0, size)
    coarse = rng.integers(0, labels, (size // 3 + 1, size // 3 + 1)).astype(np.uint8)
    fine = np.kron(coarse, np.ones((3, 3), dtype=np.uint8))[:size, :size]
    part_map[top:bottom, left:right] = fine[top:bottom, left:right]
    return part_map


def every_distance(maps: NDArray, part_map: NDArray, patch: int, costs: tuple[int, int]) -> tuple[NDArray, NDArray]:
    """Distances (Q, N) of all pairs of patches, and where each of the N lies (N, 3); both in reading order."""
    radius = patch // 2

    def windows(labels: NDArray) -> list[NDArray]:
        padded = np.pad(labels, radius)
        return [padded[y : y + patch, x : x + patch] for y, x in np.argwhere(labels > 0)]

    places = np.argwhere(maps > 0)
    known = [window for labels in maps for window in windows(labels)]
    distances = np.zeros((np.count_nonzero(part_map), len(known)), dtype=np.int64)
    for q, one in enumerate(windows(part_map)):
        for n, other in enumerate(known):
            unlike = one != other
            with_background = unlike & ((one == 0) | (other == 0))
            distances[q, n] = costs[0] * (unlike & ~with_background).sum() + costs[1] * with_background.sum()
    return distances, places


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    patch=st.sampled_from([1, 3, 5, 7, 13]),
    k=st.integers(1, 4),
    costs=st.sampled_from([(1, 1), (10, 3), (1, 0)]),
    labels=st.integers(2, 21),
)
def test_matches_are_those_of_brute_force(seed: int, patch: int, k: int, costs: tuple[int, int], labels: int) -> None:
    rng = np.random.default_rng(seed)
    maps = np.stack([blob_map(rng, 10, labels) for _ in range(rng.integers(1, 6))])
    part_map = blob_map(rng, 10, labels)
    found = nearest_exact(maps, part_map, k, patch, costs)
    np.testing.assert_array_equal(found.pixels, np.argwhere(part_map > 0))
    distances, places = every_distance(maps, part_map, patch, costs)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    held = order.shape[1]  # a small dictionary has fewer than k
    np.testing.assert_array_equal(found.distances[:, :held], np.take_along_axis(distances, order, axis=1))
    assert (found.distances[:, held:] == FAR).all()
    if len(found):
        where = np.stack([found.maps, found.rows, found.columns], axis=2)[:, :held]
        np.testing.assert_array_equal(where, places[order])


@pytest.mark.parametrize("shift", [(0, 0), (20, -7), (-11, 13)])
def test_a_shifted_map_is_found_at_its_shift(shift: tuple[int, int]) -> None:
    """At 48×48 and 27×27, where the patch reaches over every border."""
    rng = np.random.default_rng(3)
    part_map = np.zeros((48, 48), dtype=np.uint8)
    part_map[20:26, 18:28] = rng.integers(1, 21, (6, 10))
    maps = np.stack([blob_map(rng, 48, 5), np.roll(part_map, shift, axis=(0, 1)), blob_map(rng, 48, 5)])
    found = nearest_exact(maps, part_map, 1, 27, (1, 1))
    assert (found.maps == 1).all()
    assert (found.distances == 0).all()
    np.testing.assert_array_equal(found.rows[:, 0] - found.pixels[:, 0], shift[0])
    np.testing.assert_array_equal(found.columns[:, 0] - found.pixels[:, 1], shift[1])


def test_a_map_without_a_hand_has_no_matches() -> None:
    maps = np.ones((2, 10, 10), dtype=np.uint8)
    assert len(nearest_exact(maps, np.zeros((10, 10), dtype=np.uint8), 2, 5, (1, 1))) == 0
    empty = nearest_exact(maps * 0, np.ones((10, 10), dtype=np.uint8), 2, 5, (1, 1))
    assert (empty.distances == FAR).all()
