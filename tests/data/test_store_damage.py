"""Damage to the files of a store: noticed, with the file's name, or without any effect."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from knuckle.data import store as store_module
from knuckle.data.sample import ARRAYS
from knuckle.data.store import SampleStore
from knuckle.errors import StoreError

COUNT, SHARD = 10, 4
MADE_BY = {"seed": 3}


def rows_of(count: int) -> dict[str, NDArray]:
    """Samples that differ from shard to shard; depth is on the store's steps."""
    rng = np.random.default_rng(0)
    rows = {
        name: rng.integers(1, 21, (count, *shape)).astype("float32" if name == "depth" else kind)
        for name, (shape, kind) in ARRAYS.items()
    }
    rows["depth"] = rows["depth"] / np.float32(25)
    rows["side"] = np.zeros(count, dtype=np.uint8)  # a shard of zeros has no file
    return rows


def write(path: Path) -> dict[str, NDArray]:
    rows = rows_of(COUNT)
    with SampleStore.completing(path, COUNT, MADE_BY, SHARD) as store:
        for shard in store.missing_shards():
            some = store.shard_range(shard)
            store.write_shard(shard, {name: values[some.start : some.stop] for name, values in rows.items()})
    return rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.zarr"


def read(path: Path) -> dict[str, NDArray]:
    store = SampleStore.open(path)
    return {name: store.read(name) for name in ARRAYS}


def noticed(path: Path, rows: dict[str, NDArray]) -> str | None:
    """The message of a refusal, or None if everything is read as it was written."""
    try:
        found = read(path)
    except StoreError as error:
        return str(error)
    for name, values in rows.items():
        np.testing.assert_allclose(found[name], values, atol=1e-6, err_msg=name)
    return None


def flip(file: Path, rng: random.Random) -> None:
    data = bytearray(file.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    file.write_bytes(data)


def cut(file: Path, rng: random.Random) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: rng.randrange(len(data))])


def remove(file: Path, rng: random.Random) -> None:
    file.unlink()


@pytest.mark.parametrize("damage", [flip, cut, remove])
def test_damage_anywhere_is_noticed_or_harmless(path: Path, damage: Callable[[Path, random.Random], None]) -> None:
    rows, rng, refused = write(path), random.Random(1), 0
    kept = sorted(file for file in path.rglob("*") if file.is_file())
    for file in kept:
        data = file.read_bytes()
        damage(file, rng)
        message = noticed(path, rows)
        if message is not None:
            refused += 1
            assert message.startswith(str(path))
            assert "\n" not in message
        file.write_bytes(data)
    assert refused > len(kept) / 2
    assert noticed(path, rows) is None


@pytest.mark.parametrize("name", [name for name in ARRAYS if name != "side"])
def test_files_in_each_others_place_are_noticed(path: Path, name: str) -> None:
    write(path)
    inside = "/".join("0" * len(ARRAYS[name][0]))
    one, other = (path / name / "c" / str(shard) / inside for shard in (0, 1))
    data = one.read_bytes(), other.read_bytes()
    one.write_bytes(data[1])
    other.write_bytes(data[0])
    with pytest.raises(StoreError, match=rf"{one}: lost or damaged \(its checksum is wrong\): remove {path}/done/c/0,"):
        read(path)


@pytest.mark.parametrize("damage", [flip, cut, remove])
def test_the_remedy_mends_the_store(path: Path, damage: Callable[[Path, random.Random], None]) -> None:
    rows = write(path)
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    damage(path / "parts/c/1/0/0", random.Random(0))
    message = noticed(path, rows)
    assert message is not None
    assert message.startswith(f"{path}/parts/c/1/0/0: ")
    Path(message.partition(": remove ")[2].partition(",")[0]).unlink()
    write(path)
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before


def test_a_damaged_chunk_is_noticed_where_only_a_part_is_read(path: Path) -> None:
    write(path)
    flip(path / "depth/c/2/0/0", random.Random(2))
    store = SampleStore.open(path)
    assert len(store.read("depth", 0, 7)) == 7
    with pytest.raises(StoreError, match=r"depth/c/2/0/0: lost or damaged"):
        store.read("depth", 5, 9)


def test_stores_without_checksums_are_read_and_completed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As earlier versions wrote them."""
    with monkeypatch.context() as patched:
        patched.setattr(store_module, "_CODECS", store_module._CODECS[:1])
        rows = write(path)
    shutil.rmtree(path / store_module.CHECKS)
    assert noticed(path, rows) is None
    (path / "done/c/1").unlink()
    write(path)
    assert noticed(path, rows) is None
    assert "crc32c" not in str(
        zarr.open_group(path)["depth"].metadata.to_dict()["codecs"][0]["configuration"]["codecs"]
    )
