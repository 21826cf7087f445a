"""The pinhole camera: projection and its inverse, windows, mirroring, and camera files good and bad."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from knuckle.camera import Camera
from knuckle.errors import CameraError, KnuckleError

CAMERA = Camera(fx=588.0, fy=587.1, cx=320.5, cy=239.25, width=640, height=480)
GOOD: dict[str, Any] = {"fx": 475.0, "fy": 475.5, "cx": 315.9, "cy": 245.2, "width": 640, "height": 480}

focal = st.floats(20, 5000)
pixel = st.floats(-5000, 5000)
cameras = st.builds(Camera, focal, focal, pixel, pixel, st.integers(1, 5000), st.integers(1, 5000))
points = st.tuples(st.floats(-2000, 2000), st.floats(-2000, 2000), st.floats(50, 5000))


def test_axes_are_opencvs() -> None:
    assert CAMERA.project([0, 0, 500]) == pytest.approx([320.5, 239.25])
    u, v = CAMERA.project([100, 50, 500])  # to the right and down
    assert u == pytest.approx(320.5 + 588 * 0.2)
    assert v == pytest.approx(239.25 + 587.1 * 0.1)


@given(cameras, points)
def test_back_project_undoes_project(camera: Camera, point: tuple[float, float, float]) -> None:
    assert camera.back_project(camera.project(point), point[2]) == pytest.approx(np.array(point), abs=1e-6)


def test_project_takes_any_leading_shape() -> None:
    grid = np.random.default_rng(0).uniform(100, 900, (4, 5, 3))
    pixels = CAMERA.project(grid)
    assert pixels.shape == (4, 5, 2)
    assert pixels[2, 3] == pytest.approx(CAMERA.project(grid[2, 3]))
    assert CAMERA.back_project(pixels, grid[..., 2]) == pytest.approx(grid)
    assert CAMERA.back_project(pixels, 400.0).shape == (4, 5, 3)  # one depth for all


@given(cameras, points, st.integers(-500, 500), st.integers(-500, 500))
def test_window_moves_the_origin_of_the_pixels(camera: Camera, point: Any, left: int, top: int) -> None:
    window = camera.window(left, top, 30, 20)
    assert window.project(point) + np.array([left, top]) == pytest.approx(camera.project(point), abs=1e-6)
    assert (window.width, window.height) == (30, 20)


@given(cameras, points)
def test_mirrored_sees_the_flipped_image(camera: Camera, point: tuple[float, float, float]) -> None:
    u, v = camera.project(point)
    mirrored = camera.mirrored().project([-point[0], point[1], point[2]])
    assert mirrored == pytest.approx([camera.width - 1 - u, v], abs=1e-6)
    assert camera.mirrored().mirrored().cx == pytest.approx(camera.cx, abs=1e-6)


@pytest.mark.parametrize("name", ["fx", "fy", "cx", "cy", "width", "height"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, "475", True, [1], 1j, np.complex128(1)])
def test_impossible_values_are_named(name: str, value: object) -> None:
    with pytest.raises(CameraError, match=f"{name} must be"):
        Camera(**{**GOOD, name: value})


def test_a_focal_length_beyond_any_float_is_refused() -> None:
    with pytest.raises(CameraError, match="fx must be"):
        Camera(**{**GOOD, "fx": 10**400})


@pytest.mark.parametrize("name", ["fx", "fy", "width", "height", "depth_unit_mm"])
@pytest.mark.parametrize("value", [0, -1])
def test_zero_and_negative_are_refused(name: str, value: int) -> None:
    with pytest.raises(CameraError, match=name):
        Camera(**{**GOOD, name: value})


@pytest.mark.parametrize("name", ["fx", "fy", "cx", "cy", "width", "height", "depth_unit_mm"])
@pytest.mark.parametrize("value", [10**400, -(10**5000)], ids=["long", "longer than Python writes"])
def test_integers_beyond_any_camera_are_refused(name: str, value: int) -> None:
    with pytest.raises(CameraError, match=f"camera: {name} must be"):
        replace(CAMERA, **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("fx", 1e-30), ("fy", 1e30), ("cx", -1e300), ("cy", 1e10), ("width", 10**7), ("height", 1 << 31)],
        *[("depth_unit_mm", 1e300), ("depth_unit_mm", 1001), ("depth_unit_mm", 1e-4)],
    ],
)
def test_numbers_that_arithmetic_would_overflow_with_are_refused(name: str, value: float) -> None:
    with pytest.raises(CameraError, match=f"camera: {name} "):
        replace(CAMERA, **{name: value})


@pytest.mark.parametrize("unit", [float("nan"), float("inf"), "1", True])
def test_depth_unit_must_be_a_number(unit: Any) -> None:
    with pytest.raises(CameraError, match="depth_unit_mm"):
        Camera(**GOOD, depth_unit_mm=unit)


def test_the_wrong_image_size_is_refused() -> None:
    CAMERA.check_image((480, 640))
    with pytest.raises(CameraError, match=r"424 x 512 px but the camera is for 640 x 480"):
        CAMERA.check_image((512, 424))
    with pytest.raises(CameraError):
        CAMERA.check_image((480, 640, 3))


@given(cameras)
@example(Camera(**GOOD, depth_unit_mm=0.125))
def test_a_camera_file_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, camera: Camera) -> None:
    path = tmp_path_factory.mktemp("camera") / "camera.json"
    camera.save(path)
    assert Camera.load(path) == camera
    assert [file.name for file in path.parent.iterdir()] == ["camera.json"]  # nothing temporary is left


def test_numpys_numbers_go_into_a_file(tmp_path: Path) -> None:
    camera = Camera(np.float32(475.5), np.int64(475), 1.0, 2.0, np.int32(640), np.uint16(480), np.float32(0.125))
    camera.save(tmp_path / "camera.json")
    assert Camera.load(tmp_path / "camera.json") == camera


def test_unknown_keys_of_a_camera_file_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "camera.json"
    path.write_text(json.dumps({**GOOD, "sensor": "SR305", "depth_unit_mm": 0.125}))
    assert Camera.load(path) == Camera(**GOOD, depth_unit_mm=0.125)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"[1, 2]",
        b"3",
        b"null",
        b"[" * 100_000,
        b'{"fx": ' + b"9" * 5000 + b"}",
        json.dumps({**GOOD, "fx": float("nan")}).encode(),
        json.dumps({**GOOD, "width": 640.5}).encode(),
        json.dumps({key: value for key, value in GOOD.items() if key != "cy"}).encode(),
    ],
)
def test_a_bad_camera_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "camera.json"
    path.write_bytes(content)
    with pytest.raises(CameraError, match=r"camera\.json: "):
        Camera.load(path)


def test_missing_keys_are_named(tmp_path: Path) -> None:
    (tmp_path / "camera.json").write_text('{"fx": 1, "cy": 2}')
    with pytest.raises(CameraError, match="missing: fy, cx, width, height"):
        Camera.load(tmp_path / "camera.json")


@pytest.mark.parametrize("name", ["nowhere.json", ".", "with\0null"])
def test_a_camera_file_that_cannot_be_opened(tmp_path: Path, name: str) -> None:
    with pytest.raises(KnuckleError, match="cannot read"):
        Camera.load(tmp_path / name)


def test_a_camera_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="cannot write"):
        CAMERA.save(tmp_path / "nowhere" / "camera.json")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CameraError, match="cannot write"):
        CAMERA.save(tmp_path / "file" / "camera.json")
