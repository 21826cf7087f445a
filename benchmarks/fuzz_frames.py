"""Readers of depth images, cameras, folders and stacks of frames, and of what somebody gives to the page."""

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fuzz_target import FileTarget
from knuckle.camera import Camera
from knuckle.data.frames import read_joints, write_joints
from knuckle.depth import read_any_depth, read_depth, write_depth
from knuckle.depth.msra import encode_bin
from knuckle.sources import BadFrame, RecordedSource, open_source
from knuckle.viewer.upload import uploaded_camera, uploaded_frame

CAMERA = Camera(fx=20.0, fy=21.0, cx=7.5, cy=5.5, width=16, height=12, depth_unit_mm=0.125)


def steps(count: int = 3) -> NDArray[np.uint16]:
    """(count, 12, 16): a surface at 500 mm in CAMERA's steps, a fifth of it not measured."""
    rng = np.random.default_rng(0)
    found = rng.integers(3600, 4400, (count, 12, 16))
    return np.where(rng.random(found.shape) < 0.2, 0, found).astype(np.uint16)


def read_frames(source: RecordedSource) -> None:
    """Every frame of a source, as `knuckle predict` and the page read them; of very long ones the first and last."""
    with source:
        for index in {*range(min(len(source), 40)), len(source) - 1}:
            source.timestamp(index)
        for number, frame in enumerate(source.frames()):
            if isinstance(frame, BadFrame) and len(str(frame.error).splitlines()) != 1:
                raise frame.error
            if number == 40:
                break


def _png(folder: Path) -> None:
    write_depth(folder / "a.png", steps(1)[0] * 0.125, 0.125)


def _nyu_png(folder: Path) -> None:
    mm = steps(1)[0] // 8
    cv2.imwrite(str(folder / "a.png"), np.stack([mm % 256, mm // 256, np.zeros_like(mm)], axis=-1).astype(np.uint8))


def _bin(folder: Path) -> None:
    (folder / "a.bin").write_bytes(encode_bin(steps(1)[0].astype(np.float32) / 8, (2, 1, 14, 11)))


def _npy(folder: Path) -> None:
    np.save(folder / "a.npy", steps(1)[0])


def _npy_floats(folder: Path) -> None:
    np.save(folder / "a.npy", steps(1)[0].astype(np.float64) / 8)


def _camera(folder: Path) -> None:
    CAMERA.save(folder / "camera.json")


def _folder(folder: Path) -> None:
    _camera(folder)
    for index, image in enumerate(steps()):
        write_depth(folder / f"{index}.png", image * 0.125, 0.125)
    (folder / "timestamps.csv").write_text("file,timestamp_s\n0.png,0.0\n1.png,0.25\n2.png,0.5\n", encoding="utf-8")


def _stack(folder: Path) -> None:
    _camera(folder)
    np.save(folder / "a.npy", steps())


def _packed_stack(folder: Path) -> None:
    _camera(folder)
    np.savez_compressed(folder / "a.npz", depth=steps(), timestamps=np.arange(3) / 4)


def _joints(folder: Path) -> None:
    rng = np.random.default_rng(0)
    write_joints(folder, ["0.png", "1.png"], rng.uniform(-100, 100, (2, 21, 3)) + [0, 0, 500])


def _image(name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> None:
        try:
            read_depth(folder / name, 0.125)
        finally:
            read_any_depth(folder / name)

    return read


def _uploads(folder: Path) -> None:
    _camera(folder)
    _png(folder)
    data = io.BytesIO()
    np.save(data, steps(1)[0])
    (folder / "b.npy").write_bytes(data.getvalue())


def _read_uploads(folder: Path) -> None:
    """Bytes, as a browser sends them, under names that it chose."""
    content = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    camera = uploaded_camera("camera.json", content.get("camera.json", b"{}"))
    for name in ("a.png", "b.npy"):
        uploaded_frame(f"../{name}", content.get(name, b""), camera)


def _source(path: str) -> Callable[[Path], object]:
    return lambda folder: read_frames(open_source(str(folder / path)))  # type: ignore[arg-type]


TARGETS = (
    FileTarget("depth-png", _png, _image("a.png")),
    FileTarget("depth-nyu-png", _nyu_png, _image("a.png")),
    FileTarget("depth-bin", _bin, _image("a.bin")),
    FileTarget("depth-npy", _npy, _image("a.npy")),
    FileTarget("depth-npy-floats", _npy_floats, _image("a.npy")),
    FileTarget("camera", _camera, lambda folder: Camera.load(folder / "camera.json")),
    FileTarget("folder", _folder, _source(""), ("timestamps.csv", "*")),
    FileTarget("stack-npy", _stack, _source("a.npy"), ("*.npy", "*.json")),
    FileTarget("stack-npz", _packed_stack, _source("a.npz"), ("*.npz", "*.json")),
    FileTarget("joints-csv", _joints, lambda folder: read_joints(folder / "joints.csv")),
    FileTarget("upload", _uploads, _read_uploads),
)
