"""What a patch search finds: for every pixel asked about, its nearest patches of the dictionary."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knuckle.compiled import njit

NOT_FOUND = np.iinfo(np.int64).max
"""Key of a match that was never found."""

FAR = 65_535
"""Distance of a match that was never found; its map is -1."""

ROW_AT = 6  # bits of a row or a column: maps of up to 64 × 64
_MAP = 29  # bits of a map's index: 5·10⁸ maps
MAP_AT = 2 * ROW_AT
DISTANCE_AT = 2 * ROW_AT + _MAP


@dataclass(frozen=True, eq=False)
class Matches:
    """The k nearest patches of Q pixels of one part map, nearest first.

    pixels (Q, 2) int32: row and column of each pixel; maps, rows, columns (Q, k) int32: the dictionary's map and the
    pixel of it on which the patch is centred, map -1 for none; distances (Q, k) int32: Hamming distance ([N] eq. 1), in
    units of 1 / costs[0] labels where the search weighs background less.
    """

    pixels: NDArray[np.int32]
    maps: NDArray[np.int32]
    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    distances: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.pixels)

    @classmethod
    def of_keys(cls, pixels: NDArray[np.int32], keys: NDArray[np.int64]) -> "Matches":
        """From the keys (Q, k) that the searches sort by: distance, then map, row, column."""
        found = keys != NOT_FOUND
        bits = (1 << ROW_AT) - 1
        return cls(
            pixels,
            np.where(found, keys >> MAP_AT & ((1 << _MAP) - 1), -1).astype(np.int32),
            np.where(found, keys >> ROW_AT & bits, 0).astype(np.int32),
            np.where(found, keys & bits, 0).astype(np.int32),
            np.where(found, keys >> DISTANCE_AT, FAR).astype(np.int32),
        )


def hand_pixels(part_map: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Hand pixels (Q, 2) of part_map (H, W) in reading order, and each pixel's number (H, W), -1 elsewhere."""
    pixels = np.argwhere(part_map > 0).astype(np.int32)
    order = np.full(part_map.shape, -1, dtype=np.int32)
    order[pixels[:, 0], pixels[:, 1]] = np.arange(len(pixels))
    return pixels, order


def bounds(maps: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(M, 4) first and last row, first and last column with a hand pixel; a map without one has last before first."""
    ends = []
    for axis in (2, 1):
        used = np.any(maps > 0, axis=axis)  # (M, H) or (M, W)
        first = np.where(used.any(axis=1), used.argmax(axis=1), used.shape[1])
        ends += [first, used.shape[1] - 1 - used[:, ::-1].argmax(axis=1)]
        ends[-1][first == used.shape[1]] = -1
    return np.stack(ends, axis=1).astype(np.int64)


@njit()
def key_of(distance, m, row, column):
    """Keys of matches sort by distance, then map, row and column."""
    return (np.int64(distance) << DISTANCE_AT) | (np.int64(m) << MAP_AT) | (np.int64(row) << ROW_AT) | np.int64(column)


@njit()
def insert(key, keys):
    """Puts a key into its place among the k best of a pixel, unless it is there; returns the distance to beat."""
    last = keys.shape[0] - 1
    if key < keys[last]:
        n = last
        while n > 0 and keys[n - 1] > key:
            n -= 1
        if n == 0 or keys[n - 1] != key:
            for i in range(last, n, -1):
                keys[i] = keys[i - 1]
            keys[n] = key
    return keys[last] >> DISTANCE_AT
