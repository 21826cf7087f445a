"""What a bag may ask for. rosbags believes what it reads: lengths, packed data and types of any size and kind.

A record of a damaged bag may say that terabytes follow, a packed chunk of a kilobyte may hold gigabytes, a ROS 2 bag in
SQLite may compute its messages, and each bag brings the types that its messages are taken apart by.
"""

import bz2
import io
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from knuckle.errors import SourceError

_MOST = 1 << 28
"""Bytes of a chunk when unpacked: recorders make chunks of a megabyte, or of one image more."""

_RATIO = 100
"""A bag that was packed as a whole may have `_MOST` bytes, and beyond that so many times its own size."""

_LARGE = 1 << 20  # bytes: reads up to this are not looked at

_TYPES = (
    *("sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo", "sensor_msgs/msg/RegionOfInterest"),
    *("std_msgs/msg/Header", "builtin_interfaces/msg/Time"),
)


class BoundedPath(type(Path())):  # type: ignore[misc]
    """A path whose file is read as far as it goes: Python would first ask for as much memory as is to be read."""

    def open(self, mode: str = "r", *args: Any, **options: Any) -> Any:
        """As of any path; binary files never read beyond their end."""
        return _Bounded(io.FileIO(self)) if mode == "rb" else super().open(mode, *args, **options)


class _Bounded(io.BufferedReader):
    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > _LARGE:
            size = min(size, max(0, os.fstat(self.fileno()).st_size - self.tell()))
        return super().read(size)


def bound_unpacking() -> None:
    """Exchanges the functions by which rosbags unpacks data for ones that stop at `_MOST` bytes."""
    from rosbags.rosbag1 import reader as ros1
    from rosbags.rosbag2 import reader as ros2
    from rosbags.rosbag2 import storage_mcap as mcap

    ros1.decompressors.update(bz2=_from_bz2, lz4=_from_lz4)
    mcap.DECOMPRESSORS.update(lz4=lambda data, _: _from_lz4(data), zstd=lambda data, _: _from_zstd(data))
    ros2.zstd = SimpleNamespace(decompress=_from_zstd, open=_open_zstd)  # type: ignore[attr-defined, assignment]


def check_types(typestore: Any, known: list[Any]) -> None:
    """Raises `SourceError` if the messages that are read are defined in another way than in the known type stores."""
    for name in _TYPES:
        found = typestore.fielddefs.get(name)
        if found is not None and all(found[1] != store.fielddefs[name][1] for store in known):
            raise SourceError(f"it defines {name} in another way than ROS")


def check_database(path: Path) -> None:
    """Raises `SourceError` if a bag in SQLite has views or computed columns: reading those runs what they say."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as database:
            # as bytes, for a damaged file's text may be in no encoding
            rows = database.execute("SELECT CAST(type AS BLOB), CAST(sql AS BLOB) FROM sqlite_master").fetchall()
    except (sqlite3.Error, UnicodeDecodeError):  # of its message. Rosbags fails in the same way, and puts it into words
        return
    for kind, text in rows:
        if kind not in (b"table", b"index") or b" as " in b" ".join((text or b"").lower().split()):
            raise SourceError(f"{path}: it computes its messages: record it again")


def _from_bz2(data: bytes) -> bytes:
    return _unpacked(bz2.BZ2Decompressor(), data)


def _from_lz4(data: bytes) -> bytes:
    from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped]

    return _unpacked(LZ4FrameDecompressor(), data)


def _from_zstd(data: bytes) -> bytes:
    return _unpacked(_zstd().ZstdDecompressor(), data)


def _unpacked(decompressor: Any, data: bytes) -> bytes:
    """Raises `ValueError` if there is more than `_MOST` in it, or it ends too early."""
    found: bytes = decompressor.decompress(data, _MOST + 1)
    if len(found) > _MOST or not decompressor.eof:
        raise ValueError("packed data are cut off, or unpack to more than any recorder packs at once")
    return found


def _open_zstd(file: Any, mode: str) -> Any:
    """A packed bag, unpacked as far as it may go."""
    most = _MOST + _RATIO * os.fstat(file.fileno()).st_size

    class Unpacked(_zstd().ZstdFile):  # type: ignore[misc, name-defined]
        def read(self, size: int | None = -1) -> bytes:
            data: bytes = super().read(size)
            if self.tell() > most:
                raise ValueError(f"unpacks to more than {most >> 20} MiB")
            return data

    return Unpacked(file, mode)


def _zstd() -> Any:
    """The module that rosbags has it from: a part of Python from 3.14 on."""
    try:
        from compression import zstd  # type: ignore[import-not-found]
    except ImportError:
        from backports import zstd
    return zstd
