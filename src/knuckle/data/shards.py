"""Work on the shards of a store in parallel, by processes of this machine or on a Dask cluster: one task a shard."""

import concurrent.futures
import importlib.metadata
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from knuckle.errors import MissingExtraError, SettingsError, StoreError

_RETRIES = 2  # of a shard on a cluster, where a machine may go away; writing one twice writes the same

Done = TypeVar("Done")

Progress = Callable[[int], None]
"""Called with the number of samples that were just done."""


def package_version() -> str:
    """Of knuckle: what a store was made by, and what all workers must have."""
    try:
        return importlib.metadata.version("knuckle")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def workers_for(url: str | Path, workers: int | None, scheduler: Any) -> int:
    """How many processes write to a store at url; None = one a core.

    Raises `SettingsError` for less than one, for workers beside a scheduler, or for more than one that would write to
    `memory://`.
    """
    if workers is not None and workers < 1:
        raise SettingsError(f"workers must be at least 1, got {workers}")
    if scheduler is not None and workers is not None:
        raise SettingsError(f"workers {workers} and a scheduler exclude each other: the cluster has its own workers")
    if not str(url).startswith("memory://"):
        return workers or os.cpu_count() or 1
    if scheduler is not None or (workers or 1) > 1:
        raise SettingsError(f"{url}: memory is not shared by processes: use one worker, or a folder")
    return 1


def require_scheduler(scheduler: Any) -> None:
    """Raises what `work_through` would for this scheduler, None or one that answers, before anything is begun."""
    if scheduler is not None:
        with _client(scheduler):
            pass


def work_through(
    work: Callable[[int], Done], shards: list[int], workers: int, scheduler: Any, progress: Callable[[Done], None]
) -> None:
    """Calls `work` with the number of each shard; what it returns, such as how many samples it did, goes to `progress`.

    scheduler: address of a Dask scheduler, or a `distributed.Client`, whose workers do it; None: up to `workers`
    processes here. `work` must be picklable, and doing a shard twice must do no harm. Raises what `work` raises,
    `StoreError` if a worker died or had no memory left, `SettingsError` for a scheduler that does not answer,
    `MissingExtraError` for one without `distributed`.
    """
    try:
        if scheduler is not None:
            _on_cluster(work, shards, scheduler, progress)
        elif min(workers, len(shards)) <= 1:
            for number in shards:
                progress(work(number))
        else:
            _in_processes(work, shards, min(workers, len(shards)), progress)
    except MemoryError as error:
        raise StoreError(f"out of memory ({error}): run the same again, with fewer workers: it goes on") from None


def _in_processes(
    work: Callable[[int], Done], shards: list[int], workers: int, progress: Callable[[Done], None]
) -> None:
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, context, _end_with_parent) as pool:
        futures = [pool.submit(work, number) for number in shards]
        try:
            for future in concurrent.futures.as_completed(futures):
                progress(future.result())
        except BrokenProcessPool:
            raise StoreError("a worker process died (out of memory?): run the same again, with fewer workers") from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _end_with_parent() -> None:
    """Lets a worker process end when its parent is killed: by itself it would wait for work for ever."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _on_cluster(
    work: Callable[[int], Done], shards: list[int], scheduler: Any, progress: Callable[[Done], None]
) -> None:
    with _client(scheduler) as client:
        from distributed import KilledWorker, as_completed

        futures = client.map(work, shards, retries=_RETRIES, pure=False)  # not pure: never taken from memory
        try:
            for future in as_completed(futures):
                progress(future.result())
        except BaseException as error:
            client.cancel(futures)
            if isinstance(error, KilledWorker):
                raise StoreError(f"workers died again and again ({error}): give them more memory") from None
            raise


@contextmanager
def _client(scheduler: Any) -> Iterator[Any]:
    """A client of the scheduler at an address, or the client that the caller has."""
    try:
        from distributed import Client
    except ImportError:
        raise MissingExtraError("distributed", "distributed") from None
    if isinstance(scheduler, Client):
        yield scheduler
        return
    try:
        client = Client(scheduler)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"scheduler {scheduler!r} does not answer ({reason}): give its address") from None
    with client:
        yield client
