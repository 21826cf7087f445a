"""The sensor-gap benchmark: a labelled source and a target of another hand, sensor, pose mix and clutter."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from knuckle.data.store import SampleStore
from knuckle.errors import SettingsError
from knuckle.synth.generate import SynthSettings
from knuckle.synth.production import generate

_SOURCE = SynthSettings(hand="makehuman", sensor="clean", clutter=False, coarse_share=0.0, empty_share=0.0)
_TARGET = SynthSettings(
    hand="soma",
    sensor="structured-light",
    clutter=True,
    coarse_share=0.0,
    empty_share=0.0,
    mix=(0.6, 0.3, 0.1),
    any_view_share=0.1,
)

SENSOR_GAP: dict[str, tuple[SynthSettings, int, int]] = {
    "source": (_SOURCE, 60_000, 73_001),
    "target-train": (_TARGET, 12_000, 73_002),
    "target-dev": (_TARGET, 1_000, 73_003),
    "target-test": (_TARGET, 2_000, 73_004),
}
"""Group of the store → what is rendered, how many samples, seed. Changing any of it makes another benchmark."""

CHECKED = ("depth", "parts", "joints", "center", "cube_mm", "camera")
"""Arrays whose bytes the checksums cover."""


def make_sensor_gap(
    url: str | Path,
    workers: int | None = None,
    scheduler: Any = None,
    progress: Callable[[str, int], None] = lambda group, done: None,
    scale: float = 1.0,
) -> None:
    """Renders the groups of the benchmark into one store, resumable like `generate`.

    scale: share of the full size, for a trial; progress is called with the group and the number of samples done. Raises
    `SettingsError` for a scale outside (0, 1], `StoreError` if the store holds something else.
    """
    if not 0 < scale <= 1:
        raise SettingsError(f"scale must be more than 0 and at most 1, got {scale!r}")
    for group, (settings, count, seed) in SENSOR_GAP.items():
        samples = max(1, round(count * scale))

        def tell(done: int, group: str = group) -> None:
            progress(group, done)

        generate(f"{str(url).rstrip('/')}/{group}", settings, samples, seed, workers, tell, scheduler)


def checksums(url: str | Path) -> dict[str, dict[str, str]]:
    """SHA-256 of each array's values (little-endian, in order of the samples), by group and array.

    Raises `StoreError` for a group that is missing or not finished.
    """
    return {group: _group_checksums(SampleStore.open(f"{str(url).rstrip('/')}/{group}")) for group in SENSOR_GAP}


def _group_checksums(store: SampleStore) -> dict[str, str]:
    found = {}
    for name in CHECKED:
        digest = hashlib.sha256()
        for start in range(0, len(store), 1024):
            rows = store.read(name, start, min(start + 1024, len(store)))
            digest.update(np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("<")).tobytes())
        found[name] = digest.hexdigest()
    return found


def write_checksums(url: str | Path, path: Path) -> None:
    """Writes `checksums` as JSON."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(checksums(url), indent=2) + "\n", encoding="utf-8")
    part.replace(path)
