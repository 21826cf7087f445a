"""Many samples into a store: by processes of this machine, or on a Dask cluster. One task is one shard."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from knuckle.data.place import Place
from knuckle.data.shards import Progress, package_version, require_scheduler, work_through, workers_for
from knuckle.data.store import SHARD, SampleStore
from knuckle.errors import SettingsError, StoreError
from knuckle.synth.assets import asset_version
from knuckle.synth.generate import SynthSettings, generate_samples
from knuckle.synth.hands import HandModel


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
    processes, None = one a core; they begin by reading the script that calls this, which needs an
    `if __name__ == "__main__":` around the call. scheduler: address of a Dask scheduler, or a `distributed.Client`;
    its workers write then, and must reach the url. resume: complete an unfinished store; else whatever is there is
    refused. shard: samples a task.

    Raises `SettingsError` for an unknown hand, a number below its least or a scheduler that does not answer,
    `StoreError` if the store holds other samples, cannot be written or is being written, or if a worker died,
    `MissingExtraError` for a scheduler without `distributed`.
    """
    for name, value, least in (("count", count, 1), ("seed", seed, 0), ("shard", shard, 1)):
        if value < least:
            raise SettingsError(f"{name} must be at least {least}, got {value}")
    workers = workers_for(url, workers, scheduler)
    require_scheduler(scheduler)
    model = HandModel.load(settings.hand)  # builds a missing asset once, before the workers all want it
    if not resume:
        require_free(url)
    with SampleStore.completing(url, count, attributes(settings, seed), shard) as store:
        missing = store.missing_shards()
        progress(count - sum(len(store.shard_range(number)) for number in missing))
        if min(workers, len(missing)) > 1 and scheduler is None:
            generate_samples(model, settings, seed, range(1))  # compiles, where that is not done, before they all would
        work_through(partial(_write_shard, store.url, settings, seed), missing, workers, scheduler, progress)


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
        "knuckle": package_version(),
    }


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
