"""A dictionary in shards finds what the whole one does, ties included, and restores the same map."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_maps import assert_same, blob_map, drawn_hands, noisy
from numpy.typing import NDArray

from knuckle.errors import SettingsError
from knuckle.restoration.exact import nearest_exact
from knuckle.restoration.index import PatchIndex, learn_layout
from knuckle.restoration.matches import FAR, Matches
from knuckle.restoration.patches import PatchDictionary
from knuckle.restoration.search import PatchSearch
from knuckle.restoration.sharded import carried, merge, split
from knuckle.restoration.vote import count_votes, restored

PATCH = 7
HANDS = drawn_hands(10, seed=4)
MAPS = np.concatenate([HANDS, HANDS[::-1], HANDS[3:7], HANDS[:1]])  # all twice and more: ties between shards
PART_MAP = noisy(HANDS[5], np.random.default_rng(0))
PART_MAP[:24] = 0  # fewer pixels


@pytest.fixture(scope="module")
def dictionary() -> PatchDictionary:
    layout = learn_layout(MAPS, PATCH, np.random.default_rng(0))
    return PatchDictionary.from_maps(MAPS, PATCH, {}, PatchIndex.of(layout, [layout.encode(MAPS, 0, PATCH)]))


def sizes(shards: list[PatchDictionary]) -> list[int]:
    return [len(shard.maps) for shard in shards]


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("shards", [1, 4, 25])
def test_exact_searches_of_shards_merge_to_that_of_the_whole(dictionary: PatchDictionary, shards: int, k: int) -> None:
    whole = PatchSearch(dictionary, "exact", 0.3).nearest(PART_MAP, k)
    parts = split(dictionary, shards)
    assert sum(sizes(parts)) == len(MAPS) == 25
    found = [PatchSearch(part, "exact", 0.3).nearest(PART_MAP, k) for part in parts]
    assert_same(merge(found, sizes(parts), k), whole)
    if k > 1:
        ties = whole.distances[:, :-1] == whole.distances[:, 1:]
        assert ties.mean() > 0.3, "the test is of ties, too"


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    counts=st.lists(st.integers(0, 3), min_size=4, max_size=4),
    k=st.integers(1, 6),
)
def test_four_shards_of_any_size_merge_to_the_whole(seed: int, counts: list[int], k: int) -> None:
    """Maps of few labels, with none, one or many patches, so that many are alike, or fewer than k."""
    rng = np.random.default_rng(seed)
    shards = [np.stack([blob_map(rng, 9, 3) for _ in range(count)] or [np.zeros((9, 9), np.uint8)]) for count in counts]
    part_map = blob_map(rng, 9, 3)
    found = [nearest_exact(maps, part_map, k, 3, (1, 1)) for maps in shards]
    lengths = [len(maps) for maps in shards]
    whole = nearest_exact(np.concatenate(shards), part_map, k, 3, (1, 1))
    assert_same(merge(found, lengths, k), whole)
    pairs = [merge(found[:2], lengths[:2], k), merge(found[2:], lengths[2:], k)]
    assert_same(merge(pairs, [sum(lengths[:2]), sum(lengths[2:])], k), whole)


def test_equal_distances_are_in_the_order_of_the_whole() -> None:
    def at(maps: list[int], distances: list[int]) -> Matches:
        place = np.array([maps], dtype=np.int32)
        return Matches(np.zeros((1, 2), np.int32), place, place * 0, place * 0, np.array([distances], dtype=np.int32))

    found = [at([1, -1], [7, FAR]), at([0, 2], [5, 7]), at([4, 0], [4, 7]), at([-1, -1], [FAR, FAR])]
    merged = merge(found, [2, 3, 5, 1], 6)
    assert merged.maps.tolist() == [[9, 2, 1, 4, 5, -1]]
    assert merged.distances.tolist() == [[4, 5, 7, 7, 7, FAR]]
    assert merged.maps.dtype == merged.distances.dtype == np.int32


def test_fast_searches_of_shards_find_no_less_than_that_of_the_whole(dictionary: PatchDictionary) -> None:
    parts = split(dictionary, 4)
    for part in parts:
        assert part.index is not None
        assert part.index.places.size
        assert part.index.places.max() < part.maps.size
    found = merge([PatchSearch(part).nearest(PART_MAP, 3) for part in parts], sizes(parts), 3)
    exact = nearest_exact(MAPS, PART_MAP, 3, PATCH, (1, 1))
    whole = PatchSearch(dictionary).nearest(PART_MAP, 3)
    assert (found.distances >= exact.distances).all()
    assert found.distances.sum() <= whole.distances.sum()


def test_the_parts_of_an_index_are_those_of_their_maps(dictionary: PatchDictionary) -> None:
    layout = learn_layout(MAPS, PATCH, np.random.default_rng(0))
    first = 0
    for part in split(dictionary, 4):
        assert part.index is not None
        alone = PatchIndex.of(layout, [layout.encode(part.maps, 0, PATCH)])
        for name, array in alone.arrays().items():
            np.testing.assert_array_equal(part.index.arrays()[name], array, err_msg=f"{name} from map {first}")
        first += len(part.maps)


def votes_of(maps: NDArray[np.uint8], matches: Matches) -> NDArray[np.int32]:
    return count_votes(maps, matches, PART_MAP.shape, 5)


def test_what_shards_send_restores_the_same_map(dictionary: PatchDictionary) -> None:
    """Shards send k matches a pixel and the maps that they are on, no others."""
    whole = PatchSearch(dictionary, "exact").nearest(PART_MAP, 2)
    parts = split(dictionary, 4)
    sent = [carried(part.maps, PatchSearch(part, "exact").nearest(PART_MAP, 2)) for part in parts]
    maps = np.concatenate([some for some, _ in sent])
    lengths = [len(some) for some, _ in sent]
    for some, matches in sent:
        assert np.unique(matches.maps).tolist() == list(range(len(some)))
    merged = merge([matches for _, matches in sent], lengths, 2)
    np.testing.assert_array_equal(merged.distances, whole.distances)
    np.testing.assert_array_equal(maps[merged.maps], MAPS[whole.maps])
    votes = votes_of(MAPS, whole)
    np.testing.assert_array_equal(votes_of(maps, merged), votes)
    assert (restored(PART_MAP, votes) != PART_MAP).any()


@pytest.mark.parametrize("shards", [0, -1, 26])
def test_shards_that_there_cannot_be_are_refused(dictionary: PatchDictionary, shards: int) -> None:
    with pytest.raises(SettingsError, match=f"a dictionary of 25 maps makes 1 to that many shards, not {shards}"):
        split(dictionary, shards)
