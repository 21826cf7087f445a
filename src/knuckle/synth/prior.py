"""The pose prior: prototypes of gestures, mixtures of them, and correlated curls.

Every number's source: docs/pose.md. Angles of gestures that are held by contact come from `tools/solve_contacts.py`.
"""

import math

import numpy as np
from numpy.typing import NDArray

from knuckle.anatomy import POSE_MAX, POSE_MIN
from knuckle.compiled import njit

DEFAULT_MIX = np.array([0.35, 0.25, 0.40])  # (3,)
"""Shares of poses between two prototypes, with every finger between two of its own, and of correlated curls."""

_SPLAY = np.array([-1.0, -0.2, 0.6, 1.0])  # which way index..pinky fan out, ulnar positive


def _prototype(thumb: tuple, *fingers: tuple) -> NDArray[np.float64]:
    return np.concatenate([[0, 0], thumb, *fingers]).astype(float)


def _fan(degrees: float) -> list[tuple]:
    return [(0, degrees * splay, 4, 3) for splay in _SPLAY]


_STRAIGHT = (0, 0, 3, 2)
_CURLED = ((55, 8, 92, 58), (72, 0, 88, 58), (74, -1, 88, 58), (69, 0, 81, 52))  # index to pinky: tips on the palm
_THUMB_OUT = (10, -8, 0, 5, 5)
_ON_FIST = ((24.6, 24.3, 40.2, 38.8, 33.4), (55, 8, 91.5, 58), (75.3, 0, 81.9, 58), _CURLED[2])  # thumb to ring

# Angles in degrees, order of anatomy.POSE from the thumb on: palmar abduction, ulnar adduction, twist, mcp, ip; then a
# finger's mcp, abduction, pip, dip.
PROTOTYPES = {
    "open": _prototype(_THUMB_OUT, *_fan(8)),
    "flat": _prototype((5, 10, 0, 5, 5), (0, 18, 3, 2), (0, -3, 3, 2), (0, -8, 3, 2), (0, -20, 3, 2)),
    "fist": _prototype(*_ON_FIST, _CURLED[3]),
    "point": _prototype((21.1, 26.8, 35.3, 27.6, 51.2), _STRAIGHT, (72.5, 0, 82, 58), *_CURLED[2:]),
    "vee": _prototype((26.5, 33.6, 40, 55, 49.9), _fan(8)[0], (0, 8, 4, 3), *_CURLED[2:]),
    "three": _prototype((9.8, 39.4, 17.7, 48, 36.2), _fan(8)[0], _STRAIGHT, _fan(8)[2], (68.3, 1.5, 77.3, 49.7)),
    "four": _prototype((-3.6, 28.7, 40, 53.5, 51.4), *_fan(6)),
    "thumb_up": _prototype((5, -12, 0, 0, -5), *_CURLED),
    "ell": _prototype((8, -15, 0, 0, 0), _STRAIGHT, *_CURLED[1:]),
    "horns": _prototype((18.4, 34.8, 36.3, 25.8, 29.9), _STRAIGHT, (65.5, 0, 84.2, 58), _CURLED[2], _STRAIGHT),
    "pinky": _prototype(*_ON_FIST, _STRAIGHT),
    "shaka": _prototype((8, -12, 0, 0, 0), *_CURLED[:3], _fan(8)[3]),
    "pinch": _prototype(
        (22, 13.4, 17.8, 16.8, 37.2), (52.9, 1.6, 50.2, 29.8), (25, 0, 35, 20), (18, 3, 28, 15), (12, 6, 22, 12)
    ),
    "ok": _prototype(
        (18.9, 13, 11.7, 17.2, 32.2), (50.4, -5.2, 51.4, 30.8), (5, 0, 10, 5), (2, 6, 8, 5), (0, 10, 8, 4)
    ),
    "claw": _prototype((25, 0, 10, 15, 35), *[(10, 5 * splay, 65, 45) for splay in _SPLAY]),
    "relaxed": _prototype((18, 5, 5, 12, 18), (15, -3, 25, 12), (20, 0, 30, 15), (24, 2, 34, 16), (26, 5, 34, 16)),
    "grasp": _prototype((42, 5, 20, 20, 30), *[(40, 4 * splay, 40, 25) for splay in _SPLAY]),
    "bent": _prototype((30, 18, 15, 15, 15), (68, -5, 5, 4), (68, 0, 5, 4), (70, 0, 5, 4), (72, 0, 5, 4)),
    "hook": _prototype(_THUMB_OUT, *[(5, 0, 95, 55)] * 4),
}
"""Gesture → (23,) degrees."""
_ALL = np.stack(list(PROTOTYPES.values()))  # (P, 23) degrees
_JITTER = np.array([22, 9, *([6] * 5), *([6, 4, 6, 4] * 4)], dtype=float)  # (23,) degrees, 1 σ about a prototype
_ANGLES = 23
_TAUT = 0.6  # part of a finger's abduction that the taut ligaments of a knuckle bent by 90° take away
_STARTS = np.array([2, 7, 11, 15, 19, 23])  # first angle of thumb, index, ... pinky, and the end

# Correlation of the curls of index, middle, ring and pinky: neighbours move together, ring and pinky most.
_TOGETHER = np.array(
    [
        [1.00, 0.70, 0.55, 0.45],
        [0.70, 1.00, 0.80, 0.65],
        [0.55, 0.80, 1.00, 0.85],
        [0.45, 0.65, 0.85, 1.00],
    ]
)
_MIX_CURLS = np.linalg.cholesky(_TOGETHER)  # (4, 4)


@njit()
def sample_pose(mix: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """A pose vector (23,) degrees inside the limits of `anatomy`; mix (3,): shares as in `DEFAULT_MIX`, of any sum."""
    kind = rng.random() * mix.sum()
    strength = 1.0
    if kind < mix[0]:
        pose = _between(rng)
        strength = rng.random()
    elif kind < mix[0] + mix[1]:
        pose = _mixed(rng)
    else:
        pose = _curls(rng)
    for a in range(_ANGLES):
        spread = _JITTER[a] if a < 2 else _JITTER[a] * strength
        pose[a] = min(max(pose[a] + rng.normal(0.0, 1.0) * spread, POSE_MIN[a]), POSE_MAX[a])
    for mcp in _STARTS[1:5]:
        free = 1.0 - _TAUT * max(pose[mcp], 0.0) / POSE_MAX[mcp]
        pose[mcp + 1] = min(max(pose[mcp + 1], free * POSE_MIN[mcp + 1]), free * POSE_MAX[mcp + 1])
    return pose


@njit()
def _held(rng: np.random.Generator) -> float:
    """How far from one gesture to another: a third of the draws are one of the two, so that held contact is met."""
    return min(max(1.5 * rng.random() - 0.25, 0.0), 1.0)


@njit()
def _between(rng: np.random.Generator) -> NDArray[np.float64]:
    a, b = _ALL[int(rng.random() * len(_ALL))], _ALL[int(rng.random() * len(_ALL))]
    return a + (b - a) * _held(rng)


@njit()
def _mixed(rng: np.random.Generator) -> NDArray[np.float64]:
    pose = np.zeros(_ANGLES)
    for finger in range(5):
        a, b = _ALL[int(rng.random() * len(_ALL))], _ALL[int(rng.random() * len(_ALL))]
        share = rng.random()
        for angle in range(_STARTS[finger], _STARTS[finger + 1]):
            pose[angle] = a[angle] + (b[angle] - a[angle]) * share
    return pose


@njit()
def _curls(rng: np.random.Generator) -> NDArray[np.float64]:
    """Every finger curls by an amount that is correlated with its neighbours'; the dip follows the pip."""
    pose = np.zeros(_ANGLES)
    for angle in range(_STARTS[0], _STARTS[1]):
        pose[angle] = POSE_MIN[angle] + (POSE_MAX[angle] - POSE_MIN[angle]) * rng.random()
    mcp, pip = _correlated(rng), _correlated(rng)
    fan = -12.0 + 32.0 * rng.random()  # degrees: from closed to spread wide
    for finger in range(4):
        at = _STARTS[finger + 1]
        curl = mcp[finger]
        bend = min(max(curl + 0.5 * (pip[finger] - 0.5), 0.0), 1.0)
        pose[at] = 110.0 * curl - 20.0
        pose[at + 1] = (1.0 - 0.8 * curl) * (fan * _SPLAY[finger] + 4.0 * rng.normal(0.0, 1.0))
        pose[at + 2] = 105.0 * bend
        pose[at + 3] = pose[at + 2] * 2.0 / 3.0 + 6.0 * rng.normal(0.0, 1.0)
    return pose


@njit()
def _correlated(rng: np.random.Generator) -> NDArray[np.float64]:
    """(4,) amounts 0..1 of index to pinky, each uniform but for its ends, which are met more often."""
    amounts = np.empty(4)
    plain = np.empty(4)
    for finger in range(4):
        plain[finger] = rng.normal(0.0, 1.0)
    for finger in range(4):
        z = 0.0
        for k in range(finger + 1):
            z += _MIX_CURLS[finger, k] * plain[k]
        share = 0.5 * (1.0 + math.erf(z / np.sqrt(2.0)))
        amounts[finger] = min(max(1.3 * share - 0.15, 0.0), 1.0)
    return amounts
