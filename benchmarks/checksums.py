"""What the checksums of stores and networks cost.

    python benchmarks/checksums.py [--count 4096] [--json]

Bytes a sample of a store of SOMA hands, and microseconds of CPU to write and to read one, least of five times: without
checksums, with those of chunks, and with those of a shard's rows, too. And milliseconds of CPU to compare the checksums
of the shipped networks.
"""

import json
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, Crc32cCodec

from knuckle.data.sample import ARRAYS, depth_to_steps
from knuckle.data.store import CHUNK, SHARD, SampleStore
from knuckle.networks import SHIPPED, _check_sum
from knuckle.synth.generate import SynthSettings
from knuckle.synth.production import generate

TIMES = 5
BLOSC = BloscCodec(cname="zstd", clevel=3, shuffle="shuffle")
WAYS: dict[str, tuple[tuple[Any, ...], bool]] = {
    "none": ((BLOSC,), False),
    "chunks": ((BLOSC, Crc32cCodec()), False),
    "chunks and rows": ((BLOSC, Crc32cCodec()), True),
}

Rows = dict[str, NDArray]


def rendered(folder: Path, count: int) -> Rows:
    """Every array as it is in a store's files."""
    generate(folder / "hands.zarr", SynthSettings(hand="soma"), count, 7)
    store = SampleStore.open(folder / "hands.zarr")
    return {name: depth_to_steps(store.read(name)) if name == "depth" else store.read(name) for name in ARRAYS}


def cpu(work: Callable[[], None]) -> float:
    """Seconds, least of some times."""
    found = []
    for _ in range(TIMES):
        begun = time.process_time()
        work()
        found.append(time.process_time() - begun)
    return min(found)


def measured(path: Path, rows: Rows, codecs: tuple[Any, ...], checked: bool) -> dict[str, float]:
    """bytes, write_us and read_us a sample."""
    count = len(rows["depth"])
    group = zarr.create_group(path)
    arrays = {
        name: group.create_array(
            name, shape=v.shape, chunks=(CHUNK, *v.shape[1:]), shards=(SHARD, *v.shape[1:]), dtype=v.dtype,
            compressors=codecs,
        )
        for name, v in rows.items()
    }  # fmt: skip

    def write() -> None:
        for start in range(0, count, SHARD):
            for name, values in rows.items():
                arrays[name][start : start + SHARD] = values[start : start + SHARD]
                if checked:
                    zlib.crc32(values[start : start + SHARD].data)

    def read() -> None:
        for start in range(0, count, SHARD):
            for name in rows:
                values = np.ascontiguousarray(arrays[name][start : start + SHARD])
                if checked:
                    zlib.crc32(values.data)

    took = cpu(write), cpu(read)
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return {"bytes": size / count, "write_us": 1e6 * took[0] / count, "read_us": 1e6 * took[1] / count}


def compare_networks() -> None:
    for path, data in networks.items():
        _check_sum(path, data)


networks = {path: path.read_bytes() for path in SHIPPED.glob("*.onnx")}


def main(
    count: Annotated[int, typer.Option(min=SHARD, help="Samples; whole shards are best.")] = 4096,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Write, read, compare."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        rows = rendered(Path(name), count)
        print(f"{'checksums of':18}{'bytes':>9}{'write, us':>11}{'read, us':>10}")
        for way, (codecs, checked) in WAYS.items():
            one = found[way] = measured(Path(name) / "a.zarr", rows, codecs, checked)
            print(f"{way:18}{one['bytes']:9.1f}{one['write_us']:11.1f}{one['read_us']:10.1f}")
            shutil.rmtree(Path(name) / "a.zarr")
    found["networks_ms"] = 1e3 * cpu(compare_networks)
    print(f"both networks: {found['networks_ms']:.1f} ms")
    if as_json:
        print(json.dumps(found))


if __name__ == "__main__":
    typer.run(main)
