"""Arrays of numbers out of MATLAB files of version 5 to 7 ("MAT-File Format", MathWorks, chapter 1).

SciPy reads these files too, and everything else that they can hold. But a damaged one ends the whole process in its
compiled code, and a small one can make it ask for any memory; so what is needed of the format is read here.
"""

import io
import math
import struct
import zlib
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_HEADER, _TAG = 128, 8
_MATRIX, _PACKED = 14, 15
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_COMPLEX = 0x0800
_HEAD = 4096  # bytes that hold an array's flags, sides and name
_MAX_NUMBERS = 1 << 25  # of an array: NYU's largest has 23.6 million


class _Array(NamedTuple):
    """What stands before the numbers of an array: its name, sides, class, and whether it is complex."""

    name: str
    shape: tuple[int, ...]
    kind: int
    is_complex: bool


def read_version5(file: IO[bytes], name: str) -> NDArray[Any] | None:
    """Array `name` of an opened file, None where there is none. Of its axes the first is the fastest, as in MATLAB.

    Raises `ValueError`, in one line, if the file is damaged or of another format, or the array is too large or not of
    real numbers.
    """
    order = {b"IM": "<", b"MI": ">"}.get(file.read(_HEADER)[_HEADER - 2 :])
    if order is None:
        raise ValueError("not of version 5 to 7")
    for head, rest in _elements(file, order):
        found, at = _describe(head, order)
        if found.name == name:
            if found.kind not in _CLASSES or found.is_complex:
                raise ValueError(f"{name} does not hold real numbers")
            return _numbers(found, head, at, rest, order)
    return None


def _elements(file: IO[bytes], order: str) -> Iterator[tuple[bytes, "_Rest"]]:
    """The beginning of each array of the file, and what gives its following bytes."""
    size, start = file.seek(0, io.SEEK_END), _HEADER
    while start + _TAG <= size:
        file.seek(start)
        kind, length = struct.unpack(f"{order}II", file.read(_TAG))
        if kind not in (_MATRIX, _PACKED) or start + _TAG + length > size:
            raise ValueError("truncated, or an element is none")
        rest = _Rest(file, length, kind == _PACKED)
        if kind == _PACKED and rest.read(_TAG)[:4] != struct.pack(f"{order}I", _MATRIX):
            raise ValueError("a packed element is no array")
        yield rest.read(_HEAD), rest
        start += _TAG + length


class _Rest:
    """The bytes of an element, unpacked where they are packed: as many as are asked for, and not one more."""

    def __init__(self, file: IO[bytes], length: int, is_packed: bool) -> None:
        self._file, self._left = file, length
        self._inflater = zlib.decompressobj() if is_packed else None

    def read(self, count: int) -> bytes:
        """Fewer where the element ends."""
        if self._inflater is None:
            data = self._file.read(min(count, self._left))
            self._left -= len(data)
            return data
        parts, missing = [], count
        while missing and not self._inflater.eof:
            packed = self._inflater.unconsumed_tail or self._file.read(min(1 << 20, self._left))
            self._left -= 0 if self._inflater.unconsumed_tail else len(packed)
            part = self._inflater.decompress(packed, missing)
            if not part and not packed:
                break
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)


def _describe(head: bytes, order: str) -> tuple[_Array, int]:
    """An array's description, and where in `head` the tag of its numbers is."""
    flags, at = _small(head, 0, order)
    sides, at = _small(head, at, order)
    name, at = _small(head, at, order)
    if len(flags) < 4 or not 8 <= len(sides) <= 4 * 32:
        raise ValueError("an array is not described")
    (word,) = struct.unpack(f"{order}I", flags[:4])
    shape = np.frombuffer(sides[: len(sides) // 4 * 4], f"{order}i4").tolist()
    return _Array(name.decode("latin1"), tuple(shape), word & 0xFF, bool(word & _COMPLEX)), at


def _small(head: bytes, at: int, order: str) -> tuple[bytes, int]:
    """The bytes of a subelement that lies in `head` as a whole, and where the next one begins."""
    _, length, start = _tag(head, at, order)
    end = start + length
    if end > len(head):
        raise ValueError("an array is not described")
    return head[start:end], end + -end % 8


def _tag(head: bytes, at: int, order: str) -> tuple[int, int, int]:
    """Type, length and beginning of a subelement; up to four bytes lie within its tag."""
    if at + _TAG > len(head):
        raise ValueError("an array is not described")
    kind, length = struct.unpack_from(f"{order}II", head, at)
    if kind >> 16:
        return kind & 0xFFFF, min(kind >> 16, 4), at + 4
    return kind, length, at + _TAG


def _numbers(found: _Array, head: bytes, at: int, rest: _Rest, order: str) -> NDArray[Any]:
    """The numbers of an array: MATLAB keeps them in the smallest type that holds them."""
    stored, length, start = _tag(head, at, order)
    count = math.prod(max(0, side) for side in found.shape)
    if count > _MAX_NUMBERS:
        raise ValueError(f"{found.name} has {count} numbers, more than any dataset's joints")
    kind = np.dtype(order + _STORED[stored]) if stored in _STORED else None
    if kind is None or min(found.shape) < 0 or length != count * kind.itemsize:
        raise ValueError(f"{found.name} is damaged")
    data = head[start : start + length]
    data += rest.read(length - len(data))
    if len(data) != length:
        raise ValueError(f"{found.name} is truncated")
    return np.frombuffer(data, kind).reshape(found.shape, order="F").astype(_CLASSES[found.kind], copy=False)
