"""The paper's trees: exact where every patch is a candidate, and true distances where not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_maps import assert_same, assert_true, blob_map, drawn_hands, noisy

from knuckle.restoration.exact import nearest_exact
from knuckle.restoration.flann import FlannTrees
from knuckle.restoration.matches import FAR

MAPS = drawn_hands(5, seed=8)
MAPS[2] = 0


@pytest.fixture(scope="module")
def trees() -> FlannTrees:
    return FlannTrees(MAPS, 5)


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(1, 1), (7, 2), (1, 0)]))
def test_with_all_patches_as_candidates_it_is_the_exact_search(seed: int, costs: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    maps = np.stack([blob_map(rng, 14, 5) for _ in range(3)])
    maps[1, 0, 13] = 4  # at least one patch
    part_map = blob_map(rng, 14, 5)
    trees = FlannTrees(maps, 3, checks=100_000, candidates=100_000)
    assert_same(trees.nearest(part_map, 4, costs), nearest_exact(maps, part_map, 4, 3, costs))


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(1, 1), (7, 2)]), st.sampled_from([1, 3, 30]))
def test_every_match_is_true_and_none_nearer_than_exact(
    trees: FlannTrees, seed: int, costs: tuple[int, int], k: int
) -> None:
    """More neighbours than candidates are candidates, too."""
    rng = np.random.default_rng(seed)
    part_map = noisy(MAPS[rng.choice([0, 1, 3, 4])], rng)
    found = trees.nearest(part_map, k, costs)
    assert_true(MAPS, part_map, found, 5, costs)
    assert (found.maps >= 0).all()
    assert (found.distances >= nearest_exact(MAPS, part_map, k, 5, costs).distances).all()


def test_a_patch_of_the_dictionary_finds_itself(trees: FlannTrees) -> None:
    found = trees.nearest(MAPS[3], 1, (1, 1))
    assert (found.distances == 0).mean() > 0.95  # the trees are not exact


def test_more_candidates_find_nothing_worse_on_the_whole(trees: FlannTrees) -> None:
    part_map = noisy(MAPS[0], np.random.default_rng(0), blobs=20)
    sums = []
    for trees.candidates in (1, 20, 400):
        sums.append(trees.nearest(part_map, 1, (7, 2)).distances.sum())
    trees.candidates = 20
    assert sums[0] > sums[1] > sums[2]


def test_a_query_without_a_hand_has_no_matches(trees: FlannTrees) -> None:
    assert trees.nearest(MAPS[2], 3, (1, 1)).distances.shape == (0, 3)


def test_a_dictionary_of_one_patch() -> None:
    maps = np.zeros((2, 9, 9), dtype=np.uint8)
    maps[1, 4, 4] = 2
    part_map = np.zeros((9, 9), dtype=np.uint8)
    part_map[0, :3] = 2
    found = FlannTrees(maps, 3).nearest(part_map, 2, (1, 1))
    assert_same(found, nearest_exact(maps, part_map, 2, 3, (1, 1)))


def test_a_dictionary_without_a_hand_finds_nothing() -> None:
    part_map = np.full((9, 9), 3, dtype=np.uint8)
    found = FlannTrees(np.zeros((2, 9, 9), dtype=np.uint8), 3).nearest(part_map, 2, (1, 1))
    assert (found.maps == -1).all()
    assert (found.distances == FAR).all()
