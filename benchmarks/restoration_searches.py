"""How fast each search of a patch dictionary is, and what it misses: the first half of benchmarks/restoration.py."""

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numba
import numpy as np
import psutil
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from knuckle.restoration.fast import Effort
from knuckle.restoration.index import PatchIndex, learn_layout
from knuckle.restoration.patches import PatchDictionary
from knuckle.restoration.search import PatchSearch
from knuckle.restoration.vote import count_votes, restored
from restoration_data import Frames, dictionary_file

FLANN_MAPS = 3_300
FLANN = ((1024, 1), (256, 10), (512, 20), (1024, 50), (1024, 100), (1024, 200), (2048, 500), (4096, 1000))
"""Leaves checked, and nearest points whose Hamming distance is computed; with a single one, as the paper has it, the
trees alone decide."""

Row = dict[str, Any]


def measure(
    mode: str, file: Path, predicted: NDArray[np.uint8], weight: float, effort: tuple[int, int] | None = None
) -> Row:
    """Times one search of all frames and votes with what it finds; in a process of its own."""
    cv2.setNumThreads(1)
    dictionary = PatchDictionary.load(file)
    search = PatchSearch(dictionary, mode, weight)  # type: ignore[arg-type]
    if search.flann is not None and effort is not None:
        search.flann.checks, search.flann.candidates = effort
    search.nearest(predicted[0])  # compiles, reads the maps, builds the index or the trees
    begun = time.perf_counter()
    matches = [search.nearest(part_map) for part_map in predicted]
    took = time.perf_counter() - begun
    cores = numba.get_num_threads() if mode == "exact" else 1
    voted = [count_votes(dictionary.maps, found, (48, 48)) for found in matches]
    return {
        "ms_per_image_core": 1000 * took * cores / len(predicted),
        "cores": cores,
        "maps": len(dictionary.maps),
        "distance": float(np.concatenate([found.distances for found in matches]).mean()),
        "resident_mb": psutil.Process().memory_info().rss / 1e6,
        "restored": np.stack([restored(*pair) for pair in zip(predicted, voted, strict=True)]),
    }


def search_rows(
    file: Path, frames: Frames, weight: float, searches: dict[str, tuple[str, tuple[int, int] | None]]
) -> dict[str, Row]:
    """A row for each search of one dictionary: name → mode and FLANN's effort. One of them must be "exact"."""
    rows = {}
    for name, (mode, effort) in searches.items():
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            rows[name] = pool.submit(measure, mode, file, frames.predicted, weight, effort).result()
    for row in rows.values():
        row["distance_ratio"] = row["distance"] / rows["exact"]["distance"]
        row["pixel_accuracy"], row["class_accuracy"] = frames.accuracy(row.pop("restored"))
    return rows


def all_searches(folder: Path, maps: int, frames: Frames, weight: float) -> dict[str, dict[str, Row]]:
    """Rows of the whole dictionary, and of its first maps with FLANN."""
    plain: dict[str, tuple[str, tuple[int, int] | None]] = {"fast": ("fast", None), "exact": ("exact", None)}
    trees = {f"FLANN {checks}/{best}": ("flann", (checks, best)) for checks, best in FLANN}
    few = min(maps, FLANN_MAPS)
    tables = {"few": search_rows(dictionary_file(folder, few), frames, weight, {**plain, **trees})}
    whole = tables["few"] if few == maps else search_rows(dictionary_file(folder, maps), frames, weight, plain)
    return {"whole": whole, **tables}


def pareto(file: Path, frames: Frames, exact: float) -> list[Row]:
    """Time and distance of fast searches with other indices and efforts. exact: the mean distance to compare with."""
    dictionary = PatchDictionary.load(file)
    rows = []
    for dimensions in (16, 32, 64, 128):
        layout = learn_layout(dictionary.maps, dictionary.patch, np.random.default_rng(0), dimensions)
        starts = range(0, len(dictionary.maps), 8192)
        blocks = [layout.encode(dictionary.maps[start : start + 8192], start, dictionary.patch) for start in starts]
        indexed = replace(dictionary, index=PatchIndex.of(layout, blocks))
        for probes, top, step in (
            (8, 30, 9),
            (8, 30, 6),
            (4, 100, 6),
            (8, 100, 6),
            (8, 100, 5),
            (16, 100, 6),
            (8, 300, 6),
            (8, 100, 3),
        ):
            search = PatchSearch(indexed, effort=Effort(probes, top, step))
            search.nearest(frames.predicted[0])
            begun = time.perf_counter()
            found = np.concatenate([search.nearest(part_map).distances for part_map in frames.predicted])
            ms = 1000 * (time.perf_counter() - begun) / len(frames.predicted)
            settings = {"dimensions": dimensions, "probes": probes, "top": top, "step": step}
            rows.append({**settings, "ms_per_image_core": ms, "distance_ratio": float(found.mean()) / exact})
    return rows


def rival(rows: dict[str, Row]) -> Row:
    """FLANN where it first is as near as the fast search; else where it is nearest."""
    trees = [row for name, row in rows.items() if name.startswith("FLANN")]
    as_near = [row for row in trees if row["distance"] <= rows["fast"]["distance"]]
    return (
        min(as_near, key=lambda row: row["ms_per_image_core"]) if as_near else min(trees, key=lambda r: r["distance"])
    )


def show_searches(title: str, rows: dict[str, Row]) -> None:
    """Prints a table of searches."""
    table = Table(title=title)
    for column in ("search", "ms × cores", "distance / exact", "% pixel", "% class", "MB resident"):
        table.add_column(column, justify="left" if column == "search" else "right")
    for name, row in rows.items():
        table.add_row(
            name,
            f"{row['ms_per_image_core']:.1f}",
            f"{row['distance_ratio']:.4f}",
            f"{row['pixel_accuracy']:.2f}",
            f"{row['class_accuracy']:.2f}",
            f"{row['resident_mb']:.0f}",
        )
    Console().print(table)


def compare_searches(out: Path, maps: int, frames: Frames, weight: float) -> dict[str, Any]:
    """Measures and prints all searches; returns the rows of "fast", "exact" and "flann", and what belongs to them."""
    tables = all_searches(out, maps, frames, weight)
    patches = PatchDictionary.load(dictionary_file(out, maps)).patches
    pixels = np.count_nonzero(frames.predicted) / len(frames.predicted)
    show_searches(f"{patches:,} patches, {pixels:.0f} pixels an image", tables["whole"])
    if tables["few"] is not tables["whole"]:
        show_searches(f"the first {FLANN_MAPS:,} maps", tables["few"])
    flann, fast = rival(tables["few"]), tables["few"]["fast"]
    ratio = flann["ms_per_image_core"] / fast["ms_per_image_core"]
    print(f"fast is {ratio:.0f}× as fast as FLANN at {flann['distance'] / fast['distance']:.3f}× its distance")
    rows = {"fast": tables["whole"]["fast"], "exact": tables["whole"]["exact"], "flann": flann}
    return {**rows, "patches": patches, "pixels": pixels, "flann_over_fast": ratio, "same_maps": tables["few"]}
