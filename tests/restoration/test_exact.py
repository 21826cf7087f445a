"""Box sums against comparing every patch with every patch: same matches, to the bit."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_maps import blob_map, every_distance
from numpy.typing import NDArray

from knuckle.restoration.exact import nearest_exact
from knuckle.restoration.matches import FAR


def assert_brute_force(maps: NDArray, part_map: NDArray, k: int, patch: int, costs: tuple[int, int]) -> None:
    """Finds the same as sorting the distances to all patches, ties in reading order."""
    found = nearest_exact(maps, part_map, k, patch, costs)
    np.testing.assert_array_equal(found.pixels, np.argwhere(part_map > 0))
    distances, places = every_distance(maps, part_map, patch, costs)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    held = order.shape[1]  # a small dictionary has fewer than k
    assert found.distances.shape == (len(distances), k)
    np.testing.assert_array_equal(found.distances[:, :held], np.take_along_axis(distances, order, axis=1))
    assert (found.distances[:, held:] == FAR).all()
    assert (found.maps[:, held:] == -1).all()
    where = np.stack([found.maps, found.rows, found.columns], axis=2)[:, :held]
    np.testing.assert_array_equal(where, places[order].reshape(where.shape))


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
    assert_brute_force(maps, part_map, k, patch, costs)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_maps_need_not_be_square(seed: int) -> None:
    rng = np.random.default_rng(seed)
    maps = np.stack([blob_map(rng, 13, 5)[:8] for _ in range(4)])
    assert_brute_force(maps, blob_map(rng, 13, 5)[:8], 3, 5, (3, 1))


@pytest.mark.parametrize("costs", [(1, 1), (7, 2), (1, 0), (9, 8)])
@pytest.mark.parametrize("threads", [1, numba.config.NUMBA_NUM_THREADS])
def test_several_blocks_of_64_maps_at_full_size(costs: tuple[int, int], threads: int) -> None:
    """Blobs all over maps of 48×48, patches of 27×27 that reach over every border."""
    rng = np.random.default_rng(17)
    maps = np.stack([blob_map(rng, 48, 6, largest=8) for _ in range(200)])
    part_map = np.maximum(blob_map(rng, 48, 6, largest=9), blob_map(rng, 48, 6, largest=12))
    assert np.count_nonzero(part_map) > 20
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    try:
        assert_brute_force(maps, part_map, 5, 27, costs)
    finally:
        numba.set_num_threads(before)


def test_ties_go_to_the_lower_map_then_row_then_column() -> None:
    """Over several blocks, most patches are there many times; maps are searched in another order than their own."""
    rng = np.random.default_rng(5)
    few = np.stack([blob_map(rng, 12, 2, largest=6) for _ in range(5)])
    maps = few[rng.integers(0, 5, 150)]
    part_map = np.zeros((12, 12), dtype=np.uint8)
    part_map[2:8, 4:9] = rng.integers(0, 2, (6, 5))
    assert_brute_force(maps, part_map, 6, 5, (1, 1))


def test_more_neighbours_than_the_dictionary_has() -> None:
    maps = np.zeros((70, 9, 9), dtype=np.uint8)
    maps[[3, 68], 4, [2, 7]] = 5
    part_map = np.zeros((9, 9), dtype=np.uint8)
    part_map[8, :2] = 5, 6
    assert_brute_force(maps, part_map, 4, 3, (2, 1))


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
