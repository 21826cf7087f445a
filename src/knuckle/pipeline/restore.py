"""A store of noisy part maps → a store of restored ones, shard by shard, by processes or on a Dask cluster."""

import hashlib
import multiprocessing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from knuckle.data.sample import ARRAYS
from knuckle.data.shards import Progress, package_version, require_scheduler, work_through, workers_for
from knuckle.data.store import SampleStore
from knuckle.errors import DictionaryError, SettingsError, WeightsError
from knuckle.networks import Network, load_segmentation
from knuckle.restoration.patches import PatchDictionary
from knuckle.restoration.restore import RestoreSettings, restore


def restore_store(
    maps: str | Path,
    out: str | Path,
    dictionary: Path,
    settings: RestoreSettings | None = None,
    weights: Path | None = None,
    workers: int | None = None,
    scheduler: Any = None,
    progress: Progress = lambda done: None,
    count: int | None = None,
) -> None:
    """Writes the samples of a store again, with restored part maps.

    maps: store whose `parts` are restored, or, with weights (folder of a segmentation.onnx), what that network sees in
    its `depth`. count: only the first samples, None = all. out: store to write. dictionary: a file that cluster
    workers must reach by the same path. settings, workers and scheduler: as in `RestoreSettings` and
    `synth.production.generate`.

    The bytes depend on maps, dictionary, weights and settings alone. A killed run leaves whole shards; the same call
    again completes them. Raises `StoreError` if `out` holds anything else or is being written, and
    what the opening of the rest raises.
    """
    settings = settings or RestoreSettings()
    if settings.method == "evidence" and weights is None:
        raise SettingsError("the method evidence adds votes to a network's probabilities: give its weights")
    workers = min(workers_for(place, workers, scheduler) for place in (maps, out))
    require_scheduler(scheduler)
    source = SampleStore.open(maps)
    source.require_whole()
    tools = _Tools.of(dictionary, settings, weights)
    _restore_some(source, range(1), tools)  # refuses what does not fit, and compiles, before anything is begun
    if workers > 1 or scheduler is not None:
        _opened.clear()  # others do the work, and need the memory
    shard = source.attributes["shard"]
    with SampleStore.completing(out, _count(source, count), _made_by(tools, source), shard) as store:
        missing = store.missing_shards()
        progress(len(store) - sum(len(store.shard_range(number)) for number in missing))
        work_through(partial(_restore_shard, source.url, store.url, tools), missing, workers, scheduler, progress)


@dataclass(frozen=True)
class _Tools:
    """What restores maps, by its files and their checksums: a worker that has opened them keeps them for all shards."""

    dictionary: Path
    settings: RestoreSettings
    weights: Path | None
    checksums: tuple[str | None, str | None]

    @classmethod
    def of(cls, dictionary: Path, settings: RestoreSettings, weights: Path | None) -> "_Tools":
        """Verifies the dictionary. The paths are made absolute: a worker may be in another folder."""
        network = None if weights is None else _checksum(weights)
        loaded = PatchDictionary.load(dictionary)
        place = None if weights is None else weights.absolute()
        return cls(dictionary.absolute(), settings.resolved(loaded.patch), place, (loaded.checksum, network))

    def open(self) -> tuple[PatchDictionary, Network | None]:
        """Raises `DictionaryError` if a file has changed since, or is another one where this worker looks."""
        if self not in _opened:
            _opened.clear()
            loaded = PatchDictionary.load(self.dictionary, verify=False)  # was verified where the work was given out
            network = None if self.weights is None else _checksum(self.weights)
            if (loaded.checksum, network) != self.checksums:
                raise DictionaryError(f"{self.dictionary}: it, or the network, is not the one that the work began with")
            _opened[self] = loaded, None if self.weights is None else load_segmentation(self.weights, threads=1)
        return _opened[self]


_opened: dict[_Tools, tuple[PatchDictionary, Network | None]] = {}  # one a worker process


def _count(source: SampleStore, count: int | None) -> int:
    if count is not None and not 0 < count <= len(source):
        raise SettingsError(f"{source.url}: has {len(source)} samples: take between 1 and all of them, not {count}")
    return len(source) if count is None else count


def _made_by(tools: _Tools, source: SampleStore) -> dict[str, Any]:
    """Everything that the bytes of the restored store depend on."""
    own = ("layout", "count", "shard")
    return {
        "restored": asdict(tools.settings),
        "knuckle": package_version(),
        "dictionary": tools.checksums[0],
        "weights": tools.checksums[1],
        "maps": {key: value for key, value in source.attributes.items() if key not in own},
    }


def _restore_shard(maps: str, out: str, tools: _Tools, shard: int) -> int:
    """Restores and writes one shard; returns its number of samples. Doing it again does no harm."""
    source, store = SampleStore.open(maps), SampleStore.open(out, writable=True)
    indices = store.shard_range(shard)
    threads = numba.get_num_threads()
    if multiprocessing.parent_process() is not None:
        numba.set_num_threads(1)  # one of many processes: the cores go to shards
    try:
        store.write_shard(shard, _restore_some(source, indices, tools))
    finally:
        numba.set_num_threads(threads)
    return len(indices)


def _restore_some(source: SampleStore, indices: range, tools: _Tools) -> dict[str, NDArray]:
    """Rows of a store with restored part maps, by the array's name."""
    dictionary, network = tools.open()
    rows = {name: source.read(name, indices.start, indices.stop) for name in ARRAYS}
    pairs = zip(rows["depth"], rows["parts"], strict=True)
    rows["parts"] = np.stack([restore(dictionary, tools.settings, *_prediction(network, *pair)) for pair in pairs])
    return rows


def _prediction(
    network: Network | None, depth: NDArray[np.float32], parts: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.float32] | None]:
    """The map to restore and, where a network saw it, its probabilities (21, 48, 48)."""
    if network is None:
        return parts, None
    probabilities = network.run(depth=depth[None, None])[0][0]
    return probabilities.argmax(axis=0).astype(np.uint8), probabilities


def _checksum(weights: Path) -> str:
    path = weights / "segmentation.onnx"
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise WeightsError(f"{path}: cannot read the network ({error.strerror})") from None
