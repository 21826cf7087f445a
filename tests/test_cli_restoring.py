"""The commands of the patch dictionary: from a store of hands to a restored one, and what they refuse."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from knuckle.cli import main
from knuckle.data.sample import ARRAYS
from knuckle.data.store import SampleStore
from knuckle.networks import SHIPPED
from knuckle.pipeline import dictionary as building
from knuckle.pipeline.restore import restore_store
from knuckle.restoration.patches import PatchDictionary
from knuckle.restoration.restore import RestoreSettings
from test_cli_making import refused

COUNT = 12


def ran(*arguments: object) -> None:
    assert main([str(argument) for argument in arguments]) == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds hands.zarr, which `knuckle synth` rendered, and parts.kdict of its maps."""
    folder = tmp_path_factory.mktemp("restoring")
    store = folder / "hands.zarr"
    ran("synth", "--count", COUNT, "--out", store, "--seed", 5, "--hand", "soma", "--workers", 1, "--empty-share", 0)
    ran("dictionary", "build", store, "--out", folder / "parts.kdict", "--patch", 7)
    return folder


def options(folder: Path, out: Path, *more: object) -> list[object]:
    """An order to restore the folder's own maps."""
    return ["restore", "--dictionary", folder / "parts.kdict", "--maps", folder / "hands.zarr", "--out", out, *more]


def test_a_dictionary_is_built_of_stores(tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "parts.kdict"
    ran("dictionary", "build", folder / "hands.zarr", folder / "hands.zarr", "--out", out, "--patch", 5, "--count", 15)
    maps = SampleStore.open(folder / "hands.zarr").read("parts")
    made = PatchDictionary.load(out)
    np.testing.assert_array_equal(made.maps, np.concatenate([maps, maps[:3]]))
    assert made.patch == 5
    assert made.index is not None
    assert f"wrote {out}: {made.patches:,} patches of 15 maps" in capsys.readouterr().out


def test_the_paper_s_patches_of_all_maps_are_taken_unless_told(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int | None]] = []

    def build(stores: list[str], out: Path, patch: int, count: int | None, progress: object) -> PatchDictionary:
        asked.append((patch, count))
        return PatchDictionary.load(folder / "parts.kdict")

    monkeypatch.setattr(building, "build_dictionary", build)  # 27 × 27 takes seconds
    ran("dictionary", "build", folder / "hands.zarr", "--out", tmp_path / "parts.kdict")
    assert asked == [(27, None)]


def test_a_dictionary_says_what_it_holds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "parts.kdict"
    capsys.readouterr()
    ran("dictionary", "info", file, "--json")
    facts = json.loads(capsys.readouterr().out)
    loaded = PatchDictionary.load(file)
    assert loaded.index is not None
    assert facts == {
        "maps": COUNT,
        "patches": int(np.count_nonzero(loaded.maps)),
        "patch_px": 7,
        "bytes": len(file.read_bytes()),
        "indexed": len(loaded.index.places),
        "sha256": loaded.checksum,
        "source": loaded.source,
    }
    assert facts["source"]["stores"][0]["seed"] == 5
    assert 0 < facts["indexed"] < facts["patches"] / 5
    ran("dictionary", "info", file)
    told = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert told.keys() == facts.keys()
    assert told["patches"] == f"{facts['patches']:,}"
    assert told["sha256"] == facts["sha256"]


def test_a_dictionary_without_an_index_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    PatchDictionary.from_maps(np.ones((1, 48, 48), dtype=np.uint8)).save(tmp_path / "plain.kdict")
    capsys.readouterr()
    ran("dictionary", "info", tmp_path / "plain.kdict", "--json")
    facts = json.loads(capsys.readouterr().out)
    assert (facts["indexed"], facts["patches"], facts["source"]) == (0, 48 * 48, {})


RESTORATIONS: list[tuple[Sequence[object], RestoreSettings, Path | None]] = [
    ([], RestoreSettings(), None),
    (
        ["--method", "crf-potts", "--k", 3, "--alpha", 2.5, "--background-weight", 0.5],
        RestoreSettings("crf-potts", k=3, alpha=2.5, background_weight=0.5),
        None,
    ),
    (["--method", "centre", "--mode", "exact", "--shipped"], RestoreSettings("centre", "exact"), SHIPPED),
    (
        ["--method", "evidence", "--weights", SHIPPED, "--vote-weight", 2, "--window", 5],
        RestoreSettings("evidence", vote_weight=2.0, window=5),
        SHIPPED,
    ),
]


@pytest.mark.parametrize(("chosen", "settings", "weights"), RESTORATIONS)
def test_options_are_those_of_the_library(
    tmp_path: Path,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    chosen: Sequence[object],
    settings: RestoreSettings,
    weights: Path | None,
) -> None:
    out = tmp_path / "restored.zarr"
    ran(*options(folder, out, "--workers", 1, *chosen))
    assert f"wrote {out}" in capsys.readouterr().out
    restore_store(folder / "hands.zarr", tmp_path / "same.zarr", folder / "parts.kdict", settings, weights, workers=1)
    found, expected = SampleStore.open(out), SampleStore.open(tmp_path / "same.zarr")
    assert found.attributes == expected.attributes
    assert found.attributes["restored"] == asdict(settings.resolved(7))
    for name in ARRAYS:
        np.testing.assert_array_equal(found.read(name), expected.read(name))
    ran(*options(folder, out, "--workers", 1, *chosen))  # a finished store is no fault


def test_processes_restore_too(tmp_path: Path, folder: Path) -> None:
    parts = SampleStore.open(folder / "hands.zarr")
    small = SampleStore.create(tmp_path / "small.zarr", 4, {}, 2)
    for shard in small.missing_shards():
        indices = small.shard_range(shard)
        small.write_shard(shard, {name: parts.read(name, indices.start, indices.stop) for name in ARRAYS})
    for workers in (1, 2):
        order = options(folder, tmp_path / f"{workers}.zarr", "--window", 5, "--workers", workers)
        ran(*order, "--maps", tmp_path / "small.zarr")
    one, two = (SampleStore.open(tmp_path / f"{workers}.zarr") for workers in (1, 2))
    assert one.attributes == two.attributes
    np.testing.assert_array_equal(one.read("parts"), two.read("parts"))


WRONG_BUILDS = [  # options, and what the one line must say
    (["none.zarr"], "none.zarr"),
    (["hands.zarr", "--patch", 4], "odd number of pixels up to 47, got 4"),
    (["hands.zarr", "--patch", 51], "got 51"),
    (["hands.zarr", "--patch", "wide"], "--patch"),
    (["hands.zarr", "--count", 0], "12 maps in the stores"),
    (["hands.zarr", "--count", 13], "not 13"),
    ([], "stores"),
]


@pytest.mark.parametrize(("order", "said"), WRONG_BUILDS)
def test_a_wrong_build_is_refused_by_name(
    tmp_path: Path,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    order: list[object],
    said: str,
) -> None:
    monkeypatch.chdir(folder)
    assert said in refused(capsys, "dictionary", "build", *order, "--out", tmp_path / "parts.kdict")
    assert list(tmp_path.iterdir()) == []


def test_a_build_in_a_place_that_cannot_be_written_is_refused(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("not a folder")
    out = tmp_path / "notes.txt" / "parts.kdict"
    assert str(out) in refused(capsys, "dictionary", "build", folder / "hands.zarr", "--out", out)
    assert "--out" in refused(capsys, "dictionary", "build", folder / "hands.zarr")


def test_a_file_that_is_no_dictionary_is_named(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "foreign.kdict").write_bytes(b"PK\x03\x04" * 2000)
    (tmp_path / "damaged.kdict").write_bytes((folder / "parts.kdict").read_bytes()[:-1] + b"\1")
    for name, said in (
        ("foreign.kdict", "not a dictionary of label patches"),
        ("damaged.kdict", "checksum is wrong"),
        ("none.kdict", "No such file"),
    ):
        for order in (["dictionary", "info"], ["dictionary", "info", "--json"]):
            line = refused(capsys, *order, tmp_path / name)
            assert said in line
            assert name in line
        order = ["restore", "--maps", folder / "hands.zarr", "--out", tmp_path / "r.zarr", "--dictionary"]
        assert said in refused(capsys, *order, tmp_path / name)
    assert not (tmp_path / "r.zarr").exists()


WRONG_RESTORATIONS = [  # options, and what the one line must say
    (["--method", "guess"], "guess"),
    (["--mode", "flann"], "flann"),
    (["--window", 16], "window must be an odd number of pixels up to 47, got 16"),
    (["--k", 0], "k must be between 1 and 1000, got 0"),
    (["--alpha", -1], "alpha must be a number of at least 0, got -1.0"),
    (["--vote-weight", -1], "vote_weight must be a number of at least 0, got -1.0"),
    (["--background-weight", 1.5], "background_weight must be between 0 and 1, got 1.5"),
    (["--workers", 0], "workers"),
    (["--workers", 2, "--scheduler", "tcp://127.0.0.1:9"], "scheduler"),
    (["--shipped", "--weights", SHIPPED], "--weights and --shipped exclude each other"),
    (["--weights", "nowhere"], "segmentation.onnx"),
    (["--maps", "none.zarr"], "none.zarr"),
]


@pytest.mark.parametrize(("chosen", "said"), WRONG_RESTORATIONS)
def test_a_wrong_restoration_is_refused_by_name(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str], chosen: list[object], said: str
) -> None:
    assert said in refused(capsys, *options(folder, tmp_path / "restored.zarr", *chosen))
    assert not (tmp_path / "restored.zarr").exists()


def test_evidence_needs_a_network(tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order = options(folder, tmp_path / "restored.zarr", "--workers", 1, "--method", "evidence")
    assert "give its weights" in refused(capsys, *order)


def test_a_dictionary_without_an_index_can_be_searched_exactly(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, out = tmp_path / "plain.kdict", tmp_path / "restored.zarr"
    PatchDictionary.from_maps(PatchDictionary.load(folder / "parts.kdict").maps, 7).save(plain)
    order = ["restore", "--dictionary", plain, "--maps", folder / "hands.zarr", "--out", out, "--workers", 1]
    assert "build it with one, or search exact" in refused(capsys, *order)
    ran(*order, "--mode", "exact")
    assert SampleStore.open(out).missing_shards() == []


def test_a_place_that_holds_another_restoration_is_refused(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = options(folder, tmp_path / "restored.zarr", "--workers", 1)
    ran(*order)
    assert "holds other samples (restored" in refused(capsys, *order, "--window", 5)
    assert "holds other samples" in refused(capsys, *options(folder, folder / "hands.zarr"))
    (tmp_path / "notes.txt").write_text("not yours")
    assert str(tmp_path) in refused(capsys, *options(folder, tmp_path))
