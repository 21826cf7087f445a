"""A full or read-only disk: one line that names the place, nothing torn, and on it goes after room was made.

The disks are small file systems in memory. Where none may be mounted, as without root's rights, the tests are skipped.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from knuckle.cli import main
from knuckle.data.store import SampleStore
from knuckle.errors import DictionaryError, KnuckleError, SettingsError, SourceError, StoreError
from knuckle.files import write_whole
from knuckle.pipeline.dictionary import build_dictionary
from knuckle.sources import open_source, record
from knuckle.synth.generate import SynthSettings
from knuckle.synth.production import generate
from knuckle.training import loop
from knuckle.training.loop import fit
from knuckle.training.recipe import FitSettings

SETTINGS = SynthSettings(hand="soma")


def mount(*arguments: object) -> bool:
    try:
        return subprocess.run(["mount", *map(str, arguments)], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


class Disk:
    """A file system of its own; `room` is how many KB it has."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        if sys.platform != "linux" or not mount("-t", "tmpfs", "-o", "size=256k", "tmpfs", path):
            pytest.skip("no file system can be mounted here")

    def room(self, kilobytes: int) -> None:
        assert mount("-o", f"remount,rw,size={kilobytes}k", self.path)

    def protect(self) -> None:
        assert mount("-o", "remount,ro", self.path)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path / "disk")
    yield made
    subprocess.run(["umount", "--lazy", str(made.path)], check=True)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(error: type[KnuckleError], place: Path, work: Callable[[], object], why: str = "make room") -> None:
    with pytest.raises(error, match=why) as caught:
        work()
    assert str(place) in str(caught.value)
    assert "\n" not in str(caught.value)


def render(path: Path, workers: int = 1) -> None:
    generate(path, SETTINGS, 96, 3, workers, shard=8)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "hands.zarr"
    render(path)
    return path


def test_a_store_goes_on_after_room_was_made(disk: Disk, whole: Path) -> None:
    path = disk.path / "hands.zarr"
    refused(StoreError, path, lambda: render(path))
    done = SampleStore.open(path)
    assert 0 < len(done.missing_shards()) < 12
    disk.room(4000)
    render(path)
    assert files(disk.path) == {f"hands.zarr/{name}": data for name, data in files(whole).items()}


def test_a_store_that_cannot_even_begin_is_named(disk: Disk, whole: Path) -> None:
    (disk.path / "rubbish").write_bytes(bytes(248 * 1024))
    path = disk.path / "hands.zarr"
    refused(StoreError, path, lambda: render(path))
    (disk.path / "rubbish").unlink()
    disk.room(4000)
    render(path)
    assert files(path) == files(whole)


def test_a_dictionary_goes_on_after_room_was_made(disk: Disk, whole: Path, tmp_path: Path) -> None:
    build_dictionary([whole], tmp_path / "parts.kdict", 5, 16)
    out = disk.path / "parts.kdict"
    refused(DictionaryError, out, lambda: build_dictionary([whole], out, 5, 16))
    assert not out.exists()
    disk.room(40_000)
    build_dictionary([whole], out, 5, 16)
    assert files(disk.path) == {"parts.kdict": (tmp_path / "parts.kdict").read_bytes()}


def train(folder: Path) -> None:
    """Checkpoints of 300 KB after each of 20 steps."""
    torch.manual_seed(0)
    model = nn.Linear(160, 160)
    data = torch.randn(32, 160, generator=torch.Generator().manual_seed(1))
    settings = FitSettings(steps=20, batch=8, bfloat16=False, device="cpu", threads=1)
    fit(model, lambda some: (data[some],), lambda rows: (model(rows) - rows).square().sum(), 32, settings, folder)


def test_a_training_goes_on_after_room_was_made(disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stops; a queue of TensorBoard events that nobody empties any more must not hold it for ever."""
    monkeypatch.setattr(loop, "_CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setattr(loop, "_LOG_STEPS", 1)
    train(tmp_path / "whole")
    disk.room(500)
    refused(KnuckleError, disk.path, lambda: train(disk.path / "run"))
    assert not (disk.path / "run" / "weights.safetensors").exists()
    disk.room(4000)
    train(disk.path / "run")
    weights = [(folder / "weights.safetensors").read_bytes() for folder in (tmp_path / "whole", disk.path / "run")]
    assert weights[0] == weights[1]
    assert not list((disk.path / "run").glob(".*"))


@pytest.mark.parametrize("name", ["recording.zarr", "recording"])
def test_a_recording_can_be_read_up_to_there(disk: Disk, tmp_path: Path, name: str) -> None:
    frames = np.random.default_rng(0).integers(500, 900, (60, 60, 80)).astype(np.uint16)
    np.save(tmp_path / "frames.npy", frames)
    (tmp_path / "camera.json").write_text('{"fx": 80, "fy": 80, "cx": 40, "cy": 30, "width": 80, "height": 60}')
    with open_source(str(tmp_path / "frames.npy"), unit_mm=1) as source:
        refused(SourceError, disk.path / name, lambda: record(source, disk.path / name))
    with open_source(str(disk.path / name)) as kept:
        read = list(kept.frames())
    assert 0 < len(read) < 60
    assert all(np.array_equal(frame.depth, frames[index]) for index, frame in enumerate(read))


def test_a_file_is_left_as_it_was(disk: Disk) -> None:
    path = disk.path / "joints.txt"
    write_whole(path, "before")
    refused(SettingsError, path, lambda: write_whole(path, bytes(300_000)))
    assert files(disk.path) == {"joints.txt": b"before"}


def test_a_read_only_disk_is_named_but_a_whole_store_on_it_is_enough(disk: Disk, whole: Path) -> None:
    disk.room(4000)
    render(disk.path / "whole.zarr")
    disk.protect()
    render(disk.path / "whole.zarr")  # nothing is to be done
    path = disk.path / "hands.zarr"
    refused(StoreError, path, lambda: render(path), "Read-only file system")
    out = disk.path / "parts.kdict"
    refused(DictionaryError, out, lambda: build_dictionary([whole], out, 5), "Read-only file system")
    refused(SettingsError, disk.path, lambda: write_whole(disk.path / "a.txt", "a"), "Read-only file system")


@pytest.mark.parametrize(("workers", "count"), [(1, 256), pytest.param(2, 2048, marks=pytest.mark.slow)])
def test_the_command_says_one_line_and_exits_with_2(
    disk: Disk, capfd: pytest.CaptureFixture[str], workers: int, count: int
) -> None:
    path = disk.path / "hands.zarr"
    assert main(["synth", "--count", f"{count}", "--hand", "soma", "--out", str(path), "--workers", f"{workers}"]) == 2
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("knuckle: ")]
    assert lines == [f"knuckle: {path}: cannot write (No space left on device: make room)"]
