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


def test_bad_settings_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "hands.zarr"
    assert "count" in refused(capsys, "synth", "--count", 0, "--out", store)
    assert "hand" in refused(capsys, "synth", "--count", 1, "--out", store, "--hand", "paw")
    assert "empty_share" in refused(capsys, "synth", "--count", 1, "--out", store, "--empty-share", 2)
    assert not store.exists()
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("segmentation: {fit: {batches: 3}}", encoding="utf-8")
    assert "batches" in refused(capsys, "train", "--recipe", recipe, "--data", store, "--out", tmp_path / "run")
    assert "missing.yaml" in refused(capsys, "train", "--recipe", "missing.yaml", "--data", store, "--out", tmp_path)
    recipe.write_text("", encoding="utf-8")
    assert str(store) in refused(capsys, "train", "--recipe", recipe, "--data", store, "--out", tmp_path / "run")
    assert str(tmp_path) in refused(capsys, "export", tmp_path, "--out", tmp_path / "weights")
