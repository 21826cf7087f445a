"""The Zarr store of samples: one row of each array is one sample, the same index everywhere."""

import json
import math
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, Crc32cCodec

from knuckle.data.place import Place
from knuckle.data.sample import ARRAYS, DEPTH_STEPS, depth_from_steps, depth_to_steps
from knuckle.errors import StoreError
from knuckle.files import naming
from knuckle.zarr_arrays import checked_array

SHARD = 1024
"""Samples a shard: one file of each array, the unit that one worker writes and that a killed run may lose. 2.5 MB."""

CHUNK = 64
"""Samples a chunk, the least that is read: 16 would take 5 % more space, 256 hardly less."""

CHECKS = "crc32"
"""Array of the checksums of each shard's rows, a column for each array: so that a lost or exchanged file is noticed."""

_CODECS = (BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"), Crc32cCodec())
"""Of every chunk. Shuffled bytes are 8 % smaller than others for depth; level 5 would take 6 % off again, in twice the
time. Blosc alone decodes most flipped bits to other numbers without a word."""

_LAYOUT = 4


_FORMS = {**ARRAYS, CHECKS: ((len(ARRAYS),), "uint32"), "done": ((), "uint8")}

_MAX_SHARDS = 1 << 16
"""67 million samples, far beyond any set. Which shards are missing is asked of each, before anything else."""


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
        if not store._has("done"):
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
        return range(shard * self._shard, min((shard + 1) * self._shard, len(self)))

    def missing_shards(self) -> list[int]:
        """Shards that are not written yet."""
        with self._place.named("/done"):
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
        checks = np.zeros(len(ARRAYS), dtype=np.uint32)
        with naming(self.url, StoreError):
            for number, (name, (_, kind)) in enumerate(ARRAYS.items()):
                self._place.erase(_file(name, shard))
                values = depth_to_steps(rows[name]) if name == "depth" else rows[name]
                values = np.ascontiguousarray(values, dtype=kind)
                self._array(name)[indices.start : indices.stop] = values
                checks[number] = _crc32(values)
            if self._has(CHECKS):
                self._array(CHECKS)[shard] = checks
            self._array("done")[shard] = 1

    def require_whole(self) -> None:
        """Raises `StoreError` if some shards were never written."""
        self._refuse_missing(len(self.missing_shards()))

    def read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray:
        """Rows start:stop of the array `name`, as a slice takes them; all by default.

        Raises `StoreError` if some were never written, or a file is damaged, which it names. Damage inside a chunk is
        always seen; that a shard's file is lost, or another one's, where the whole shard is read.
        """
        rows = range(*slice(start, stop).indices(len(self)))
        shards = [] if self._whole else [self.shard_range(shard) for shard in self.missing_shards()]
        self._whole = not shards
        missing = sum(shard.start < rows.stop and rows.start < shard.stop for shard in shards if rows)
        self._refuse_missing(missing)
        values = self._read(name, range(rows.start, max(rows.start, rows.stop)))
        for shard in range(-(-rows.start // self._shard), -(-rows.stop // self._shard) if rows else 0):
            within = self.shard_range(shard)
            if within.stop <= rows.stop:
                self._verify(name, shard, values[within.start - rows.start : within.stop - rows.start])
        return depth_from_steps(values) if name == "depth" else values

    def _read(self, name: str, rows: range) -> NDArray:
        """Rows of an array as they are in its files."""
        try:
            return np.asarray(self._array(name)[rows.start : rows.stop])
        except Exception as error:  # every codec has its own kinds
            for shard in range(rows.start // self._shard, -(-rows.stop // self._shard)):
                within = self.shard_range(shard)
                if len(within) < len(rows):  # which of them it is
                    self._read(name, range(max(within.start, rows.start), min(within.stop, rows.stop)))
            self._refuse_damaged(name, rows.start // self._shard, " ".join(str(error).split()))
            raise

    def _verify(self, name: str, shard: int, values: NDArray) -> None:
        """Compares all rows of a shard with their checksum. Stores of earlier versions have none, nor has 0 as one."""
        if not self._has(CHECKS):
            return
        try:
            noted = int(np.asarray(self._array(CHECKS)[shard])[list(ARRAYS).index(name)])
        except ValueError:
            file = f"{self.url}/{CHECKS}/c/{shard}/0"
            raise StoreError(f"{file}: damaged: remove it; its shard is then read without a checksum") from None
        if noted not in (0, _crc32(values)):
            self._refuse_damaged(name, shard, "its checksum is wrong")

    def _refuse_damaged(self, name: str, shard: int, reason: str) -> None:
        raise StoreError(
            f"{self.url}/{_file(name, shard)}: lost or damaged ({reason}): remove {self.url}/done/c/{shard}, then run "
            "the command that made the store again: it makes this shard anew"
        )

    @property
    def _shard(self) -> int:
        return cast(int, self._group.attrs["shard"])

    def _refuse_missing(self, missing: int) -> None:
        if missing:
            raise StoreError(f"{self.url}: {missing} shards were never written: run the command that makes it again")

    def _create_arrays(self) -> None:
        count, shard = (cast(int, self._group.attrs[name]) for name in ("count", "shard"))
        chunk = math.gcd(shard, CHUNK)
        for name, (shape, dtype) in ARRAYS.items():
            if self._has(name):
                continue
            self._group.create_array(
                name,
                shape=(count, *shape),
                chunks=(chunk, *shape),
                shards=(shard, *shape),
                dtype=dtype,
                compressors=_CODECS,
                attributes={"scale_factor": 1 / DEPTH_STEPS} if name == "depth" else {},
            )
        if not self._has(CHECKS):
            self._group.create_array(
                CHECKS,
                shape=(-(-count // shard), len(ARRAYS)),
                chunks=(1, len(ARRAYS)),
                dtype="uint32",
                compressors=None,
            )
        self._group.create_array("done", shape=(-(-count // shard),), chunks=(1,), dtype="uint8", compressors=None)

    def _check_arrays(self) -> None:
        if not self._has("done"):
            raise StoreError(f"{self.url}: its making was cut short: run the command that makes it again")
        count, shard = self._group.attrs.get("count"), self._group.attrs.get("shard")
        if type(count) is not int or type(shard) is not int or not 0 < count <= shard * _MAX_SHARDS:
            raise StoreError(f"{self.url}/zarr.json: damaged ({count!r} samples, {shard!r} a shard): make it anew")
        for name in ("done", CHECKS) if self._has(CHECKS) else ("done",):
            if self._array(name).shape[0] != -(-count // shard):
                raise StoreError(f"{self.url}/{name}/zarr.json: damaged ({self._array(name).shape}): make it anew")
        for name, (shape, kind) in ARRAYS.items():
            if not self._has(name):
                raise StoreError(
                    f"{self.url}: not a store of samples ({name} is lost): make it anew with  knuckle synth"
                )
            array = self._array(name)
            if (array.shape, array.dtype, (array.shards or (0,))[0]) != ((count, *shape), np.dtype(kind), shard):
                raise StoreError(
                    f"{self.url}/{name}/zarr.json: damaged ({array.dtype} {array.shape}): make the store anew"
                )

    def _has(self, name: str) -> bool:
        with self._place.named(f"/{name}/zarr.json"):
            return name in self._group

    def _array(self, name: str) -> zarr.Array:
        if name not in self._arrays:
            with self._place.named(f"/{name}/zarr.json"):
                self._arrays[name] = checked_array(self._group, name, *_FORMS[name])
        return self._arrays[name]


def _file(name: str, shard: int) -> str:
    """The file of a shard, below the store."""
    return "/".join([name, "c", str(shard), *"0" * len(ARRAYS[name][0])])


def _crc32(values: NDArray) -> int:
    return zlib.crc32(np.ascontiguousarray(values).data)


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
