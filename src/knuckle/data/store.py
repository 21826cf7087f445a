"""The Zarr store of samples: one row of each array is one sample, the same index everywhere."""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import numpy as np
import zarr
from numpy.typing import NDArray

from knuckle.crop import SIZE
from knuckle.errors import StoreError

CHUNK = 256
"""Samples a chunk: the unit that one worker writes and that a killed run may lose."""

SIDES = ("right", "left")
"""Meaning of a sample's `side`."""

_LAYOUT = 3


@dataclass(frozen=True, eq=False)
class Sample:
    """One row of a store.

    depth (48, 48) float32 in [-1, 1]; parts (48, 48) uint8; joints (21, 3) and joints14 (14, 3) float32 mm in camera
    axes, NaN where there is no hand; center (3,) float32 mm and cube_mm: the cube; camera (6,) float32: fx, fy, cx, cy,
    width, height; side: index into `SIDES` (synthetic hands are right hands); seed (2,) int64: what a synthetic sample
    was drawn from.
    """

    depth: NDArray[np.float32]
    parts: NDArray[np.uint8]
    joints: NDArray[np.float32]
    joints14: NDArray[np.float32]
    center: NDArray[np.float32]
    cube_mm: np.float32
    camera: NDArray[np.float32]
    side: np.uint8
    seed: NDArray[np.int64]


_ARRAYS: dict[str, tuple[tuple[int, ...], str]] = {
    "depth": ((SIZE, SIZE), "float32"),
    "parts": ((SIZE, SIZE), "uint8"),
    "joints": ((21, 3), "float32"),
    "joints14": ((14, 3), "float32"),
    "center": ((3,), "float32"),
    "cube_mm": ((), "float32"),
    "camera": ((6,), "float32"),
    "side": ((), "uint8"),
    "seed": ((2,), "int64"),
}
assert set(_ARRAYS) == {field.name for field in fields(Sample)}


class SampleStore:
    """A store of samples, opened for reading or filled chunk by chunk (each chunk by one writer, in any order)."""

    def __init__(self, path: str, group: zarr.Group) -> None:
        self.path = path
        self._group = group

    @classmethod
    def create(cls, path: str | Path, count: int, recipe: dict[str, Any]) -> "SampleStore":
        """A store for `count` samples made by `recipe`, which is kept in its attributes.

        An existing store of the same count and recipe is opened, to be completed. Raises `StoreError` for another one.
        """
        if Path(path).exists():
            store = cls.open(path)
            if len(store) != count or store.recipe != json.loads(json.dumps(recipe)):
                raise StoreError(f"{path}: holds other samples ({len(store)} of {store.recipe}): choose another path")
            return store
        group = zarr.open_group(str(path), mode="w-", zarr_format=3)
        for name, (shape, dtype) in _ARRAYS.items():
            group.create_array(name, shape=(count, *shape), chunks=(CHUNK, *shape), dtype=dtype)
        group.create_array("done", shape=(-(-count // CHUNK),), chunks=(1,), dtype="uint8")
        group.attrs.update({"layout": _LAYOUT, "recipe": recipe})
        return cls(str(path), group)

    @classmethod
    def open(cls, path: str | Path) -> "SampleStore":
        """Opens a store. Raises `StoreError` if there is none, or one of another layout."""
        try:
            group = zarr.open_group(str(path), mode="r+" if Path(path).exists() else "r")
        except (FileNotFoundError, OSError, ValueError, KeyError) as error:
            raise StoreError(f"{path}: not a store of samples ({error or 'nothing there'})") from None
        if group.attrs.get("layout") != _LAYOUT or not all(name in group for name in (*_ARRAYS, "done")):
            raise StoreError(f"{path}: not a store of samples in layout {_LAYOUT}: make it anew with  knuckle synth")
        return cls(str(path), group)

    def __len__(self) -> int:
        return self._array("parts").shape[0]

    @property
    def recipe(self) -> dict[str, Any]:
        """What the samples were made by."""
        return dict(self._group.attrs["recipe"])  # type: ignore[arg-type]

    def chunk_range(self, chunk: int) -> range:
        """Indices of the samples of a chunk."""
        return range(chunk * CHUNK, min((chunk + 1) * CHUNK, len(self)))

    def missing_chunks(self) -> list[int]:
        """Chunks that are not written yet."""
        return np.flatnonzero(np.asarray(self._array("done")[:]) == 0).tolist()

    def write_chunk(self, chunk: int, samples: list[Sample]) -> None:
        """Writes all samples of a chunk, then marks it as done."""
        rows = self.chunk_range(chunk)
        for name in _ARRAYS:
            self._array(name)[rows.start : rows.stop] = np.stack([getattr(sample, name) for sample in samples])
        self._array("done")[chunk] = 1

    def read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray:
        """Rows start..stop of the array `name`, all by default. Raises `StoreError` if some were never written."""
        stop = len(self) if stop is None else stop
        chunks = [self.chunk_range(chunk) for chunk in self.missing_chunks()]
        missing = sum(rows.start < stop and start < rows.stop for rows in chunks)
        if missing:
            raise StoreError(f"{self.path}: {missing} chunks were never written: run the same  knuckle synth  again")
        return np.asarray(self._array(name)[start:stop])

    def _array(self, name: str) -> zarr.Array:
        return cast(zarr.Array, self._group[name])
