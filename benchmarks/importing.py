"""How fast a dataset of real frames becomes a store, and in how much memory.

    python benchmarks/importing.py [--frames 2000] [--workers 2] [--json]

The frames are made up: rendered hands in 640×480 px, packed and labelled as NYU's. The first import fills the file
cache and is not counted; opening the labels, starting the workers, and writing the store are.
"""

import json
import tempfile
import threading
import time
from pathlib import Path
from typing import Annotated

import psutil
import typer

from knuckle.depth import read_depth
from knuckle.pipeline.importing import import_split
from made_up_nyu import write_nyu


def watch(done: threading.Event, memory: list[float]) -> None:
    """Appends the memory in MB that this process and its workers hold for themselves, until done."""
    root = psutil.Process()
    while not done.wait(0.1):
        try:
            family = [root, *root.children(recursive=True)]
            memory.append(sum(process.memory_full_info().uss for process in family) / 1e6)
        except psutil.Error:  # one has just ended
            pass


def main(
    frames: Annotated[int, typer.Option(min=1, help="Frames of the made-up dataset.")] = 2000,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Make, import, time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_nyu(folder / "nyu", frames)
        images = sorted((folder / "nyu" / "test").glob("*.png"))
        begun = time.perf_counter()
        for image in images[:100]:
            read_depth(image)
        decode_ms = 1000 * (time.perf_counter() - begun) / len(images[:100])
        import_split("nyu", folder / "nyu", "test", folder / "first.zarr", workers=workers)
        memory: list[float] = []
        done = threading.Event()
        watcher = threading.Thread(target=watch, args=(done, memory))
        watcher.start()
        begun = time.perf_counter()
        faults = import_split("nyu", folder / "nyu", "test", folder / "second.zarr", workers=workers, shard=256)
        took = time.perf_counter() - begun
        done.set()
        watcher.join()
        size = sum(path.stat().st_size for path in images) / len(images)
    print(
        f"{frames} frames of {size / 1e3:.0f} KB, {workers} workers: {frames / took:.0f} frames/s, {len(faults)} faults"
    )
    print(f"reading one frame: {decode_ms:.1f} ms; memory of all processes: {max(memory, default=0.0):.0f} MB at most")
    if as_json:
        found = {"frames": frames, "workers": workers, "per_second": frames / took, "read_ms": decode_ms}
        print(json.dumps({**found, "peak_mb": max(memory, default=0.0)}))


if __name__ == "__main__":
    typer.run(main)
