"""Many samples into a store: by processes of this machine, or on a Dask cluster. One task is one shard."""

import concurrent.futures
import importlib.metadata
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from knuckle.data.place import Place
from knuckle.data.store import SHARD, SampleStore
from knuckle.errors import MissingExtraError, SettingsError, StoreError
from knuckle.synth.assets import asset_version
from knuckle.synth.generate import SynthSettings, generate_samples
from knuckle.synth.hands import HandModel

_RETRIES = 2  # of a shard on a cluster, where a machine may go away; writing one twice writes the same

Progress = Callable[[int], None]
"""Called with the number of samples that were just done."""


def generate(
    url: str | Path,
    settings: SynthSettings,
    count: int,
    seed: int,
    workers: int | None = None,
    progress: Progress = lambda done: None,
    scheduler: Any = None,
    resume: bool = True,
    shard: int = SHARD,
) -> None:
    """Writes `count` samples to a Zarr store, in parallel.

    The bytes depend on the settings, count, seed and shard alone, not on who writes them. A killed run leaves whole
    shards; the same call again completes them to the same bytes.

    url: a folder or anything that fsspec knows (`s3://...`), and maybe a group in it: `hands.zarr/source`. workers:
    processes, None = one a core. scheduler: address of a Dask scheduler, or a `distributed.Client`; its workers write
    then, and must reach the url. resume: complete an unfinished store; else whatever is there is refused. shard:
    samples a task.

    Raises `SettingsError` for an unknown hand, a number below its least or a scheduler that does not answer,
    `StoreError` if the store holds other samples, cannot be written or a worker died, `MissingExtraError` for a
    scheduler without `distributed`.
    """
    for name, value, least in (("count", count, 1), ("seed", seed, 0), ("workers", workers, 1), ("shard", shard, 1)):
        if value is not None and value < least:
            raise SettingsError(f"{name} must be at least {least}, got {value}")
    workers = _workers_for(url, workers, scheduler)
    model = HandModel.load(settings.hand)  # builds a missing asset once, before the workers all want it
    if not resume:
        require_free(url)
    store = SampleStore.create(url, count, attributes(settings, seed), shard)
    missing = store.missing_shards()
    progress(count - sum(len(store.shard_range(number)) for number in missing))
    work = partial(_write_shard, store.url, settings, seed)
    if scheduler is not None:
        _on_cluster(work, missing, scheduler, progress)
    elif min(workers, len(missing)) <= 1:
        for number in missing:
            progress(work(number))
    else:
        generate_samples(model, settings, seed, range(1))  # compiles, where that is not done, before they all would
        _in_processes(work, missing, min(workers, len(missing)), progress)
    store.tidy()


def require_free(url: str | Path) -> None:
    """Raises `StoreError` if there is anything at the url."""
    if not Place(url).is_free():
        raise StoreError(f"{url}: there is something already: choose another path, or complete it with  --resume")


def attributes(settings: SynthSettings, seed: int) -> dict[str, Any]:
    """What a store keeps of how its samples were made: everything that their bytes depend on."""
    hand = settings.hand.partition(":")[0]  # of mano:PATH only what it is: where it lies changes no byte
    return {
        "recipe": {**asdict(settings), "hand": hand},
        "seed": seed,
        "assets": {hand: asset_version(settings.hand)},
        "knuckle": _package_version(),
    }


def _package_version() -> str:
    try:
        return importlib.metadata.version("knuckle")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _workers_for(url: str | Path, workers: int | None, scheduler: Any) -> int:
    if scheduler is not None and workers is not None:
        raise SettingsError(f"workers {workers} and a scheduler exclude each other: the cluster has its own workers")
    if not Place(url).is_memory:
        return workers or os.cpu_count() or 1
    if scheduler is not None or (workers or 1) > 1:
        raise SettingsError(f"{url}: memory is not shared by processes: use one worker, or a folder")
    return 1


_models: dict[str, HandModel] = {}  # one a worker process


def _write_shard(url: str, settings: SynthSettings, seed: int, shard: int) -> int:
    """Renders and writes one shard of the store; returns its number of samples. Doing it again does no harm."""
    store = SampleStore.open(url, writable=True)
    made_by = attributes(settings, seed)
    for name in ("assets", "knuckle"):
        if store.attributes[name] != made_by[name]:
            raise StoreError(
                f"{url}: {name} {store.attributes[name]}, but this worker has {made_by[name]}: install alike"
            )
    if settings.hand not in _models:
        _models[settings.hand] = HandModel.load(settings.hand)
    indices = store.shard_range(shard)
    store.write_shard(shard, generate_samples(_models[settings.hand], settings, seed, indices))
    return len(indices)


def _in_processes(work: Callable[[int], int], shards: list[int], workers: int, progress: Progress) -> None:
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


def _on_cluster(work: Callable[[int], int], shards: list[int], scheduler: Any, progress: Progress) -> None:
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
