"""Arrays out of NumPy's .npy and .npz files: nothing is unpickled, and nothing unpacked before its size is known.

NumPy itself believes what a header says: a file of a hundred bytes makes it ask for terabytes, and damaged headers fail
in a dozen ways.
"""

import io
import math
import warnings
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from knuckle.errors import KnuckleError

SIGNATURE = b"\x93NUMPY"

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_KINDS = "biufc"  # numbers; objects would be unpickled
_AXES = 32  # of NumPy 1; nothing here has more than five
_BLOCK = 1 << 24  # bytes unpacked at once

_PLAIN = 512 << 20
_RATIO = 64
"""Packed arrays may have `_PLAIN` bytes, and beyond that `_RATIO` times their file's size: real depth packs 3 to 20
times, a bomb of 1 MB would unpack to a gigabyte."""


class Header(NamedTuple):
    """What a .npy says of its array, and at which byte the array begins."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    start: int

    @property
    def size(self) -> int:
        """Bytes of the array."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(stream: IO[bytes]) -> Header:
    """The header of a .npy, from the stream's beginning on. Raises `ValueError`, in one line, for anything else.

    Of whatever type: objects too, which nothing here reads.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # headers that Python 2 wrote are fine
            shape, fortran, dtype = _HEADERS[np.lib.format.read_magic(stream)](stream)
    except Exception as error:  # the header is a Python literal: arbitrary bytes fail to parse in many ways
        raise ValueError(f"its header cannot be read: {reason(error)}") from None
    if len(shape) > _AXES or min(shape, default=0) < 0 or math.prod(side or 1 for side in shape) >= 1 << 62:
        raise ValueError(f"its shape {reason(ValueError(shape))} is impossible")
    return Header(tuple(int(side) for side in shape), dtype, bool(fortran), stream.tell())


def _read_numbers(stream: IO[bytes]) -> Header:
    """The header of an array of numbers. Raises `ValueError` for any other."""
    header = read_header(stream)
    if header.dtype.kind not in _KINDS:
        raise ValueError(f"it holds {header.dtype} of shape {header.shape}, not numbers")
    return header


def map_npy(path: Path, error: type[KnuckleError]) -> NDArray[Any]:
    """The array of a .npy file, mapped into memory for reading.

    Raises `error`, naming the file, if it cannot be read, is truncated, or holds no numbers.
    """
    try:
        with path.open("rb") as file:
            header = _read_numbers(file)
            available = file.seek(0, io.SEEK_END) - header.start
    except (OSError, ValueError) as fault:
        raise error(f"{path}: cannot read the array ({reason(fault)}): copy or make it again") from None
    if header.size > available:
        raise error(f"{path}: truncated, {available} bytes are left of {header.size}: copy or make it again")
    order = "F" if header.fortran else "C"
    if not header.size:  # which cannot be mapped
        return np.empty(header.shape, header.dtype)
    return np.memmap(path, header.dtype, "r", header.start, header.shape, order)  # type: ignore[call-overload]


def read_npz(
    path: Path, error: type[KnuckleError], names: Iterable[str] | None = None, most: int = 4 << 30
) -> dict[str, NDArray[Any]]:
    """Arrays of a .npz file by name; names: those that are wanted and there, None = all.

    most: bytes that they may have unpacked. Raises `error`, naming the file, if it cannot be read, is damaged, unpacks
    to more, or far more than its own size, or holds what is no array of numbers.
    """
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            wanted = [name for name in members if names is None or name in set(names)]
            _check_size(sum(members[name].file_size for name in wanted), file.seek(0, io.SEEK_END), most)
            return {name: _unpack(archive, members[name]) for name in wanted}
    except Exception as fault:  # damaged archives fail in many ways
        raise error(f"{path}: cannot read the arrays ({reason(fault)}): copy or make it again") from None


def reason(fault: Exception) -> str:
    """What an exception says, in one line of at most 200 characters."""
    text = (isinstance(fault, OSError) and fault.strerror) or str(fault) or type(fault).__name__
    return " ".join(text.split())[:200]


def _check_size(size: int, packed: int, most: int) -> None:
    if size > min(most, _PLAIN + _RATIO * packed):
        raise ValueError(f"{size >> 20} MiB when unpacked, too much for {packed >> 10} KiB: save it as .npy")


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    """One array; its bytes are as many as the archive says, and its header too."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{info.filename!r} is packed in a way that NumPy does not use")
    with archive.open(info) as stream:
        header = _read_numbers(stream)
        if header.start + header.size != info.file_size:
            raise ValueError(f"{info.filename!r} has {info.file_size - header.start} bytes, not {header.size}")
        flat = np.empty(header.size, np.uint8)
        for start in range(0, header.size, _BLOCK):
            block = stream.read(min(_BLOCK, header.size - start))
            flat[start : start + len(block)] = np.frombuffer(block, np.uint8)
        if stream.read(1):  # also reads to the end, where the checksum is compared
            raise ValueError(f"{info.filename!r} is longer than it says")
    return flat.view(header.dtype).reshape(header.shape, order="F" if header.fortran else "C")
