"""Maps laid over a query: what alignments offer, against all pairs of patches at their shifts and exact search."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_maps import assert_same, assert_true, blob_map, drawn_hands, every_distance, noisy
from numpy.typing import NDArray

from knuckle.restoration.alignments import code_alignments, score_alignments
from knuckle.restoration.exact import nearest_exact
from knuckle.restoration.matches import FAR, NOT_FOUND, Matches, bounds, hand_pixels

SEEDS = st.integers(0, 2**32 - 1)
COSTS = st.sampled_from([(1, 1), (7, 2), (10, 3), (1, 0)])


def all_alignments(maps: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Maps (N,) and shifts (N, 2) of every map at every shift by which it can meet a query."""
    count, height, width = maps.shape
    every = np.indices((count, 2 * height - 1, 2 * width - 1)).reshape(3, -1).T
    return every[:, 0], every[:, 1:] - [height - 1, width - 1]


def scored(
    maps: NDArray, part_map: NDArray, calls: list[NDArray[np.int64]], k: int, patch: int, costs: tuple[int, int]
) -> Matches:
    """What the alignments of several calls offer, by code."""
    pixels, order = hand_pixels(part_map)
    keys = np.full((len(pixels), k), NOT_FOUND)
    for alignments in calls:
        score_alignments(maps, alignments, part_map, bounds(part_map[None])[0], order, patch // 2, *costs, keys)
    return Matches.of_keys(pixels, keys)


def random_case(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], np.random.Generator]:
    """A few maps and a query with at least one hand pixel, all of 9×12."""
    rng = np.random.default_rng(seed)
    maps = np.stack([blob_map(rng, 12, 5)[:9] for _ in range(rng.integers(1, 5))])
    part_map = blob_map(rng, 12, 5)[:9]
    part_map[tuple(rng.integers(0, (9, 12)))] = 3
    return maps, part_map, rng


@settings(max_examples=40)
@given(SEEDS, st.sampled_from([1, 3, 5, 7, 13]), st.integers(1, 5), COSTS)
def test_some_alignments_offer_the_patches_at_their_shifts(
    seed: int, patch: int, k: int, costs: tuple[int, int]
) -> None:
    """Those that lay no hand pixel on one of the query offer nothing."""
    maps, part_map, rng = random_case(seed)
    which, shifts = all_alignments(maps)
    chosen = rng.permutation(len(which))[: rng.integers(0, 60)]
    codes = code_alignments(which[chosen], shifts[chosen], part_map.shape)
    found = scored(maps, part_map, [codes], k, patch, costs)

    distances, places = every_distance(maps, part_map, patch, costs)
    allowed = {(which[n], *shifts[n]) for n in chosen}
    for q, (y, x) in enumerate(np.argwhere(part_map > 0)):
        offers = sorted(
            (distance, *place)
            for distance, place in zip(distances[q], places.tolist(), strict=True)
            if (place[0], place[1] - y, place[2] - x) in allowed
        )[:k]
        told = zip(found.distances[q], found.maps[q], found.rows[q], found.columns[q], strict=True)
        assert list(told) == offers + [(FAR, -1, 0, 0)] * (k - len(offers))


@settings(max_examples=40)
@given(SEEDS, st.sampled_from([1, 3, 5, 7, 13]), st.integers(1, 5), COSTS)
def test_all_alignments_in_any_order_and_portions_are_the_exact_search(
    seed: int, patch: int, k: int, costs: tuple[int, int]
) -> None:
    maps, part_map, rng = random_case(seed)
    codes = rng.permutation(code_alignments(*all_alignments(maps), part_map.shape))
    calls = np.split(codes, np.sort(rng.integers(0, len(codes), 3)))
    assert_same(scored(maps, part_map, calls, k, patch, costs), nearest_exact(maps, part_map, k, patch, costs))


@pytest.mark.parametrize("patch", [9, 27, 47])
def test_full_size_is_the_exact_search(patch: int) -> None:
    maps = drawn_hands(4, seed=2)
    part_map = noisy(maps[1], np.random.default_rng(0))
    codes = code_alignments(*all_alignments(maps), part_map.shape)
    expected = nearest_exact(maps, part_map, 6, patch, (7, 2))
    assert_same(scored(maps, part_map, [codes], 6, patch, (7, 2)), expected)


def test_the_largest_sums_fit_into_16_bits() -> None:
    """Maps that are all hand, the largest patch, and the largest costs that a search uses with it."""
    rng = np.random.default_rng(8)
    maps = rng.integers(1, 21, (2, 48, 48), dtype=np.uint8)
    part_map = maps[1].copy()
    part_map[:, :20] = rng.integers(1, 21, (48, 20))
    codes = code_alignments(*all_alignments(maps), part_map.shape)
    found = scored(maps, part_map, [codes], 2, 47, (7, 6))
    assert_same(found, nearest_exact(maps, part_map, 2, 47, (7, 6)))
    assert_true(maps, part_map, found, 47, (7, 6))


@given(SEEDS)
def test_an_alignment_scored_twice_enters_once(seed: int) -> None:
    maps, part_map, rng = random_case(seed)
    codes = code_alignments(*all_alignments(maps), part_map.shape)[rng.integers(0, len(maps) * 17 * 23, 40)]
    once = scored(maps, part_map, [np.unique(codes)], 6, 5, (2, 1))
    assert_same(scored(maps, part_map, [codes, codes[::-1]], 6, 5, (2, 1)), once)


@given(SEEDS)
def test_shifts_that_lay_a_map_beside_the_query_change_nothing(seed: int) -> None:
    """As far as a shift may go; what was found before stays."""
    maps, part_map, _ = random_case(seed)
    part_map[4, 4] = maps[0, 3, 3] = 1
    far = [(dy, dx) for dy in (-8, 8) for dx in range(-11, 12)] + [(dy, dx) for dy in range(-8, 9) for dx in (-11, 11)]
    shifts = np.array([(dy, dx) for dy, dx in far if not meets(maps, part_map, dy, dx)]).reshape(-1, 2)
    near = code_alignments(np.array([0]), np.array([[-1, -1]]), part_map.shape)
    codes = [code_alignments(np.full(len(shifts), m), shifts, part_map.shape) for m in range(len(maps))]
    before = scored(maps, part_map, [near], 3, 5, (1, 1))
    assert (before.maps[:, 0] == 0).any()
    assert_same(scored(maps, part_map, [near, *codes], 3, 5, (1, 1)), before)


def meets(maps: NDArray, part_map: NDArray, dy: int, dx: int) -> bool:
    """Whether any map has a hand pixel where the shift puts one of the query."""
    hands = {(y, x) for _, y, x in np.argwhere(maps > 0).tolist()}
    return any((y + dy, x + dx) in hands for y, x in np.argwhere(part_map > 0).tolist())
