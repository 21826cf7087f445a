"""One interface to all searches: the same kind of answer from each, its costs, and what it refuses."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_maps import assert_same, assert_true, drawn_hands, noisy

from knuckle.errors import DictionaryError, SettingsError
from knuckle.restoration.exact import nearest_exact
from knuckle.restoration.fast import Effort, nearest_fast
from knuckle.restoration.index import PatchIndex, learn_layout
from knuckle.restoration.patches import PatchDictionary
from knuckle.restoration.search import BACKGROUND_WEIGHT, Mode, PatchSearch, costs_for

MAPS = drawn_hands(12, seed=4)
PATCH = 7
PART_MAP = noisy(MAPS[3], np.random.default_rng(0))
PART_MAP[:27] = 0  # fewer pixels, for the slow ones


@pytest.fixture(scope="module")
def dictionary() -> PatchDictionary:
    layout = learn_layout(MAPS, PATCH, np.random.default_rng(0))
    return PatchDictionary.from_maps(MAPS, PATCH, {}, PatchIndex.of(layout, [layout.encode(MAPS, 0, PATCH)]))


@pytest.mark.parametrize("mode", get_args(Mode))
@pytest.mark.parametrize("k", [1, 5])
def test_every_mode_answers_truly(dictionary: PatchDictionary, mode: Mode, k: int) -> None:
    """Both exact ways are alike to the bit, and the others not much worse."""
    found = PatchSearch(dictionary, mode, 0.3).nearest(PART_MAP, k)
    assert found.maps.shape == (np.count_nonzero(PART_MAP), k)
    assert_true(MAPS, PART_MAP, found, PATCH, (7, 2))
    exact = nearest_exact(MAPS, PART_MAP, k, PATCH, (7, 2))
    assert (found.distances >= exact.distances).all()
    assert found.distances.sum() <= 1.2 * exact.distances.sum()
    if mode in ("exact", "torch"):
        assert_same(found, exact)


@pytest.mark.parametrize("mode", get_args(Mode))
def test_a_dictionary_from_a_file_is_searched_alike(dictionary: PatchDictionary, mode: Mode, tmp_path: Path) -> None:
    """Its arrays lie in the file and cannot be written to."""
    dictionary.save(tmp_path / "parts.kdict")
    loaded = PatchDictionary.load(tmp_path / "parts.kdict")
    found = PatchSearch(loaded, mode, 0.3).nearest(PART_MAP, 2)
    if mode == "flann":  # its trees are drawn at random
        assert_true(MAPS, PART_MAP, found, PATCH, (7, 2))
    else:
        assert_same(found, PatchSearch(dictionary, mode, 0.3).nearest(PART_MAP, 2))


def test_the_default_is_fast_with_its_effort(dictionary: PatchDictionary) -> None:
    default = PatchSearch(dictionary)
    assert (default.mode, default.costs) == ("fast", costs_for(BACKGROUND_WEIGHT, PATCH))
    assert dictionary.index is not None
    asked = noisy(drawn_hands(1, seed=5)[0], np.random.default_rng(0))
    sums = []
    for effort in (Effort(), Effort(probes=1, top=1, step=40, rounds=0)):
        found = PatchSearch(dictionary, effort=effort).nearest(asked, 3)
        assert_same(found, nearest_fast(MAPS, dictionary.index, asked, 3, PATCH, default.costs, effort))
        sums.append(found.distances.sum())
    assert_same(default.nearest(asked, 3), PatchSearch(dictionary, effort=Effort()).nearest(asked, 3))
    assert sums[0] < sums[1]


@pytest.mark.parametrize(("weight", "costs"), [(1.0, (1, 1)), (0.0, (1, 0)), (0.5, (2, 1))])
def test_the_weight_of_background_counts_in_every_mode(
    dictionary: PatchDictionary, weight: float, costs: tuple[int, int]
) -> None:
    expected = nearest_exact(MAPS, PART_MAP, 2, PATCH, costs)
    for mode in ("exact", "torch"):
        assert_same(PatchSearch(dictionary, mode, weight).nearest(PART_MAP, 2), expected)
    for mode in ("fast", "flann"):
        assert_true(MAPS, PART_MAP, PatchSearch(dictionary, mode, weight).nearest(PART_MAP, 2), PATCH, costs)


@pytest.mark.parametrize(("weight", "costs"), [(1, (1, 1)), (0, (1, 0)), (0.5, (2, 1)), (0.3, (7, 2)), (0.25, (4, 1))])
def test_costs_are_small_whole_numbers(weight: float, costs: tuple[int, int]) -> None:
    assert costs_for(weight, 27) == costs


@given(st.floats(0, 1), st.integers(0, 23).map(lambda half: 2 * half + 1))
def test_costs_are_near_the_weight_and_fit_into_16_bits(weight: float, patch: int) -> None:
    if 0 < weight < 1 / 9:
        weight = 1 / 9
    differ, background = costs_for(weight, patch)
    assert 0 <= background <= differ <= 9
    assert differ * patch**2 <= 16_000
    assert abs(background / differ - weight) <= 1 / 14  # half a step of the coarsest, at 47×47


@pytest.mark.parametrize("weight", [-0.1, 1e-9, 0.05, 1.01, float("nan"), float("inf")])
def test_another_weight_is_refused(dictionary: PatchDictionary, weight: float) -> None:
    with pytest.raises(SettingsError, match="background_weight"):
        PatchSearch(dictionary, "exact", weight)


def test_an_unknown_mode_is_refused(dictionary: PatchDictionary) -> None:
    with pytest.raises(SettingsError, match=r"'magic'.*fast, exact, flann, torch"):
        PatchSearch(dictionary, "magic")  # type: ignore[arg-type]


def test_a_fast_search_needs_an_index() -> None:
    plain = PatchDictionary.from_maps(MAPS, PATCH)
    with pytest.raises(DictionaryError, match="no index"):
        PatchSearch(plain)
    assert len(PatchSearch(plain, "exact").nearest(PART_MAP)) == np.count_nonzero(PART_MAP)


@pytest.mark.parametrize("mode", get_args(Mode))
def test_other_maps_and_no_neighbours_are_refused(dictionary: PatchDictionary, mode: Mode) -> None:
    search = PatchSearch(dictionary, mode)
    for wrong in (PART_MAP[:47], PART_MAP[None], PART_MAP.astype(np.int64), PART_MAP.astype(bool)):
        with pytest.raises(SettingsError, match="uint8"):
            search.nearest(wrong)
    for k in (0, -1):
        with pytest.raises(SettingsError, match="k must be"):
            search.nearest(PART_MAP, k)


@pytest.mark.parametrize("mode", get_args(Mode))
def test_a_label_that_there_is_not_is_refused(dictionary: PatchDictionary, mode: Mode) -> None:
    """Such as 255 for "do not know": it has no weights to be projected by."""
    wrong = PART_MAP.copy()
    wrong[30, 30] = 21
    with pytest.raises(SettingsError, match="21"):
        PatchSearch(dictionary, mode).nearest(wrong)
