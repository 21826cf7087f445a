"""Bags that ask for too much: refused, and nothing of it is unpacked or computed."""

import bz2
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import lz4.frame
import numpy as np
import pytest
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from sourcing import CAMERA, good, some_steps
from test_bag_source import DEPTH, INFO, Bag, write_depths

from knuckle.errors import SourceError
from knuckle.sources import bag_limits
from knuckle.sources.bag import BagSource
from knuckle.sources.bag_limits import BoundedPath


def test_a_path_reads_what_there_is_and_asks_for_no_more(tmp_path: Path) -> None:
    data = bytes(range(256)) * 8192
    (tmp_path / "a").write_bytes(data)
    with BoundedPath(tmp_path / "a").open("rb") as file:
        assert file.read(10) == data[:10]
        assert file.read(1 << 60) == data[10:]  # for which there is no memory
        assert file.read(1 << 60) == b""
        file.seek(5)
        assert file.read() == data[5:]
    assert (BoundedPath(tmp_path) / "a").read_bytes() == data


def zstd() -> Any:
    return bag_limits._zstd()


@pytest.mark.parametrize(
    ("pack", "unpack"),
    [
        (bz2.compress, bag_limits._from_bz2),
        (lz4.frame.compress, bag_limits._from_lz4),
        (lambda data: zstd().compress(data), bag_limits._from_zstd),
    ],
)
def test_unpacking_stops(
    monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes], unpack: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(bag_limits, "_MOST", 100_000)
    for size in (0, 1, 100_000):
        assert unpack(pack(bytes(size))) == bytes(size)
    for data in (pack(bytes(100_001)), pack(bytes(9_000_000)), pack(np.random.default_rng(0).bytes(5000))[:-9]):
        with pytest.raises(ValueError, match="cut off, or unpack to more"):
            unpack(data)


@pytest.mark.parametrize("kind", list(Writer1.CompressionFormat))
def test_packed_bags_of_ros_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Writer1.CompressionFormat) -> None:
    """If rosbags moves its functions, this and the next test tell."""
    bag = Bag(tmp_path, "ros1")
    bag.writer.close()
    bag.path.unlink()
    bag.writer = Writer1(bag.path)
    bag.writer.set_compression(kind)
    bag.writer.open()
    path = write_depths(bag, some_steps(3))
    with BagSource(path) as source:
        assert len(good(list(source.frames()))) == 3
    monkeypatch.setattr(bag_limits, "_MOST", 100)
    with pytest.raises(SourceError, match="unpack to more"):
        BagSource(path)


@pytest.mark.parametrize("mode", [CompressionMode.FILE, CompressionMode.MESSAGE, CompressionMode.STORAGE])
def test_packed_bags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: CompressionMode) -> None:
    bag = Bag(tmp_path, "ros2")
    bag.writer = Writer(tmp_path / "packed", version=9, storage_plugin=StoragePlugin.MCAP)
    bag.writer.set_compression(mode, CompressionFormat.ZSTD)
    bag.path = tmp_path / "packed"
    bag.writer.open()
    path = write_depths(bag, some_steps(3))
    with BagSource(path) as source:
        assert len(good(list(source.frames()))) == 3
    monkeypatch.setattr(bag_limits, "_MOST", 100)
    monkeypatch.setattr(bag_limits, "_RATIO", 0)
    with pytest.raises(SourceError, match="unpack"):
        BagSource(path)


def test_a_record_that_says_it_is_endless(tmp_path: Path) -> None:
    path = write_depths(Bag(tmp_path, "mcap-file"), some_steps(3))
    data = bytearray(path.read_bytes())
    data[9:17] = struct.pack("<Q", 1 << 62)  # of the header, the first record
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"a\.mcap: no bag that can be read \(Truncated record") as caught:
        BagSource(path)
    assert not isinstance(caught.value.__context__, MemoryError)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE messages RENAME TO kept; CREATE VIEW messages AS SELECT * FROM kept",
        "ALTER TABLE messages ADD COLUMN more BLOB GENERATED ALWAYS AS (zeroblob(1000000000))",
        "CREATE TRIGGER t AFTER INSERT ON messages BEGIN DELETE FROM topics; END",
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_a_database_that_computes_is_refused(tmp_path: Path, change: str, whole: bool) -> None:
    path = write_depths(Bag(tmp_path, "ros2"), some_steps(2))
    file = next(path.glob("*.db3"))
    with closing(sqlite3.connect(file)) as database:
        database.executescript(change)
    with pytest.raises(SourceError, match=r"\.db3: it computes its messages"):
        BagSource(path if whole else file)


@pytest.mark.parametrize("word", [b"CREATE TABLE messages", b"CREATE T"])  # a name, and SQL itself
def test_a_database_whose_text_is_in_no_encoding(tmp_path: Path, word: bytes) -> None:
    path = write_depths(Bag(tmp_path, "ros2"), some_steps(2))
    file = next(path.glob("*.db3"))
    data = file.read_bytes()
    assert word in data
    file.write_bytes(data.replace(word, word[:-1] + b"\xc1"))
    with pytest.raises(SourceError, match="no bag that can be read"), BagSource(path) as source:
        list(source.frames())


def test_types_are_ros_s_own(tmp_path: Path) -> None:
    """A type may be an endless list of nothing."""
    bag = Bag(tmp_path, "mcap")
    bag.store = get_typestore(Stores.ROS2_HUMBLE)
    text = "std_msgs/Header header\nuint32 height\nuint32 width\nstring encoding\nuint8 is_bigendian\nuint32 step\n"
    other = get_typestore(Stores.EMPTY)
    other.register({name: bag.store.fielddefs[name] for name in ("std_msgs/msg/Header", "builtin_interfaces/msg/Time")})
    other.register(get_types_from_msg(f"{text}uint16[] data\n", "sensor_msgs/msg/Image"))
    bag.write(INFO, 0, bag.info(CAMERA))
    bag.topics[DEPTH] = bag.writer.add_connection(DEPTH, "sensor_msgs/msg/Image", typestore=other)
    bag.write(DEPTH, 0, bag.image(some_steps(1)[0], "16UC1", 0))
    with pytest.raises(SourceError, match="defines sensor_msgs/msg/Image in another way"):
        BagSource(bag.close())
