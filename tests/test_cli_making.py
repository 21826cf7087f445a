"""The commands that make hands and networks: the whole way from nothing to an estimator, and what they refuse."""

import json
from pathlib import Path

import pytest

from knuckle.cli import main
from knuckle.data.store import SampleStore
from knuckle.estimator import HandPoseEstimator

RECIPE = """
segmentation:
  size: {widths: [8, 8, 8], hidden: 8}
  fit: {epochs: 0.5, batch: 8, bfloat16: false, threads: 1}
regression:
  size: {widths: [8, 8, 8], hidden: 8}
  fit: {epochs: 0.5, batch: 8, bfloat16: false, threads: 1}
"""


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Runs a command that must fail with exit code 2 and one line; returns the line."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("knuckle: ")]
    assert len(lines) == 1
    return lines[0]


def test_from_nothing_to_an_estimator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, run, recipe = tmp_path / "hands.zarr", tmp_path / "run", tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE, encoding="utf-8")
    synth = ["synth", "--count", "24", "--out", store, "--seed", "5", "--hand", "soma", "--workers", "1"]
    assert main([*map(str, synth), "--sheet", str(tmp_path / "sheet.png")]) == 0
    assert len(SampleStore.open(store)) == 24
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
    assert main(["train", "--recipe", str(recipe), "--data", str(store), "--out", str(run)]) == 0
    assert json.loads((run / "recipe.json").read_text(encoding="utf-8"))["segmentation"]["size"]["hidden"] == 8
    assert main(["export", str(run), "--out", str(tmp_path / "weights")]) == 0
    HandPoseEstimator(tmp_path / "weights")
    assert "segmentation.onnx" in capsys.readouterr().out


WRONG_ORDERS = [  # options, and what the one line must say
    (["--count", 0], "count must be at least 1, got 0"),
    (["--count", "many"], "--count"),
    ([], "--count"),
    (["--count", 1, "--seed", -1], "seed"),
    (["--count", 1, "--hand", "paw"], "'paw'"),
    (["--count", 1, "--hand", "mano:nowhere.pkl"], "nowhere.pkl"),
    (["--count", 1, "--sensor", "snow"], "'snow': choose one of clean, structured-light"),
    (["--count", 1, "--side", "both"], "'both': choose one of right, left"),
    (["--count", 1, "--empty-share", 2], "empty_share"),
    (["--count", 1, "--coarse-share", -1], "coarse_share"),
    (["--count", 1, "--workers", 0], "workers"),
    (["--count", 1, "--workers", 2, "--scheduler", "tcp://127.0.0.1:9"], "scheduler"),
    (["--count", 1, "--scale", 0.5], "--scale: only a benchmark has it: leave it out"),
    (["--benchmark", "sensor-hole"], "'sensor-hole': choose sensor-gap"),
    (["--benchmark", "sensor-gap", "--count", 5], "--count: benchmark sensor-gap decides it: leave it out"),
    (["--benchmark", "sensor-gap", "--scale", 1.5], "scale must be"),
]


@pytest.mark.parametrize(("options", "said"), WRONG_ORDERS)
def test_a_wrong_order_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[object], said: str
) -> None:
    assert said in refused(capsys, "synth", "--out", tmp_path / "hands.zarr", *options)
    assert not (tmp_path / "hands.zarr").exists()


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order = ["synth", "--count", 1, "--hand", "soma", "--workers", 1, "--out"]
    (tmp_path / "notes.txt").write_text("not yours")
    assert str(tmp_path) in refused(capsys, *order, tmp_path)
    assert "nope://hands.zarr" in refused(capsys, *order, "nope://hands.zarr")


def test_a_store_is_completed_unless_that_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order = ["synth", "--count", "8", "--hand", "soma", "--side", "left", "--workers", "1", "--sensor", "coded-light"]
    order += ["--no-clutter", "--out", f"file://{tmp_path}/hands.zarr/trial"]
    assert main([*order, "--no-resume"]) == 0
    store = SampleStore.open(tmp_path / "hands.zarr" / "trial")
    assert store.read("side").tolist() == [1] * 8
    recipe = store.attributes["recipe"]
    assert (recipe["hand"], recipe["sensor"], recipe["side"], recipe["clutter"]) == (
        "soma",
        "coded-light",
        "left",
        False,
    )
    assert main(order) == 0
    assert "something already" in refused(capsys, *order, "--no-resume")
    assert "holds other samples" in refused(capsys, *order, "--seed", 1)


def test_a_benchmark_is_made_group_by_group(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order = [
        "synth",
        "--benchmark",
        "sensor-gap",
        "--scale",
        "0.0005",
        "--workers",
        "1",
        "--out",
        str(tmp_path / "g.zarr"),
    ]
    assert main([*order, "--no-resume"]) == 0
    counts = {group: len(SampleStore.open(tmp_path / "g.zarr" / group)) for group in ("source", "target-train")}
    assert counts == {"source": 30, "target-train": 6}
    assert f"wrote {tmp_path / 'g.zarr'}/target-test" in capsys.readouterr().out
    assert "something already" in refused(capsys, *order, "--no-resume")


def test_bad_settings_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "hands.zarr"
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("segmentation: {fit: {batches: 3}}", encoding="utf-8")
    assert "batches" in refused(capsys, "train", "--recipe", recipe, "--data", store, "--out", tmp_path / "run")
    assert "missing.yaml" in refused(capsys, "train", "--recipe", "missing.yaml", "--data", store, "--out", tmp_path)
    recipe.write_text("", encoding="utf-8")
    assert str(store) in refused(capsys, "train", "--recipe", recipe, "--data", store, "--out", tmp_path / "run")
    assert str(tmp_path) in refused(capsys, "export", tmp_path, "--out", tmp_path / "weights")
