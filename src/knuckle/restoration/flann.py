"""The paper's search: randomised KD-trees (FLANN [N, 52], as OpenCV ships it). Kept as the baseline of the benchmark.

Every patch is one point, here its projection: over raw labels the trees' Euclidean distance would mean nothing, and
one-hot patches have 14,580 dimensions.
"""

from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from knuckle.compiled import njit
from knuckle.restoration.matches import NOT_FOUND, Matches, hand_pixels, insert, key_of
from knuckle.restoration.projection import learn_projection, project, project_grid

_KD_TREES = 1  # FLANN_INDEX_KDTREE
_TREES = 4  # FLANN's usual number


class FlannTrees:
    """KD-trees over all patches of maps (M, H, W): 32 numbers a patch and the trees, about 0.5 KB each.

    checks: leaves looked at for each query; candidates: nearest points whose Hamming distance is then computed.
    """

    def __init__(self, maps: NDArray[np.uint8], patch: int, checks: int = 512, candidates: int = 20) -> None:
        self._maps, self._patch = maps, patch
        self.checks, self.candidates = checks, candidates

    def nearest(self, part_map: NDArray[np.uint8], k: int, costs: tuple[int, int]) -> Matches:
        """The nearest patches of every hand pixel among those that the trees bring up."""
        pixels, _ = hand_pixels(part_map)
        keys = np.full((len(pixels), k), NOT_FOUND)
        if len(pixels) and self._maps.any():
            weights, trees, places = self._trees
            count = min(max(k, self.candidates), len(places))
            vectors = project(part_map, pixels, self._patch, weights)
            found, _ = trees.knnSearch(vectors, count, params={"checks": self.checks})
            _rank(self._maps, places[found], part_map, pixels, self._patch // 2, *costs, keys)
        return Matches.of_keys(pixels, keys)

    @cached_property
    def _trees(self) -> tuple[NDArray[np.float32], Any, NDArray[np.int64]]:
        """The projection, the trees, and the place of every patch. Built when first asked: a minute for 10⁶ patches."""
        weights = learn_projection(self._maps, self._patch, 32, np.random.default_rng(0))
        vectors, places = project_grid(self._maps, 1, self._patch, weights)
        self._vectors = vectors  # the trees point into them
        return weights, cv2.flann.Index(vectors, {"algorithm": _KD_TREES, "trees": _TREES}), places


@njit()
def _rank(maps, candidates, query, pixels, radius, differ, background, keys):
    """Hamming distances of candidates (Q, n), as places, entered into keys (Q, k)."""
    height, width = query.shape
    for q in range(pixels.shape[0]):
        for place in candidates[q]:
            m, row, column = place // (height * width), place // width % height, place % width
            distance = _distance(maps[m], row, column, query, pixels[q, 0], pixels[q, 1], radius, differ, background)
            insert(key_of(distance, m, row, column), keys[q])


@njit()
def _distance(one, row, column, other, other_row, other_column, radius, differ, background):
    height, width = other.shape
    total = 0
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            y, x, v, u = row + dy, column + dx, other_row + dy, other_column + dx
            a = one[y, x] if 0 <= y < height and 0 <= x < width else 0
            b = other[v, u] if 0 <= v < height and 0 <= u < width else 0
            if a != b:
                total += differ if a and b else background
    return total
