"""One map restored by each method: the pieces put together by hand, and what stays as it is whatever the method."""

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from knuckle.anatomy import LABELS
from knuckle.errors import SettingsError
from knuckle.restoration.crf import chosen_labels, grid_energy, minimise
from knuckle.restoration.index import PatchIndex, learn_layout
from knuckle.restoration.matches import Matches
from knuckle.restoration.patches import PatchDictionary
from knuckle.restoration.restore import ALPHA, Method, RestoreSettings, restore
from knuckle.restoration.search import PatchSearch
from knuckle.restoration.vote import count_votes, restored, with_votes

PATCH = 5
METHODS = get_args(Method)


def hand_map(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A (48, 48) map with one block of hand in squares of equal labels; some of them background."""
    part_map = np.zeros((48, 48), dtype=np.uint8)
    top, left = rng.integers(0, 37, 2)
    squares = rng.integers(0, len(LABELS), (4, 4), dtype=np.uint8)
    part_map[top : top + 12, left : left + 12] = np.kron(squares, np.ones((3, 3), dtype=np.uint8))
    return part_map


def noisy(part_map: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The same hand with most of its labels drawn anew, so that neighbours find different maps."""
    wrong = (part_map > 0) & (rng.random(part_map.shape) < 0.7)
    return np.where(wrong, rng.integers(1, len(LABELS), part_map.shape), part_map).astype(np.uint8)


def probabilities_for(rng: np.random.Generator) -> NDArray[np.float32]:
    return rng.dirichlet(np.ones(len(LABELS)), (48, 48)).transpose(2, 0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def dictionary() -> PatchDictionary:
    """Six maps with an index."""
    rng = np.random.default_rng(0)
    maps = np.stack([hand_map(rng) for _ in range(6)])
    layout = learn_layout(maps, PATCH, rng)
    return PatchDictionary.from_maps(maps, PATCH, None, PatchIndex.of(layout, [layout.encode(maps, 0, PATCH)]))


@pytest.fixture(scope="module", params=[("exact", 0.3), ("fast", 1.0)], ids=["exact", "fast"])
def search(request: pytest.FixtureRequest, dictionary: PatchDictionary) -> PatchSearch:
    """Two searches, whose distances are of different scales: in sevenths of labels, and in labels."""
    return PatchSearch(dictionary, *request.param)


def run(search: PatchSearch, settings: RestoreSettings, *rest: Any) -> NDArray[np.uint8]:
    """Restores as the search would."""
    weight = 0.3 if search.costs[0] > 1 else 1.0
    return restore(search.dictionary, replace(settings, mode=search.mode, background_weight=weight), *rest)  # type: ignore[arg-type]


@pytest.fixture
def asked(dictionary: PatchDictionary) -> NDArray[np.uint8]:
    return noisy(dictionary.maps[2], np.random.default_rng(7))


@pytest.mark.parametrize(("window", "k"), [(None, None), (5, 1), (3, 4)])
def test_votes_restore_by_equation_2(
    search: PatchSearch, asked: NDArray[np.uint8], window: int | None, k: int | None
) -> None:
    matches = search.nearest(asked, k or 1)
    expected = restored(asked, count_votes(search.dictionary.maps, matches, asked.shape, window or PATCH))
    found = run(search, RestoreSettings(window=window, k=k), asked)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.uint8
    assert (found != asked).any()


def test_the_centre_method_takes_the_nearest_patch_alone(search: PatchSearch, asked: NDArray[np.uint8]) -> None:
    matches = search.nearest(asked, 1)
    expected = asked.copy()
    for (y, x), m, v, u in zip(
        matches.pixels, matches.maps[:, 0], matches.rows[:, 0], matches.columns[:, 0], strict=True
    ):
        expected[y, x] = search.dictionary.maps[m, v, u]
    np.testing.assert_array_equal(run(search, RestoreSettings("centre", window=3), asked), expected)
    assert (expected != asked).any()


@pytest.mark.parametrize(("weight", "k"), [(0.5, None), (0.0, 1), (2.0, 3)])
def test_evidence_is_moved_by_votes(
    search: PatchSearch, asked: NDArray[np.uint8], weight: float, k: int | None
) -> None:
    probabilities = probabilities_for(np.random.default_rng(3))
    votes = count_votes(search.dictionary.maps, search.nearest(asked, k or 5), asked.shape, 3)
    evidence = with_votes(probabilities, votes, weight)
    expected = np.zeros_like(asked)
    for y, x in np.argwhere(asked > 0):
        expected[y, x] = max(range(1, len(LABELS)), key=lambda label: evidence[label, y, x])
    chosen = RestoreSettings("evidence", window=3, k=k, vote_weight=weight)
    np.testing.assert_array_equal(run(search, chosen, asked, probabilities), expected)


@pytest.mark.parametrize("pairwise", ["potts", "overlap"])
@pytest.mark.parametrize(("alpha", "k"), [(None, None), (0.7, 3)])
def test_a_crf_chooses_by_equation_3(
    search: PatchSearch, asked: NDArray[np.uint8], pairwise: Any, alpha: float | None, k: int | None
) -> None:
    maps = search.dictionary.maps
    matches = search.nearest(asked, k or 10)
    energy = grid_energy(maps, matches, asked.shape, pairwise, PATCH)
    weight = search.costs[0] * (ALPHA[pairwise] if alpha is None else alpha)  # distances are in labels times that cost
    expected = chosen_labels(asked, maps, matches, minimise(energy, weight))
    found = run(search, RestoreSettings(f"crf-{pairwise}", alpha=alpha, k=k), asked)  # type: ignore[arg-type]
    np.testing.assert_array_equal(found, np.where(expected > 0, expected, asked))
    assert found.dtype == np.uint8
    assert (found != asked).any()


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=8)
@given(seed=st.integers(0, 2**32 - 1))
def test_hand_stays_hand_and_background_background(dictionary: PatchDictionary, method: Method, seed: int) -> None:
    rng = np.random.default_rng(seed)
    part_map = rng.integers(0, len(LABELS), (48, 48), dtype=np.uint8) * (hand_map(rng) > 0)
    before = part_map.copy()
    found = restore(dictionary, RestoreSettings(method, k=2), part_map, probabilities_for(rng))
    np.testing.assert_array_equal(found > 0, part_map > 0)
    assert found.max(initial=0) < len(LABELS)
    np.testing.assert_array_equal(part_map, before)


@pytest.mark.parametrize("method", METHODS)
def test_a_map_without_a_hand_stays_empty(search: PatchSearch, method: Method) -> None:
    nothing = np.zeros((48, 48), dtype=np.uint8)
    found = run(search, RestoreSettings(method), nothing, probabilities_for(np.random.default_rng(0)))
    np.testing.assert_array_equal(found, nothing)


@pytest.mark.parametrize("method", ["vote", "centre", "crf-potts", "crf-overlap"])
def test_a_map_of_the_dictionary_is_its_own_restoration(dictionary: PatchDictionary, method: Method) -> None:
    chosen = RestoreSettings(method, k=1)
    for part_map in dictionary.maps:
        np.testing.assert_array_equal(restore(dictionary, replace(chosen, mode="exact"), part_map), part_map)


@pytest.mark.parametrize("method", ["vote", "centre", "crf-potts", "crf-overlap"])
def test_fewer_patches_than_asked_for_do_no_harm(method: Method) -> None:
    """A dictionary of nine patches, asked for forty: what there is decides."""
    part_map = np.zeros((48, 48), dtype=np.uint8)
    part_map[20:23, 20:23] = 6
    few = PatchDictionary.from_maps(part_map[None], PATCH)
    asked = np.where(part_map > 0, 9, 0).astype(np.uint8)
    chosen = RestoreSettings(method, "exact", k=40)
    np.testing.assert_array_equal(restore(few, chosen, asked), part_map)


@pytest.mark.parametrize("method", METHODS)
def test_one_patch_votes_and_ten_stand_for_choice(
    dictionary: PatchDictionary, asked: NDArray[np.uint8], method: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    nearest, wanted = PatchSearch.nearest, []

    def counting_nearest(search: PatchSearch, part_map: NDArray[np.uint8], k: int) -> Matches:
        wanted.append(k)
        return nearest(search, part_map, k)

    monkeypatch.setattr(PatchSearch, "nearest", counting_nearest)
    for k in (None, 3):
        restore(dictionary, RestoreSettings(method, k=k), asked, probabilities_for(np.random.default_rng(0)))
    assert wanted == [{"vote": 1, "centre": 1, "evidence": 5}.get(method, 10), 3]


def test_evidence_needs_probabilities(search: PatchSearch, asked: NDArray[np.uint8]) -> None:
    with pytest.raises(SettingsError, match="needs the network's probabilities"):
        run(search, RestoreSettings("evidence"), asked)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"method": "guess"}, "'guess': choose vote, centre, evidence, crf-potts, crf-overlap"),
        ({"window": 0}, "window .* 0"),
        ({"window": 16}, "window .* 16"),
        ({"window": -3}, "window .* -3"),
        ({"window": 49}, "window .* 49"),
        ({"mode": "flann"}, "'flann': choose fast, exact"),
        ({"k": 1001}, "k .* 1001"),
        ({"alpha": float("inf")}, "alpha .* inf"),
        ({"vote_weight": float("inf")}, "vote_weight .* inf"),
        ({"k": 0}, "k .* 0"),
        ({"k": -1}, "k .* -1"),
        ({"alpha": -0.1}, "alpha .* -0.1"),
        ({"alpha": float("nan")}, "alpha .* nan"),
        ({"vote_weight": -1.0}, "vote_weight .* -1.0"),
        ({"vote_weight": float("nan")}, "vote_weight .* nan"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        RestoreSettings(**wrong)


def test_only_labels_of_the_patch_vote(dictionary: PatchDictionary, asked: NDArray[np.uint8]) -> None:
    with pytest.raises(SettingsError, match=f"window 7 is larger than the dictionary's patches of {PATCH}"):
        restore(dictionary, RestoreSettings(window=7), asked)


def test_resolved_settings_hold_every_number() -> None:
    given = RestoreSettings("crf-overlap", k=3)
    assert given.resolved(9) == replace(given, window=9, alpha=ALPHA["overlap"])
    assert RestoreSettings("evidence").resolved(27) == RestoreSettings("evidence", window=17, k=5)
    assert RestoreSettings(window=5, k=2).resolved(27) == RestoreSettings(window=5, k=2)
