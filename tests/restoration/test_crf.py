"""The energy of eq. 3 written out, and minimisation against all choices of a small grid and an exact solver."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from test_vote import random_case, with_misses

from knuckle.errors import SettingsError
from knuckle.restoration.crf import GridEnergy, Pairwise, chosen_labels, grid_energy, minimise
from knuckle.restoration.matches import FAR, Matches

NEIGHBOURS = ((0, 1), (1, 0))


def patch_of(maps: NDArray, matches: Matches, q: int, n: int, radius: int) -> NDArray[np.uint8]:
    padded = np.pad(maps[matches.maps[q, n]], radius)
    y, x = matches.rows[q, n], matches.columns[q, n]
    return padded[y : y + 2 * radius + 1, x : x + 2 * radius + 1]


def energy_by_the_formula(
    maps: NDArray, matches: Matches, choice: NDArray, alpha: float, pairwise: str, patch: int
) -> float:
    radius = patch // 2
    place = {tuple(pixel): q for q, pixel in enumerate(matches.pixels.tolist())}
    total = 0.0
    for (y, x), q in place.items():
        total += matches.distances[q, choice[y, x]]
        for dy, dx in NEIGHBOURS:
            j = place.get((y + dy, x + dx))
            if j is None:
                continue
            one = patch_of(maps, matches, q, choice[y, x], radius)
            other = patch_of(maps, matches, j, choice[y + dy, x + dx], radius)
            if pairwise == "potts":
                total += alpha * (one[radius, radius] != other[radius, radius])
            else:
                overlap = one[dy:, dx:] != other[: patch - dy, : patch - dx]
                total += alpha * overlap.sum()
    return total


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["potts", "overlap"]), st.floats(0, 5))
def test_energy_is_that_of_equation_3(seed: int, pairwise: str, alpha: float) -> None:
    maps, part_map, matches = random_case(seed, k=3, size=6)
    energy = grid_energy(maps, matches, part_map.shape, pairwise, patch=5)
    choice = np.random.default_rng(seed).integers(0, 3, part_map.shape)
    expected = energy_by_the_formula(maps, matches, choice, alpha, pairwise, 5)
    assert energy.of(choice, alpha) == pytest.approx(expected)
    np.testing.assert_array_equal(energy.mask, part_map > 0)


def random_energy(seed: int, height: int, width: int, choices: int) -> GridEnergy:
    rng = np.random.default_rng(seed)
    return GridEnergy(
        np.ones((height, width), dtype=bool),
        rng.uniform(0, 10, (height, width, choices)),
        rng.uniform(0, 6, (height, width - 1, choices, choices)),
        rng.uniform(0, 6, (height - 1, width, choices, choices)),
    )


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(1, 6), (6, 1)]))
def test_a_chain_is_solved_exactly(seed: int, shape: tuple[int, int]) -> None:
    """Without loops, min-sum messages find the minimum."""
    energy = random_energy(seed, *shape, 3)
    every = [energy.of(np.array(c).reshape(shape), 1.3) for c in itertools.product(range(3), repeat=6)]
    assert energy.of(minimise(energy, 1.3), 1.3) == pytest.approx(min(every))


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.floats(0, 3))
def test_a_small_grid_comes_close_to_its_minimum(seed: int, alpha: float) -> None:
    energy = random_energy(seed, 3, 3, 2)
    every = [energy.of(np.array(c).reshape(3, 3), alpha) for c in itertools.product(range(2), repeat=9)]
    found = energy.of(minimise(energy, alpha), alpha)
    nearest = energy.of(energy.unary.argmin(axis=2), alpha)
    assert min(every) - 1e-9 <= found <= nearest + 1e-9
    assert found <= min(every) + 0.1 * (max(every) - min(every))


def test_without_a_pairwise_term_the_nearest_patches_stay() -> None:
    energy = random_energy(4, 5, 6, 4)
    np.testing.assert_array_equal(minimise(energy, 0.0), energy.unary.argmin(axis=2))


def test_a_strong_potts_term_makes_one_region() -> None:
    """Every pixel has a patch of label 3 among its candidates, though not the nearest."""
    maps = np.arange(21, dtype=np.uint8)[:, None, None] * np.ones((1, 5, 5), dtype=np.uint8)
    pixels = np.argwhere(np.ones((5, 5), dtype=bool)).astype(np.int32)
    rng = np.random.default_rng(0)
    found = np.stack([rng.integers(4, 21, 25), np.full(25, 3)], axis=1).astype(np.int32)
    middle = np.full((25, 2), 2, dtype=np.int32)
    matches = Matches(pixels, found, middle, middle, np.array([[1, 2]] * 25, dtype=np.int32))
    part_map = np.ones((5, 5), dtype=np.uint8)
    energy = grid_energy(maps, matches, (5, 5), "potts", patch=5)
    np.testing.assert_array_equal(chosen_labels(part_map, maps, matches, minimise(energy, 10.0)), 3)
    weak = chosen_labels(part_map, maps, matches, minimise(energy, 0.0))
    np.testing.assert_array_equal(weak.ravel(), found[:, 0])


@pytest.mark.parametrize("seed", range(4))
def test_the_gap_to_the_exact_minimum_is_small(seed: int) -> None:
    """toulbar2 solves a 6×6 grid of four choices to the end; the messages come within 2 % of it."""
    toulbar = pytest.importorskip("pytoulbar2")
    energy = random_energy(seed, 6, 6, 4)
    problem = toulbar.CFN(10_000, resolution=6)
    for y, x in np.ndindex(6, 6):
        problem.AddVariable(f"x{y}_{x}", range(4))
    for y, x in np.ndindex(6, 6):
        problem.AddFunction([f"x{y}_{x}"], energy.unary[y, x].tolist())
        if x < 5:
            problem.AddFunction([f"x{y}_{x}", f"x{y}_{x + 1}"], energy.across[y, x].ravel().tolist())
        if y < 5:
            problem.AddFunction([f"x{y}_{x}", f"x{y + 1}_{x}"], energy.down[y, x].ravel().tolist())
    _, exact, _ = problem.Solve()
    found = energy.of(minimise(energy, 1.0), 1.0)
    assert exact - 1e-3 <= found <= 1.02 * exact


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["potts", "overlap"]), st.integers(0, 9))
def test_candidates_that_were_not_found_change_nothing(seed: int, pairwise: str, alpha: int) -> None:
    """Wherever among the candidates they stand: their distance is beyond what any agreement could make up for."""
    maps, part_map, matches = random_case(seed, k=3, size=6)
    chosen = []
    for found in (matches, with_misses(matches, seed)):
        energy = grid_energy(maps, found, part_map.shape, pairwise, patch=5)
        chosen.append(chosen_labels(part_map, maps, found, minimise(energy, alpha)))
        for y, x in np.argwhere(part_map[:, 1:]):
            missing = [choice for choice in range(found.maps.shape[1]) if energy.unary[y, x + 1, choice] > FAR]
            assert not energy.across[y, x][:, missing].any()
    np.testing.assert_array_equal(chosen[1], chosen[0])


def test_a_pixel_without_any_candidate_keeps_its_label() -> None:
    maps, part_map, matches = random_case(2, k=2, size=6)
    lost = np.arange(len(matches)) % 3 == 0
    some = Matches(
        matches.pixels,
        np.where(lost[:, None], -1, matches.maps),
        matches.rows,
        matches.columns,
        np.where(lost[:, None], FAR, matches.distances),
    )
    energy = grid_energy(maps, some, part_map.shape, "overlap", patch=5)
    labels = chosen_labels(part_map, maps, some, minimise(energy, 1.0))
    rows, columns = matches.pixels[lost].T
    np.testing.assert_array_equal(labels[rows, columns], part_map[rows, columns])
    assert (labels != part_map).any()


def test_another_pairwise_term_is_refused() -> None:
    maps, part_map, matches = random_case(0)
    with pytest.raises(SettingsError, match="potts or overlap"):
        grid_energy(maps, matches, part_map.shape, "ising", 5)  # type: ignore[arg-type]


@pytest.mark.parametrize("pairwise", ["potts", "overlap"])
def test_an_empty_dictionary_changes_nothing(pairwise: Pairwise) -> None:
    _, part_map, matches = random_case(1, k=2, size=6)
    maps = np.zeros((0, 6, 6), dtype=np.uint8)
    nothing = Matches(
        matches.pixels,
        np.full_like(matches.maps, -1),
        matches.rows,
        matches.columns,
        np.full_like(matches.distances, FAR),
    )
    energy = grid_energy(maps, nothing, part_map.shape, pairwise, patch=5)
    np.testing.assert_array_equal(chosen_labels(part_map, maps, nothing, minimise(energy, 1.0)), part_map)


def test_a_candidate_that_was_not_found_is_never_chosen() -> None:
    """However much the neighbours would like it."""
    rng = np.random.default_rng(0)
    maps = rng.integers(1, 21, (2, 48, 48), dtype=np.uint8)
    pixels = np.array([[24, 24], [24, 25]], dtype=np.int32)
    found = Matches(
        pixels,
        np.array([[0, -1], [1, -1]], dtype=np.int32),
        np.full((2, 2), 24, dtype=np.int32),
        np.full((2, 2), 24, dtype=np.int32),
        np.array([[700, FAR], [700, FAR]], dtype=np.int32),
    )
    choice = minimise(grid_energy(maps, found, (48, 48), "overlap", 27), alpha=1e4)
    assert (choice[24, 24:26] == 0).all()
