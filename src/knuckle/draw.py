"""Pictures: depth in grey, part maps, skeletons, the picture of a result, contact sheets.

Every picture is (H, W, 3) uint8 RGB. A finger has one hue in all of them, darkest at its base. Hues and shades were
chosen by search so that any two parts are at least 17 apart in CIELAB, and 10 to a red- or green-blind eye.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from knuckle.anatomy import BONES, FINGERS, HAND21, JOINT_FINGER, LABELS, PART_FINGER
from knuckle.errors import SettingsError

Image = NDArray[np.uint8]

PALETTE: Image = np.array(
    [
        *[(0, 0, 0), (156, 149, 139)],  # not hand, palm
        *[(163, 0, 8), (240, 28, 59), (255, 150, 142)],  # thumb
        *[(188, 119, 0), (229, 153, 0), (255, 190, 80), (255, 230, 156)],  # index
        *[(0, 125, 67), (0, 168, 105), (96, 209, 152), (174, 248, 206)],  # middle
        *[(0, 81, 183), (0, 124, 234), (0, 168, 255), (105, 212, 255)],  # ring
        *[(110, 34, 102), (168, 89, 157), (222, 149, 210), (255, 216, 255)],  # pinky
    ],
    dtype=np.uint8,
)
"""(21, 3) RGB colour of every label of a part map, in the order of `LABELS`."""

FINGER_COLORS: Image = np.array([PALETTE[np.flatnonzero(finger == PART_FINGER)[1]] for finger in range(len(FINGERS))])
"""(5, 3) RGB colour of every finger, the second shade of its parts: the colour of its bones and joints."""

WRIST_COLOR: Image = np.array([235, 230, 222], dtype=np.uint8)
"""RGB colour of the wrist joint: the palm's hue, light enough to be seen on a grey hand."""

_BACKGROUND = (18, 18, 24)  # a trace of blue tells "no measurement" from a measured surface far away
_DARKEST, _SPAN = 48, 190  # of the greys that measured surfaces have
_GREYS = np.array([_BACKGROUND, *([grey] * 3 for grey in range(1, 256))], dtype=np.uint8)  # 0 is no measurement
_INK = (215, 215, 215)
_HALO = (20, 20, 20)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SUBPIXEL = 4  # OpenCV draws at 1/16 px
_SHADE_MM = 125.0


class HandLike(Protocol):
    """What `hand_picture` needs of a hand; `knuckle.Hand` has it."""

    @property
    def pixels(self) -> ArrayLike: ...  # (21, 2) px
    @property
    def parts(self) -> Image: ...  # (H, W) labels
    @property
    def confidence(self) -> ArrayLike: ...  # (21,) 0..1
    @property
    def center(self) -> ArrayLike: ...  # (3,) mm
    @property
    def side(self) -> str: ...


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
    return PALETTE[_checked_parts(parts)]


def overlay_parts(image: Image, parts: NDArray[np.uint8], alpha: float = 0.7) -> Image:
    """Lays the part colours over a picture (H, W, 3): alpha 0 leaves it, 1 covers it. Label 0 is left untouched.

    Raises `SettingsError` if the part map (H, W) is not of the picture's size, or alpha is not in 0..1.
    """
    image, parts = _checked(image), _checked_parts(parts)
    if parts.shape != image.shape[:2]:
        raise SettingsError(f"picture {image.shape[:2]} and part map {parts.shape} must have one height and width")
    if not 0 <= alpha <= 1:
        raise SettingsError(f"alpha must be in 0..1, got {alpha}")
    covered = parts > 0
    mixed = image.copy()
    mixed[covered] = np.rint((1 - alpha) * image[covered] + alpha * PALETTE[parts[covered]]).astype(np.uint8)
    return mixed


def skeleton(
    image: Image, pixels: ArrayLike, confidence: ArrayLike | None = None, faint_below: float = 0.5, scale: float = 1.0
) -> Image:
    """Draws the 21 joints and 20 bones on a copy of a picture, in the colours of the fingers.

    pixels: (21, 2) px, u right and v down; confidence: (21,) in 0..1. A joint below `faint_below` is drawn hollow, and
    a bone that ends in one is faded. scale: factor on the line width, which grows with the picture, but never so far
    that the joints of a small hand run together.
    Joints that are not finite or far outside the picture are left out, with their bones.
    Raises `SettingsError` if a shape is wrong.
    """
    image = _checked(image)
    pixels = np.asarray(pixels, dtype=np.float64)
    sure = np.ones(len(HAND21), dtype=bool) if confidence is None else np.asarray(confidence) >= faint_below
    if pixels.shape != (len(HAND21), 2) or sure.shape != (len(HAND21),):
        raise SettingsError(f"a skeleton has {len(HAND21)} joints (u, v), got {pixels.shape} and {sure.shape}")
    seen = (np.abs(pixels) < 8 * max(image.shape)).all(axis=1)  # OpenCV cannot take any number; NaN is not < either
    points = [tuple(np.rint(np.where(seen[j], pixels[j], 0) * 2**_SUBPIXEL).astype(int).tolist()) for j in range(21)]
    unit = scale * _line_unit(image, pixels[seen])
    bones = [bone for bone in BONES if seen[bone[0]] and seen[bone[1]]]
    faint = [bone for bone in bones if not (sure[bone[0]] and sure[bone[1]])]
    drawn = image.copy()
    if faint:
        layer = image.copy()
        _draw_bones(layer, points, faint, unit)
        drawn = np.asarray(cv2.addWeighted(layer, 0.5, drawn, 0.5, 0), dtype=np.uint8)
    _draw_bones(drawn, points, [bone for bone in bones if bone not in faint], unit)
    for joint in np.flatnonzero(seen):
        _draw_joint(drawn, points[joint], _joint_color(int(joint)), bool(sure[joint]), unit)
    return drawn


def hand_picture(depth: NDArray[np.float32], hand: HandLike | None, tile: int = 480, legend: bool = True) -> Image:
    """The picture of a result: depth with the skeleton beside the part map, both cropped around the hand.

    depth: (H, W) mm; hand: the estimator's answer for it, None draws the whole frame with the words "no hand found".
    Returns (tile, 2·tile, 3); a legend of the fingers below adds tile/14 rows. Raises `SettingsError` if the part map
    is not of the frame's size.
    """
    if hand is None:
        picture = _no_hand_picture(depth, tile)
        return np.vstack([picture, _blank(tile // 14, 2 * tile)]) if legend else picture
    parts, pixels = np.asarray(hand.parts), np.asarray(hand.pixels, dtype=np.float64)
    if parts.shape != np.shape(depth):
        raise SettingsError(f"the hand's part map {parts.shape} is not of the depth frame's size {np.shape(depth)}")
    z = float(np.asarray(hand.center)[2])  # mm
    grey = depth_image(depth, z - _SHADE_MM, z + _SHADE_MM)
    left, top, side = _window(pixels, parts)
    moved = (pixels - (left, top) + 0.5) * (tile / side) - 0.5  # (21, 2) px of the tile
    bones = skeleton(_cut(grey, left, top, side, tile), moved, hand.confidence)
    labels = _cut(parts, left, top, side, tile)
    flat = overlay_parts(_cut(grey // 2, left, top, side, tile), labels, alpha=0.9)
    picture = np.hstack([bones, flat])
    picture[:, tile - 1 : tile + 1] = _BACKGROUND
    if not legend:
        return picture
    return np.vstack([picture, _caption(2 * tile, tile // 14, f"{hand.side} hand, {z:.0f} mm away")])


def contact_sheet(images: Sequence[Image], columns: int, titles: Sequence[str] | None = None, gap: int = 8) -> Image:
    """Pictures (h, w, 3) of any sizes → one sheet, row by row, each in the middle of a cell of the largest size.

    titles: one line above each picture. Raises `SettingsError` if there is no picture or column, or titles do not
    match the pictures.
    """
    images = [_checked(image) for image in images]
    if not images or columns < 1:
        raise SettingsError(f"a contact sheet needs pictures and columns, got {len(images)} and {columns}")
    if titles is not None and len(titles) != len(images):
        raise SettingsError(f"a contact sheet needs one title a picture, got {len(titles)} for {len(images)}")
    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    head = 0 if titles is None else 22  # px
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    sheet = _blank(rows * (height + head + gap) + gap, columns * (width + gap) + gap)
    for index, image in enumerate(images):
        top = gap + (index // columns) * (height + head + gap)
        left = gap + (index % columns) * (width + gap)
        if titles is not None:
            _write(sheet[top : top + head, left : left + width], titles[index], 0, head)
        row, column = top + head + (height - image.shape[0]) // 2, left + (width - image.shape[1]) // 2
        sheet[row : row + image.shape[0], column : column + image.shape[1]] = image
    return sheet


def write_image(path: str | Path, image: Image) -> None:
    """Writes a picture (H, W, 3) RGB as PNG or JPEG, by the name's ending, whole or not at all.

    Raises `SettingsError`, naming the path, if the ending is another, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise SettingsError(f"{path}: a picture is written as .png or .jpg, not {path.suffix or 'without an ending'}")
    encoded = cv2.imencode(path.suffix, cv2.cvtColor(_checked(image), cv2.COLOR_RGB2BGR))[1]
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(encoded.tobytes())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise SettingsError(f"{path}: cannot write the picture ({error.strerror}): does the folder exist?") from None


def _checked(image: Image) -> Image:
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise SettingsError(f"a picture must be (H, W, 3) uint8 RGB, got {image.dtype} {image.shape}")
    return np.ascontiguousarray(image)


def _checked_parts(parts: NDArray[np.uint8]) -> NDArray[np.uint8]:
    parts = np.asarray(parts)
    if parts.ndim != 2 or not np.issubdtype(parts.dtype, np.integer):
        raise SettingsError(f"a part map must be (H, W) whole-number labels, got {parts.dtype} {parts.shape}")
    if parts.size and not 0 <= parts.min() <= parts.max() < len(LABELS):
        raise SettingsError(f"a part map holds labels 0..{len(LABELS) - 1}, got {parts.min()}..{parts.max()}")
    return parts


def _line_unit(image: Image, points: NDArray[np.float64]) -> float:
    """Width of a bone, px, by the smaller side of the picture and the larger extent of the hand's joints (N, 2)."""
    extent = np.ptp(points, axis=0).max() if len(points) else 0.0
    return float(max(1.0, min(min(image.shape[:2]) / 150, extent / 70)))


def _joint_color(joint: int) -> tuple[int, ...]:
    finger = JOINT_FINGER[joint]
    return tuple((WRIST_COLOR if finger < 0 else FINGER_COLORS[finger]).tolist())


def _draw_bones(image: Image, points: list[tuple[int, ...]], bones: list[tuple[int, int]], unit: float) -> None:
    """In place: dark outlines first, so that a crossing never cuts a finger in two."""
    for extra, halo in ((2, True), (0, False)):
        for parent, child in bones:
            color = _HALO if halo else _joint_color(child)
            width = max(2, round(unit)) + extra
            cv2.line(image, points[parent], points[child], color, width, cv2.LINE_AA, _SUBPIXEL)


def _draw_joint(image: Image, point: tuple[int, ...], color: tuple[int, ...], sure: bool, unit: float) -> None:
    """In place: a disc, or a ring for a joint that is a guess."""
    radius = round(1.6 * max(unit, 1.0) * 2**_SUBPIXEL)
    rim = 2**_SUBPIXEL
    cv2.circle(image, point, radius + rim, _HALO, cv2.FILLED, cv2.LINE_AA, _SUBPIXEL)
    cv2.circle(image, point, radius, color, cv2.FILLED, cv2.LINE_AA, _SUBPIXEL)
    if not sure:
        cv2.circle(image, point, radius // 2, _HALO, cv2.FILLED, cv2.LINE_AA, _SUBPIXEL)


def _window(pixels: NDArray[np.float64], parts: NDArray[np.uint8]) -> tuple[float, float, float]:
    """(left, top, side) px of a square that shows the hand with some room around it."""
    size = np.array(parts.shape[::-1])
    points = pixels[((pixels > -size) & (pixels < 2 * size)).all(axis=1)]  # a joint miles away must not shrink the hand
    rows, columns = np.nonzero(parts)
    if rows.size:
        points = np.vstack([points, np.percentile(np.stack([columns, rows], axis=-1), [1, 99], axis=0)])
    if not len(points):
        points = np.array([[0, 0], size - 1], dtype=np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    side = 1.2 * max((high - low).max(), 20.0)
    left, top = (low + high + 1 - side) / 2
    return float(left), float(top), float(side)


def _cut(image: NDArray[np.uint8], left: float, top: float, side: float, tile: int) -> NDArray[np.uint8]:
    """The window of a picture or part map, enlarged to tile × tile; labels are not mixed, outside is background."""
    zoom = tile / side
    move = np.array([[zoom, 0, zoom * (0.5 - left) - 0.5], [0, zoom, zoom * (0.5 - top) - 0.5]])
    labels = image.ndim == 2
    fill = (0,) if labels else _BACKGROUND
    how = cv2.INTER_NEAREST if labels else cv2.INTER_LINEAR
    return np.asarray(cv2.warpAffine(image, move, (tile, tile), flags=how, borderValue=fill), dtype=np.uint8)


def _no_hand_picture(depth: NDArray[np.float32], tile: int) -> Image:
    """(tile, 2·tile, 3): the whole frame, and the words beside it."""
    grey = depth_image(depth)
    zoom = tile / max(grey.shape[:2])
    size = max(1, round(grey.shape[1] * zoom)), max(1, round(grey.shape[0] * zoom))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_NEAREST)
    picture = _blank(tile, 2 * tile)
    top, left = (tile - size[1]) // 2, (tile - size[0]) // 2
    picture[top : top + size[1], left : left + size[0]] = small
    _write(picture[:, tile:], "no hand found", tile // 20, tile, max(0.4, tile / 480))
    return picture


def _caption(width: int, height: int, text: str) -> Image:
    """(height, width, 3): the palm's and the fingers' colours with their names, and a text at the right."""
    strip = _blank(height, width)
    scale, at = height / 60, height // 4
    for finger, name in ((-1, "palm"), *enumerate(FINGERS)):
        colors = PALETTE[1:][PART_FINGER[1:] == finger]  # (1..4, 3)
        swatch = np.repeat(colors, -(-height // len(colors)), axis=0)[:height]
        strip[height // 4 : height - height // 4, at : at + height] = swatch[: strip.shape[1] - at][None]
        at = _write(strip, name, at + height + height // 5, height, scale) + height // 2
    _write(strip, text, width - height // 4 - _text_width(text, scale), height, scale)
    return strip


def _write(area: Image, text: str, left: int, height: int, scale: float = 0.4) -> int:
    """In place, one line in the middle of the area's height; returns where the text ends, px."""
    cv2.putText(area, text, (left, round(height / 2 + 10 * scale)), _FONT, scale, _INK, 1, cv2.LINE_AA)
    return left + _text_width(text, scale)


def _text_width(text: str, scale: float) -> int:
    return int(cv2.getTextSize(text, _FONT, scale, 1)[0][0])


def _blank(height: int, width: int) -> Image:
    return np.full((height, width, 3), _BACKGROUND, dtype=np.uint8)
