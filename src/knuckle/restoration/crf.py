"""Choosing among each pixel's nearest patches so that neighbours agree: the energy of [N] eq. 3, by message passing."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from knuckle.compiled import njit
from knuckle.errors import SettingsError
from knuckle.restoration.matches import Matches

Pairwise = Literal["potts", "overlap"]

_NEVER = 1e12  # distance of a candidate that was not found: above all weights times overlaps


@dataclass(frozen=True, eq=False)
class GridEnergy:
    """E(x) = Σ u(x_i) + α Σ b(x_i, x_j) on the 4-connected pixels of a map; N choices a pixel.

    mask (H, W): the pixels that take part; unary (H, W, N); across (H, W - 1, N, N): b of a pixel and the one to its
    right; down (H - 1, W, N, N): of a pixel and the one below. Zero where a pixel does not take part.
    """

    mask: NDArray[np.bool_]
    unary: NDArray[np.float64]
    across: NDArray[np.float64]
    down: NDArray[np.float64]

    def of(self, choice: NDArray[np.intp], alpha: float) -> float:
        """The energy of a choice (H, W)."""
        unary = np.take_along_axis(self.unary, choice[..., None], axis=2).sum()
        return float(unary + alpha * (_chosen(self.across, choice, 1).sum() + _chosen(self.down, choice, 0).sum()))


def grid_energy(
    maps: NDArray[np.uint8], matches: Matches, shape: tuple[int, int], pairwise: Pairwise, patch: int
) -> GridEnergy:
    """The energy of a search's candidates: u is their distance; b one of [N]'s two terms.

    maps (M, h, w): the dictionary; shape (H, W): of the map that was asked about. "potts": 1 where the centre labels of
    two neighbours' patches differ; "overlap": the Hamming distance of the two patches (side `patch`) where both lie.
    Raises `SettingsError` for another term.
    """
    if pairwise not in ("potts", "overlap"):
        raise SettingsError(f"there is no pairwise term {pairwise!r}: choose potts or overlap")
    height, width = shape
    choices = matches.maps.shape[1]
    node = np.full(shape, -1, dtype=np.int64)
    node[matches.pixels[:, 0], matches.pixels[:, 1]] = np.arange(len(matches))
    unary = np.zeros((height, width, choices))
    unary[matches.pixels[:, 0], matches.pixels[:, 1]] = np.where(matches.maps < 0, _NEVER, matches.distances)
    across, down = (
        np.zeros((height, width - 1, choices, choices)),
        np.zeros((height - 1, width, choices, choices)),
    )
    radius = 0 if pairwise == "potts" else patch // 2
    found = (maps, matches.maps, matches.rows, matches.columns)
    _fill_pairs(node[:, :-1], node[:, 1:], 0, 1, radius, *found, across)
    _fill_pairs(node[:-1], node[1:], 1, 0, radius, *found, down)
    return GridEnergy(node >= 0, unary, across, down)


def minimise(energy: GridEnergy, alpha: float, sweeps: int = 20) -> NDArray[np.intp]:
    """A choice (H, W) of low energy: min-sum messages, swept in the four directions in turn.

    On a grid with loops the minimum is not guaranteed; of all choices met, the nearest patches' included, the best is
    returned, so it is never worse than no regularisation.
    """
    across, down = alpha * energy.across, alpha * energy.down
    height, width, choices = energy.unary.shape
    right, left, below, above = (
        np.zeros((height, width, choices)) for _ in range(4)
    )  # messages into each pixel from...
    best = energy.unary.argmin(axis=2)
    best_energy = energy.of(best, alpha)
    for _ in range(sweeps):
        for x in range(1, width):
            sent = energy.unary[:, x - 1] + left[:, x - 1] + above[:, x - 1] + below[:, x - 1]
            left[:, x] = _passed(sent, across[:, x - 1])
        for x in range(width - 2, -1, -1):
            sent = energy.unary[:, x + 1] + right[:, x + 1] + above[:, x + 1] + below[:, x + 1]
            right[:, x] = _passed(sent, across[:, x].swapaxes(1, 2))
        for y in range(1, height):
            sent = energy.unary[y - 1] + above[y - 1] + left[y - 1] + right[y - 1]
            above[y] = _passed(sent, down[y - 1])
        for y in range(height - 2, -1, -1):
            sent = energy.unary[y + 1] + below[y + 1] + left[y + 1] + right[y + 1]
            below[y] = _passed(sent, down[y].swapaxes(1, 2))
        choice = (energy.unary + left + right + above + below).argmin(axis=2)
        found = energy.of(choice, alpha)
        if found < best_energy:
            best, best_energy = choice, found
    return best


def chosen_labels(
    part_map: NDArray[np.uint8], maps: NDArray[np.uint8], matches: Matches, choice: NDArray[np.intp]
) -> NDArray[np.uint8]:
    """part_map (H, W) with each pixel that was searched for relabelled by the centre of its chosen patch, if any."""
    rows, columns = matches.pixels.T
    picked = choice[rows, columns][:, None]
    centre = [
        np.take_along_axis(values, picked, axis=1)[:, 0] for values in (matches.maps, matches.rows, matches.columns)
    ]
    labels = part_map.copy()
    found = centre[0] >= 0
    labels[rows[found], columns[found]] = maps[centre[0][found], centre[1][found], centre[2][found]]
    return labels


def _passed(sent: NDArray, pairs: NDArray) -> NDArray[np.float64]:
    """Min-sum message: sent (L, N) through pairs (L, N, N), normalised to a minimum of zero."""
    message = (sent[:, :, None] + pairs).min(axis=1)
    return np.asarray(message - message.min(axis=1, keepdims=True))


def _chosen(pairs: NDArray, choice: NDArray[np.intp], axis: int) -> NDArray[np.float64]:
    one = choice[:, :-1] if axis == 1 else choice[:-1]
    other = choice[:, 1:] if axis == 1 else choice[1:]
    rows, columns = np.indices(one.shape)
    return np.asarray(pairs[rows, columns, one, other])


@njit()
def _fill_pairs(first, second, dy, dx, radius, maps, found_maps, found_rows, found_columns, pairs):
    """pairs[y, x, a, b]: labels that differ where patch a of a pixel and patch b of its neighbour at (dy, dx) overlap.

    radius 0 compares the two centres instead. Beyond a map's border a patch is background.
    """
    height, width = maps.shape[1], maps.shape[2]
    choices = found_maps.shape[1]
    for y in range(first.shape[0]):
        for x in range(first.shape[1]):
            i, j = first[y, x], second[y, x]
            if i < 0 or j < 0:
                continue
            for a in range(choices):
                for b in range(choices):
                    if found_maps[i, a] < 0 or found_maps[j, b] < 0:
                        continue  # not found, and so far away that it is never chosen
                    one, other = maps[found_maps[i, a]], maps[found_maps[j, b]]
                    row, column = found_rows[i, a], found_columns[i, a]
                    other_row, other_column = found_rows[j, b], found_columns[j, b]
                    if radius == 0:
                        pairs[y, x, a, b] = one[row, column] != other[other_row, other_column]
                        continue
                    differ = 0
                    for v in range(dy - radius, radius + 1):
                        for u in range(dx - radius, radius + 1):
                            r, c = row + v, column + u
                            s, t = other_row + v - dy, other_column + u - dx
                            label = one[r, c] if 0 <= r < height and 0 <= c < width else 0
                            other_label = other[s, t] if 0 <= s < height and 0 <= t < width else 0
                            differ += label != other_label
                    pairs[y, x, a, b] = differ
