"""A dictionary in shards, each searched by itself: what they find is merged into what a search of the whole finds.

The k nearest patches of the whole are among the k nearest of each shard, and matches have one order (distance, map,
row, column). So exact searches merge to the whole's matches to the bit, ties included; a merge of merges does, too.
What a shard sends is k matches a pixel and the maps that they are on, however large the shard is.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from knuckle.errors import SettingsError
from knuckle.restoration.index import PatchIndex
from knuckle.restoration.matches import Matches
from knuckle.restoration.patches import PatchDictionary


def split(dictionary: PatchDictionary, shards: int) -> list[PatchDictionary]:
    """The dictionary as so many runs of its maps, in order and alike in length.

    Each keeps the whole's projection and the centroids of its lists, and of these what lies in its own maps. Raises
    `SettingsError` for less than one shard, or more than there are maps.
    """
    if not 1 <= shards <= len(dictionary.maps):
        raise SettingsError(f"a dictionary of {len(dictionary.maps)} maps makes 1 to that many shards, not {shards}")
    ends = np.linspace(0, len(dictionary.maps), shards + 1).astype(int).tolist()
    return [_part(dictionary, start, stop) for start, stop in pairwise(ends)]


def merge(found: Sequence[Matches], sizes: Sequence[int], k: int) -> Matches:
    """The k nearest of what each shard found for the same pixels, numbered as maps of the whole.

    found: from each shard, in the whole's order; sizes: how many maps each has.
    """
    firsts = np.cumsum([0, *sizes[:-1]])
    maps = np.concatenate(
        [np.where(one.maps < 0, -1, one.maps + first) for one, first in zip(found, firsts, strict=True)], axis=1
    )
    rows, columns, distances = (
        np.concatenate([getattr(one, name) for one in found], axis=1) for name in ("rows", "columns", "distances")
    )
    nearest = np.lexsort((columns, rows, maps, distances), axis=1)[:, :k]  # what was not found is farthest of all
    maps, rows, columns, distances = (
        np.take_along_axis(every, nearest, axis=1).astype(np.int32) for every in (maps, rows, columns, distances)
    )
    return Matches(found[0].pixels, maps, rows, columns, distances)


def carried(maps: NDArray[np.uint8], matches: Matches) -> tuple[NDArray[np.uint8], Matches]:
    """Those of maps (M, 48, 48) that matches are on, (U, 48, 48), and the matches numbered as these.

    What a shard sends to whoever merges: voting and the CRF look at no other map.
    """
    used = np.unique(matches.maps[matches.maps >= 0])
    numbers = np.where(matches.maps < 0, -1, np.searchsorted(used, matches.maps)).astype(np.int32)
    return maps[used], replace(matches, maps=numbers)


def _part(dictionary: PatchDictionary, start: int, stop: int) -> PatchDictionary:
    maps = dictionary.maps[start:stop]
    index = dictionary.index
    part = None if index is None else _index_part(index, start * maps[0].size, stop * maps[0].size)
    return PatchDictionary(maps, dictionary.patch, dictionary.source, part)


def _index_part(index: PatchIndex, start: int, stop: int) -> PatchIndex:
    """What an index has of the pixels start..stop of all maps."""
    inside = (index.places >= start) & (index.places < stop)
    lists = np.repeat(np.arange(len(index.sizes)), index.sizes)
    sizes = np.bincount(lists[inside], minlength=len(index.sizes)).astype(np.int64)
    return PatchIndex(index.weights, index.centroids, sizes, index.codes[inside], index.places[inside] - start)
