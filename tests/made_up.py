"""Small datasets on the disk, written as the downloads are, by code that knows nothing of the package's own."""

import json
import struct
from pathlib import Path

import cv2
import h5py
import numpy as np
import scipy.io
from numpy.typing import NDArray

FAR = 1500
"""Of the wall behind the hand, mm."""

NYU_FOCAL, INTEL_FOCAL, ICVL_FOCAL = (588.03, 587.07), (241.42, 241.42), (240.99, 240.96)
HANDS17_CAMERA = (475.065948, 475.065857, 315.944855, 245.287079)
FRAMES_CAMERA = {"fx": 60.0, "fy": 61.0, "cx": 31.5, "cy": 23.5, "width": 64, "height": 48}

MSRA_HEADER = struct.Struct("<6i")


def places(frames: int, joints: int, width: int, height: int, seed: int = 0) -> NDArray[np.float64]:
    """Random (frames, joints, 3) u px, v px, d mm; a quarter of a pixel off the whole ones, hands near the middle."""
    rng = np.random.default_rng(seed)
    uv = rng.integers([width // 4, height // 4], [width * 3 // 4, height * 3 // 4], (frames, joints, 2)) + 0.25
    return np.concatenate([uv, rng.integers(450, 550, (frames, joints, 1))], axis=-1).astype(float)


def hand(uvd: NDArray[np.float64], width: int, height: int) -> NDArray[np.uint16]:
    """Depth (height, width) mm: a blob of pixels at the depth of each joint (J, 3), nearer ones before farther ones."""
    depth = np.full((height, width), FAR, dtype=np.uint16)
    for u, v, d in sorted(uvd.tolist(), key=lambda joint: -joint[2]):
        depth[max(int(v) - 2, 0) : int(v) + 3, max(int(u) - 2, 0) : int(u) + 3] = d
    return depth


def own_axes(
    uvd: NDArray[np.float64], focal: tuple[float, float], cx: float, cy: float, signs: tuple[int, int, int] = (1, 1, 1)
) -> NDArray[np.float64]:
    """x, y, z mm of pixels and depths, y down, each axis times its sign."""
    u, v, d = np.moveaxis(uvd, -1, 0)
    return np.stack([(u - cx) * d / focal[0], (v - cy) * d / focal[1], d], axis=-1) * signs


def text(row: NDArray[np.float64], separator: str = " ", form: str = "%.6f") -> str:
    return separator.join(form % value for value in np.ravel(row))


def write_nyu_image(path: Path, mm: NDArray[np.uint16]) -> None:
    """RGB of 8 bits: red is empty, mm = green · 256 + blue."""
    cv2.imwrite(str(path), np.stack([mm % 256, mm // 256, np.zeros_like(mm)], axis=-1).astype(np.uint8))  # BGR


def write_matlab73(path: Path, arrays: dict[str, NDArray]) -> None:
    """As MATLAB 7.3 does: HDF5 with axes in reverse order, behind a header of 512 bytes."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            file[name] = array.T
    mark_as_matlab73(path)


def mark_as_matlab73(path: Path) -> None:
    """Makes an HDF5 file with 512 bytes of room before it one of MATLAB's."""
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


def nyu_joints(uvd: NDArray[np.float64]) -> dict[str, NDArray]:
    """joint_data.mat of the frontal view's (N, 36, 3); the other two views see something else."""
    views = np.stack([uvd, uvd + 10, uvd + 20])
    return {"joint_uvd": views, "joint_xyz": own_axes(views, NYU_FOCAL, 320, 240, (1, -1, 1))}


def write_nyu(
    root: Path, split: str, frames: int = 2, version: str = "5", images: bool = True, seed: int = 0
) -> NDArray[np.float64]:
    """Returns uvd (frames, 36, 3)."""
    uvd = places(frames, 36, 640, 480, seed)
    (root / split).mkdir(parents=True)
    write = write_matlab73 if version == "7.3" else scipy.io.savemat
    write(root / split / "joint_data.mat", nyu_joints(uvd))
    for index in range(frames if images else 0):
        write_nyu_image(root / split / f"depth_1_{index + 1:07d}.png", hand(uvd[index], 640, 480))
        for other in ("rgb_1", "depth_2", "depth_3", "synthdepth_1"):
            (root / split / f"{other}_{index + 1:07d}.png").write_bytes(b"not looked at")
    return uvd


def write_icvl(root: Path, frames: tuple[int, int, int] = (2, 2, 1)) -> list[NDArray[np.float64]]:
    """Returns uvd (N, 16, 3) of training and both test sequences; the lists end in an empty line, as the real ones."""
    written = []
    lists = {"Training/labels.txt": "201403121135/22-5", "Testing/test_seq_1.txt": "test_seq_1"}
    lists["Testing/test_seq_2.txt"] = "test_seq_2"
    for seed, ((name, folder), count) in enumerate(zip(lists.items(), frames, strict=True)):
        uvd = places(count, 16, 320, 240, seed)
        images = (root / name).parent / "Depth" / folder
        images.mkdir(parents=True)
        lines = []
        for index, row in enumerate(uvd):
            cv2.imwrite(str(images / f"image_{index:04d}.png"), hand(row, 320, 240))
            lines.append(f"{folder}/image_{index:04d}.png {text(row, form='%.4f')} \n")
        (root / name).write_text("".join(lines) + "\n", encoding="ascii")
        written.append(uvd)
    return written


def msra_bin(mm: NDArray[np.uint16], left: int, top: int, right: int, bottom: int) -> bytes:
    """A window of an image (H, W) mm."""
    header = MSRA_HEADER.pack(mm.shape[1], mm.shape[0], left, top, right, bottom)
    return header + mm[top:bottom, left:right].astype("<f4").tobytes()


def write_gesture(folder: Path, frames: int = 2, seed: int = 0) -> NDArray[np.float64]:
    """One gesture of one person of MSRA15; returns uvd (frames, 21, 3)."""
    uvd = places(frames, 21, 320, 240, seed)
    folder.mkdir(parents=True)
    rows = own_axes(uvd, INTEL_FOCAL, 160, 120, (1, -1, -1))
    (folder / "joint.txt").write_text(f"{frames}\n" + "".join(f"{text(row)} \n" for row in rows), encoding="ascii")
    for index, row in enumerate(uvd):
        image = np.where(hand(row, 320, 240) == FAR, 0, hand(row, 320, 240))
        (folder / f"{index:06d}_depth.bin").write_bytes(msra_bin(image, 70, 50, 250, 190))
    return uvd


def write_msra15(root: Path, frames: int = 1) -> dict[str, NDArray[np.float64]]:
    """Nine persons with the gestures 1 and TIP; returns uvd by person and gesture, in the order of the names."""
    names = [f"P{person}/{gesture}" for person in range(9) for gesture in ("1", "TIP")]
    return {name: write_gesture(root / name, frames, seed) for seed, name in enumerate(names)}


def write_hands17(root: Path, frames: int = 2, seed: int = 0) -> NDArray[np.float64]:
    """Both splits; returns uvd (frames, 21, 3) of the training frames."""
    uvd = places(frames, 21, 640, 480, seed)
    fx, fy, cx, cy = HANDS17_CAMERA
    rows = own_axes(uvd, (fx, fy), cx, cy)
    for folder in ("training", "frame"):
        (root / folder / "images").mkdir(parents=True)
        for index in range(frames):
            cv2.imwrite(str(root / folder / "images" / f"image_D{index + 1:08d}.png"), hand(uvd[index], 640, 480))
    names = [f"image_D{index + 1:08d}.png" for index in range(frames)]
    labels = "".join(f"{name}\t{text(row, chr(9))}\n" for name, row in zip(names, rows, strict=True))
    (root / "training" / "Training_Annotation.txt").write_text(labels, encoding="ascii")
    boxes = "".join(f"{name}\t200.5\t120.5\t180.0\t190.0\n" for name in names)
    (root / "frame" / "BoundingBox.txt").write_text(boxes, encoding="ascii")
    return uvd


def write_frames(root: Path, frames: int = 3, seed: int = 0, joints: tuple[str, ...] = ()) -> NDArray[np.float64]:
    """A recording 0.png, 1.png ... of 64×48 px in steps of 0.5 mm; returns uvd (frames, J, 3), J = 21 without names."""
    width, height = 64, 48
    uvd = places(frames, len(joints) or 21, width, height, seed)
    root.mkdir(parents=True)
    (root / "camera.json").write_text(json.dumps({**FRAMES_CAMERA, "depth_unit_mm": 0.5}), encoding="ascii")
    for index, row in enumerate(uvd):
        cv2.imwrite(str(root / f"{index}.png"), hand(row, width, height) * 2)
    if joints:
        xyz = own_axes(uvd, (60.0, 61.0), 31.5, 23.5)
        header = ",".join(["file", *(f"{joint}_{axis}" for joint in joints for axis in "xyz")])
        lines = [header, *(f"{index}.png,{text(row, ',')}" for index, row in enumerate(xyz))]
        (root / "joints.csv").write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    return uvd
