"""A store of 64 hands and a finished run on it."""

from pathlib import Path

import pytest
from hands_run import on

from knuckle.pipeline.train import train
from knuckle.synth.generate import SynthSettings
from knuckle.synth.production import generate


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "hands.zarr"
    generate(path, SynthSettings(hand="soma"), 64, seed=0, workers=1)
    return path


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, store: Path) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("run")
    train(on(store), folder)
    return folder
