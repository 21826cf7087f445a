"""How cost grows: rendering with samples, a dictionary with patches (whole and in shards), restoring with frames.

    python benchmarks/growth.py [--most 10000000] [--json]

Every row is a process of its own on one core, so that its memory is its own; times are of the CPU, so that other work
on the machine distorts them less. Dictionaries are of clean MakeHuman hands, about 310 patches each, from
10⁵ patches up to --most; the frames are other such hands. A dictionary in 4 shards is searched shard by shard, and what
the shards find is merged; "same" says whether that is what the whole finds.
"""

import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import numba
import numpy as np
import psutil
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from knuckle.data.store import SampleStore
from knuckle.pipeline.dictionary import build_dictionary
from knuckle.pipeline.restore import restore_store
from knuckle.restoration.matches import Matches
from knuckle.restoration.patches import PatchDictionary
from knuckle.restoration.search import Mode, PatchSearch
from knuckle.restoration.sharded import carried, merge, split
from knuckle.synth.benchmark import SENSOR_GAP
from knuckle.synth.generate import SynthSettings
from knuckle.synth.production import generate
from restoration_data import DICTIONARY_SEED, dictionary_file

SAMPLES = (1_024, 4_096, 16_384)
FRAMES = (64, 256, 1_024)
ASKED = 24  # frames for each search
SHARDS = 4
PATCHES = 310  # of a map, about

Row = dict[str, Any]


def rendered(folder: Path, count: int) -> Row:
    """The default samples into a store."""
    generate(folder / "warm.zarr", SynthSettings(), 32, seed=1, workers=1, shard=32)
    begun = time.process_time()
    generate(folder / f"hands-{count}.zarr", SynthSettings(), count, seed=2, workers=1)
    took = time.process_time() - begun
    return {
        "samples": count,
        "CPU s": took,
        "ms each": 1000 * took / count,
        **_size(folder / f"hands-{count}.zarr", count),
    }


def built(folder: Path, maps: int) -> Row:
    """A dictionary and its index."""
    begun = time.process_time()
    build_dictionary([folder / f"clean-{maps}.zarr"], folder / f"again-{maps}.kdict")
    took = time.process_time() - begun
    patches = PatchDictionary.load(folder / f"again-{maps}.kdict").patches
    return {
        "patches": patches,
        "CPU s": took,
        "µs each": 1e6 * took / patches,
        **_size(folder / f"again-{maps}.kdict", patches),
    }


def searched(folder: Path, maps: int, mode: Mode) -> Row:
    """The whole dictionary, and the same in shards."""
    numba.set_num_threads(1)
    dictionary = PatchDictionary.load(dictionary_file(folder, maps))
    asked = SampleStore.open(folder / "asked.zarr").read("parts")[: ASKED if mode == "fast" else ASKED // 8]
    search = PatchSearch(dictionary, mode)
    whole, took = _timed(search.nearest, asked)
    parts = split(dictionary, SHARDS)
    searches = [PatchSearch(part, mode) for part in parts]
    found, each = zip(*(_timed(one.nearest, asked) for one in searches), strict=True)
    sizes = [len(part.maps) for part in parts]
    begun = time.process_time()
    merged = [merge(some, sizes, 1) for some in zip(*found, strict=True)]
    merging = time.process_time() - begun
    sent = [carried(parts[0].maps, one)[0].nbytes + 5 * one.maps.nbytes for one in found[0]]
    return {
        "patches": dictionary.patches, "search": mode, "ms a map": 1000 * took / len(asked),
        "slowest of 4 shards": 1000 * max(each) / len(asked), "all 4": 1000 * sum(each) / len(asked),
        "merging": 1000 * merging / len(asked), "kB sent by a shard": float(np.mean(sent)) / 1e3,
        "distance in shards": _distance(merged) / _distance(whole), "same": _same(merged, whole),
    }  # fmt: skip


def restored(folder: Path, maps: int, count: int) -> Row:
    """Frames restored by the fast search, with the store that is read and written."""
    restore_store(
        folder / "asked.zarr", folder / f"warm-{count}.zarr", dictionary_file(folder, maps), workers=1, count=1
    )
    begun = time.process_time()
    out = folder / f"restored-{count}.zarr"
    restore_store(folder / "asked.zarr", out, dictionary_file(folder, maps), workers=1, count=count)
    took = time.process_time() - begun
    return {"frames": count, "CPU s": took, "ms each": 1000 * took / count, **_size(out, count)}


def _timed(nearest: Callable[[NDArray], Matches], asked: NDArray[np.uint8]) -> tuple[list[Matches], float]:
    """What is found for all maps, and the CPU seconds that it took."""
    nearest(asked[0])  # compiles, reads the maps, builds the index
    begun = time.process_time()
    found = [nearest(part_map) for part_map in asked]
    return found, time.process_time() - begun


def _distance(found: list[Matches]) -> float:
    return float(np.concatenate([one.distances for one in found]).mean())


def _same(found: list[Matches], others: list[Matches]) -> bool:
    names = ("pixels", "maps", "rows", "columns", "distances")
    pairs = zip(found, others, strict=True)
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for one, other in pairs for name in names)


def _size(path: Path, count: int) -> Row:
    """Bytes of a file or folder for each of so many things, and this process's memory after them."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    held = psutil.Process().memory_info().rss
    return {"bytes each": sum(file.stat().st_size for file in files) / count, "MB after": held / 1e6}


def alone(work: Callable[..., Row], *arguments: Any) -> Row:
    """In a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def tables(folder: Path, most: int) -> dict[str, list[Row]]:
    """All rows, by what grows."""
    clean = SENSOR_GAP["source"][0]
    generate(folder / "asked.zarr", clean, max(FRAMES), DICTIONARY_SEED + 1, shard=64)
    maps = [patches // PATCHES for patches in (10**n for n in range(5, 10)) if patches <= most]
    for count in maps:
        dictionary_file(folder, count)
    searches: list[tuple[int, Mode]] = [(count, mode) for mode in ("fast", "exact") for count in maps]
    return {
        "rendering": [alone(rendered, folder, count) for count in SAMPLES],
        "dictionary": [alone(built, folder, count) for count in maps],
        "search": [alone(searched, folder, count, mode) for count, mode in searches],
        "restoring": [alone(restored, folder, maps[-1], count) for count in FRAMES],
    }


def main(
    most: Annotated[int, typer.Option(min=100_000, help="Patches of the largest dictionary.")] = 10_000_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Cost against samples, patches and frames."""
    with tempfile.TemporaryDirectory() as folder:
        found = tables(Path(folder), most)
    for name, rows in found.items():
        table = Table(title=name)
        for column in rows[0]:
            table.add_column(column, justify="right")
        for row in rows:
            table.add_row(*(f"{value:,.4g}" if isinstance(value, float) else str(value) for value in row.values()))
        Console(width=150).print(table)
    if as_json:
        print(json.dumps(found))


if __name__ == "__main__":
    typer.run(main)
