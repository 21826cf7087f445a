"""Names and order of parts, joints and bones, and the limits of the joints. Constants, nothing else.

Parts and joints follow the usual layout of the field: the 21 joints are in MediaPipe's (and MANO-with-tips')
order, the 14 are those that are evaluated on the NYU Hand Pose Dataset (indices 0, 3, 6, 9, 12, 15, 18, 21, 24,
25, 27, 30, 31, 32 of its 36).
"""

import numpy as np

FINGERS = ("thumb", "index", "middle", "ring", "pinky")

PARTS = (
    "palm",
    *(f"thumb_{segment}" for segment in ("proximal", "distal", "tip")),
    *(f"{finger}_{segment}" for finger in FINGERS[1:] for segment in ("proximal", "middle", "distal", "tip")),
)
"""The 20 hand parts. `PARTS[i]` has label i + 1 in a part map; label 0 is "not hand" (background, forearm, clutter)."""

LABELS = ("not_hand", *PARTS)
"""Name of every label of a part map, 0..20."""

HAND21 = (
    "wrist",
    *(f"thumb_{joint}" for joint in ("cmc", "mcp", "ip", "tip")),
    *(f"{finger}_{joint}" for finger in FINGERS[1:] for joint in ("mcp", "pip", "dip", "tip")),
)
"""The 21 joints: the wrist, then each finger from base to tip."""

NYU14 = (
    "pinky_tip",
    "pinky_pip",
    "ring_tip",
    "ring_pip",
    "middle_tip",
    "middle_pip",
    "index_tip",
    "index_pip",
    "thumb_tip",
    "thumb_ip",
    "thumb_mcp",
    "wrist_ulnar",
    "wrist_radial",
    "palm",
)
"""The 14 joints evaluated on NYU."""

WRIST_HALF_WIDTH = 0.30
"""From the middle of the wrist to either of NYU's two wrist joints, in widths of the palm (index to pinky mcp)."""

PALM_WRIST_SHARE = 0.35
"""Weight of the wrist in NYU's palm joint; the four fingers' mcp share the rest."""


def _nyu14_weights() -> np.ndarray:
    weights = np.zeros((len(NYU14), len(HAND21)))
    for row, name in enumerate(NYU14[:11]):
        weights[row, HAND21.index(name)] = 1
    knuckles = [HAND21.index(f"{finger}_mcp") for finger in FINGERS[1:]]
    for row, sign in ((11, 1), (12, -1)):  # the ulnar side is the pinky's
        weights[row, 0] = 1
        weights[row, [knuckles[3], knuckles[0]]] = sign * WRIST_HALF_WIDTH, -sign * WRIST_HALF_WIDTH
    weights[13, [0, *knuckles]] = PALM_WRIST_SHARE, *[(1 - PALM_WRIST_SHARE) / 4] * 4
    return weights


NYU14_FROM_HAND21 = _nyu14_weights()  # (14, 21)
"""Each of the 14 as a weighted sum of the 21: eleven are joints of both, wrist and palm markers are made of ours."""

BONES = tuple(
    (0 if step == 0 else 4 * finger + step, 4 * finger + step + 1) for finger in range(5) for step in range(4)
)
"""The 20 bones of the skeleton as (parent, child) indices into `HAND21`."""

PART_FINGER = np.array([-1, -1, 0, 0, 0, *np.repeat([1, 2, 3, 4], 4)])  # (21,)
"""Finger (index into `FINGERS`) of every label; -1 for "not hand" and the palm."""

JOINT_FINGER = np.array([-1, *np.repeat([0, 1, 2, 3, 4], 4)])  # (21,)
"""Finger (index into `FINGERS`) of every joint of `HAND21`; -1 for the wrist."""


def _label(name: str) -> int:
    return LABELS.index(name)


JOINT_PARTS: dict[str, tuple[int, ...]] = {
    "wrist": (_label("palm"),),
    "thumb_cmc": (_label("palm"),),
    "thumb_mcp": (_label("palm"), _label("thumb_proximal")),
    "thumb_ip": (_label("thumb_proximal"), _label("thumb_distal")),
    "thumb_tip": (_label("thumb_tip"),),
}
"""Labels of the parts that meet at, or carry, each joint of `HAND21`."""
for _finger in FINGERS[1:]:
    JOINT_PARTS[f"{_finger}_mcp"] = (_label("palm"), _label(f"{_finger}_proximal"))
    JOINT_PARTS[f"{_finger}_pip"] = (_label(f"{_finger}_proximal"), _label(f"{_finger}_middle"))
    JOINT_PARTS[f"{_finger}_dip"] = (_label(f"{_finger}_middle"), _label(f"{_finger}_distal"))
    JOINT_PARTS[f"{_finger}_tip"] = (_label(f"{_finger}_tip"),)

POSE = (
    "wrist_flexion",
    "wrist_deviation",
    "thumb_palmar_abduction",
    "thumb_ulnar_adduction",
    "thumb_twist",
    "thumb_mcp",
    "thumb_ip",
    *(f"{finger}_{angle}" for finger in FINGERS[1:] for angle in ("mcp", "abduction", "pip", "dip")),
)
"""The 23 angles (degrees) that pose a hand; flexion is positive, and so is what leads to the ulnar side."""

_FINGER_MIN = [[-30, abduction, -5, -5] for abduction in (-18, -12, -16, -24)]  # of mcp, abduction, pip, dip
_FINGER_MAX = [[90, abduction, 110, 80] for abduction in (20, 12, 16, 22)]

POSE_MIN = np.array([-70, -20, -5, -20, -15, -10, -15, *np.ravel(_FINGER_MIN)], dtype=float)  # (23,) degrees
POSE_MAX = np.array([80, 30, 55, 45, 45, 55, 80, *np.ravel(_FINGER_MAX)], dtype=float)  # (23,) degrees
"""Physiological limits of every angle. Thumb's base and abduction count from the rig's rest; sources: docs/pose.md."""
