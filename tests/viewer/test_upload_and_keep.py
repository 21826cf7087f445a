"""What a browser gives to the page and gets from it: depth images, cameras, saved frames."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streams import CAMERA, frame

from knuckle import Camera, read_depth
from knuckle.cli import main
from knuckle.cli.inference import FRAMES
from knuckle.depth import write_depth
from knuckle.errors import CameraError, DepthError
from knuckle.sources import LiveFrame
from knuckle.viewer.feed import Arrived
from knuckle.viewer.keep import zipped
from knuckle.viewer.upload import MAX_BYTES, StillSource, uploaded_camera, uploaded_frame
from knuckle.viewer.watch import Look, ViewSettings, Watcher


def encoded(folder: Path, shown: LiveFrame) -> bytes:
    write_depth(folder / "a.png", shown.depth, 0.5)
    return (folder / "a.png").read_bytes()


def test_an_uploaded_image_is_read_in_its_camera_s_unit(tmp_path: Path) -> None:
    CAMERA.save(tmp_path / "camera.json")
    camera = uploaded_camera("mine.json", (tmp_path / "camera.json").read_bytes())
    assert camera == CAMERA
    found = uploaded_frame("a.PNG", encoded(tmp_path, frame(3)), camera)
    np.testing.assert_array_equal(found.depth, frame(3).depth)
    still = StillSource("a.PNG", found)
    assert (len(still), still.is_live, still.timestamp(0)) == (1, False, 0.0)
    assert still.frame(0) is found


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.png", b""),
        ("a.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 40),
        ("a.npy", b"\x93NUMPY"),
        ("a.txt", b"hello"),
        ("a", b"hello"),
        ("../../a.png", b"no"),
        ("a.p/g", b"no"),
        ("a.p\0g", b"no"),
        (".png", b"no"),
        ("a." + "x" * 5000, b"no"),
        ("", b"no"),
    ],
)
def test_what_is_no_depth_image_is_refused_by_name(name: str, content: bytes) -> None:
    with pytest.raises(DepthError) as fault:
        uploaded_frame(name, content, CAMERA)
    assert str(fault.value).startswith(name.replace("\0", " ")[:50])  # made printable, and no longer than need be
    assert "knuckle-" not in str(fault.value)


def test_a_huge_upload_is_refused() -> None:
    with pytest.raises(DepthError, match="64 MiB"):
        uploaded_frame("a.npy", bytes(MAX_BYTES + 1), CAMERA)


def test_another_size_than_the_camera_s_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match=r"^a\.png: .*64"):
        uploaded_frame("a.png", encoded(tmp_path, frame(0)), replace(CAMERA, width=65))


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"fx": 1}'])
def test_what_is_no_camera_is_refused_by_name(content: bytes) -> None:
    with pytest.raises(CameraError, match=r"my\.json"):
        uploaded_camera("my.json", content)


def looked_at(unit_mm: float | None) -> Look:
    camera = Camera.load(FRAMES / "camera.json")
    depth = read_depth(FRAMES / "1-open.png", camera.depth_unit_mm)
    shown = LiveFrame(0.5, depth, replace(camera, depth_unit_mm=unit_mm))
    return Watcher(threads=1).look(Arrived(shown, 0, 0.0), ViewSettings(far_mm=900))


@pytest.mark.parametrize(("unit_mm", "name"), [(0.125, "depth.png"), (None, "depth.npy"), (1e-3, "depth.npy")])
def test_a_saved_frame_can_be_predicted_from(
    unit_mm: float | None, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    look = looked_at(unit_mm)
    with zipfile.ZipFile(io.BytesIO(zipped(look, np.zeros((4, 4, 3), np.uint8)))) as archive:
        assert sorted(archive.namelist()) == sorted([name, "camera.json", "predictions.jsonl", "picture.png"])
        archive.extractall(tmp_path)
    np.testing.assert_array_equal(read_depth(tmp_path / name, unit_mm), look.whole.depth)
    saved = json.loads((tmp_path / "predictions.jsonl").read_text())
    assert (saved["file"], saved["found"]) == (name, True)
    assert main(["predict", str(tmp_path / name), "--camera", str(tmp_path / "camera.json"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    np.testing.assert_allclose(found["joints_mm"], saved["joints_mm"], atol=0.01)


def test_a_frame_without_a_hand_is_saved_as_such() -> None:
    look = Look(frame(0), frame(0), [], 0, 0.0, {})
    with zipfile.ZipFile(io.BytesIO(zipped(look, np.zeros((4, 4, 3), np.uint8)))) as archive:
        assert json.loads(archive.read("predictions.jsonl"))["found"] is False
