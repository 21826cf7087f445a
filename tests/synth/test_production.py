"""Many samples into a store: the same bytes whoever writes them, and however often a run is killed."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask
import distributed
import numpy as np
import pytest
import zarr

from knuckle.data.store import SampleStore
from knuckle.errors import MissingExtraError, SettingsError, StoreError
from knuckle.synth import production
from knuckle.synth.generate import SynthSettings, generate_samples
from knuckle.synth.hands import HandModel
from knuckle.synth.production import generate

SETTINGS = SynthSettings(hand="soma", empty_share=0.1)
SHARD, COUNT, SEED = 8, 21, 3  # three shards, the last one shorter


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def make(url: Path | str, workers: int | None = 1, **more: Any) -> list[int]:
    """Renders the store of this test; returns what its progress was told."""
    done: list[int] = []
    generate(url, SETTINGS, COUNT, SEED, workers, done.append, shard=SHARD, **more)
    return done


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store as one process writes it."""
    path = tmp_path_factory.mktemp("alone") / "hands.zarr"
    assert make(path) == [0, 8, 8, 5]
    return path


@pytest.fixture(scope="module")
def cluster() -> Iterator[distributed.LocalCluster]:
    """Two worker processes behind a scheduler."""
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        yield cluster


def test_a_store_holds_the_samples_in_order(soma: HandModel, alone: Path) -> None:
    store = SampleStore.open(alone)
    assert len(store) == COUNT
    expected = generate_samples(soma, SETTINGS, SEED, range(COUNT))
    for name, values in expected.items():
        # depth is kept in steps of 0.01 mm
        np.testing.assert_allclose(store.read(name), values, rtol=0, atol=0.01 / 125 if name == "depth" else 0)


def test_a_store_says_how_it_was_made(alone: Path) -> None:
    attributes = SampleStore.open(alone).attributes
    assert attributes["seed"] == SEED
    assert attributes["recipe"]["hand"] == "soma"
    assert attributes["recipe"]["empty_share"] == 0.1
    assert all(attributes["assets"].values())
    assert attributes["knuckle"]


def test_two_processes_write_the_same_bytes(tmp_path: Path, alone: Path) -> None:
    assert sorted(make(tmp_path / "two.zarr", workers=2)) == [0, 5, 8, 8]
    assert files(tmp_path / "two.zarr") == files(alone)


@pytest.mark.parametrize("how", ["address", "client"])
def test_a_cluster_writes_the_same_bytes(
    tmp_path: Path, alone: Path, cluster: distributed.LocalCluster, how: str
) -> None:
    if how == "address":
        done = make(tmp_path / "hands.zarr", None, scheduler=cluster.scheduler_address)
    else:
        with distributed.Client(cluster) as client:
            done = make(tmp_path / "hands.zarr", None, scheduler=client)
            assert client.status == "running"  # it is the caller's
    assert sorted(done) == [0, 5, 8, 8]
    assert files(tmp_path / "hands.zarr") == files(alone)


def test_a_group_holds_the_same_bytes(tmp_path: Path, alone: Path) -> None:
    make(f"file://{tmp_path}/gap.zarr/source")
    assert files(tmp_path / "gap.zarr" / "source") == files(alone)


def test_an_object_store_holds_the_same_arrays(alone: Path) -> None:
    make("memory://production.zarr/source")
    with pytest.raises(StoreError, match="something already"):
        make("memory://production.zarr/source", resume=False)
    found, expected = SampleStore.open("memory://production.zarr/source"), SampleStore.open(alone)
    assert found.attributes == expected.attributes
    for name in generate_samples(HandModel.load("soma"), SETTINGS, 0, range(1)):
        np.testing.assert_array_equal(found.read(name), expected.read(name))


PROGRAM = f"""
import sys
from knuckle.synth.generate import SynthSettings
from knuckle.synth.production import generate
if __name__ == "__main__":
    settings = SynthSettings(hand="soma", empty_share=0.1)
    generate(sys.argv[1], settings, 120, {SEED}, int(sys.argv[2]), lambda done: print(done, flush=True), shard={SHARD})
"""


def killed(program: Path, store: Path, workers: int, lines: int, more_seconds: float) -> None:
    """Kills a run some moments after it printed some lines: one when it begins, one after each shard."""
    run = subprocess.Popen([sys.executable, str(program), str(store), str(workers)], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    for _ in range(lines):
        assert run.stdout.readline()
    time.sleep(more_seconds)
    run.kill()
    run.communicate(timeout=30)  # the pipe closes when the last of its processes has gone
    assert run.returncode == -signal.SIGKILL


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_runs_go_on_to_the_same_bytes(tmp_path: Path) -> None:
    program = tmp_path / "run.py"
    program.write_text(PROGRAM, encoding="utf-8")
    moments = random.Random(5)
    for lines, workers in ((3, 2), (1, 1), (2, 1)):
        killed(program, tmp_path / "killed.zarr", workers, lines, moments.uniform(0, 0.02))
        missing = SampleStore.open(tmp_path / "killed.zarr").missing_shards()
        assert missing
    assert len(missing) < 13
    for store in ("killed.zarr", "undisturbed.zarr"):
        generate(tmp_path / store, SETTINGS, 120, SEED, 1, shard=SHARD)
    assert files(tmp_path / "killed.zarr") == files(tmp_path / "undisturbed.zarr")


def test_only_what_is_missing_is_rendered_again(tmp_path: Path, alone: Path) -> None:
    make(tmp_path / "hands.zarr")
    group = zarr.open_group(str(tmp_path / "hands.zarr"), mode="r+")
    group["joints"][8:16] = 0.25  # as a writer leaves it that was killed before it marked the shard
    group["done"][1] = 0
    (tmp_path / "hands.zarr" / "seed" / "c" / "1" / "0.1234.partial").write_bytes(b"half")
    assert make(tmp_path / "hands.zarr") == [13, 8]
    assert make(tmp_path / "hands.zarr") == [21]
    assert files(tmp_path / "hands.zarr") == files(alone)


def test_a_noisy_sample_takes_less_than_four_kilobytes(tmp_path: Path) -> None:
    generate(tmp_path / "hands.zarr", SynthSettings(hand="soma", sensor="mixed", clutter=True), 128, 1, 1, shard=128)
    assert sum(map(len, files(tmp_path / "hands.zarr").values())) <= 4096 * 128


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"count": 0}, "count .* 0"),
        ({"seed": -1}, "seed .* -1"),
        ({"workers": -2}, "workers .* -2"),
        ({"shard": 0}, "shard .* 0"),
        ({"settings": replace(SETTINGS, hand="foot")}, "'foot'"),
        ({"workers": 2, "scheduler": "tcp://127.0.0.1:8786"}, "exclude each other"),
        ({"workers": 2, "url": "memory://refused.zarr"}, "one worker"),
        ({"workers": None, "scheduler": "tcp://127.0.0.1:8786", "url": "memory://refused.zarr"}, "one worker"),
    ],
)
def test_impossible_orders_are_refused_and_leave_no_store(tmp_path: Path, wrong: dict, named: str) -> None:
    order = {"url": tmp_path / "hands.zarr", "settings": SETTINGS, "count": 1, "seed": 0, "workers": 1} | wrong
    with pytest.raises(SettingsError, match=named):
        generate(**order)
    assert not (tmp_path / "hands.zarr").exists()


def test_a_scheduler_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "0.1s"}),
        pytest.raises(SettingsError, match=r"tcp://127.0.0.1:9.* does not answer") as caught,
    ):
        make(tmp_path / "hands.zarr", None, scheduler="tcp://127.0.0.1:9")
    assert "\n" not in str(caught.value)


def test_a_scheduler_needs_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"knuckle\[distributed\]"):
        make(tmp_path / "hands.zarr", None, scheduler="tcp://127.0.0.1:8786")


def test_a_store_of_other_samples_is_not_written_to(alone: Path) -> None:
    before = files(alone)
    with pytest.raises(StoreError, match="holds other samples"):
        generate(alone, SETTINGS, COUNT, SEED + 1, 1, shard=SHARD)
    with pytest.raises(StoreError, match="holds other samples"):
        generate(alone, replace(SETTINGS, side="left"), COUNT, SEED, 1, shard=SHARD)
    with pytest.raises(StoreError, match="something already"):
        make(alone, resume=False)
    assert files(alone) == before


def test_a_worker_with_other_assets_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = iter(["0.1.0", "0.2.0"])  # of the one that gives out the work, of the worker
    monkeypatch.setattr(production, "package_version", lambda: next(versions))
    with pytest.raises(StoreError, match=r"knuckle 0.1.0, but this worker has 0.2.0: install alike"):
        make(tmp_path / "hands.zarr")
    assert SampleStore.open(tmp_path / "hands.zarr").missing_shards() == [0, 1, 2]
