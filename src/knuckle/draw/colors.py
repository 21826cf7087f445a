"""The colours of parts, fingers and joints.

Hues and shades were chosen by search so that any two parts are at least 17 apart in CIELAB, and 10 to a red- or
green-blind eye.
"""

import numpy as np
from numpy.typing import NDArray

from knuckle.anatomy import FINGERS, JOINT_FINGER, PART_FINGER

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

BACKGROUND = (18, 18, 24)
"""Of pictures, and of what measures nothing: a trace of blue tells it from a measured surface far away."""

INK = (215, 215, 215)
"""Of text."""

HALO = (20, 20, 20)
"""Around bones and joints."""


def joint_color(joint: int) -> tuple[int, ...]:
    """Of a joint, and of the bone that ends in it."""
    finger = JOINT_FINGER[joint]
    return tuple((WRIST_COLOR if finger < 0 else FINGER_COLORS[finger]).tolist())
