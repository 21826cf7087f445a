"""The Zarr store of samples: one row of each array is one sample, the same index everywhere."""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

from knuckle.crop import SIZE
from knuckle.data.place import Place
from knuckle.errors import StoreError
from knuckle.files import naming

SHARD = 1024
"""Samples a shard: one file of each array, the unit that one worker writes and that a killed run may lose. 2.5 MB."""

CHUNK = 64
"""Samples a chunk, the least that is read: 16 would take 5 % more space, 256 hardly less."""

DEPTH_STEPS = 12_500
"""Steps from 0 to 1 in which depth is kept: 0.01 mm in a cube of 250 mm, half the space of float32. -1 and 1 stay."""

SIDES = ("right", "left")
"""Meaning of a sample's `side`."""

_LAYOUT = 4


@dataclass(frozen=True, eq=False)
class Sample:
    """One row of a store.

    depth (48, 48) float32 in [-1, 1]; parts (48, 48) uint8; joints (21, 3) and joints14 (14, 3) float32 mm in camera
    axes, NaN where there is no hand; center (3,) float32 mm and cube_mm: the cube; camera (6,) float32: fx, fy, cx, cy,
    width, height; side: index into `SIDES`; seed (2,) int64: what a synthetic sample was drawn from.
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


ARRAYS: dict[str, tuple[tuple[int, ...], str]] = {
    "depth": ((SIZE, SIZE), "int16"),
    "parts": ((SIZE, SIZE), "uint8"),
    "joints": ((21, 3), "float32"),
    "joints14": ((14, 3), "float32"),
    "center": ((3,), "float32"),
    "cube_mm": ((), "float32"),
    "camera": ((6,), "float32"),
    "side": ((), "uint8"),
    "seed": ((2,), "int64"),
}
"""Name, shape and type in the file of each array's rows."""

assert set(ARRAYS) == {field.name for field in fields(Sample)}


class SampleStore:
    """A store of samples, opened for reading or filled shard by shard (each shard by one writer, in any order)."""

    def __init__(self, place: Place, group: zarr.Group) -> None:
        self.url = place.url
        self._place = place
        self._group = group
        self._arrays: dict[str, zarr.Array] = {}
        self._whole = False  # known to have no missing shards

    @classmethod
    def create(cls, url: str | Path, count: int, attributes: Mapping[str, Any], shard: int = SHARD) -> "SampleStore":
        """A store for `count` samples, in a folder, at an fsspec URL, or in a group inside (`hands.zarr/source`).

        attributes say what the samples were made by; they are kept with the store. An existing store of the same count
        and attributes is opened, to be completed; so is one whose making was killed. Raises `StoreError` for another
        one, or a place that cannot be written.
        """
        place = Place(url)
        wanted = json.loads(json.dumps({"layout": _LAYOUT, "count": count, "shard": shard, **attributes}))
        # Attributes are written first and in one step, `done` last: what a kill leaves can be told and finished.
        store = cls(place, place.create(wanted) if place.is_free() else _checked(place, writable=True))
        found = store.attributes
        for key in sorted(wanted.keys() | found.keys()):
            if found.get(key) != wanted.get(key):
                difference = f"{key} {found.get(key)!r}, not {wanted.get(key)!r}"
                raise StoreError(f"{place.url}: holds other samples ({difference}): choose another path")
        if "done" not in store._group:
            with naming(place.url, StoreError):
                store._create_arrays()
        store._check_arrays()
        return store

    @classmethod
    @contextmanager
    def completing(
        cls, url: str | Path, count: int, attributes: Mapping[str, Any], shard: int = SHARD, mend: bool = False
    ) -> "Iterator[SampleStore]":
        """As `create`, for a block that writes what is missing: this process and its workers alone.

        What killed writers left is removed at its end. Nothing is locked for a store without missing shards, which may
        lie where nothing can be written, unless some of them are written anew (mend). Raises `StoreError` if another
        process is writing there.
        """
        if not mend and _is_whole(url):
            yield cls.create(url, count, attributes, shard)
            return
        with Place(url).lock():
            store = cls.create(url, count, attributes, shard)
            yield store
            store._place.tidy()

    @classmethod
    def open(cls, url: str | Path, writable: bool = False) -> "SampleStore":
        """Opens a store. Raises `StoreError` if there is none, one of another layout, or one that is half made."""
        place = Place(url)
        store = cls(place, _checked(place, writable))
        store._check_arrays()
        return store

    def __len__(self) -> int:
        return int(self._array("parts").shape[0])

    @property
    def attributes(self) -> dict[str, Any]:
        """Layout, count, samples a shard, and what the samples were made by."""
        return dict(self._group.attrs)

    def shard_range(self, shard: int) -> range:
        """Indices of the samples of a shard."""
        size = self._group.attrs["shard"]
        assert isinstance(size, int)
        return range(shard * size, min((shard + 1) * size, len(self)))

    def missing_shards(self) -> list[int]:
        """Shards that are not written yet."""
        return np.flatnonzero(np.asarray(self._array("done")[:]) == 0).tolist()

    def write_shard(self, shard: int, rows: Mapping[str, NDArray]) -> None:
        """Writes all samples of a shard, then marks it as done.

        rows: for each field of `Sample`, all its values stacked. What was there before, whole or torn, is replaced.
        Raises `StoreError` for arrays of another shape, depth outside [-1, 1], a store opened for reading, a full disk.
        """
        if self._group.read_only:
            raise StoreError(f"{self.url}: opened for reading: open it writable")
        indices = self.shard_range(shard)
        for name, (shape, _) in ARRAYS.items():
            if np.shape(rows[name]) != (len(indices), *shape):
                raise StoreError(f"{name} of shard {shard} must be {(len(indices), *shape)}, not {rows[name].shape}")
        with naming(self.url, StoreError):
            for name, (shape, _) in ARRAYS.items():
                self._place.erase("/".join([name, "c", str(shard), *"0" * len(shape)]))
                values = depth_to_steps(rows[name]) if name == "depth" else rows[name]
                self._array(name)[indices.start : indices.stop] = values
            self._array("done")[shard] = 1

    def require_whole(self) -> None:
        """Raises `StoreError` if some shards were never written."""
        self._refuse_missing(len(self.missing_shards()))

    def read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray:
        """Rows start:stop of the array `name`, as a slice takes them; all by default.

        Raises `StoreError` if some were never written.
        """
        rows = range(*slice(start, stop).indices(len(self)))
        shards = [] if self._whole else [self.shard_range(shard) for shard in self.missing_shards()]
        self._whole = not shards
        missing = sum(shard.start < rows.stop and rows.start < shard.stop for shard in shards if rows)
        self._refuse_missing(missing)
        values = np.asarray(self._array(name)[rows.start : max(rows.start, rows.stop)])
        return depth_from_steps(values) if name == "depth" else values

    def _refuse_missing(self, missing: int) -> None:
        if missing:
            raise StoreError(f"{self.url}: {missing} shards were never written: run the command that makes it again")

    def _create_arrays(self) -> None:
        count, shard = (cast(int, self._group.attrs[name]) for name in ("count", "shard"))
        chunk = math.gcd(shard, CHUNK)
        for name, (shape, dtype) in ARRAYS.items():
            if name in self._group:
                continue
            # Shuffled bytes: 8 % smaller than without for depth. Level 5 would take 6 % off again, in twice the time.
            self._group.create_array(
                name,
                shape=(count, *shape),
                chunks=(chunk, *shape),
                shards=(shard, *shape),
                dtype=dtype,
                compressors=BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"),
                attributes={"scale_factor": 1 / DEPTH_STEPS} if name == "depth" else {},
            )
        self._group.create_array("done", shape=(-(-count // shard),), chunks=(1,), dtype="uint8", compressors=None)

    def _check_arrays(self) -> None:
        if "done" not in self._group:
            raise StoreError(f"{self.url}: its making was cut short: run the command that makes it again")
        for name in ARRAYS:
            if name not in self._group:
                raise StoreError(
                    f"{self.url}: not a store of samples ({name} is lost): make it anew with  knuckle synth"
                )

    def _array(self, name: str) -> zarr.Array:
        if name not in self._arrays:
            self._arrays[name] = cast(zarr.Array, self._group[name])
        return self._arrays[name]


def depth_to_steps(depth: NDArray[np.float32]) -> NDArray[np.int16]:
    """Depth in [-1, 1] as the nearest of 2 · `DEPTH_STEPS` + 1 steps; only 1 itself (background) becomes the last.

    Raises `StoreError` for values outside.
    """
    if not (np.abs(depth) <= 1).all():  # NaN neither
        raise StoreError("depth must lie in [-1, 1]: cut it with  CropBox.crop_depth")
    steps = np.rint(depth * np.float32(DEPTH_STEPS)).astype(np.int16)
    return np.where(depth < 1, np.minimum(steps, DEPTH_STEPS - 1), steps).astype(np.int16)


def depth_from_steps(steps: NDArray[np.int16]) -> NDArray[np.float32]:
    """Inverse of `depth_to_steps`: float32 in [-1, 1]."""
    return steps.astype(np.float32) / np.float32(DEPTH_STEPS)


def _is_whole(url: str | Path) -> bool:
    try:
        return not SampleStore.open(url).missing_shards()
    except StoreError:
        return False


def _checked(place: Place, writable: bool) -> zarr.Group:
    group = place.open(writable)
    if group.attrs.get("layout") != _LAYOUT:
        raise StoreError(f"{place.url}: not a store of samples in layout {_LAYOUT}: make it anew with  knuckle synth")
    return group
