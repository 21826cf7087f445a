"""Whether what the networks see is a hand, and which side it is. All thresholds are here; none of them is learned.

Part probabilities are (21, 48, 48), channel 0 = not hand; crops are (48, 48) in [-1, 1], +1 = nothing inside the cube.
"""

import numpy as np
from numpy.typing import NDArray

from knuckle.crop import CropBox

MIN_GLIMPSE_MM2 = 800.0
"""Visible hand in a first, coarsely placed cube, below which the cube is not worth moving: two fingers."""

MIN_HAND_MM2, MAX_HAND_MM2 = 1_800.0, 30_000.0
"""Visible surface of a whole hand: from a child's seen edge-on to twice a large open one (15,000)."""

MIN_FINGER_SHARE = 0.04
"""Share of the hand's cells that show fingers: a fist seen from its back still shows more."""

MIN_CERTAINTY = 0.35
"""Mean probability of the parts of the hand's cells: seven times what a guess among 21 labels has."""

MAX_SPREAD_MM = 25.0
"""Mean expected joint error beyond which a pose says nothing: the real hands that were looked at lie below 24, the
faces and furniture that have a hand's parts above 34."""

MAX_REACH = 2.0
"""Cube coordinates: a joint farther from the centre is no joint of the hand that the cube shows."""

_PALM = 1


def part_map(crop: NDArray[np.float32], probabilities: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(48, 48): the likeliest label of every cell, 0 where the cube is empty."""
    return np.where(crop < 1, probabilities.argmax(axis=0), 0).astype(np.uint8)


def visible_area(box: CropBox, crop: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    """mm² of surface that the masked cells (48, 48) cover, as if it faced the camera."""
    z = crop[mask] * (box.cube_mm / 2) + box.center[2]  # (N,) mm
    return float(np.square(z / box.center[2]).sum() * (box.cube_mm / box.size) ** 2)


def side_scores(
    crop: NDArray[np.float32],
    probabilities: NDArray[np.float32],
    confidence: NDArray[np.float32] | None = None,
) -> NDArray[np.float64]:
    """How well each of N readings of one crop, (N, 21, 48, 48), fits a hand: (N,) in 0..1, the higher the better.

    The mean probability of the likeliest hand part over all cells that show anything, so that a reading gains by being
    sure, and not by calling less of the crop a hand. Where joints are known, it is weighed by their mean confidence
    (N, 21).
    """
    seen = crop < 1
    if not seen.any():
        return np.zeros(len(probabilities))
    score = probabilities[:, 1:].max(axis=1)[:, seen].mean(axis=1, dtype=np.float64)  # (N,)
    return score if confidence is None else score * confidence.mean(axis=1)


def is_hand(
    box: CropBox,
    crop: NDArray[np.float32],
    probabilities: NDArray[np.float32],
    joints: NDArray[np.float32],
    spread_mm: NDArray[np.float32],
) -> bool:
    """Whether parts and joints are those of a hand: enough surface, some of it fingers, and both networks sure.

    joints: (21, 3) in crop coordinates; spread_mm: (21,) expected errors.
    """
    parts = part_map(crop, probabilities)
    hand = parts > 0
    if not MIN_HAND_MM2 <= visible_area(box, crop, hand) <= MAX_HAND_MM2:
        return False
    fingers = np.count_nonzero(parts > _PALM) / np.count_nonzero(hand)
    certainty = probabilities.max(axis=0)[hand].mean()
    reach = np.abs(joints).max()  # comparisons below are False for NaN
    in_front = bool((box.from_crop(joints)[:, 2] > 0).all())
    return bool(
        fingers >= MIN_FINGER_SHARE
        and certainty >= MIN_CERTAINTY
        and spread_mm.mean() <= MAX_SPREAD_MM
        and reach <= MAX_REACH
        and in_front
    )
