"""The sensor-gap benchmark: its groups, that they differ where the rules say so, and what the checksums see."""

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from knuckle.data.sample import Sample
from knuckle.data.store import SampleStore
from knuckle.errors import SettingsError, StoreError
from knuckle.synth.benchmark import CHECKED, SENSOR_GAP, checksums, make_sensor_gap, write_checksums

DOCS = Path(__file__).resolve().parents[2] / "docs"
TRIAL = 0.0005  # 30, 6, 1 and 1 samples


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("benchmark") / "gap.zarr"
    make_sensor_gap(path, workers=1, scale=TRIAL)
    return path


def test_every_group_is_there_and_whole(trial: Path) -> None:
    sizes = {group: len(SampleStore.open(f"{trial}/{group}")) for group in SENSOR_GAP}
    assert sizes == {"source": 30, "target-train": 6, "target-dev": 1, "target-test": 1}
    for group in SENSOR_GAP:
        parts = SampleStore.open(f"{trial}/{group}").read("parts")
        assert (parts.reshape(len(parts), -1).max(axis=1) > 0).all()


def test_full_size_is_the_documented_one() -> None:
    assert {group: count for group, (_, count, _) in SENSOR_GAP.items()} == {
        "source": 60_000,
        "target-train": 12_000,
        "target-dev": 1_000,
        "target-test": 2_000,
    }
    assert len({seed for _, _, seed in SENSOR_GAP.values()}) == len(SENSOR_GAP)


def test_source_and_target_differ_in_all_that_the_gap_is_made_of() -> None:
    source, target = SENSOR_GAP["source"][0], SENSOR_GAP["target-train"][0]
    for name in ("hand", "sensor", "clutter", "mix", "any_view_share"):
        assert getattr(source, name) != getattr(target, name)
    assert {SENSOR_GAP[group][0] for group in SENSOR_GAP if group != "source"} == {target}


def test_progress_counts_each_group_to_its_end(trial: Path) -> None:
    seen: dict[str, int] = {}
    make_sensor_gap(
        trial, workers=1, scale=TRIAL, progress=lambda group, done: seen.update({group: seen.get(group, 0) + done})
    )
    assert seen == {"source": 30, "target-train": 6, "target-dev": 1, "target-test": 1}  # all there: done at once


def test_checksums_are_those_of_the_values(trial: Path, tmp_path: Path) -> None:
    first = checksums(trial)
    again = tmp_path / "again.zarr"
    make_sensor_gap(again, workers=1, scale=TRIAL)
    assert checksums(again) == first
    store = SampleStore.open(f"{again}/target-test", writable=True)
    values = {field.name: store.read(field.name).copy() for field in fields(Sample)}
    values["parts"][0, 20, 20] ^= 1
    store.write_shard(0, values)
    changed = checksums(again)
    assert changed["target-test"]["parts"] != first["target-test"]["parts"]
    changed["target-test"]["parts"] = first["target-test"]["parts"]
    assert changed == first


def test_checksums_can_be_kept(trial: Path, tmp_path: Path) -> None:
    write_checksums(trial, tmp_path / "sums.json")
    assert json.loads((tmp_path / "sums.json").read_text()) == checksums(trial)


def test_the_documented_checksums_cover_the_benchmark() -> None:
    documented = json.loads((DOCS / "sensor-gap.json").read_text())
    assert set(documented) == set(SENSOR_GAP)
    for arrays in documented.values():
        assert set(arrays) == set(CHECKED)
    assert documented["target-dev"]["parts"] != documented["target-test"]["parts"]


@pytest.mark.parametrize("scale", [0.0, -1.0, 1.5, float("nan")])
def test_a_scale_that_is_no_share_is_refused(tmp_path: Path, scale: float) -> None:
    with pytest.raises(SettingsError, match="scale"):
        make_sensor_gap(tmp_path / "gap.zarr", scale=scale)


def test_a_missing_group_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="source"):
        checksums(tmp_path / "nothing.zarr")


def test_samples_of_the_target_are_noisy_and_of_the_source_clean(trial: Path) -> None:
    """A clean, uncluttered crop shows nothing but hand and forearm: most of it is empty."""
    empty = {group: (SampleStore.open(f"{trial}/{group}").read("depth") >= 1).mean() for group in SENSOR_GAP}
    assert empty["source"] > empty["target-train"]
    assert np.isfinite(SampleStore.open(f"{trial}/source").read("joints")).all()
