"""Zarr's folders from strangers: of the form that knuckle writes, and of the size that they tell of."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import google_crc32c
import numcodecs
import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec
from zarr.storage import LocalStore

from knuckle.camera import Camera
from knuckle.data.sample import ARRAYS
from knuckle.data.store import SampleStore
from knuckle.errors import DepthError, SourceError, StoreError
from knuckle.sources.recording import RecordingSource, RecordingWriter
from knuckle.sources.source import LiveFrame
from knuckle.zarr_arrays import checked_array

CAMERA = Camera(20.0, 21.0, 7.5, 5.5, 16, 12, 0.125)
ROWS = np.arange(20 * 6, dtype=np.int16).reshape(20, 2, 3)


def group(folder: Path, rows: Any = ROWS, **options: Any) -> zarr.Group:
    """With an array `x`, opened for reading."""
    written = zarr.create_group(LocalStore(folder), zarr_format=3)
    array = written.create_array("x", shape=rows.shape, dtype=rows.dtype, **options)
    array[:] = rows
    return zarr.open_group(LocalStore(folder, read_only=True), mode="r")


@pytest.mark.parametrize("shards", [None, (8, 2, 3)])
def test_what_knuckle_writes(tmp_path: Path, shards: tuple[int, ...] | None) -> None:
    compressors = BloscCodec(cname="zstd", clevel=3, shuffle="shuffle")
    opened = group(tmp_path, chunks=(4, 2, 3), shards=shards, compressors=compressors)
    array = checked_array(opened, "x", (2, 3), "int16")
    assert (array.shape, array.chunks, array.shards) == ((20, 2, 3), (4, 2, 3), shards)
    np.testing.assert_array_equal(array[:], ROWS)
    np.testing.assert_array_equal(array[5:11], ROWS[5:11])


@pytest.mark.parametrize(
    ("options", "row", "kind", "words"),
    [
        ({}, (2, 4), "int16", "int16 of shape"),
        ({}, (2, 3), "uint8", "int16 of shape"),
        ({"chunks": (20, 1, 3)}, (2, 3), "int16", "chunks of"),
        ({"compressors": GzipCodec()}, (2, 3), "int16", "packed by GzipCodec"),
        ({"compressors": ZstdCodec()}, (2, 3), "int16", "packed by ZstdCodec"),
        ({"compressors": GzipCodec(), "chunks": (4, 2, 3), "shards": (8, 2, 3)}, (2, 3), "int16", "GzipCodec"),
        ({"filters": zarr.codecs.TransposeCodec(order=(0, 2, 1))}, (2, 3), "int16", "packed by TransposeCodec"),
    ],
)
def test_another_form_is_refused(
    tmp_path: Path, options: dict[str, Any], row: tuple[int, ...], kind: str, words: str
) -> None:
    opened = group(tmp_path, **{"chunks": (20, 2, 3), "compressors": None, **options})
    with pytest.raises(ValueError, match=words):
        checked_array(opened, "x", row, kind)


@pytest.mark.parametrize("packed", [0, 15, 1 << 30])
def test_a_chunk_that_lies_about_its_own_length_is_refused(tmp_path: Path, packed: int) -> None:
    opened = group(tmp_path, chunks=(20, 2, 3), compressors=BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"))
    file = tmp_path / "x" / "c" / "0" / "0" / "0"
    data = bytearray(file.read_bytes())
    data[12:16] = packed.to_bytes(4, "little")  # of Blosc's header: it would read as much, whatever there is
    file.write_bytes(data)
    with pytest.raises(ValueError, match="a chunk is damaged"):
        checked_array(opened, "x", (2, 3), "int16")[:]


def test_a_group_is_no_array(tmp_path: Path) -> None:
    opened = group(tmp_path)
    zarr.open_group(LocalStore(tmp_path), mode="r+").create_group("y")
    with pytest.raises(ValueError, match="no array"):
        checked_array(opened, "y", (), "int16")


def test_a_chunk_as_large_as_the_memory_is_refused(tmp_path: Path) -> None:
    opened = group(tmp_path, chunks=(20, 2, 3))
    change(tmp_path / "x" / "zarr.json", shape=[1 << 40, 2, 3], chunk_shape=[1 << 30, 2, 3])
    with pytest.raises(ValueError, match="chunks of"):
        checked_array(opened, "x", (2, 3), "int16")


@pytest.mark.parametrize("shards", [None, (8, 2, 3)])
def test_a_chunk_that_unpacks_to_more_than_it_says_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shards: tuple[int, ...] | None
) -> None:
    def bomb(codec: numcodecs.Blosc, data: Any) -> bytes:
        return real(codec, bytes(9_000_000))

    real = numcodecs.Blosc.encode
    with monkeypatch.context() as patched:
        patched.setattr(numcodecs.Blosc, "encode", bomb)
        opened = group(tmp_path, chunks=(4, 2, 3), shards=shards, compressors=BloscCodec())
    monkeypatch.setattr(numcodecs.Blosc, "decode", lambda codec, data: pytest.fail("unpacked"))
    with pytest.raises(ValueError, match="another size than its array"):
        checked_array(opened, "x", (2, 3), "int16")[:]


def change(file: Path, **values: Any) -> None:
    """Puts values into a metadata file, wherever their names stand."""

    def walk(node: Any) -> None:
        for name, below in node.items() if isinstance(node, dict) else enumerate(node):
            if name in values:
                node[name] = values[name]
            elif isinstance(below, dict | list):
                walk(below)

    found = json.loads(file.read_text())
    walk(found)
    file.write_text(json.dumps(found))


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    writer = RecordingWriter(tmp_path / "a.zarr", CAMERA, "test")
    for index in range(10):
        writer.add(LiveFrame(index / 4, np.full((12, 16), 500 + index, np.float32), CAMERA))
    writer.close()
    return tmp_path / "a.zarr"


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda path: change(path / "depth" / "zarr.json", chunk_shape=[80, 12, 16]), "does not fit its times"),
        (lambda path: change(path / "depth" / "zarr.json", shape=[9, 12, 16]), "does not fit its times"),
        (lambda path: change(path / "zarr.json", width=1 << 19, height=1 << 19), "of shape"),
        (lambda path: change(path / "timestamps" / "zarr.json", fill_value=0.0), "not a recorder's"),
        (lambda path: change(path / "timestamps" / "zarr.json", data_type="float32"), "float32 of shape"),
        (lambda path: change(path / "zarr.json", camera=7), "damaged one"),
        (lambda path: change(path / "zarr.json", fx="1"), "fx must be a finite number"),
        (lambda path: infinite(path / "timestamps" / "c" / "0"), "not finite"),
    ],
)
def test_a_damaged_recording(recording: Path, harm: Callable[[Path], None], words: str) -> None:
    harm(recording)
    with pytest.raises(SourceError, match=rf"a\.zarr: .*{words}"):
        RecordingSource(recording)


def infinite(file: Path) -> None:
    file.write_bytes(np.full(8, np.inf).tobytes())


def test_a_recording_that_says_it_is_endless_has_the_frames_that_are_there(recording: Path) -> None:
    for name in ("depth", "timestamps"):
        shape = json.loads((recording / name / "zarr.json").read_text())["shape"]
        change(recording / name / "zarr.json", shape=[1 << 60, *shape[1:]])
    assert len(list(RecordingSource(recording).frames())) == 10


def test_a_frame_whose_chunk_is_a_bomb_is_bad(recording: Path) -> None:
    file = recording / "depth" / "c" / "0" / "0" / "0"
    body = bytearray(file.read_bytes()[:-4])
    body[4:8] = struct.pack("<I", (1 << 31) - 1)
    file.write_bytes(body + google_crc32c.value(bytes(body)).to_bytes(4, "little"))
    with pytest.raises(DepthError, match="another size than its array"):
        RecordingSource(recording).frame(0)
    assert RecordingSource(recording).frame(9).depth[0, 0] == 509


@pytest.fixture
def store(tmp_path: Path) -> Path:
    made = SampleStore.create(tmp_path / "a.zarr", 6, {}, shard=4)
    for shard in range(2):
        count = len(made.shard_range(shard))
        made.write_shard(shard, {name: np.zeros((count, *shape), kind) for name, (shape, kind) in ARRAYS.items()})
    return tmp_path / "a.zarr"


@pytest.mark.parametrize(
    ("file", "values", "words"),
    [
        ("", {"count": 1 << 60}, r"zarr\.json: damaged \(1152921504606846976 samples"),
        ("", {"count": 6.0}, "damaged"),
        ("", {"shard": 0}, "damaged"),
        ("", {"shard": True, "count": 1}, "damaged"),
        ("done", {"shape": [1 << 40]}, r"done/zarr\.json: damaged"),
        ("done", {"data_type": "float64"}, "float64 of shape"),
        ("crc32", {"shape": [1 << 40, 9]}, r"crc32/zarr\.json: damaged"),
        ("parts", {"name": "gzip"}, r"parts/zarr\.json"),
        ("joints", {"shape": [6, 21, 4]}, r"joints/zarr\.json"),
    ],
)
def test_a_damaged_store(store: Path, file: str, values: dict[str, Any], words: str) -> None:
    change(store / file / "zarr.json", **values)
    with pytest.raises(StoreError, match=words):
        SampleStore.open(store)
