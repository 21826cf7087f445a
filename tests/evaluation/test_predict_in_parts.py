"""Predictions in parts: the same bytes from one process, several and a cluster, also after an interruption."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import distributed
import numpy as np
import pytest

from knuckle.cli.inference import FRAMES
from knuckle.data.dataset import Dataset
from knuckle.data.datasets import open_dataset
from knuckle.errors import DatasetError, SettingsError, WeightsError
from knuckle.evaluation import predict as module
from knuckle.evaluation.parts import Part, Parts
from knuckle.evaluation.predict import PredictSettings, predict_dataset
from knuckle.lock import only_writer
from onnx_stand_ins import write_stand_ins

NAMES = sorted(path.name for path in FRAMES.glob("*.png"))
TORN = "5-torn.png"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Five frames, the last of which cannot be read: three parts of two."""
    folder = tmp_path / "own"
    folder.mkdir()
    for name in ("camera.json", *NAMES):
        shutil.copy(FRAMES / name, folder)
    (folder / TORN).write_bytes(b"torn")
    return folder


@pytest.fixture
def dataset(own: Path) -> Dataset:
    return open_dataset("frames", own, "all")


def predicted(dataset: Dataset, out: Path, **options: Any) -> bytes:
    empty, (fault,) = predict_dataset(dataset, None, out, frames=2, **options)
    assert (empty, TORN in fault) == (0, True)
    return out.read_bytes()


@pytest.fixture(scope="module")
def cluster() -> Iterator[distributed.LocalCluster]:
    """Two workers of one thread each."""
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        yield cluster


def test_whoever_predicts_writes_the_same_bytes(
    dataset: Dataset, tmp_path: Path, cluster: distributed.LocalCluster
) -> None:
    alone = predicted(dataset, tmp_path / "alone.txt", workers=1)
    assert predicted(dataset, tmp_path / "two.txt", workers=2) == alone
    assert predicted(dataset, tmp_path / "cluster.txt", scheduler=cluster.scheduler_address) == alone
    predict_dataset(dataset, None, tmp_path / "whole.txt", workers=1)
    assert (tmp_path / "whole.txt").read_bytes() == alone, "parts of another size"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "alone.txt",
        "cluster.txt",
        "own",
        "two.txt",
        "whole.txt",
    ]


class StoppedError(Exception):
    """What ends a run in these tests."""


def interrupted(dataset: Dataset, out: Path, after: int, **options: Any) -> None:
    """A run that ends when so many frames are predicted."""

    def progress(done: int) -> None:
        nonlocal after
        after -= done
        if after <= 0:
            raise StoppedError

    with pytest.raises(StoppedError):
        predict_dataset(dataset, None, out, workers=1, progress=progress, frames=2, **options)


def test_an_interrupted_run_goes_on(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = predicted(dataset, tmp_path / "alone.txt", workers=1)
    out, told, parts = tmp_path / "out.txt", [], []
    interrupted(dataset, out, 4)
    assert not out.exists()
    original = module._predict_part
    monkeypatch.setattr(module, "_predict_part", lambda *job: parts.append(job[-1]) or original(*job))
    assert predicted(dataset, out, workers=1, progress=told.append) == alone
    assert (told, parts) == ([4, 1], [2])
    assert not list(tmp_path.glob(".out*"))


def test_a_part_with_a_frame_that_could_not_be_read_is_made_again(dataset: Dataset, own: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    interrupted(dataset, out, 5)
    shutil.copy(FRAMES / NAMES[0], own / TORN)
    assert predict_dataset(dataset, None, out, workers=1, frames=2) == (0, [])
    assert "nan" not in out.read_text(encoding="ascii")


@pytest.mark.parametrize("other", ["settings", "weights", "frames", "labels"])
def test_parts_of_another_run_are_not_taken(dataset: Dataset, own: Path, tmp_path: Path, other: str) -> None:
    out = tmp_path / "out.txt"
    interrupted(dataset, out, 4)
    told: list[int] = []
    settings = PredictSettings(side="left") if other == "settings" else PredictSettings()
    weights = write_stand_ins(tmp_path / "weights") if other == "weights" else None
    if other == "labels":
        shutil.copy(FRAMES / NAMES[0], own / "6-more.png")
        dataset = open_dataset("frames", own, "all")
    predict_dataset(
        dataset, weights, out, settings, workers=1, progress=told.append, frames=3 if other == "frames" else 2
    )
    assert told[0] == 0
    assert not list(tmp_path.glob(".out*"))


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-30], lambda data: b"", lambda data: b"\x80" * 400, lambda data: data.replace(b"0.1", b"0.2")],
)
def test_a_damaged_part_is_none(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    parts = Parts(tmp_path / "out.txt", "abc")
    assert parts.read(7) is None
    joints = np.array([[[np.nan] * 3, [0.1, 1 / 3, -1e-30]]])
    parts.keep(Part(7, joints, 1, ["a frame: damaged", "naïve"]))
    found = parts.read(7)
    assert found is not None
    np.testing.assert_array_equal(found.joints, joints)
    assert (found.number, found.empty, found.unread) == (7, 1, ["a frame: damaged", "naïve"])
    assert Parts(tmp_path / "out.txt", "abd").read(7) is None
    (file,) = (tmp_path / ".out.txt.parts").iterdir()
    file.write_bytes(damage(file.read_bytes()))
    assert parts.read(7) is None


def test_two_runs_of_one_file_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    with (
        only_writer(tmp_path / "out.txt", DatasetError),
        pytest.raises(DatasetError, match="another process is writing there"),
    ):
        predict_dataset(dataset, None, tmp_path / "out.txt", workers=1)


def test_workers_and_a_scheduler_exclude_each_other(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="exclude each other"):
        predict_dataset(dataset, None, tmp_path / "out.txt", workers=2, scheduler="tcp://127.0.0.1:1")
    assert list(tmp_path.iterdir()) == [dataset.root]


def test_a_worker_with_other_networks_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    weights = write_stand_ins(tmp_path / "weights")
    job = module._Job.of(dataset, weights, PredictSettings())
    assert len(module._predict_part(job, 2, 2).joints) == 1
    (weights / "regression.onnx").write_bytes((weights / "regression.onnx").read_bytes() + b" ")
    other = module._Job.of(dataset, None, PredictSettings())
    module._predict_part(other, 2, 2)  # the worker forgets what it had open
    with pytest.raises(WeightsError, match="not the networks, or the knuckle, that the work began with"):
        module._predict_part(job, 2, 2)
