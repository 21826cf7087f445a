"""Votes of matched patches against eq. 2 written out, and what becomes of pixels without votes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from knuckle.anatomy import LABELS
from knuckle.errors import SettingsError
from knuckle.restoration.matches import FAR, Matches
from knuckle.restoration.vote import count_neighbours, count_votes, restored, with_votes


def random_case(seed: int, k: int = 1, size: int = 11) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Matches]:
    """Dictionary maps (5, size, size), a part map (size, size), and arbitrary matches for its hand pixels."""
    rng = np.random.default_rng(seed)
    maps = rng.integers(0, len(LABELS), (5, size, size), dtype=np.uint8)
    part_map = rng.integers(0, 4, (size, size), dtype=np.uint8)
    pixels = np.argwhere(part_map > 0).astype(np.int32)
    draws = [rng.integers(0, high, (len(pixels), k), dtype=np.int32) for high in (5, size, size, 700)]
    return maps, part_map, Matches(pixels, *draws)


def with_misses(matches: Matches, seed: int) -> Matches:
    """The same matches with places in between for which nothing was found: map -1, whatever else they say."""
    rng = np.random.default_rng(seed)
    queries, k = matches.maps.shape
    missing = np.argsort(rng.random((queries, k + 2)), axis=1) >= k  # two of each row; the rest keep their order
    order = np.where(missing, k + missing.cumsum(axis=1) - 1, (~missing).cumsum(axis=1) - 1)  # of columns

    def widened(values: NDArray[np.int32], misses: NDArray | int) -> NDArray[np.int32]:
        more = np.broadcast_to(np.asarray(misses, dtype=np.int32), (queries, 2))
        return np.take_along_axis(np.concatenate([values, more], axis=1), order, axis=1)

    anywhere = rng.integers(0, 5, (queries, 2))
    return Matches(
        matches.pixels,
        widened(matches.maps, -1),
        widened(matches.rows, anywhere),
        widened(matches.columns, anywhere),
        widened(matches.distances, FAR),
    )


def votes_by_the_formula(maps: NDArray, matches: Matches, size: int, window: int) -> NDArray[np.int64]:
    """For each pixel j, over its neighbours k in the window that were searched for: the label of j in k's patch."""
    votes = np.zeros((len(LABELS), size, size), dtype=np.int64)
    place = {tuple(pixel): q for q, pixel in enumerate(matches.pixels.tolist())}
    half = window // 2
    for y, x in np.ndindex(size, size):
        for ky in range(y - half, y + half + 1):
            for kx in range(x - half, x + half + 1):
                q = place.get((ky, kx))
                if q is None:
                    continue
                for n in range(matches.maps.shape[1]):
                    v, u = matches.rows[q, n] + y - ky, matches.columns[q, n] + x - kx
                    if 0 <= v < size and 0 <= u < size:
                        votes[maps[matches.maps[q, n], v, u], y, x] += 1
    return votes


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 7, 17]), st.integers(1, 3))
def test_votes_are_those_of_equation_2(seed: int, window: int, k: int) -> None:
    maps, part_map, matches = random_case(seed, k)
    expected = votes_by_the_formula(maps, matches, 11, window)
    np.testing.assert_array_equal(count_votes(maps, matches, part_map.shape, window, background=True), expected)
    expected[0] = 0
    np.testing.assert_array_equal(count_votes(maps, matches, part_map.shape, window), expected)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 5]))
def test_what_was_not_found_casts_no_vote(seed: int, window: int) -> None:
    maps, part_map, matches = random_case(seed, k=2)
    for background in (False, True):
        expected = count_votes(maps, matches, part_map.shape, window, background)
        found = count_votes(maps, with_misses(matches, seed), part_map.shape, window, background)
        np.testing.assert_array_equal(found, expected)


def test_of_an_empty_dictionary_there_are_no_votes() -> None:
    _, part_map, matches = random_case(1)
    nothing = Matches(matches.pixels, matches.maps * 0 - 1, matches.rows * 0, matches.columns * 0, matches.maps * 0)
    votes = count_votes(np.zeros((0, 11, 11), dtype=np.uint8), nothing, part_map.shape, 5, background=True)
    assert votes.sum() == 0
    np.testing.assert_array_equal(restored(part_map, votes), part_map)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 5]), st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_neighbours_vote_for_their_own_labels(seed: int, window: int, shape: tuple[int, int]) -> None:
    """The mode filter, pixel by pixel; background and what lies beyond the map have no vote."""
    part_map = np.random.default_rng(seed).integers(0, len(LABELS), shape, dtype=np.uint8)
    expected = np.zeros((len(LABELS), *shape), dtype=np.int32)
    half = window // 2
    for y, x in np.ndindex(shape):
        for v in range(max(0, y - half), min(shape[0], y + half + 1)):
            for u in range(max(0, x - half), min(shape[1], x + half + 1)):
                if part_map[v, u]:
                    expected[part_map[v, u], y, x] += 1
    np.testing.assert_array_equal(count_neighbours(part_map, window), expected)


def test_the_mode_filter_takes_three_by_three_pixels() -> None:
    part_map = np.full((7, 7), 4, dtype=np.uint8)
    part_map[3, 3] = 9
    part_map[0] = 0
    expected = np.where(part_map == 9, 4, part_map)
    np.testing.assert_array_equal(restored(part_map, count_neighbours(part_map)), expected)


@given(st.integers(0, 2**32 - 1))
def test_a_map_matched_to_itself_is_restored_to_itself(seed: int) -> None:
    _, part_map, _ = random_case(seed)
    pixels = np.argwhere(part_map > 0).astype(np.int32)
    same = Matches(pixels, np.zeros((len(pixels), 1), np.int32), pixels[:, :1], pixels[:, 1:], pixels[:, :1] * 0)
    votes = count_votes(part_map[None], same, part_map.shape, 5)
    np.testing.assert_array_equal(restored(part_map, votes), part_map)


@given(st.integers(0, 2**32 - 1))
def test_the_centre_alone_gives_the_centre_labels(seed: int) -> None:
    maps, part_map, matches = random_case(seed)
    found = restored(part_map, count_votes(maps, matches, part_map.shape, window=1))
    for (y, x), m, v, u in zip(
        matches.pixels, matches.maps[:, 0], matches.rows[:, 0], matches.columns[:, 0], strict=True
    ):
        assert found[y, x] == (maps[m, v, u] or part_map[y, x])  # a background centre casts no vote


def test_restoration_keeps_what_is_not_hand_and_what_has_no_vote() -> None:
    part_map = np.array([[0, 2, 3]], dtype=np.uint8)
    votes = np.zeros((len(LABELS), 1, 3), dtype=np.int32)
    votes[7, 0, 0] = votes[5, 0, 1] = 4
    np.testing.assert_array_equal(restored(part_map, votes), [[0, 5, 3]])


def test_a_tie_goes_to_the_label_that_the_pixel_has() -> None:
    votes = np.zeros((len(LABELS), 1, 2), dtype=np.int32)
    votes[[4, 9], 0, 0] = 3
    votes[[4, 9], 0, 1] = 3
    np.testing.assert_array_equal(restored(np.array([[9, 1]], dtype=np.uint8), votes), [[9, 4]])


def test_votes_added_to_evidence_move_it_towards_them() -> None:
    probabilities = np.full((len(LABELS), 1, 1), 0.5 / 19, dtype=np.float32)
    probabilities[[3, 4], 0, 0] = 0.26, 0.24
    votes = np.zeros(probabilities.shape, dtype=np.int32)
    votes[4] = 50
    assert with_votes(probabilities, votes, 0.0)[:, 0, 0].argmax() == 3
    assert with_votes(probabilities, votes, 0.5)[:, 0, 0].argmax() == 4
    nothing = with_votes(probabilities, votes * 0, 0.5)  # no votes: the same order as before
    np.testing.assert_array_equal(nothing[:, 0, 0].argsort(), np.log(probabilities[:, 0, 0]).argsort())


@pytest.mark.parametrize("window", [0, 2, -3])
def test_a_window_without_a_centre_is_refused(window: int) -> None:
    maps, part_map, matches = random_case(0)
    with pytest.raises(SettingsError, match="odd"):
        count_votes(maps, matches, part_map.shape, window)
    with pytest.raises(SettingsError, match="odd"):
        count_neighbours(part_map, window)
