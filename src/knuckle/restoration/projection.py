"""Label patches as short vectors whose distances tell Hamming distances well enough to find candidates.

Each hand pixel of a patch is a one-hot vector of its label and of being hand; background is zero. Squared Euclidean
distance then counts unlike labels, 2 for each, whether or not one of them is background. Counting in cells of a few
pixels and keeping the principal components leaves some tens of numbers, which one sweep over the patch's hand pixels
adds up; no patch is ever cut out.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from knuckle.anatomy import LABELS
from knuckle.compiled import njit

_PARTS = len(LABELS) - 1
_SAMPLES = 40_000  # patches that the components are computed from
_LARGEST = 100  # number in a vector of those patches; a byte's are cut off at 127
_CELLS = 9  # at most, along a patch's side: 9 × 9 cells × 21 counts = 1,701


def cell_of(patch: int) -> int:
    """Side of a cell, px."""
    return -(-patch // _CELLS)


def cells_across(patch: int) -> int:
    """Cells along a patch's side."""
    return -(-patch // cell_of(patch))


def learn_projection(
    maps: NDArray[np.uint8], patch: int, dimensions: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Weights (cells², 21, dimensions): what a pixel of each cell and label adds to its patch's vector.

    maps (M, H, W): at least one with a hand pixel. Scaled so that vectors fit into -127..127, but for rare ones.
    """
    cells = cells_across(patch)
    counts = _cell_counts(maps, _random_pixels(maps, rng), patch // 2, cell_of(patch), cells)  # (S, cells², 20)
    counts = np.concatenate([counts, counts.sum(axis=2, keepdims=True)], axis=2)  # the last: being hand
    flat = counts.reshape(len(counts), -1)
    centred = flat - flat.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    kept = np.zeros((flat.shape[1], dimensions), dtype=np.float32)
    kept[:, : flat.shape[1]] = vectors[:, ::-1][:, :dimensions]
    kept *= _LARGEST / max(np.abs(flat @ kept).max(), 1e-9)
    of_label = kept.reshape(cells * cells, -1, dimensions)
    weights = np.zeros((cells * cells, len(LABELS), dimensions), dtype=np.float32)
    weights[:, 1:] = of_label[:, :-1] + of_label[:, -1:]
    return weights


def project(
    part_map: NDArray[np.uint8], pixels: NDArray[np.int32], patch: int, weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Vectors (Q, D) of the patches about pixels (Q, 2) of part_map (H, W)."""
    vectors = np.zeros((len(pixels), weights.shape[2]), dtype=np.float32)
    _project(part_map, pixels, patch // 2, cell_of(patch), weights, vectors)
    return vectors


def project_grid(
    maps: NDArray[np.uint8], grid: int, patch: int, weights: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Vectors (N, D) of the patches about every `grid`-th hand pixel of maps (M, H, W), and their places (N,).

    A place is (map · H + row) · W + column.
    """
    on_grid = maps[:, grid // 2 :: grid, grid // 2 :: grid] > 0
    starts = np.concatenate([[0], on_grid.sum(axis=(1, 2)).cumsum()])
    vectors = np.zeros((starts[-1], weights.shape[2]), dtype=np.float32)
    places = np.zeros(starts[-1], dtype=np.int64)
    _project_grid(maps, starts, grid, patch // 2, cell_of(patch), weights, vectors, places)
    return vectors, places


def _random_pixels(maps: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.int32]:
    """(S, 3) map, row and column of random hand pixels."""
    tries = np.stack([rng.integers(0, size, 8 * _SAMPLES) for size in maps.shape], axis=1)
    found = tries[maps[tuple(tries.T)] > 0][:_SAMPLES]
    return found.astype(np.int32) if len(found) else np.argwhere(maps > 0).astype(np.int32)


@njit()
def _cell_counts(maps, pixels, radius, cell, cells):
    counts = np.zeros((pixels.shape[0], cells * cells, _PARTS), dtype=np.float32)
    for i in range(pixels.shape[0]):
        m, row, column = pixels[i]
        for y in range(max(0, row - radius), min(maps.shape[1], row + radius + 1)):
            for x in range(max(0, column - radius), min(maps.shape[2], column + radius + 1)):
                if maps[m, y, x]:
                    place = (y - row + radius) // cell * cells + (x - column + radius) // cell
                    counts[i, place, maps[m, y, x] - 1] += 1
    return counts


@njit()
def _project(labels, pixels, radius, cell, weights, vectors):
    for i in range(pixels.shape[0]):
        _project_one(labels, pixels[i, 0], pixels[i, 1], radius, cell, weights, vectors[i])


@njit()
def _project_one(labels, row, column, radius, cell, weights, vector):
    cells = -(-(2 * radius + 1) // cell)
    for y in range(max(0, row - radius), min(labels.shape[0], row + radius + 1)):
        across = (y - row + radius) // cell * cells
        for x in range(max(0, column - radius), min(labels.shape[1], column + radius + 1)):
            if labels[y, x]:
                added = weights[across + (x - column + radius) // cell, labels[y, x]]
                for d in range(vector.shape[0]):
                    vector[d] += added[d]


@njit(parallel=True)
def _project_grid(maps, starts, grid, radius, cell, weights, vectors, places):
    for m in numba.prange(maps.shape[0]):
        n = starts[m]
        for y in range(grid // 2, maps.shape[1], grid):
            for x in range(grid // 2, maps.shape[2], grid):
                if maps[m, y, x]:
                    _project_one(maps[m], y, x, radius, cell, weights, vectors[n])
                    places[n] = (m * maps.shape[1] + y) * maps.shape[2] + x
                    n += 1
