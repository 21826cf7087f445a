"""Sources by name."""

import sys
from pathlib import Path

import numpy as np
import pytest
from sourcing import CAMERA, OTHER, fill, some_frames, some_steps, write_folder

from knuckle.errors import MissingExtraError, SettingsError
from knuckle.sources import open_source
from knuckle.sources.folder import FolderSource
from knuckle.sources.recording import RecordingSource, RecordingWriter
from knuckle.sources.stack import StackSource


def test_each_path_opens_its_kind(tmp_path: Path) -> None:
    write_folder(tmp_path / "images.d")
    np.save(tmp_path / "images.d" / "a.npy", some_steps(2))
    np.savez(tmp_path / "images.d" / "A.NPZ", depth=some_steps(2))
    (tmp_path / "images.d" / "A.NPZ.npz").rename(tmp_path / "images.d" / "A.NPZ")
    for name in ("a.zarr", "renamed"):
        writer = RecordingWriter(tmp_path / name, CAMERA, "test")
        fill(writer, some_frames(1))
        writer.close()
    for name, kind in {
        "images.d": FolderSource,
        "images.d/a.npy": StackSource,
        "images.d/A.NPZ": StackSource,
        "a.zarr": RecordingSource,
        "renamed": RecordingSource,
    }.items():
        with open_source(str(tmp_path / name)) as source:
            assert type(source) is kind


def test_camera_and_unit_are_passed_on(tmp_path: Path) -> None:
    write_folder(tmp_path / "a")
    np.save(tmp_path / "a" / "a.npy", some_steps(2))
    OTHER.save(tmp_path / "other.json")
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "0.png").rename(tmp_path / "b" / "0.png")
    for name in ("b", "a/a.npy"):
        with open_source(str(tmp_path / name), tmp_path / "other.json", 0.5) as source:
            assert isinstance(source, FolderSource | StackSource)
            assert source.camera.depth_unit_mm == 0.5
            assert source.camera.fx == OTHER.fx


@pytest.mark.parametrize("name", ["nothing", "note.txt", "note", "x" * 5000, "nul\0l"])
def test_what_is_no_source_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "note.txt").write_text("none")
    (tmp_path / "note").write_text("none")
    with pytest.raises(SettingsError) as caught:
        open_source(name)
    assert len(str(caught.value).splitlines()) == 1


def test_options_of_another_source_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "a")
    for text, options, words in (
        ("synthetic", {"camera": "c.json"}, "--camera: synthetic brings its own"),
        ("realsense", {"unit_mm": 1.0}, "--unit-mm"),
        ("synthetic", {"topic": "/depth"}, "--topic"),
        (str(tmp_path / "a"), {"topic": "/depth"}, "--topic"),
    ):
        with pytest.raises(SettingsError, match=words):
            open_source(text, **options)  # type: ignore[arg-type]


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyrealsense2", None)
    with pytest.raises(MissingExtraError, match=r"knuckle\[realsense\]"):
        open_source("realsense")
    monkeypatch.setitem(sys.modules, "knuckle.synth.hands", None)
    with pytest.raises(MissingExtraError, match=r"knuckle\[train\]"):
        open_source("synthetic")
