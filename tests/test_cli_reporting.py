"""The command that makes a report of runs, and what it refuses."""

import json
from pathlib import Path

import pytest

from knuckle.cli import main


def write_run(folder: Path, seed: int = 0) -> Path:
    """A finished run of step 1 alone."""
    accuracy = {"pixel": 90.0 + seed, "class": 80.0, "parts": [50.0] * 20}
    tables = {"segmentation": {"f_s": {"held_out": accuracy}}}
    tables |= {name: {} for name in ("restoration", "supervision", "methods", "time")}
    folder.mkdir()
    recipe = {"segmentation": {"network": "compact", "fit": {"steps": 5, "batch": 2, "seed": seed}}}
    (folder / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
    (folder / "results.json").write_text(json.dumps({"seed": seed, "tables": tables}), encoding="utf-8")
    return folder


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Runs a command that must fail with exit code 2 and one line; returns the line."""
    assert main([str(argument) for argument in arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_runs_become_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [str(write_run(tmp_path / f"small-{seed}", seed)) for seed in (0, 1)]
    out = tmp_path / "deep" / "out"
    assert main(["report", *runs, "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"wrote {out / name}" for name in ("report.html", "report.md", "results.json")]
    found = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert found["small"]["segmentation"]["f_s"]["held_out.pixel"] == [90, 91]
    assert "90.50 ± 0.71" in (out / "report.md").read_text(encoding="utf-8")


def test_what_is_no_finished_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, out = write_run(tmp_path / "small-0"), tmp_path / "out"
    assert "nowhere: not a run of  knuckle train" in refused(capsys, "report", tmp_path / "nowhere", "--out", out)
    assert "the same seed, 0" in refused(capsys, "report", run, run, "--out", out)
    (run / "results.json").unlink()
    assert "small-0: the run is not finished" in refused(capsys, "report", run, "--out", out)
    assert not out.exists()


def test_runs_and_a_place_must_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "'runs'" in refused(capsys, "report", "--out", tmp_path)
    assert "--out" in refused(capsys, "report", write_run(tmp_path / "run"))


def test_without_matplotlib_the_extra_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("knuckle.cli.making.find_spec", lambda name: None)
    line = refused(capsys, "report", write_run(tmp_path / "run"), "--out", tmp_path / "out")
    assert "'matplotlib' is not installed: run  pip install 'knuckle[train]'" in line
