"""Lines of text on pictures, and the empty picture under them."""

import cv2
import numpy as np

from knuckle.draw.colors import BACKGROUND, INK, Image

_FONT = cv2.FONT_HERSHEY_SIMPLEX


def write_line(area: Image, text: str, left: int, height: int, scale: float = 0.4) -> int:
    """In place, one line in the middle of the area's height; returns where the text ends, px."""
    cv2.putText(area, text, (left, round(height / 2 + 10 * scale)), _FONT, scale, INK, 1, cv2.LINE_AA)
    return left + text_width(text, scale)


def text_width(text: str, scale: float) -> int:
    """In px."""
    return int(cv2.getTextSize(text, _FONT, scale, 1)[0][0])


def blank(height: int, width: int) -> Image:
    """(height, width, 3) of the background."""
    return np.full((height, width, 3), BACKGROUND, dtype=np.uint8)
