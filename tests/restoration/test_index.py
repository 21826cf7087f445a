"""The index: what is encoded comes back, in its lists; searches against all distances; arrays that do not fit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_maps import drawn_hands, noisy
from numpy.typing import NDArray

from knuckle.restoration.index import DIMENSIONS, GRID, IndexLayout, PatchIndex, learn_layout
from knuckle.restoration.matches import hand_pixels
from knuckle.restoration.projection import project, project_grid

PATCH = 5
MAPS = drawn_hands(40, seed=1)


@pytest.fixture(scope="module")
def layout() -> IndexLayout:
    return learn_layout(MAPS, PATCH, np.random.default_rng(4))


@pytest.fixture(scope="module")
def index(layout: IndexLayout) -> PatchIndex:
    return PatchIndex.of(layout, [layout.encode(MAPS, 0, PATCH)])


def distances_to_codes(index: PatchIndex, vectors: NDArray) -> NDArray[np.int64]:
    """(Q, N) squared, to what the index's bytes stand for."""
    return ((vectors[:, None].astype(np.int64) - (index.codes.astype(np.int64) - 128)) ** 2).sum(axis=2)


def query_vectors(index: PatchIndex, seed: int) -> NDArray[np.float32]:
    """(6, D) of a wrong hand, in whole numbers as the index holds them."""
    rng = np.random.default_rng(seed)
    part_map = noisy(MAPS[rng.integers(len(MAPS))], rng)
    pixels, _ = hand_pixels(part_map)
    vectors = project(part_map, pixels[rng.permutation(len(pixels))[:6]], PATCH, index.weights)
    return np.clip(np.rint(vectors), -128, 127)


def test_every_patch_on_the_grid_is_in_the_list_of_its_nearest_centroid(index: PatchIndex, layout: IndexLayout) -> None:
    vectors, places = project_grid(MAPS, GRID, PATCH, layout.weights)
    assert sorted(index.places) == places.tolist()
    assert index.codes.shape == (len(places), DIMENSIONS)
    assert index.sizes.sum() == len(places)
    lists = np.repeat(np.arange(len(index.sizes)), index.sizes)
    by_place = vectors[np.searchsorted(places, index.places)]
    kept = np.clip(np.rint(by_place), -128, 127)
    to_centroids = ((kept[:, None] - layout.centroids) ** 2).sum(axis=2)
    mine = to_centroids[np.arange(len(lists)), lists]
    np.testing.assert_allclose(mine, to_centroids.min(axis=1), rtol=1e-4, atol=0.1)
    np.testing.assert_array_equal(kept, index.codes.astype(np.float32) - 128)


def test_blocks_and_one_piece_are_the_same_index(index: PatchIndex, layout: IndexLayout) -> None:
    empty = layout.encode(np.zeros_like(MAPS[:2]), 2, PATCH)
    blocks = [layout.encode(MAPS[:7], 0, PATCH), empty, layout.encode(MAPS[7:], 7, PATCH)]
    for name, array in PatchIndex.of(layout, blocks).arrays().items():
        np.testing.assert_array_equal(array, index.arrays()[name], err_msg=name)


def test_learning_again_gives_the_same(layout: IndexLayout) -> None:
    again = learn_layout(MAPS, PATCH, np.random.default_rng(4))
    np.testing.assert_array_equal(again.weights, layout.weights)
    np.testing.assert_array_equal(again.centroids, layout.centroids)


def test_arrays_come_back_as_an_index(index: PatchIndex) -> None:
    again = PatchIndex.from_arrays(index.arrays(), PATCH, MAPS.size)
    for name, array in again.arrays().items():
        np.testing.assert_array_equal(array, index.arrays()[name])
        assert array.dtype == index.arrays()[name].dtype
    vectors = query_vectors(index, 0)
    np.testing.assert_array_equal(again.search(vectors, 9, 2), index.search(vectors, 9, 2))


def test_every_indexed_patch_finds_itself_or_an_equal_one_first(index: PatchIndex) -> None:
    """Though its own vector is not in whole numbers, as those of the index are."""
    code_at = dict(zip(index.places.tolist(), index.codes, strict=True))
    vectors, places = project_grid(MAPS, GRID, PATCH, index.weights)
    for place, found in zip(places.tolist(), index.search(vectors, 1, len(index.sizes))[:, 0].tolist(), strict=True):
        np.testing.assert_array_equal(code_at[found], code_at[place])


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_all_lists_together_give_the_nearest_of_all(index: PatchIndex, seed: int, top: int) -> None:
    vectors = query_vectors(index, seed)
    distances = distances_to_codes(index, vectors)
    found = index.search(vectors, top, len(index.sizes))
    number = {place: n for n, place in enumerate(index.places.tolist())}
    for q, places in enumerate(found.tolist()):
        assert len(set(places)) == top
        told = distances[q, [number[place] for place in places]]
        np.testing.assert_array_equal(told, np.sort(distances[q])[:top])


def test_a_search_looks_through_as_many_lists_as_it_is_told(index: PatchIndex) -> None:
    list_of = dict(zip(index.places.tolist(), np.repeat(np.arange(len(index.sizes)), index.sizes), strict=True))
    vectors = query_vectors(index, 3)
    for probes in (1, 3):
        for vector, found in zip(vectors, index.search(vectors, len(index.places), probes), strict=True):
            nearest = ((vector - index.centroids) ** 2).sum(axis=1).argsort()[:probes]
            assert {list_of[place] for place in found[found >= 0]} == set(nearest[index.sizes[nearest] > 0])
            assert (found >= 0).sum() == index.sizes[nearest].sum()


def test_where_there_are_no_more_patches_there_is_no_place(index: PatchIndex) -> None:
    vectors = query_vectors(index, 5)
    count = len(index.places)
    found = index.search(vectors, count + 4, 10 * len(index.sizes))  # more lists than there are
    assert (np.sort(found[:, :count], axis=1) == np.sort(index.places)).all()
    assert (found[:, count:] == -1).all()


@pytest.mark.parametrize("value", [120.0, 127.4, 128.0, 200.0, 300.0])
def test_a_vector_beyond_the_bytes_finds_what_is_at_their_end(value: float) -> None:
    """A query may have more of something than any patch that the projection was learned from."""
    codes = np.full((2, DIMENSIONS), 128, dtype=np.uint8)
    codes[0, 0], codes[1, 0] = 255, 0
    one_list = np.zeros((1, DIMENSIONS), dtype=np.float32)
    index = PatchIndex(np.zeros((1, 21, DIMENSIONS), np.float32), one_list, np.array([2]), codes, np.array([5, 6]))
    vectors = np.zeros((2, DIMENSIONS), dtype=np.float32)
    vectors[:, 0] = value, -value
    assert index.search(vectors, 1, 1).tolist() == [[5], [6]]


def test_no_query_finds_nothing(index: PatchIndex) -> None:
    assert index.search(np.zeros((0, DIMENSIONS), dtype=np.float32), 3, 2).shape == (0, 3)


def test_a_dictionary_of_one_patch_can_be_indexed() -> None:
    maps = np.zeros((1, 48, 48), dtype=np.uint8)
    maps[0, 4, 7] = 9  # on the grid
    layout = learn_layout(maps, PATCH, np.random.default_rng(0))
    index = PatchIndex.of(layout, [layout.encode(maps, 0, PATCH)])
    vector = project(maps[0], np.array([[4, 7]], dtype=np.int32), PATCH, index.weights)
    assert index.search(vector, 2, 8).tolist() == [[4 * 48 + 7, -1]]


def changed(name: str, index: PatchIndex) -> dict[str, NDArray]:
    """The index's arrays with one fault."""
    arrays = index.arrays()
    faults = {
        "a code too few": {"codes": arrays["codes"][1:]},
        "a place too few": {"places": arrays["places"][1:]},
        "a centroid too few": {"centroids": arrays["centroids"][1:]},
        "centroids of another length": {"centroids": arrays["centroids"][:, 1:]},
        "codes of another length": {"codes": arrays["codes"][:, 1:]},
        "flat weights": {"weights": arrays["weights"].reshape(-1, DIMENSIONS)},
        "weights of another kind": {"weights": arrays["weights"].astype(np.float64)},
        "places of another kind": {"places": arrays["places"].astype(np.int32)},
        "signed codes": {"codes": arrays["codes"].astype(np.int8)},
        "a list too long": {"sizes": arrays["sizes"] + np.eye(1, len(arrays["sizes"]), dtype=np.int64)[0]},
        "a list of negative length": {"sizes": arrays["sizes"] + [-5000, 5000, *[0] * (len(arrays["sizes"]) - 2)]},
        "a place beyond the maps": {"places": np.append(arrays["places"][1:], MAPS.size)},
        "a place before the maps": {"places": np.append(arrays["places"][1:], -1)},
    }
    return {**arrays, **faults[name]}


@pytest.mark.parametrize(
    "fault",
    ["a code too few", "a place too few", "a centroid too few", "centroids of another length",
     "codes of another length", "flat weights", "weights of another kind", "places of another kind", "signed codes"],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_refused(index: PatchIndex, fault: str) -> None:
    with pytest.raises(ValueError, match="arrays of its index"):
        PatchIndex.from_arrays(changed(fault, index), PATCH, MAPS.size, verify=False)


@pytest.mark.parametrize("fault", ["a list too long", "a list of negative length"])
def test_lists_that_do_not_fit_are_refused(index: PatchIndex, fault: str) -> None:
    with pytest.raises(ValueError, match="lists of its index"):
        PatchIndex.from_arrays(changed(fault, index), PATCH, MAPS.size, verify=False)


@pytest.mark.parametrize("fault", ["a place beyond the maps", "a place before the maps"])
def test_places_outside_the_maps_are_refused(index: PatchIndex, fault: str) -> None:
    with pytest.raises(ValueError, match="places"):
        PatchIndex.from_arrays(changed(fault, index), PATCH, MAPS.size)


def test_a_missing_array_is_named(index: PatchIndex) -> None:
    arrays = index.arrays()
    del arrays["sizes"]
    with pytest.raises(KeyError, match="sizes"):
        PatchIndex.from_arrays(arrays, PATCH, MAPS.size)
