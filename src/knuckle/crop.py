"""The metric cube around a hand and its 48×48 image: forward for depth and label maps, inverse for joints.

The crop is the perspective window that the cube's cross-section at the centre's depth covers. Cell (row r, column c)
of the crop is seen at frame pixel u = u0 + (c + ½)·w/48, where u0 is the window's left edge and w its width in pixels.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knuckle.camera import Camera
from knuckle.errors import SettingsError

SIZE = 48
"""Crop width and height, px ([N] §5)."""

CUBE_MM = 250.0
"""Default cube edge: holds a stretched hand of 215 mm about its middle with 15 mm of centre error to spare."""

_OVERSAMPLE = 3
_SAME_SURFACE_MM = 12.0


@dataclass(frozen=True, eq=False)  # arrays have no single truth value to compare or hash by
class CropBox:
    """A cube of `cube_mm` about `center` ((3,) mm, camera axes), seen by `camera`, resampled to size × size.

    Raises `SettingsError` if the centre is not in front of the camera or the cube has no extent.
    """

    center: NDArray[np.float64]
    camera: Camera
    cube_mm: float = CUBE_MM
    size: int = field(default=SIZE)

    def __post_init__(self) -> None:
        center = np.array(self.center, dtype=np.float64)  # a copy: the window below is cached
        if center.shape != (3,) or not np.isfinite(center).all() or center[2] <= 0:
            raise SettingsError(f"center must be x, y, z in mm with z > 0, got {np.asarray(self.center).tolist()}")
        if not np.isfinite(self.cube_mm) or self.cube_mm <= 0:
            raise SettingsError(f"cube_mm must be a positive number of millimetres, got {self.cube_mm!r}")
        object.__setattr__(self, "center", center)

    @cached_property
    def extent(self) -> NDArray[np.float64]:
        """(2,) px: width and height of the cube's cross-section at the centre's depth."""
        return np.array([self.camera.fx, self.camera.fy]) * self.cube_mm / self.center[2]

    @cached_property
    def corner(self) -> NDArray[np.float64]:
        """(2,) px: u and v of the window's left and top edge."""
        return self.camera.project(self.center) - self.extent / 2

    def crop_depth(self, depth: NDArray[np.float32]) -> NDArray[np.float32]:
        """Depth frame (H, W) mm, 0 = no measurement → crop (size, size) in [-1, 1], +1 = nothing inside the cube.

        Each cell takes the frame pixel nearest to its centre and averages it with those of its 3×3 sub-samples that
        lie on the same surface (within 12 mm). So noise goes down, but no depth is made up between two surfaces (a
        plain average would leave flying pixels along every finger), and a cell always shows the same surface as
        `crop_labels` does.
        """
        fine = self._sample(depth, _OVERSAMPLE).astype(np.float32)
        blocks = fine.reshape(self.size, _OVERSAMPLE, self.size, _OVERSAMPLE).transpose(0, 2, 1, 3)
        cells = blocks.reshape(self.size, self.size, -1)  # (size, size, 9) mm
        seen = cells[..., cells.shape[-1] // 2]  # (size, size) mm, the pixel nearest to the cell's centre
        same = (np.abs(cells - seen[..., None]) <= _SAME_SURFACE_MM) & (cells > 0)
        mean = (cells * same).sum(-1) / np.maximum(same.sum(-1), 1)
        relative = (mean - self.center[2]) / (self.cube_mm / 2)
        relative[seen <= 0] = 1.0
        return np.clip(relative, -1.0, 1.0).astype(np.float32)

    def crop_labels(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Label map (H, W) → (size, size): the label of the frame pixel nearest to each cell's centre, 0 outside."""
        return self._sample(labels, 1)

    def paste_labels(self, parts: NDArray[np.uint8], depth: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Part map (size, size) → (H, W): each pixel of the window takes its cell's label, 0 where it saw nothing.

        depth: the frame (H, W) mm that was cropped. A pixel without a measurement or behind the cube gets 0; one in
        front of the cube keeps its label, as `crop_depth` keeps it, clamped to the cube's front.
        """
        labels = np.zeros(depth.shape, dtype=np.uint8)
        limit = [depth.shape[1], depth.shape[0]]
        left, top = np.clip(np.ceil(self.corner), 0, limit).astype(int)
        right, bottom = np.clip(np.ceil(self.corner + self.extent), 0, limit).astype(int)
        if right <= left or bottom <= top:
            return labels
        columns = ((np.arange(left, right) - self.corner[0]) / self.extent[0] * self.size).astype(int)
        rows = ((np.arange(top, bottom) - self.corner[1]) / self.extent[1] * self.size).astype(int)
        cells = np.ix_(np.minimum(rows, self.size - 1), np.minimum(columns, self.size - 1))
        frame = depth[top:bottom, left:right]
        inside = (frame > 0) & (frame < self.center[2] + self.cube_mm / 2)
        labels[top:bottom, left:right] = np.where(inside, parts[cells], 0)
        return labels

    def to_crop(self, joints: ArrayLike) -> NDArray[np.float64]:
        """Joints (J, 3) mm, camera axes → crop coordinates (see `to_crop`)."""
        return to_crop(joints, self.center, self.cube_mm)

    def from_crop(self, places: ArrayLike) -> NDArray[np.float64]:
        """Crop coordinates (J, 3) → joints mm, camera axes. Inverse of `to_crop`."""
        return from_crop(places, self.center, self.cube_mm)

    def to_pixels(self, joints: ArrayLike) -> NDArray[np.float64]:
        """Joints (..., 3) mm → crop pixels (..., 2), x right and y down, cell centres at integers."""
        return (self.camera.project(joints) - self.corner) / self.extent * self.size - 0.5

    def points(self, crop: NDArray[np.float32]) -> NDArray[np.float64]:
        """Depth crop (size, size) in [-1, 1] → the surface point of every cell, (size, size, 3) mm."""
        return surface(crop, self.center, self.cube_mm)

    def _sample(self, image: NDArray[Any], oversample: int) -> NDArray[Any]:
        """Nearest pixel at oversample × oversample points a cell; 0 outside the image."""
        count = self.size * oversample
        steps = (np.arange(count) + 0.5) / count
        height, width = image.shape
        # clipped to one pixel outside before the cast: a window may lie further off than an integer can say
        columns = np.clip(np.rint(self.corner[0] + steps * self.extent[0]), -1, width).astype(np.int64)
        rows = np.clip(np.rint(self.corner[1] + steps * self.extent[1]), -1, height).astype(np.int64)
        samples = image[np.ix_(np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1))]
        samples[(rows < 0) | (rows >= height), :] = 0
        samples[:, (columns < 0) | (columns >= width)] = 0
        return samples


def to_crop(joints: ArrayLike, center: ArrayLike, cube_mm: ArrayLike) -> NDArray[np.float64]:
    """Joints (..., J, 3) mm, camera axes → crop coordinates: x and y as seen in the crop, z in the cube.

    x = -1 is the window's left edge and 1 its right edge, at whatever depth the joint lies; y likewise from the top;
    z = -1 is the cube's front and 1 its back. center (..., 3) and cube_mm (...): of the crop of each frame.

    Places in the cube itself would not do for a network: away from the camera's axis a nearer point appears farther
    out, by an amount that depends on where in the frame the crop was taken, which the crop does not show (8 mm in the
    mean on the sensor-gap benchmark).
    """
    joints, center, half = _frames(joints, center, cube_mm)
    places = (joints * (center[..., 2:] / joints[..., 2:]) - center) / half
    places[..., 2:] = (joints[..., 2:] - center[..., 2:]) / half
    return places


def from_crop(places: ArrayLike, center: ArrayLike, cube_mm: ArrayLike) -> NDArray[np.float64]:
    """Crop coordinates (..., J, 3) → joints mm, camera axes. Inverse of `to_crop`."""
    places, center, half = _frames(places, center, cube_mm)
    joints = places * half + center  # z is right already
    joints[..., :2] *= joints[..., 2:] / center[..., 2:]
    return joints


def surface(crops: NDArray[Any], center: ArrayLike, cube_mm: ArrayLike) -> NDArray[np.float64]:
    """Depth crops (..., h, h) in [-1, 1] → the surface point of every cell, (..., h, h, 3) mm, camera axes."""
    steps = (np.arange(crops.shape[-1]) + 0.5) / crops.shape[-1] * 2 - 1
    x, y = np.broadcast_to(steps, crops.shape), np.broadcast_to(steps[:, None], crops.shape)
    places = np.stack([x, y, crops], axis=-1)
    joined = places.reshape(*crops.shape[:-2], -1, 3)
    return from_crop(joined, center, cube_mm).reshape(places.shape)


def _frames(
    points: ArrayLike, center: ArrayLike, cube_mm: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Points (..., J, 3), center (..., 1, 3) and half the cube (..., 1, 1), to be computed with each other."""
    center, half = np.asarray(center, dtype=np.float64), np.asarray(cube_mm, dtype=np.float64) / 2
    return np.asarray(points, dtype=np.float64), center[..., None, :], half[..., None, None]
