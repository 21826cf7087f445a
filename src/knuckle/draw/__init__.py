"""Pictures: depth in grey, part maps, skeletons, the picture of a result, contact sheets.

Every picture is (H, W, 3) uint8 RGB. A finger has one hue in all of them, darkest at its base.
"""

from knuckle.draw.bones import skeleton
from knuckle.draw.colors import FINGER_COLORS, PALETTE, WRIST_COLOR, Image
from knuckle.draw.files import write_image
from knuckle.draw.images import depth_image, overlay_parts, part_image
from knuckle.draw.result import HandLike, hand_picture
from knuckle.draw.sheet import contact_sheet

__all__ = [
    "FINGER_COLORS",
    "PALETTE",
    "WRIST_COLOR",
    "HandLike",
    "Image",
    "contact_sheet",
    "depth_image",
    "hand_picture",
    "overlay_parts",
    "part_image",
    "skeleton",
    "write_image",
]
