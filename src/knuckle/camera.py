"""The pinhole camera. Axes as in OpenCV: x right, y down, z forward (mm); pixel centres at integers."""

import json
import math
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knuckle.errors import CameraError, shown
from knuckle.files import reason_of

_REQUIRED = ("fx", "fy", "cx", "cy", "width", "height")

_LEAST_PX, _MOST_PX = 1e-3, 1e9
"""Of a focal length, and at most of a principal point: beyond these lies no camera, and arithmetic overflows."""

_LONGEST = 1_000_000
"""Pixels along a side of an image."""


@dataclass(frozen=True)
class Camera:
    """Pinhole intrinsics of a depth camera, without lens distortion.

    fx, fy: focal lengths, px (positive); cx, cy: principal point, px; width, height: image size, px;
    depth_unit_mm: millimetres per step of the camera's 16-bit depth images, where known.

    Raises `CameraError` for values that no camera has.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    depth_unit_mm: float | None = None

    def __post_init__(self) -> None:
        for name in ("fx", "fy", "cx", "cy"):
            value = getattr(self, name)
            if not _is_finite(value):
                raise CameraError(f"camera: {name} must be a finite number of pixels, got {shown(value)}")
            object.__setattr__(self, name, float(value))  # NumPy's scalars would not go into a JSON file
        for name in ("fx", "fy"):
            if not _LEAST_PX <= getattr(self, name) <= _MOST_PX:
                raise CameraError(
                    f"camera: {name} is a focal length in pixels and must be positive, {_LEAST_PX:g} to {_MOST_PX:g}, "
                    f"got {getattr(self, name)!r}"
                )
        for name in ("cx", "cy"):
            if abs(getattr(self, name)) > _MOST_PX:
                raise CameraError(f"camera: {name} must be within {_MOST_PX:g} pixels, got {getattr(self, name)!r}")
        for name in ("width", "height"):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or not 0 < value <= _LONGEST:
                raise CameraError(
                    f"camera: {name} must be a positive whole number of pixels up to {_LONGEST:,}, got {shown(value)}"
                )
            object.__setattr__(self, name, int(value))
        unit = self.depth_unit_mm
        if unit is not None:
            if not _is_finite(unit) or not 1e-3 <= unit <= 1e3:
                raise CameraError(f"camera: depth_unit_mm must be 0.001 to 1000 millimetres, got {shown(unit)}")
            object.__setattr__(self, "depth_unit_mm", float(unit))

    def project(self, points: ArrayLike) -> NDArray[np.float64]:
        """Points (..., 3) mm in camera axes → pixels (..., 2), u right and v down. Points must have z > 0."""
        points = np.asarray(points, dtype=np.float64)
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        return np.stack([self.fx * x / z + self.cx, self.fy * y / z + self.cy], axis=-1)

    def back_project(self, pixels: ArrayLike, depth: ArrayLike) -> NDArray[np.float64]:
        """Pixels (..., 2) and their depths (...) mm along the optical axis → points (..., 3) mm."""
        pixels = np.asarray(pixels, dtype=np.float64)
        z = np.asarray(depth, dtype=np.float64)
        x = (pixels[..., 0] - self.cx) * z / self.fx
        y = (pixels[..., 1] - self.cy) * z / self.fy
        return np.stack([x, y, np.broadcast_to(z, x.shape)], axis=-1)

    def window(self, left: int, top: int, width: int, height: int) -> "Camera":
        """The camera that sees only the image window whose first pixel is (left, top)."""
        return replace(self, cx=self.cx - left, cy=self.cy - top, width=width, height=height)

    def mirrored(self) -> "Camera":
        """The camera whose image is this one's flipped left to right: a point (x, y, z) becomes (-x, y, z)."""
        return replace(self, cx=self.width - 1 - self.cx)

    def check_image(self, shape: tuple[int, ...]) -> None:
        """Raises `CameraError` if an image of this shape (H, W) is not this camera's."""
        if tuple(shape) != (self.height, self.width):
            raise CameraError(
                f"the depth image is {' x '.join(map(str, shape[::-1]))} px but the camera is for "
                f"{self.width} x {self.height} px: use the intrinsics of the image's own resolution"
            )

    @classmethod
    def load(cls, path: str | Path) -> "Camera":
        """Reads a JSON file with fx, fy, cx, cy, width, height and, optionally, depth_unit_mm.

        Other keys are ignored. Raises `CameraError`, naming the file, if it is missing, not such a file, or impossible.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a null byte in the name
            raise CameraError(f"{path}: cannot read the camera file ({error})") from None
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:  # ValueError also for an integer of thousands of digits
            raise CameraError(f"{path}: not a JSON file ({error})") from None
        missing = [key for key in _REQUIRED if not isinstance(values, dict) or key not in values]
        if missing:
            raise CameraError(f"{path}: a camera file must hold {', '.join(_REQUIRED)}; missing: {', '.join(missing)}")
        try:
            return cls(**{key: values[key] for key in _REQUIRED}, depth_unit_mm=values.get("depth_unit_mm"))
        except CameraError as error:
            raise CameraError(f"{path}: {error}") from None

    def save(self, path: str | Path) -> None:
        """Writes the JSON file that `load` reads; it appears whole or not at all.

        Raises `CameraError`, naming the file, if it cannot be written.
        """
        values = {key: value for key, value in asdict(self).items() if value is not None}
        path = Path(path)
        partial = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            partial.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
            partial.replace(path)
        except OSError as error:
            with suppress(OSError):  # nor, under a file instead of a folder, can it be sought
                partial.unlink()
            raise CameraError(f"{path}: cannot write the camera file ({reason_of(error)})") from None


def _is_finite(value: object) -> bool:
    """Whether value is a real number, and one that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer of more than 308 digits
        return False
