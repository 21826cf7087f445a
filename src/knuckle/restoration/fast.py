"""Nearest patches, nearly always exactly, in milliseconds: candidates by index, then whole maps laid over the query."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knuckle.restoration.alignments import code_alignments, score_alignments
from knuckle.restoration.index import GRID, PatchIndex
from knuckle.restoration.matches import NOT_FOUND, Matches, bounds, hand_pixels
from knuckle.restoration.projection import project


@dataclass(frozen=True)
class Effort:
    """How far a fast search goes; the defaults lose less than 1 % in distance (benchmarks/restoration.py).

    probes: inverted lists for each pixel that asks the index; top: candidates for each; step: px from one 3×3 block of
    pixels that ask to the next; rounds: how often the neighbouring shifts of what was best are tried.
    """

    probes: int = 8
    top: int = 100
    step: int = 5
    rounds: int = 1


def nearest_fast(
    maps: NDArray[np.uint8],
    index: PatchIndex,
    part_map: NDArray[np.uint8],
    k: int,
    patch: int,
    costs: tuple[int, int],
    effort: Effort,
) -> Matches:
    """As `nearest_exact`, but of those maps and shifts alone that the index brings up."""
    pixels, order = hand_pixels(part_map)
    keys = np.full((len(pixels), k), NOT_FOUND)
    if not len(pixels) or not len(index.places):
        return Matches.of_keys(pixels, keys)
    seen = np.empty(0, dtype=np.int64)

    def score(alignments: NDArray[np.int64]) -> None:
        nonlocal seen
        fresh = np.setdiff1d(alignments, seen)
        seen = np.union1d(seen, fresh)
        score_alignments(maps, fresh, part_map, bounds(part_map[None])[0], order, patch // 2, *costs, keys)

    def ask(some: NDArray[np.int32], top: int) -> NDArray[np.int64]:
        places = index.search(project(part_map, some, patch, index.weights), top, effort.probes)
        return _alignments(places, some, part_map.shape)

    offsets = (pixels - pixels.min(axis=0)) % effort.step
    score(ask(pixels[(offsets < GRID).all(axis=1)], effort.top))
    short = keys[:, -1] == NOT_FOUND
    if short.any():  # what the index finds for a pixel is a match for it: ask once more, for these themselves
        score(ask(pixels[short], max(effort.top, k)))
    for _ in range(effort.rounds):
        score(_neighbours(keys, pixels, part_map.shape))
    return Matches.of_keys(pixels, keys)


def _alignments(places: NDArray[np.int64], pixels: NDArray[np.int32], shape: tuple[int, int]) -> NDArray[np.int64]:
    """Alignments that put places (Q, n) of the dictionary on pixels (Q, 2); -1 is no place."""
    height, width = shape
    which, nth = np.nonzero(places >= 0)
    found = places[which, nth]
    rows, columns = found // width % height, found % width
    shifts = np.stack([rows, columns], axis=1) - pixels[which]
    return code_alignments(found // (height * width), shifts, shape)


def _neighbours(keys: NDArray[np.int64], pixels: NDArray[np.int32], shape: tuple[int, int]) -> NDArray[np.int64]:
    """The eight alignments about that of each pixel's nearest match."""
    near = Matches.of_keys(pixels, keys[:, :1])
    found = near.maps[:, 0] >= 0
    shifts = np.concatenate([near.rows - pixels[:, :1], near.columns - pixels[:, 1:]], axis=1)[found]
    pairs = np.unique(np.column_stack([near.maps[found, 0], shifts]).astype(np.int64), axis=0)
    ring = np.array([(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x])
    around = (pairs[:, None, 1:] + ring).reshape(-1, 2)
    inside = (np.abs(around) < shape).all(axis=1)
    return code_alignments(np.repeat(pairs[:, 0], len(ring))[inside], around[inside], shape)
