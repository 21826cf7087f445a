"""A stopped `knuckle train`: one line, and an exit code that tells a machine that goes from somebody who breaks off."""

import signal
from pathlib import Path

import pytest

from knuckle.cli import main
from knuckle.errors import SettingsError
from knuckle.pipeline import train as pipeline
from knuckle.training.processes import PeerError
from knuckle.training.stop import TrainingStopped

RECIPE = Path(__file__).parents[1] / "recipes" / "cpu.yaml"


def train(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: BaseException) -> int:
    """The exit code of a training that ends so."""

    def ending(*_: object) -> None:
        raise error

    monkeypatch.setattr(pipeline, "train", ending)
    return main(["train", str(RECIPE), "--out", str(tmp_path / "run")])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_stopped_training_says_so_and_ends_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], number: int, code: int
) -> None:
    stopped = TrainingStopped(number, tmp_path / "run" / "segmentation", 7, 90)
    assert train(monkeypatch, tmp_path, stopped) == code
    assert capsys.readouterr().out == f"{stopped}\n"


def test_a_lost_process_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for error in (PeerError("another process has ended"), SettingsError("no")):
        assert train(monkeypatch, tmp_path, error) == 2
        assert f"knuckle: {error}" in capsys.readouterr().err.splitlines()
