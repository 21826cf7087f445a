"""Arrays in one file that is mapped into memory: a header in JSON with a checksum over all, then array after array."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knuckle.errors import DictionaryError

_MAGIC = b"\x89KNUCKLE-PATCHES\n"
_VERSION = 1
_HEADER = {"version", "facts", "arrays", "sha256"}
_TYPES = {"uint8", "int64", "float32"}
_AXES = 4  # at most, of an array
_LARGEST = 1 << 40  # numbers
_ALIGNMENT = 4096  # a page
_BLOCK = 1 << 24  # bytes read or written at once


def write_arrays(path: Path, facts: dict[str, Any], arrays: dict[str, NDArray]) -> None:
    """Writes arrays and facts (JSON); a killed run leaves the old file or none. The same input gives the same bytes."""
    shapes = {name: [array.dtype.name, list(array.shape)] for name, array in arrays.items()}
    header = {"version": _VERSION, "facts": facts, "arrays": shapes, "sha256": "0" * 64}
    digest = hashlib.sha256(_header_bytes(header))
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(_header_bytes(header))
        for array in arrays.values():
            flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            for start in range(0, flat.size, _BLOCK):
                block = flat[start : start + _BLOCK].tobytes()
                file.write(block)
                digest.update(block)
            padding = bytes(-flat.size % _ALIGNMENT)
            file.write(padding)
            digest.update(padding)
        file.seek(0)
        file.write(_header_bytes({**header, "sha256": digest.hexdigest()}))
    part.replace(path)


def read_arrays(path: Path, verify: bool = True) -> tuple[dict[str, Any], dict[str, NDArray], str]:
    """Facts, arrays mapped into memory, and checksum of a file. verify: read it once through and compare the checksum.

    Raises `DictionaryError` if it is foreign, damaged or of another version.
    """
    header, start = _read_header(path)
    sizes = {name: _size(kind, shape) for name, (kind, shape) in header["arrays"].items()}
    expected = start + sum(size + -size % _ALIGNMENT for size in sizes.values())
    size = path.stat().st_size
    if size != expected:
        raise DictionaryError(f"{path}: has {size} bytes instead of {expected}: it is damaged; build it anew")
    if verify and _checksum(path, header, start) != header["sha256"]:
        raise DictionaryError(f"{path}: its checksum is wrong: the file is damaged; build it anew")
    arrays: dict[str, NDArray] = {}
    for name, (kind, shape) in header["arrays"].items():
        if sizes[name]:
            arrays[name] = np.memmap(path, kind, "r", start, tuple(shape))
        else:  # which cannot be mapped; as large as it says along the axes that are not empty
            arrays[name] = np.broadcast_to(np.zeros((), kind), shape)
        start += sizes[name] + -sizes[name] % _ALIGNMENT
    return header["facts"], arrays, header["sha256"]


def _size(kind: str, shape: list[int]) -> int:
    return np.dtype(kind).itemsize * math.prod(shape)


def _header_bytes(header: dict[str, Any]) -> bytes:
    text = json.dumps(header, sort_keys=False).encode()
    length = len(_MAGIC) + 8 + len(text)
    return _MAGIC + len(text).to_bytes(8, "little") + text + bytes(-length % _ALIGNMENT)


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The header and where the arrays start."""
    try:
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise DictionaryError(
                    f"{path}: not a dictionary of label patches: build one with  knuckle dictionary build"
                )
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, _BLOCK)))
            if header["version"] != _VERSION:
                raise DictionaryError(f"{path}: is of version {header['version']}, not {_VERSION}: build it anew")
            if set(header) != _HEADER or not isinstance(header["facts"], dict):
                raise ValueError("its header is incomplete")
            for kind, shape in header["arrays"].values():
                possible = len(shape) <= _AXES and all(type(side) is int and side >= 0 for side in shape)
                if kind not in _TYPES or not possible or math.prod(side or 1 for side in shape) > _LARGEST:
                    raise ValueError("its header tells of an impossible array")
    except (OSError, AttributeError, TypeError, KeyError, ValueError, RecursionError) as error:
        if isinstance(error, DictionaryError):
            raise
        if isinstance(error, OSError):
            raise DictionaryError(f"{path}: cannot read the dictionary ({error.strerror})") from None
        raise DictionaryError(f"{path}: cannot read the dictionary ({error}): build it anew") from None
    start = len(_MAGIC) + 8 + length
    return header, start + -start % _ALIGNMENT


def _checksum(path: Path, header: dict[str, Any], start: int) -> str:
    """SHA-256 of the header, its own checksum zeroed, and of all that follows."""
    digest = hashlib.sha256(_header_bytes({**header, "sha256": "0" * 64}))
    with path.open("rb") as file:
        file.seek(start)
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
