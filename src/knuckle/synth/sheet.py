"""A picture of the samples in a store, to look at before training on them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knuckle.camera import Camera
from knuckle.crop import CropBox
from knuckle.data.store import SampleStore
from knuckle.draw import contact_sheet, depth_image, part_image, skeleton

_SCALE = 4  # a crop of 48 px is drawn 192 px wide
_COLUMNS = 6


def sample_sheet(path: str | Path, count: int = 24) -> NDArray[np.uint8]:
    """The first samples of a store, RGB: depth with the true skeleton beside the part map.

    In the part map, what is measured but not hand is dark grey.
    """
    store = SampleStore.open(path)
    count = min(count, len(store))
    rows = {name: store.read(name, 0, count) for name in ("depth", "parts", "joints", "center", "cube_mm", "camera")}
    return contact_sheet([_picture({name: rows[name][i] for name in rows}) for i in range(count)], _COLUMNS)


def _picture(row: dict[str, NDArray]) -> NDArray[np.uint8]:
    fx, fy, cx, cy, width, height = row["camera"].tolist()
    box = CropBox(row["center"], Camera(fx, fy, cx, cy, int(width), int(height)), float(row["cube_mm"]))
    millimetres = np.where(row["depth"] < 1, row["depth"] * (box.cube_mm / 2) + box.center[2], 0).astype(np.float32)
    depth = depth_image(_enlarge(millimetres), box.center[2] - box.cube_mm / 2, box.center[2] + box.cube_mm / 2)
    if not np.isnan(row["joints"]).any():
        depth = skeleton(depth, (box.to_pixels(row["joints"]) + 0.5) * _SCALE - 0.5)
    parts = part_image(_enlarge(row["parts"]))
    parts[_enlarge((row["parts"] == 0) & (row["depth"] < 1))] = 60
    return np.hstack([depth, parts])


def _enlarge(image: NDArray) -> NDArray:
    return np.asarray(np.kron(image, np.ones((_SCALE, _SCALE), dtype=image.dtype)))
