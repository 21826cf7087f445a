"""Depth frames and part maps as pictures."""

import numpy as np
from numpy.typing import NDArray

from knuckle.anatomy import LABELS
from knuckle.draw.colors import BACKGROUND, PALETTE, Image
from knuckle.errors import SettingsError

_DARKEST, _SPAN = 48, 190  # of the greys that measured surfaces have
_GREYS = np.array([BACKGROUND, *([grey] * 3 for grey in range(1, 256))], dtype=np.uint8)  # 0 is no measurement


def depth_image(depth: NDArray[np.float32], near: float | None = None, far: float | None = None) -> Image:
    """Depth (H, W) mm → grey picture (H, W, 3), nearer is lighter, no measurement is almost black.

    near, far: mm, the depths of the lightest and the darkest grey; by default the 1st and 99th percentile of the frame.
    Raises `SettingsError` if depth is not (H, W) or far is not beyond near.
    """
    depth = np.asarray(depth, dtype=np.float32)
    if depth.ndim != 2:
        raise SettingsError(f"a depth frame must be (H, W), got {depth.shape}")
    measured = np.isfinite(depth) & (depth > 0)
    low, high = np.percentile(depth[measured], [1, 99]) if measured.any() else (0.0, 1.0)
    near = float(low) if near is None else near
    far = max(float(high), near + 1.0) if far is None else far
    if not near < far:
        raise SettingsError(f"near must be less than far, got near={near} mm, far={far} mm")
    step = np.float32(_SPAN / (far - near))
    levels = np.clip(np.rint((np.float32(far) - depth) * step), 0, _SPAN) + np.float32(_DARKEST)
    return np.take(_GREYS, np.where(measured, levels, 0).astype(np.uint8), axis=0)


def part_image(parts: NDArray[np.uint8]) -> Image:
    """Part map (H, W), labels 0..20 → picture (H, W, 3) in the colours of `PALETTE`, black where there is no hand.

    Raises `SettingsError` if it is not (H, W) or holds a value that is no label.
    """
    return PALETTE[checked_parts(parts)]


def overlay_parts(image: Image, parts: NDArray[np.uint8], alpha: float = 0.7) -> Image:
    """Lays the part colours over a picture (H, W, 3): alpha 0 leaves it, 1 covers it. Label 0 is left untouched.

    Raises `SettingsError` if the part map (H, W) is not of the picture's size, or alpha is not in 0..1.
    """
    image, parts = checked(image), checked_parts(parts)
    if parts.shape != image.shape[:2]:
        raise SettingsError(f"picture {image.shape[:2]} and part map {parts.shape} must have one height and width")
    if not 0 <= alpha <= 1:
        raise SettingsError(f"alpha must be in 0..1, got {alpha}")
    covered = parts > 0
    mixed = image.copy()
    mixed[covered] = np.rint((1 - alpha) * image[covered] + alpha * PALETTE[parts[covered]]).astype(np.uint8)
    return mixed


def checked(image: Image) -> Image:
    """A picture as it is drawn on. Raises `SettingsError` if it is none."""
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise SettingsError(f"a picture must be (H, W, 3) uint8 RGB, got {image.dtype} {image.shape}")
    return np.ascontiguousarray(image)


def checked_parts(parts: NDArray[np.uint8]) -> NDArray[np.uint8]:
    parts = np.asarray(parts)
    if parts.ndim != 2 or not np.issubdtype(parts.dtype, np.integer):
        raise SettingsError(f"a part map must be (H, W) whole-number labels, got {parts.dtype} {parts.shape}")
    if parts.size and not 0 <= parts.min() <= parts.max() < len(LABELS):
        raise SettingsError(f"a part map holds labels 0..{len(LABELS) - 1}, got {parts.min()}..{parts.max()}")
    return parts
