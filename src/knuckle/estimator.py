"""The inference journey: one depth frame and its camera in, one hand out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knuckle.camera import Camera
from knuckle.crop import CUBE_MM, CropBox
from knuckle.depth import check_depth
from knuckle.errors import SettingsError, shown
from knuckle.judge import MIN_GLIMPSE_MM2, is_hand, part_map, side_scores, visible_area
from knuckle.locate import find_centers, refine_center
from knuckle.networks import SHIPPED, load_regression, load_segmentation

SIDES = ("right", "left")

CONFIDENCE_MM = 20.0
"""`Hand.confidence` is the probability that a joint lies within this distance of the truth."""

CUBE_RANGE_MM = (100.0, 500.0)
"""Cube edges in which a hand of any age fills enough of the crop for the networks."""

CENTER_RANGE_MM = (50.0, 20_000.0)
"""Distances of a hand from the camera that any depth camera can measure."""

SAME_HAND_MM = 100.0
"""Two hands whose centres are nearer than this are one: side by side, hands are at least a palm's width apart."""

SIDE_MARGIN = 0.95
"""The second side is kept for the second pass if its score is at least this share of the first's."""


@dataclass(frozen=True, eq=False)
class Hand:
    """One hand in a depth frame, mm in camera axes (x right, y down, z forward).

    joints: (21, 3) float32 mm, order of `anatomy.HAND21`; pixels: (21, 2) float32, their u and v in the full frame,
    pixel centres at integers; parts: (H, W) uint8, 0 = not hand, 1..20 = `anatomy.PARTS`, in the full frame;
    confidence: (21,) float32 in 0..1, the probability that a joint is within 20 mm of the truth if its error is
    distributed exponentially about the mean that the network expects, 1 - exp(-20 mm / spread); center: (3,) float32
    mm, the middle of the cube that the networks saw; side: "right" or "left".
    """

    joints: NDArray[np.float32]
    pixels: NDArray[np.float32]
    parts: NDArray[np.uint8]
    confidence: NDArray[np.float32]
    center: NDArray[np.float32]
    side: str


@dataclass(frozen=True)
class _View:
    """What the segmentation network makes of one cube under N sides, as the camera sees it.

    crop: (48, 48) in [-1, 1]; probabilities: (N, 21, 48, 48), one for each of `sides`.
    """

    box: CropBox
    crop: NDArray[np.float32]
    sides: tuple[str, ...]
    probabilities: NDArray[np.float32]


class HandPoseEstimator:
    """Finds the hand in depth frames with two networks that run on ONNX Runtime.

    weights: folder of segmentation.onnx and regression.onnx, None = those that come with knuckle; threads: CPU
    threads of the networks, None = all cores. One estimator may be called any number of times, for any cameras.

    Raises `WeightsError` if a network file is missing, damaged or not knuckle's, `SettingsError` for bad threads.
    """

    def __init__(self, weights: str | Path | None = None, threads: int | None = None) -> None:
        folder = SHIPPED if weights is None else Path(weights)
        self._segmentation = load_segmentation(folder, threads)
        self._regression = load_regression(folder, threads)

    def __call__(
        self,
        depth: ArrayLike,
        camera: Camera,
        *,
        center: ArrayLike | None = None,
        side: str = "auto",
        cube_mm: float = CUBE_MM,
    ) -> Hand | None:
        """Depth frame (H, W) mm, 0 = no measurement → the hand, or None where no hand is found.

        center: (3,) mm, camera axes: where the hand is, if known; it is used as it is. Without it the hand is searched
        for, and the cube is moved onto its middle. side: "right", "left" or "auto" = whichever fits better.
        cube_mm: edge of the cube that holds the hand; a child's hand wants less than the default.

        Raises `DepthError` for a frame that no depth camera gives, `CameraError` if it is not this camera's size, and
        `SettingsError` for a bad center, side or cube_mm.
        """
        sides = _check_sides(side)
        _check_cube(cube_mm)
        given = None if center is None else _check_center(center)
        frame = check_depth(depth)
        camera.check_image(frame.shape)
        if given is not None:
            return self._finish(frame, self._look(frame, CropBox(given, camera, cube_mm), sides))
        return next(self._search(frame, camera, sides, cube_mm), None)

    def find(
        self,
        depth: ArrayLike,
        camera: Camera,
        *,
        count: int = 2,
        beside: Sequence[ArrayLike] = (),
        side: str = "auto",
        cube_mm: float = CUBE_MM,
    ) -> list[Hand]:
        """As calling the estimator without a center, but up to `count` hands, the likeliest first.

        beside: centres (3,) mm of hands that are known already; what lies within 100 mm of them, or of a hand that was
        found before, is the same hand. Raises the same errors.
        """
        sides = _check_sides(side)
        _check_cube(cube_mm)
        frame = check_depth(depth)
        camera.check_image(frame.shape)
        known = [np.asarray(center, dtype=np.float64) for center in beside]
        return list(islice(self._search(frame, camera, sides, cube_mm, known), count))

    def segment(self, crops: NDArray[np.float32]) -> NDArray[np.float32]:
        """Crops (N, 48, 48) in [-1, 1] of right hands → part probabilities (N, 21, 48, 48), channel 0 = not hand."""
        return self._segmentation.run(depth=crops[:, None])[0]

    def regress(
        self, crops: NDArray[np.float32], probabilities: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Crops (N, 48, 48) and part probabilities (N, 21, 48, 48) of right hands → joints and their expected error.

        Joints (N, 21, 3) are in crop coordinates, [-1, 1] inside the cube; the expected error (N, 21) is in the same
        unit, half a cube.
        """
        joints, spread = self._regression.run(depth=crops[:, None], probabilities=probabilities)
        return joints, spread

    def _search(
        self,
        frame: NDArray[np.float32],
        camera: Camera,
        sides: tuple[str, ...],
        cube_mm: float,
        known: Sequence[NDArray[np.float64]] = (),
    ) -> Iterator[Hand]:
        """Hands, each another one than those before it and those known."""
        taken = list(known)
        for guess in find_centers(frame, camera):
            if _is_near(guess, taken):
                continue
            closer = self._look_closer(frame, self._look(frame, CropBox(guess, camera, cube_mm), sides))
            if closer is None or _is_near(closer.box.center, taken):
                continue
            hand = self._finish(frame, closer)
            if hand is not None:
                taken.append(closer.box.center)
                yield hand

    def _look(self, frame: NDArray[np.float32], box: CropBox, sides: tuple[str, ...]) -> _View:
        """Segments one cube under each side."""
        crop = box.crop_depth(frame)
        crops = _mirror_left(np.stack([crop] * len(sides)), sides)  # (N, 48, 48)
        return _View(box, crop, sides, _mirror_left(self.segment(crops), sides))

    def _look_closer(self, frame: NDArray[np.float32], view: _View) -> _View | None:
        """Moves the cube onto the hand of a first view and looks again; None if there is no hand to speak of."""
        scores = side_scores(view.crop, view.probabilities)
        parts = part_map(view.crop, view.probabilities[np.argmax(scores)])
        if visible_area(view.box, view.crop, parts > 0) < MIN_GLIMPSE_MM2:
            return None
        center = refine_center(view.box, view.crop, parts)
        if center is None:
            return None
        kept = tuple(np.array(view.sides)[scores >= SIDE_MARGIN * scores.max()].tolist())
        return self._look(frame, replace(view.box, center=center), kept)

    def _finish(self, frame: NDArray[np.float32], view: _View) -> Hand | None:
        """Places the joints under the likeliest side; None if the result is not plausibly a hand."""
        box, crops = view.box, np.stack([view.crop] * len(view.sides))
        joints, spread = self.regress(_mirror_left(crops, view.sides), _mirror_left(view.probabilities, view.sides))
        spread_mm = spread * (box.cube_mm / 2)  # (N, 21)
        confidence = 1 - np.exp(-CONFIDENCE_MM / np.maximum(spread_mm, 1e-3))
        best = int(np.argmax(side_scores(view.crop, view.probabilities, confidence)))
        if not is_hand(box, view.crop, view.probabilities[best], joints[best], spread_mm[best]):
            return None
        side = view.sides[best]
        placed = box.from_crop(joints[best] * ([-1, 1, 1] if side == "left" else [1, 1, 1]))  # (21, 3) mm
        return Hand(
            joints=placed.astype(np.float32),
            pixels=box.camera.project(placed).astype(np.float32),
            parts=box.paste_labels(part_map(view.crop, view.probabilities[best]), frame),
            confidence=confidence[best].astype(np.float32),
            center=box.center.astype(np.float32),
            side=side,
        )


def _mirror_left(arrays: NDArray[np.float32], sides: tuple[str, ...]) -> NDArray[np.float32]:
    """Arrays (N, ..., 48) of crops or maps: the rows of left hands with their columns reversed. Its own inverse.

    A left hand is a right hand in the mirrored scene, seen by the mirrored camera. That camera's crop about the
    mirrored centre is exactly the crop with its columns reversed, and a joint's cube x changes its sign: a crop holds
    depths relative to the centre, and nothing of where the camera's axis lies.
    """
    left = np.array(sides) == "left"  # (N,)
    mirrored = arrays.copy()
    mirrored[left] = arrays[left][..., ::-1]
    return mirrored


def _is_near(center: NDArray[np.float64], others: Sequence[NDArray[np.float64]]) -> bool:
    return any(np.linalg.norm(center - other) < SAME_HAND_MM for other in others)


def _check_sides(side: str) -> tuple[str, ...]:
    if side == "auto":
        return SIDES
    if side not in SIDES:
        raise SettingsError(f'side must be "right", "left" or "auto", got {shown(side)}')
    return (str(side),)


def _check_cube(cube_mm: float) -> None:
    low, high = CUBE_RANGE_MM
    if not isinstance(cube_mm, int | float | np.number) or not low <= cube_mm <= high:
        raise SettingsError(
            f"cube_mm must be {low:g} to {high:g} mm (an adult's hand: {CUBE_MM:g}), got {shown(cube_mm)}"
        )


def _check_center(center: ArrayLike) -> NDArray[np.float64]:
    try:
        values = np.asarray(center, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise SettingsError(f"center must be x, y, z in mm, got {shown(center)}") from None
    near, far = CENTER_RANGE_MM
    if values.shape != (3,) or not (near <= values[2] <= far and np.abs(values).max() <= far):
        raise SettingsError(
            f"center must be x, y, z in mm, camera axes, with z of {near:g} to {far:g}, got {shown(values.tolist())}"
        )
    return values
