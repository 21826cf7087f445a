"""Fast search: whatever it finds is true, what is surely there is found, and on hands it is nearly as good as exact."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_maps import assert_true, blob_map, drawn_hands, noisy, rendered_hands
from numpy.typing import NDArray

from knuckle.restoration.exact import nearest_exact
from knuckle.restoration.fast import Effort, nearest_fast
from knuckle.restoration.index import IndexLayout, PatchIndex, learn_layout
from knuckle.restoration.matches import FAR, Matches

PATCH = 13
COSTS = (7, 2)
MAPS = drawn_hands(60, seed=6)
MAPS[[0, 31]] = 0  # no hand


def indexed(maps: NDArray[np.uint8], layout: IndexLayout) -> PatchIndex:
    return PatchIndex.of(layout, [layout.encode(maps, 0, PATCH)])


@pytest.fixture(scope="module")
def layout() -> IndexLayout:
    return learn_layout(MAPS, PATCH, np.random.default_rng(2))


@pytest.fixture(scope="module")
def index(layout: IndexLayout) -> PatchIndex:
    return indexed(MAPS, layout)


def search(
    index: PatchIndex, part_map: NDArray, k: int = 1, effort: Effort | None = None, maps: NDArray = MAPS
) -> Matches:
    return nearest_fast(maps, index, part_map, k, PATCH, COSTS, effort or Effort())


def assert_no_nearer_than_exact(found: Matches, part_map: NDArray, maps: NDArray = MAPS) -> None:
    exact = nearest_exact(maps, part_map, found.maps.shape[1], PATCH, COSTS)
    assert (found.distances >= exact.distances).all()


EFFORTS = st.builds(
    Effort, st.sampled_from([1, 8, 999]), st.sampled_from([1, 50]), st.integers(3, 9), st.integers(0, 3)
)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), EFFORTS)
def test_every_match_is_true_and_none_nearer_than_exact(index: PatchIndex, seed: int, k: int, effort: Effort) -> None:
    """Of wrong hands, and of blobs that are none; every pixel has as many matches as were asked for."""
    rng = np.random.default_rng(seed)
    hand = noisy(MAPS[rng.integers(len(MAPS))], rng)
    for part_map in (hand, blob_map(rng, 48, 21, largest=14)):
        found = search(index, part_map, k, effort)
        assert_true(MAPS, part_map, found, PATCH, COSTS)
        assert_no_nearer_than_exact(found, part_map)
        assert (found.maps[:, 0] >= 0).all()


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_more_effort_finds_nothing_worse(index: PatchIndex, seed: int) -> None:
    rng = np.random.default_rng(seed)
    part_map = noisy(MAPS[rng.integers(1, 30)], rng)
    some = search(index, part_map, 3, Effort(top=5, rounds=0)).distances
    assert (search(index, part_map, 3, Effort(top=5, rounds=1)).distances <= some).all()
    assert (search(index, part_map, 3, Effort(top=60, rounds=0)).distances <= some).all()


def test_the_shifts_about_the_best_are_tried() -> None:
    """One pixel asks, and the index brings up one place: a shift beside the one at which all would fit."""
    part_map = np.zeros((48, 48), dtype=np.uint8)
    part_map[20, 20] = 1
    part_map[23:28, 23:28] = np.arange(25).reshape(5, 5) % 20 + 1
    maps = np.roll(part_map, (1, 2), axis=(0, 1))[None]
    nothing = np.zeros((49, 21, 32), dtype=np.float32)
    code = np.full((1, 32), 128, dtype=np.uint8)
    index = PatchIndex(nothing, nothing[:1, 0], np.array([1]), code, np.array([22 * 48 + 22]))
    before = search(index, part_map, 1, Effort(step=99, rounds=0), maps)
    after = search(index, part_map, 1, Effort(step=99, rounds=1), maps)
    assert (before.distances > 0).all()
    assert (after.distances == 0).all()


@pytest.mark.parametrize("shift", [(0, 0), (1, -1), (-2, 1), (2, 2), (0, -5)])
def test_a_shifted_copy_of_the_query_is_found(layout: IndexLayout, shift: tuple[int, int]) -> None:
    part_map = np.zeros((48, 48), dtype=np.uint8)
    part_map[6:42, 6:42] = noisy(drawn_hands(1, seed=77)[0], np.random.default_rng(1))[6:42, 6:42]
    maps = np.concatenate([MAPS[:40], np.roll(part_map, shift, axis=(0, 1))[None], MAPS[40:]])
    found = search(indexed(maps, layout), part_map, maps=maps)
    assert (found.distances == 0).all()
    np.testing.assert_array_equal(found.maps, 40)
    np.testing.assert_array_equal(found.rows[:, 0] - found.pixels[:, 0], shift[0])
    np.testing.assert_array_equal(found.columns[:, 0] - found.pixels[:, 1], shift[1])


def test_pixels_that_no_shift_reached_ask_for_themselves(layout: IndexLayout) -> None:
    """The dictionary's hand is small: laid on one end of the query, it does not reach the other."""
    maps = np.zeros((2, 48, 48), dtype=np.uint8)
    maps[1, 20:26, 20:26] = 5
    part_map = np.zeros((48, 48), dtype=np.uint8)
    part_map[0, 3] = part_map[47, 47] = part_map[30, 0] = 5  # none of them among the first that ask
    found = search(indexed(maps, layout), part_map, 2, Effort(rounds=0), maps)
    assert (found.maps == 1).all()
    assert_true(maps, part_map, found, PATCH, COSTS)
    assert_no_nearer_than_exact(found, part_map, maps)


def test_fewer_patches_than_neighbours_leave_the_rest_unfound(layout: IndexLayout) -> None:
    maps = np.zeros((1, 48, 48), dtype=np.uint8)
    maps[0, 10, [10, 11]] = 3, 4  # the first is on the grid
    part_map = np.zeros((48, 48), dtype=np.uint8)
    part_map[5:7, 5:7] = 3
    found = search(indexed(maps, layout), part_map, 4, maps=maps)
    assert (found.maps[:, 0] == 0).all()
    assert (found.maps[:, 2:] == -1).all()
    assert (found.distances[:, 2:] == FAR).all()
    assert_true(maps, part_map, found, PATCH, COSTS)


def test_an_index_without_a_patch_finds_nothing(layout: IndexLayout) -> None:
    maps = np.zeros((2, 48, 48), dtype=np.uint8)
    maps[1, 9, 9] = 3  # beside the grid
    index = indexed(maps, layout)
    assert len(index.places) == 0
    found = search(index, MAPS[1], 3, maps=maps)
    assert len(found) == np.count_nonzero(MAPS[1])
    assert (found.maps == -1).all()
    assert (found.distances == FAR).all()


def test_a_query_without_a_hand_has_no_matches(index: PatchIndex) -> None:
    found = search(index, np.zeros((48, 48), dtype=np.uint8), 3)
    assert found.distances.shape == (0, 3)


def test_the_query_may_be_a_single_pixel(index: PatchIndex) -> None:
    part_map = np.zeros((48, 48), dtype=np.uint8)
    part_map[47, 0] = 1
    found = search(index, part_map, 4)
    assert (found.maps >= 0).all()
    assert_true(MAPS, part_map, found, PATCH, COSTS)


def test_rendered_hands_are_matched_nearly_as_well_as_by_exact_search() -> None:
    """Within 3 % in distance, wrong as the query's labels are."""
    maps, others = np.split(rendered_hands(330), [300])
    layout = learn_layout(maps, 27, np.random.default_rng(0))
    index = PatchIndex.of(layout, [layout.encode(maps, 0, 27)])
    rng = np.random.default_rng(9)
    fast = exact = 0
    for part_map in others:
        query = noisy(part_map, rng)
        fast += nearest_fast(maps, index, query, 1, 27, (1, 1), Effort()).distances.sum()
        exact += nearest_exact(maps, query, 1, 27, (1, 1)).distances.sum()
    assert exact <= fast <= 1.03 * exact
