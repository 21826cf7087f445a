"""Projected patches against sums written out pixel by pixel, and whether their distances tell Hamming distances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_maps import blob_map, drawn_hands, every_distance
from numpy.typing import NDArray

from knuckle.restoration.matches import hand_pixels
from knuckle.restoration.projection import cell_of, learn_projection, project, project_grid

SEEDS = st.integers(0, 2**32 - 1)
PATCHES = st.sampled_from([1, 3, 9, 13, 17, 27, 47])


def random_weights(rng: np.random.Generator, patch: int, dimensions: int = 5) -> NDArray[np.float32]:
    """Whole numbers, so that sums are exact in any order."""
    cells = -(-patch // cell_of(patch))
    return rng.integers(-9, 10, (cells * cells, 21, dimensions)).astype(np.float32)


def sums_over_cells(part_map: NDArray, row: int, column: int, patch: int, weights: NDArray) -> NDArray[np.float32]:
    """What all hand pixels of one patch add to its vector; beyond the map there is none."""
    total = np.zeros(weights.shape[2], dtype=np.float32)
    cell = cell_of(patch)
    cells = -(-patch // cell)
    for i, j in np.ndindex(patch, patch):
        y, x = row - patch // 2 + i, column - patch // 2 + j
        if 0 <= y < part_map.shape[0] and 0 <= x < part_map.shape[1] and part_map[y, x] > 0:
            total += weights[i // cell * cells + j // cell, part_map[y, x]]
    return total


@pytest.mark.parametrize(("patch", "cell"), [(1, 1), (9, 1), (11, 2), (17, 2), (19, 3), (27, 3), (47, 6)])
def test_a_patch_has_at_most_nine_cells_a_side(patch: int, cell: int) -> None:
    assert cell_of(patch) == cell
    assert -(-patch // cell) <= 9


@settings(max_examples=25)
@given(SEEDS, PATCHES)
def test_vectors_are_sums_over_cells(seed: int, patch: int) -> None:
    rng = np.random.default_rng(seed)
    part_map, weights = blob_map(rng, 12, 21)[:9], random_weights(rng, patch)
    pixels, _ = hand_pixels(part_map)
    vectors = project(part_map, pixels, patch, weights)
    assert vectors.shape == (len(pixels), 5)
    assert vectors.dtype == np.float32
    for vector, (y, x) in zip(vectors, pixels, strict=True):
        np.testing.assert_array_equal(vector, sums_over_cells(part_map, y, x, patch, weights))


@settings(max_examples=25)
@given(SEEDS, PATCHES, st.integers(1, 4))
def test_the_grid_is_every_nth_pixel_in_reading_order(seed: int, patch: int, grid: int) -> None:
    rng = np.random.default_rng(seed)
    maps = np.stack([blob_map(rng, 13, 21)[:10] for _ in range(3)])
    weights = random_weights(rng, patch)
    vectors, places = project_grid(maps, grid, patch, weights)
    on_grid = [(m, y, x) for m, y, x in np.argwhere(maps > 0) if y % grid == grid // 2 and x % grid == grid // 2]
    assert places.tolist() == [(m * 10 + y) * 13 + x for m, y, x in on_grid]
    for vector, (m, y, x) in zip(vectors, on_grid, strict=True):
        np.testing.assert_array_equal(vector, project(maps[m], np.array([[y, x]], np.int32), patch, weights)[0])


@pytest.mark.parametrize("grid", [1, 2, 3, 5])
def test_any_block_of_pixels_as_large_as_the_grid_has_one_on_it(grid: int) -> None:
    maps = np.ones((1, 12, 12), dtype=np.uint8)
    _, places = project_grid(maps, grid, 1, random_weights(np.random.default_rng(0), 1))
    on_grid = np.zeros(144, dtype=int)
    on_grid[places] = 1
    blocks = np.lib.stride_tricks.sliding_window_view(on_grid.reshape(12, 12), (grid, grid))
    assert (blocks.sum(axis=(2, 3)) == 1).all()


@pytest.mark.parametrize("patch", [9, 13, 17, 27])
def test_learned_vectors_fit_into_bytes_and_tell_distances(patch: int) -> None:
    maps = drawn_hands(8, seed=patch)
    weights = learn_projection(maps, patch, 32, np.random.default_rng(0))
    cells = -(-patch // cell_of(patch))
    assert weights.shape == (cells * cells, 21, 32)
    assert (weights[:, 0] == 0).all()
    vectors, places = project_grid(maps, 1, patch, weights)
    assert len(places) == np.count_nonzero(maps)
    assert 50 < np.abs(vectors).max() < 127  # the bytes are well used

    hamming, _ = every_distance(maps[4:], maps[0], patch, (1, 1))
    mine, others = vectors[: len(hamming) : 20], vectors[len(vectors) - hamming.shape[1] :]
    squared = ((mine[:, None] - others) ** 2).sum(axis=2)
    assert np.corrcoef(squared.ravel(), hamming[::20].ravel())[0, 1] > 0.8


@pytest.mark.parametrize("patch", [1, 3])
def test_with_all_dimensions_squared_distances_are_hamming_distances(patch: int) -> None:
    """Whose cells are single pixels; numbers beyond the 21 counts of each are not used."""
    maps = drawn_hands(4, seed=patch)
    counts = 21 * patch**2
    weights = learn_projection(maps, patch, counts + 5, np.random.default_rng(0))
    assert (weights[:, :, counts:] == 0).all()
    vectors, _ = project_grid(maps, 1, patch, weights)
    hamming, _ = every_distance(maps, maps[0], patch, (1, 1))
    squared = ((vectors[: len(hamming), None] - vectors) ** 2).sum(axis=2)
    scale = squared.sum() / hamming.sum()
    np.testing.assert_allclose(squared, scale * hamming, rtol=1e-3, atol=scale * 1e-3)


def test_patches_that_are_all_alike_can_be_projected() -> None:
    maps = np.zeros((1, 9, 9), dtype=np.uint8)
    maps[0, 4, 4] = 7
    weights = learn_projection(maps, 3, 32, np.random.default_rng(0))
    vectors, places = project_grid(maps, 1, 3, weights)
    assert places.tolist() == [4 * 9 + 4]
    assert np.abs(vectors).max() < 127
