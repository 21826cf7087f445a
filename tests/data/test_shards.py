"""Shards worked through in processes; the clusters' side is tested with the stores that are made on them."""

import os
import signal

import numpy as np
import pytest

from knuckle.data.shards import work_through, workers_for
from knuckle.errors import SettingsError, StoreError


def samples_of(shard: int) -> int:
    return 10 + shard


@pytest.mark.parametrize("workers", [1, 2])
def test_every_shard_is_done_and_told(workers: int) -> None:
    seen: list[int] = []
    work_through(samples_of, [0, 3, 5], workers, None, seen.append)
    assert sorted(seen) == [10, 13, 15]


def test_a_worker_that_dies_is_reported() -> None:
    with pytest.raises(StoreError, match="a worker process died"):
        work_through(os._exit, [1, 2], 2, None, lambda done: None)


def kill_worker(shard: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)  # as the system does when memory runs out


def hold_too_much(shard: int) -> None:
    np.empty(1 << 60, dtype=np.uint8)


def test_a_worker_that_is_killed_is_reported() -> None:
    with pytest.raises(StoreError, match=r"a worker process died \(out of memory\?\): run the same again"):
        work_through(kill_worker, [1, 2], 2, None, lambda done: None)


@pytest.mark.parametrize("workers", [1, 2])
def test_memory_that_runs_out_is_reported(workers: int) -> None:
    with pytest.raises(StoreError, match=r"out of memory .*: run the same again, with fewer workers") as caught:
        work_through(hold_too_much, [1, 2], workers, None, lambda done: None)
    assert "\n" not in str(caught.value)


def test_memory_is_written_by_one_process() -> None:
    assert workers_for("memory://hands.zarr", None, None) == 1
    with pytest.raises(SettingsError, match="not shared"):
        workers_for("memory://hands.zarr", 2, None)


def test_workers_and_a_scheduler_exclude_each_other() -> None:
    with pytest.raises(SettingsError, match="exclude"):
        workers_for("hands.zarr", 2, "tcp://127.0.0.1:8786")
