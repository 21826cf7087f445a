"""Arrays of a Zarr folder that somebody else may have written: opened only in the form in which knuckle writes them.

Zarr itself takes any codec and any size that the metadata tell of. A chunk of a kilobyte may then unpack to gigabytes,
and an array of nothing but lost chunks fill the memory with zeros.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, ShardingCodec
from zarr.core.metadata import ArrayV3Metadata  # dataclasses.replace on it is how Zarr itself changes metadata

MAX_CHUNK = 1 << 28
"""Bytes of a chunk: 8 frames of 4096 x 4096 px in steps are as much."""

_BLOSC_HEAD, _BLOSC_SIZE, _BLOSC_PACKED = 16, slice(4, 8), slice(12, 16)  # its header, and bytes un- and packed in it


def checked_array(group: zarr.Group, name: str, row: tuple[int, ...], kind: str) -> zarr.Array:
    """Array `name` of a group, with rows of shape `row` and of type `kind`.

    Chunks are unpacked to the size that the metadata tell of and no further. Raises `ValueError`, in one line, for
    another shape, type or codec, or chunks that are larger than `MAX_CHUNK` or cut through rows.
    """
    array = group[name]
    if not isinstance(array, zarr.Array) or not isinstance(array.metadata, ArrayV3Metadata):
        raise ValueError(f"{name} is no array")
    shape, chunks = array.shape, array.chunks
    if len(shape) != 1 + len(row) or shape[1:] != row or array.dtype.name != kind:
        raise ValueError(f"{name} is {array.dtype} of shape {shape}")
    for block in (chunks, array.shards or chunks):
        if block[1:] != shape[1:] or block[0] < 1 or math.prod(block) * array.dtype.itemsize > MAX_CHUNK:
            raise ValueError(f"{name} is in chunks of {block}")
    return _bounded(array, array.metadata)


def _bounded(array: zarr.Array, metadata: ArrayV3Metadata) -> zarr.Array:
    """The same array, with codecs that keep to what is said."""
    inner = array._async_array
    codecs = tuple(_known(codec) for codec in metadata.codecs)
    return zarr.Array(zarr.AsyncArray(replace(metadata, codecs=codecs), inner.store_path, inner.config))  # type: ignore[arg-type]


def _known(codec: Any, within: bool = False) -> Any:
    """A codec that knuckle's arrays have, bounded. Raises `ValueError` for any other."""
    if isinstance(codec, BytesCodec | Crc32cCodec):
        return codec
    if isinstance(codec, BloscCodec):
        settings = {name: getattr(codec, name) for name in ("typesize", "cname", "clevel", "shuffle", "blocksize")}
        return _BoundedBlosc(**settings)
    if isinstance(codec, ShardingCodec) and not within:
        return ShardingCodec(
            chunk_shape=codec.chunk_shape,
            codecs=[_known(each, within=True) for each in codec.codecs],
            index_codecs=[_known_of_index(each) for each in codec.index_codecs],
            index_location=codec.index_location,
        )
    raise ValueError(f"it is packed by {type(codec).__name__}, which knuckle does not use")


def _known_of_index(codec: Any) -> Any:
    if not isinstance(codec, BytesCodec | Crc32cCodec):
        raise ValueError(f"its index is packed by {type(codec).__name__}, which knuckle does not use")
    return codec


class _BoundedBlosc(BloscCodec):
    """Refuses a chunk whose header tells of another size than the array's metadata, or than its own: Blosc goes by its
    header, and reads beyond the chunk."""

    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        _check_head(chunk_bytes, chunk_spec)
        return await super()._decode_single(chunk_bytes, chunk_spec)

    def _decode_sync(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        _check_head(chunk_bytes, chunk_spec)
        return super()._decode_sync(chunk_bytes, chunk_spec)


def _check_head(chunk_bytes: Any, chunk_spec: Any) -> None:
    data = np.asarray(chunk_bytes.as_array_like())
    head = bytes(data[:_BLOSC_HEAD])
    size = math.prod(chunk_spec.shape) * chunk_spec.dtype.to_native_dtype().itemsize
    told = tuple(int.from_bytes(head[place], "little") for place in (_BLOSC_SIZE, _BLOSC_PACKED))
    if len(head) < _BLOSC_HEAD or told != (size, data.nbytes):
        raise ValueError("a chunk is damaged, or tells of another size than its array")
