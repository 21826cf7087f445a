"""Stores restored: the parts anew and all else as it was, the same bytes whoever writes them and after any kill."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dask
import distributed
import numpy as np
import pytest
from numpy.typing import NDArray
from test_dictionary import part_maps, refused, write_store

from knuckle.anatomy import LABELS
from knuckle.data.sample import ARRAYS
from knuckle.data.shards import package_version
from knuckle.data.store import SampleStore
from knuckle.errors import DictionaryError, SettingsError, StoreError, WeightsError
from knuckle.networks import SHIPPED, load_segmentation
from knuckle.pipeline import restore as restoring
from knuckle.pipeline.dictionary import build_dictionary
from knuckle.pipeline.restore import restore_store
from knuckle.restoration.patches import PatchDictionary
from knuckle.restoration.restore import RestoreSettings, restore

COUNT, SHARD = 10, 4  # three shards, the last one shorter
PATCH = 5


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def noisy_maps() -> NDArray[np.uint8]:
    """Maps of the dictionary with a quarter of their labels drawn anew."""
    rng, maps = np.random.default_rng(5), part_maps(COUNT, 2)
    wrong = (maps > 0) & (rng.random(maps.shape) < 0.25)
    return np.where(wrong, rng.integers(1, len(LABELS), maps.shape), maps).astype(np.uint8)


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store to restore."""
    return write_store(tmp_path_factory.mktemp("maps") / "noisy.zarr", noisy_maps(), seed=9, shard=SHARD)


@pytest.fixture(scope="module")
def dictionary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dictionary")
    build_dictionary([write_store(folder / "clean.zarr", part_maps(20, 2), shard=32)], folder / "parts.kdict", PATCH)
    return folder / "parts.kdict"


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, maps: Path, dictionary: Path) -> Path:
    """The restored store as one process writes it."""
    out = tmp_path_factory.mktemp("alone") / "restored.zarr"
    told: list[int] = []
    restore_store(maps, out, dictionary, workers=1, progress=told.append)
    assert told == [0, 4, 4, 2]
    return out


@pytest.fixture(scope="module")
def cluster() -> Iterator[distributed.LocalCluster]:
    """Two worker processes behind a scheduler."""
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        yield cluster


def assert_all_but_parts_as_in(maps: Path, out: Path) -> None:
    """Byte for byte, but for the group's attributes."""
    found, expected = files(out), files(maps)
    assert found.keys() == expected.keys()
    changed = {name for name in found if found[name] != expected[name]}
    of_parts = {name for shard in range(3) for name in (f"parts/c/{shard}/0/0", f"crc32/c/{shard}/0")}
    assert changed <= {"zarr.json", *of_parts}


def test_the_parts_are_restored_and_all_else_stays(maps: Path, dictionary: Path, alone: Path) -> None:
    loaded = PatchDictionary.load(dictionary)
    expected = [restore(loaded, RestoreSettings(), part_map) for part_map in noisy_maps()]
    found = SampleStore.open(alone).read("parts")
    np.testing.assert_array_equal(found, expected)
    clean = part_maps(COUNT, 2)
    assert (found != clean).sum() < (noisy_maps() != clean).sum() / 10
    assert_all_but_parts_as_in(maps, alone)


def test_a_restored_store_says_how_it_was_made(maps: Path, dictionary: Path, alone: Path) -> None:
    assert SampleStore.open(alone).attributes == {
        "layout": SampleStore.open(maps).attributes["layout"],
        "count": COUNT,
        "shard": SHARD,
        "restored": asdict(RestoreSettings().resolved(PATCH)),
        "knuckle": package_version(),
        "dictionary": PatchDictionary.load(dictionary).checksum,
        "weights": None,
        "maps": {"recipe": {"hand": "blocks"}, "seed": 9},
    }


@pytest.mark.parametrize(
    "chosen",
    [
        RestoreSettings(mode="exact", background_weight=0.5, window=5, k=3),
        RestoreSettings("centre", background_weight=0.0),
        RestoreSettings("crf-potts", k=4, alpha=2.0),
        RestoreSettings("crf-overlap", k=4),
    ],
    ids=lambda chosen: chosen.method,
)
def test_settings_are_followed(tmp_path: Path, maps: Path, dictionary: Path, chosen: RestoreSettings) -> None:
    restore_store(maps, tmp_path / "restored.zarr", dictionary, chosen, workers=1)
    loaded = PatchDictionary.load(dictionary)
    expected = [restore(loaded, chosen, part_map) for part_map in noisy_maps()]
    np.testing.assert_array_equal(SampleStore.open(tmp_path / "restored.zarr").read("parts"), expected)


def test_a_restored_store_can_be_restored_again(tmp_path: Path, dictionary: Path, alone: Path) -> None:
    restore_store(alone, tmp_path / "again.zarr", dictionary, workers=1)
    attributes = SampleStore.open(tmp_path / "again.zarr").attributes
    assert attributes["maps"]["dictionary"] == attributes["dictionary"]
    assert attributes["maps"]["maps"] == {"recipe": {"hand": "blocks"}, "seed": 9}


@pytest.mark.parametrize(("method", "mode"), [("vote", "fast"), ("evidence", "exact")])
def test_what_a_network_sees_is_restored(tmp_path: Path, maps: Path, dictionary: Path, method: Any, mode: Any) -> None:
    chosen = RestoreSettings(method, mode, window=3)
    out = tmp_path / "restored.zarr"
    restore_store(maps, out, dictionary, chosen, SHIPPED, workers=1)
    depth = SampleStore.open(maps).read("depth")
    probabilities = load_segmentation(SHIPPED, threads=1).run(depth=depth[:, None])[0]
    seen = probabilities.argmax(axis=1).astype(np.uint8)
    loaded = PatchDictionary.load(dictionary)
    expected = [restore(loaded, chosen, *sample) for sample in zip(seen, probabilities, strict=True)]
    found = SampleStore.open(out).read("parts")
    np.testing.assert_array_equal(found, expected)
    assert (found != seen).any()
    assert_all_but_parts_as_in(maps, out)
    assert len(SampleStore.open(out).attributes["weights"]) == 64


def test_two_processes_write_the_same_bytes(tmp_path: Path, maps: Path, dictionary: Path, alone: Path) -> None:
    told: list[int] = []
    restore_store(str(maps), str(tmp_path / "two.zarr"), dictionary, workers=2, progress=told.append)
    assert sorted(told) == [0, 2, 4, 4]
    assert files(tmp_path / "two.zarr") == files(alone)


@pytest.mark.parametrize("how", ["address", "client"])
def test_a_cluster_writes_the_same_bytes(
    tmp_path: Path, maps: Path, dictionary: Path, alone: Path, cluster: distributed.LocalCluster, how: str
) -> None:
    told: list[int] = []
    order = {"maps": maps, "out": tmp_path / "restored.zarr", "dictionary": dictionary, "progress": told.append}
    if how == "address":
        restore_store(**order, scheduler=cluster.scheduler_address)
    else:
        with distributed.Client(cluster) as client:
            restore_store(**order, scheduler=client)
            assert client.status == "running"  # it is the caller's
    assert sorted(told) == [0, 2, 4, 4]
    assert files(tmp_path / "restored.zarr") == files(alone)


def test_a_dictionary_may_be_named_from_here(
    tmp_path: Path, maps: Path, dictionary: Path, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(dictionary.parent)
    restore_store(maps, tmp_path / "restored.zarr", Path("parts.kdict"), workers=1)
    assert files(tmp_path / "restored.zarr") == files(alone)


def test_an_object_store_holds_the_same_arrays(maps: Path, dictionary: Path, alone: Path) -> None:
    restore_store(maps, "memory://restored.zarr/trial", dictionary)
    found, expected = SampleStore.open("memory://restored.zarr/trial"), SampleStore.open(alone)
    assert found.attributes == expected.attributes
    for name in ARRAYS:
        np.testing.assert_array_equal(found.read(name), expected.read(name))


@pytest.mark.parametrize("shards", [0, 1, 2, 3])
def test_an_interrupted_run_goes_on_with_what_is_missing(
    tmp_path: Path, maps: Path, dictionary: Path, alone: Path, shards: int
) -> None:
    out = tmp_path / "restored.zarr"
    told: list[int] = []

    def interrupt(done: int) -> None:
        told.append(done)
        if len(told) > shards:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore_store(maps, out, dictionary, workers=1, progress=interrupt)
    assert len(SampleStore.open(out).missing_shards()) == 3 - shards
    told.clear()
    restore_store(maps, out, dictionary, workers=1, progress=told.append)
    assert told == [[0, 4, 4, 2], [4, 4, 2], [8, 2], [10]][shards]
    assert files(out) == files(alone)


PROGRAM = """
import os, signal, sys
from pathlib import Path
from knuckle.pipeline.restore import restore_store
def progress(done):
    if done:
        os.kill(os.getpid(), signal.SIGKILL)
restore_store(sys.argv[1], sys.argv[2], Path(sys.argv[3]), workers=int(sys.argv[4]), progress=progress)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_runs_go_on_to_the_same_bytes(
    tmp_path: Path, maps: Path, dictionary: Path, alone: Path, workers: int
) -> None:
    out = tmp_path / "restored.zarr"
    order = [sys.executable, "-c", PROGRAM, str(maps), str(out), str(dictionary), str(workers)]
    run = subprocess.run(order, stdout=subprocess.PIPE, check=False)  # the pipe closes when the last process has gone
    assert run.returncode == -signal.SIGKILL
    missing = SampleStore.open(out).missing_shards()
    assert missing == [1, 2] if workers == 1 else len(missing) < 3
    (out / "parts" / "c" / "2" / "0" / "0.1234.partial").parent.mkdir(parents=True, exist_ok=True)
    (out / "parts" / "c" / "2" / "0" / "0.1234.partial").write_bytes(b"half")
    restore_store(maps, out, dictionary, workers=1)
    assert files(out) == files(alone)


def test_a_store_of_another_restoration_is_not_written_to(
    tmp_path: Path, maps: Path, dictionary: Path, alone: Path
) -> None:
    PatchDictionary.from_maps(PatchDictionary.load(dictionary).maps, PATCH).save(tmp_path / "other.kdict")
    write_store(tmp_path / "other.zarr", noisy_maps(), seed=10, shard=SHARD)
    write_store(tmp_path / "fewer.zarr", noisy_maps()[1:], seed=9, shard=SHARD)
    exact = RestoreSettings(mode="exact")
    orders: list[tuple[str, Callable[[], Any]]] = [
        ("dictionary", lambda: restore_store(maps, alone, tmp_path / "other.kdict", exact, workers=1)),
        ("restored", lambda: restore_store(maps, alone, dictionary, exact, workers=1)),
        ("restored", lambda: restore_store(maps, alone, dictionary, RestoreSettings(k=2), workers=1)),
        ("weights", lambda: restore_store(maps, alone, dictionary, None, SHIPPED, workers=1)),
        ("maps", lambda: restore_store(tmp_path / "other.zarr", alone, dictionary, workers=1)),
        ("count", lambda: restore_store(tmp_path / "fewer.zarr", alone, dictionary, workers=1)),
        ("dictionary", lambda: restore_store(maps, maps, dictionary, workers=1)),
    ]
    before = files(alone), files(maps)
    for difference, order in orders:
        assert f"holds other samples ({difference} " in refused(StoreError, order)
    assert (files(alone), files(maps)) == before


def test_a_place_with_something_else_is_left_alone(tmp_path: Path, maps: Path, dictionary: Path) -> None:
    (tmp_path / "notes.txt").write_text("not yours")
    assert str(tmp_path) in refused(StoreError, lambda: restore_store(maps, tmp_path, dictionary, workers=1))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_what_does_not_fit_is_refused_before_anything_is_begun(tmp_path: Path, maps: Path, dictionary: Path) -> None:
    out = tmp_path / "restored.zarr"
    plain = tmp_path / "plain.kdict"
    PatchDictionary.from_maps(PatchDictionary.load(dictionary).maps, PATCH).save(plain)
    (tmp_path / "damaged.kdict").write_bytes(dictionary.read_bytes()[:-1] + b"\1")
    SampleStore.create(tmp_path / "half.zarr", COUNT, {}, SHARD)
    (tmp_path / "junk").mkdir()
    (tmp_path / "junk" / "segmentation.onnx").write_bytes(b"no network")
    opaque = RestoreSettings(background_weight=1.5)
    two_ways = {"workers": 2, "scheduler": "tcp://127.0.0.1:9"}
    orders: list[tuple[type[Exception], str, Callable[[], Any]]] = [
        (StoreError, "none.zarr", lambda: restore_store(tmp_path / "none.zarr", out, dictionary)),
        (DictionaryError, "none.kdict", lambda: restore_store(maps, out, tmp_path / "none.kdict")),
        (DictionaryError, "damaged.kdict", lambda: restore_store(maps, out, tmp_path / "damaged.kdict")),
        (DictionaryError, "no index", lambda: restore_store(maps, out, plain)),
        (SettingsError, "background_weight", lambda: restore_store(maps, out, dictionary, opaque)),
        (WeightsError, "segmentation.onnx", lambda: restore_store(maps, out, dictionary, weights=tmp_path)),
        (SettingsError, "exclude each other", lambda: restore_store(maps, out, dictionary, **two_ways)),
        (SettingsError, "at least 1", lambda: restore_store(maps, out, dictionary, workers=0)),
        (SettingsError, "at least 1", lambda: restore_store(maps, out, dictionary, workers=-2)),
        (SettingsError, "give its weights", lambda: restore_store(maps, out, dictionary, RestoreSettings("evidence"))),
        (StoreError, "half.zarr", lambda: restore_store(tmp_path / "half.zarr", out, dictionary)),
        (WeightsError, "junk", lambda: restore_store(maps, out, dictionary, weights=tmp_path / "junk")),
        (SettingsError, "one worker", lambda: restore_store(maps, "memory://no.zarr", dictionary, workers=2)),
    ]
    for kind, named, order in orders:
        assert named in refused(kind, order)
        assert not out.exists()


def test_another_dictionary_at_the_same_path_is_seen(tmp_path: Path, maps: Path) -> None:
    """Workers keep what they have opened."""
    for seed in (2, 3):
        store = write_store(tmp_path / f"clean-{seed}.zarr", part_maps(20, seed), seed)
        build_dictionary([store], tmp_path / "parts.kdict", PATCH)
        restore_store(maps, tmp_path / f"restored-{seed}.zarr", tmp_path / "parts.kdict", workers=1)
    build_dictionary([tmp_path / "clean-3.zarr"], tmp_path / "alone.kdict", PATCH)
    restore_store(maps, tmp_path / "alone.zarr", tmp_path / "alone.kdict", workers=1)
    assert files(tmp_path / "restored-3.zarr") == files(tmp_path / "alone.zarr")


@pytest.mark.parametrize("changed", ["dictionary", "network"])
def test_a_file_that_changes_during_the_work_is_refused(
    tmp_path: Path, maps: Path, dictionary: Path, changed: str
) -> None:
    (tmp_path / "parts.kdict").write_bytes(dictionary.read_bytes())
    network = (SHIPPED / "segmentation.onnx").read_bytes()
    (tmp_path / "segmentation.onnx").write_bytes(network)
    tools = restoring._Tools.of(tmp_path / "parts.kdict", RestoreSettings(), tmp_path)
    if changed == "network":
        (tmp_path / "segmentation.onnx").write_bytes(network + b"more")
    else:
        build_dictionary([write_store(tmp_path / "other.zarr", part_maps(6, 1))], tmp_path / "parts.kdict", PATCH)
    with pytest.raises(DictionaryError, match="not the one that the work began with"):
        tools.open()


def test_a_scheduler_that_does_not_answer_is_named(tmp_path: Path, maps: Path, dictionary: Path) -> None:
    with dask.config.set({"distributed.comm.timeouts.connect": "0.1s"}):
        order = lambda: restore_store(maps, tmp_path / "restored.zarr", dictionary, scheduler="tcp://127.0.0.1:9")
        assert "tcp://127.0.0.1:9" in refused(SettingsError, order)
    assert list(tmp_path.iterdir()) == []
