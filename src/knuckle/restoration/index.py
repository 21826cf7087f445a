"""The index of a dictionary: which patches are like a given one, found among their projections by FAISS.

Only every third pixel of every third row of a map is in it: of any 3×3 pixels of a query laid over a map, one falls on
that grid. Vectors are kept as bytes in inverted lists; what the file holds is plain arrays, of which FAISS's own index
is put together when it is first searched.
"""

import math
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from knuckle.anatomy import LABELS
from knuckle.restoration.projection import cells_across, learn_projection, project_grid

GRID = 3
"""Pixels from one indexed patch to the next, px."""

DIMENSIONS = 64
"""Length of a projected patch: 32 takes half the space and no less time, and what it finds is farther from exact."""

_BUILDING = threading.Lock()  # two threads of a worker would each build an index of hundreds of megabytes
_ZERO = 128  # of the bytes
_TRAINING = 40  # vectors for each list


@dataclass(frozen=True, eq=False)
class IndexLayout:
    """weights (cells², 21, D) float32: the projection; centroids (L, D) float32: of the inverted lists."""

    weights: NDArray[np.float32]
    centroids: NDArray[np.float32]

    def encode(self, maps: NDArray[np.uint8], first: int, patch: int) -> "Encoded":
        """Indexed patches of maps (M, H, W), the first of which is number `first` of the dictionary."""
        vectors, places = project_grid(maps, GRID, patch, self.weights)
        vectors = _as_kept(vectors)
        lists = np.zeros(len(vectors), dtype=np.int32)
        if len(vectors):
            lists = _flat(self.centroids).search(vectors, 1)[1][:, 0].astype(np.int32)
        codes = (vectors + _ZERO).astype(np.uint8)
        return Encoded(codes, places + first * maps.shape[1] * maps.shape[2], lists)


@dataclass(frozen=True, eq=False)
class Encoded:
    """codes (N, D) uint8; places (N,) int64: (map · H + row) · W + column; lists (N,) int32."""

    codes: NDArray[np.uint8]
    places: NDArray[np.int64]
    lists: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class PatchIndex:
    """weights and centroids as in `IndexLayout`; sizes (L,) int64 of the lists; codes and places (N, ...), by list."""

    weights: NDArray[np.float32]
    centroids: NDArray[np.float32]
    sizes: NDArray[np.int64]
    codes: NDArray[np.uint8]
    places: NDArray[np.int64]

    @classmethod
    def of(cls, layout: IndexLayout, blocks: Iterable[Encoded]) -> "PatchIndex":
        """From all blocks of a dictionary, in its order."""
        every = list(blocks)
        lists = np.concatenate([block.lists for block in every])
        order = np.argsort(lists, kind="stable")
        codes = np.concatenate([block.codes for block in every])[order]
        places = np.concatenate([block.places for block in every])[order]
        sizes = np.bincount(lists, minlength=len(layout.centroids)).astype(np.int64)
        return cls(layout.weights, layout.centroids, sizes, codes, places)

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray], patch: int, pixels: int, verify: bool = True) -> "PatchIndex":
        """The inverse of `arrays`, for maps of so many pixels in all. Raises `ValueError` if they do not fit together.

        verify: look at every place, too.
        """
        index = cls(**{field.name: arrays[field.name] for field in fields(cls)})
        wanted = ("float32", "float32", "int64", "uint8", "int64")
        shapes = tuple(array.shape for array in index.arrays().values())
        lists, dimensions, count = index.sizes.size, index.centroids.shape[-1:], index.places.size
        cells = cells_across(patch) ** 2
        fitting = ((cells, len(LABELS), *dimensions), (lists, *dimensions), (lists,), (count, *dimensions), (count,))
        if tuple(array.dtype.name for array in index.arrays().values()) != wanted or shapes != fitting or not lists:
            raise ValueError("the arrays of its index do not fit together")
        if index.sizes.min(initial=0) < 0 or index.sizes.sum() != count:
            raise ValueError("the lists of its index do not fit together")
        if verify and count and not 0 <= index.places.min() <= index.places.max() < pixels:
            raise ValueError("its index tells of places that its maps do not have")
        return index

    def arrays(self) -> dict[str, NDArray]:
        """By name, as the dictionary's file holds them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def search(self, vectors: NDArray[np.float32], top: int, probes: int) -> NDArray[np.int64]:
        """Places (Q, top) of the indexed patches nearest to vectors (Q, D), -1 where there are no more.

        probes: inverted lists looked through for each.
        """
        parameters = faiss.SearchParametersIVF(nprobe=min(probes, len(self.centroids)))  # type: ignore[call-arg]
        with _one_thread():
            return self._searcher.search(_as_kept(vectors), top, params=parameters)[1]

    @cached_property
    def _searcher(self) -> Any:
        with _BUILDING:
            return self.__dict__.get("_searcher") or self._put_together()

    def _put_together(self) -> Any:
        dimensions = self.centroids.shape[1]
        kind = faiss.ScalarQuantizer.QT_8bit_direct_signed
        index: Any = faiss.IndexIVFScalarQuantizer(
            _flat(self.centroids), dimensions, len(self.centroids), kind, faiss.METRIC_L2, False
        )
        index.is_trained = True
        ends = self.sizes.cumsum()
        for number, (end, size) in enumerate(zip(ends, self.sizes, strict=True)):
            if size:
                codes = np.ascontiguousarray(self.codes[end - size : end])
                places = np.ascontiguousarray(self.places[end - size : end])
                index.invlists.add_entries(number, int(size), faiss.swig_ptr(places), faiss.swig_ptr(codes))
        index.ntotal = int(ends[-1])
        return index


def learn_layout(
    maps: NDArray[np.uint8], patch: int, rng: np.random.Generator, dimensions: int = DIMENSIONS
) -> IndexLayout:
    """Projection and lists for a dictionary of maps (M, H, W), at least one with a hand pixel on the grid."""
    weights = learn_projection(maps, patch, dimensions, rng)
    on_grid = max(1, int(np.count_nonzero(maps[:, GRID // 2 :: GRID, GRID // 2 :: GRID])))
    lists = 1 << max(0, round(math.log2(on_grid) / 2) + 1)  # about 2 √N lists, of √N / 2
    few = rng.permutation(len(maps))[: max(1, round(len(maps) * _TRAINING * lists / on_grid))]
    vectors, _ = project_grid(np.ascontiguousarray(maps[np.sort(few)]), GRID, patch, weights)
    if not len(vectors):  # no hand pixel of those maps is on the grid: one list will do
        return IndexLayout(weights, np.zeros((1, dimensions), dtype=np.float32))
    means = faiss.Kmeans(
        dimensions, min(lists, len(vectors)), niter=10, seed=int(rng.integers(1 << 30)), min_points_per_centroid=1,
        max_points_per_centroid=1_000_000,
    )  # fmt: skip
    means.train(vectors)
    return IndexLayout(weights, np.asarray(means.centroids, dtype=np.float32))


@contextmanager
def _one_thread() -> Iterator[None]:
    """FAISS on one core, as the rest of a fast search: cores are for maps. Its setting is the whole process's."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def _as_kept(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors rounded to what a byte holds. FAISS would cut a query's fractions off, and wrap what is too large."""
    return np.clip(np.rint(vectors), -_ZERO, _ZERO - 1).astype(np.float32)


def _flat(centroids: NDArray[np.float32]) -> Any:
    flat = faiss.IndexFlatL2(centroids.shape[1])
    flat.add(np.ascontiguousarray(centroids))
    return flat
