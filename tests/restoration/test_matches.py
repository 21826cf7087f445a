"""Keys of matches: how they sort, what comes back of them, and the list of the k best; pixels and bounding boxes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_maps import blob_map

from knuckle.restoration.matches import DISTANCE_AT, FAR, NOT_FOUND, Matches, bounds, hand_pixels, insert, key_of

PLACES = st.tuples(
    st.integers(0, FAR - 1), st.integers(0, 2**29 - 1), st.integers(0, 63), st.integers(0, 63)
)  # distance, map, row, column


def matches_of(keys: list[list[int]]) -> Matches:
    return Matches.of_keys(np.zeros((len(keys), 2), dtype=np.int32), np.array(keys, dtype=np.int64))


@given(st.lists(st.integers(0, 40) | st.integers(0, NOT_FOUND - 1), max_size=30), st.integers(1, 12))
def test_insert_keeps_the_k_best_once_each_and_in_order(offered: list[int], k: int) -> None:
    keys = np.full(k, NOT_FOUND)
    for n, key in enumerate(offered):
        worst = insert(key, keys)
        best = sorted(set(offered[: n + 1]))[:k]
        assert keys.tolist() == best + [NOT_FOUND] * (k - len(best))
        assert worst == keys[-1] >> DISTANCE_AT


@given(PLACES, PLACES)
def test_keys_sort_by_distance_then_map_then_row_then_column(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    assert (key_of(*one) < key_of(*other)) == (one < other)
    assert key_of(*one) < NOT_FOUND


@given(st.lists(PLACES, min_size=1, max_size=5))
def test_a_key_tells_its_match(places: list[tuple[int, ...]]) -> None:
    found = matches_of([[key_of(*place)] for place in places])
    told = np.concatenate([found.distances, found.maps, found.rows, found.columns], axis=1)
    np.testing.assert_array_equal(told, places)
    assert {told.dtype for told in (found.distances, found.maps, found.rows, found.columns)} == {np.dtype(np.int32)}


@pytest.mark.parametrize(
    "place", [(0, 0, 0, 0), (FAR - 1, 2**29 - 1, 63, 63), (0, 2**29 - 1, 0, 63), (FAR - 1, 0, 0, 0)]
)
def test_the_ends_of_all_ranges_come_back(place: tuple[int, ...]) -> None:
    found = matches_of([[key_of(*place), NOT_FOUND]])
    assert (found.distances[0, 0], found.maps[0, 0], found.rows[0, 0], found.columns[0, 0]) == place
    assert (found.distances[0, 1], found.maps[0, 1]) == (FAR, -1)


@given(st.integers(0, 2**32 - 1))
def test_hand_pixels_are_in_reading_order_and_numbered(seed: int) -> None:
    part_map = blob_map(np.random.default_rng(seed), 9, 4)[:, :7]
    pixels, order = hand_pixels(part_map)
    assert pixels.tolist() == [[y, x] for y in range(9) for x in range(7) if part_map[y, x]]
    assert [order[y, x] for y, x in pixels] == list(range(len(pixels)))
    assert (order[part_map == 0] == -1).all()


@given(st.integers(0, 2**32 - 1), st.integers(0, 6))
def test_bounds_hold_all_hand_pixels_tightly(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    maps = np.array([blob_map(rng, 11, 4)[:8] for _ in range(count)], dtype=np.uint8).reshape(count, 8, 11)
    found = bounds(maps)
    assert found.shape == (count, 4)
    for box, labels in zip(found.tolist(), maps, strict=True):
        pixels = np.argwhere(labels > 0)
        if len(pixels):
            assert box == [*(pixels[:, 0].min(), pixels[:, 0].max()), *(pixels[:, 1].min(), pixels[:, 1].max())]
        else:  # ends that add nothing to a union with other boxes
            assert box == [8, -1, 11, -1]
