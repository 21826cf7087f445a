"""Patch matches → a restored part map: every matched patch votes for the labels of the pixels that it covers."""

import numpy as np
from numpy.typing import NDArray

from knuckle.anatomy import LABELS
from knuckle.compiled import njit
from knuckle.crop import SIZE
from knuckle.errors import SettingsError
from knuckle.restoration.matches import Matches

WINDOW = 17
"""Side W of the window whose neighbours vote, px ([N] §5)."""


def count_votes(
    maps: NDArray[np.uint8], matches: Matches, shape: tuple[int, int], window: int = WINDOW, background: bool = False
) -> NDArray[np.int32]:
    """Votes (21, H, W) of [N] eq. 2, from all k patches of every match.

    maps (M, h, w) uint8: the dictionary; shape: (H, W) of the map that was asked about; window: odd W, not larger than
    the patches. A patch lays its own labels over the W × W pixels about the pixel that it was found for; beyond its
    map's border it has none. Background (label 0) votes only with `background`: as most of every patch is background,
    it would eat the fingers.
    window = 1 is "no integration": each patch votes for its centre alone. Raises `SettingsError` for an even window.
    """
    check_window(window)
    votes = np.zeros((len(LABELS), *shape), dtype=np.int32)
    _add_votes(maps, matches.pixels, matches.maps, matches.rows, matches.columns, window // 2, votes)
    if not background:
        votes[0] = 0
    return votes


def count_neighbours(part_map: NDArray[np.uint8], window: int = 3) -> NDArray[np.int32]:
    """Votes (21, H, W) of the labels in an odd window of part_map (H, W) itself: the mode filter, without a dictionary.

    Raises `SettingsError` for an even window.
    """
    check_window(window)
    padded = np.pad(part_map, window // 2)
    around = np.lib.stride_tricks.sliding_window_view(padded, (window, window))
    votes = np.stack([(around == label).sum(axis=(2, 3)) for label in range(len(LABELS))]).astype(np.int32)
    votes[0] = 0
    return votes


def restored(part_map: NDArray[np.uint8], votes: NDArray[np.int32]) -> NDArray[np.uint8]:
    """The label with the most votes at every hand pixel of part_map (H, W); votes (21, H, W).

    Pixels that are not hand stay so, and one without a vote keeps its label. A tie goes to the label that the pixel
    has, if it is among the winners, else to the lowest.
    """
    most = votes.max(axis=0)
    own = np.take_along_axis(votes, part_map[None].astype(np.intp), axis=0)[0]
    winner = np.where(own == most, part_map, votes.argmax(axis=0))
    return np.where((part_map > 0) & (most > 0), winner, part_map).astype(np.uint8)


def with_votes(
    probabilities: NDArray[np.float32], votes: NDArray[np.int32], weight: float = 0.5
) -> NDArray[np.float64]:
    """Evidence (21, H, W): log p + weight · log of the share of votes, for those who would add and not replace.

    Each label gets one vote for free, so that one that the dictionary did not bring up is unlikely, not impossible.
    """
    share = (votes + 1.0) / (votes.sum(axis=0) + len(LABELS))
    return np.log(np.maximum(probabilities, 1e-12)) + weight * np.log(share)


def check_window(window: int) -> None:
    """Raises `SettingsError` unless a window of this side has a centre and is no larger than a map."""
    if not 1 <= window <= SIZE or window % 2 == 0:
        raise SettingsError(f"window must be an odd number of pixels up to {SIZE - 1}, got {window}")


@njit()
def _add_votes(maps, pixels, found_maps, found_rows, found_columns, radius, votes):
    height, width = votes.shape[1], votes.shape[2]
    map_height, map_width = maps.shape[1], maps.shape[2]
    for q in range(pixels.shape[0]):
        row, column = pixels[q]
        for n in range(found_maps.shape[1]):
            if found_maps[q, n] < 0:
                continue
            labels = maps[found_maps[q, n]]
            from_row, from_column = found_rows[q, n], found_columns[q, n]
            for dy in range(-radius, radius + 1):
                y, v = row + dy, from_row + dy
                if not (0 <= y < height and 0 <= v < map_height):
                    continue
                for dx in range(-radius, radius + 1):
                    x, u = column + dx, from_column + dx
                    if 0 <= x < width and 0 <= u < map_width:
                        votes[labels[v, u], y, x] += 1
