"""knuckle's networks without knuckle: NumPy, OpenCV and ONNX Runtime take a depth image to 21 joints.

    python without_knuckle.py WEIGHTS frame.png camera.json X,Y,Z

WEIGHTS: folder with segmentation.onnx and regression.onnx; frame.png: 16-bit depth; camera.json: fx, fy, cx, cy in
px, depth_unit_mm; X,Y,Z: where the middle of the hand is, mm in camera axes (x right, y down, z forward). A right hand.
Prints a line for each joint: x, y, z in mm, and the expected error in mm. Each step: docs/deployment.md.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

SIZE, FINE, CUBE_MM, SAME_SURFACE_MM = 48, 3, 250.0, 12.0


def crop(depth: np.ndarray, camera: dict, center: np.ndarray) -> np.ndarray:
    """Depth frame (H, W) mm → (48, 48) in [-1, 1]: what the cube about the centre shows."""
    height, width = depth.shape
    steps = (np.arange(SIZE * FINE) + 0.5) / (SIZE * FINE) - 0.5
    u = camera["fx"] * (center[0] + steps * CUBE_MM) / center[2] + camera["cx"]
    v = camera["fy"] * (center[1] + steps * CUBE_MM) / center[2] + camera["cy"]
    columns, rows = np.rint(u).astype(int), np.rint(v).astype(int)
    fine = depth[np.ix_(rows.clip(0, height - 1), columns.clip(0, width - 1))].copy()
    fine[(rows < 0) | (rows >= height)] = 0
    fine[:, (columns < 0) | (columns >= width)] = 0
    cells = fine.reshape(SIZE, FINE, SIZE, FINE).transpose(0, 2, 1, 3).reshape(SIZE, SIZE, FINE * FINE)
    seen = cells[..., FINE * FINE // 2]  # the pixel nearest to the middle of each cell
    same = (np.abs(cells - seen[..., None]) <= SAME_SURFACE_MM) & (cells > 0)
    mean = (cells * same).sum(axis=-1) / np.maximum(same.sum(axis=-1), 1)
    relative = np.where(seen > 0, (mean - center[2]) / (CUBE_MM / 2), 1.0)
    return relative.clip(-1, 1).astype(np.float32)


def to_mm(places: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Joints (21, 3) in the crop → mm in camera axes: x and y are as seen, and grow with the joint's distance."""
    joints = places * (CUBE_MM / 2) + center
    joints[:, :2] *= joints[:, 2:] / center[2]
    return joints


def main(weights: str, frame: str, camera_file: str, where: str) -> None:
    camera = json.loads(Path(camera_file).read_text(encoding="utf-8"))
    center = np.array([float(number) for number in where.split(",")])
    depth = cv2.imread(frame, cv2.IMREAD_UNCHANGED).astype(np.float32) * camera.get("depth_unit_mm", 1.0)
    segment, regress = (
        onnxruntime.InferenceSession(Path(weights) / f"{name}.onnx") for name in ("segmentation", "regression")
    )
    image = crop(depth, camera, center)[None, None]
    (probabilities,) = segment.run(["probabilities"], {"depth": image})  # (1, 21, 48, 48): not hand, then 20 parts
    places, spread = regress.run(["joints", "spread"], {"depth": image, "probabilities": probabilities})
    for (x, y, z), error in zip(to_mm(places[0], center), spread[0] * (CUBE_MM / 2), strict=True):
        print(f"{x:.3f} {y:.3f} {z:.3f} {error:.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
