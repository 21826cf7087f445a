"""From where, through what camera, and how far off-centre a synthetic hand is seen."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from knuckle.compiled import njit
from knuckle.crop import CUBE_MM
from knuckle.synth.rotations import apply, euler, multiply, random_rotation

_DEPTH_MM = (300.0, 1500.0)
_WINDOW_PX = (70.0, 290.0)  # the cube's width in the frame: what near and far sensors of all makes give
_FOCAL_PX = (200.0, 750.0)
_FOCAL_PER_WIDTH = (0.6, 1.1)  # a field of view of 80 to 49 degrees
_ASPECT = 0.03  # 1 σ of the logarithm of fy / fx
_MAX_ASPECT = 1.1
_OFF_AXIS = 0.02  # 1 σ of the principal point about the image's middle, as a share of the width
_AWAY = 0.35  # part of the image's width and height that a hand strays from the middle
_FOREARM_TOWARDS_CAMERA = 0.55  # views more along the forearm than this, from the elbow's side, are left out


class Lens(NamedTuple):
    """A `Camera` for compiled functions: fx, fy, cx, cy, width and height in px."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int


@njit()
def window(lens: Lens, left: int, top: int, width: int, height: int) -> Lens:
    """The lens of only the image window whose first pixel is (left, top), as `Camera.window`."""
    return Lens(lens.fx, lens.fy, lens.cx - left, lens.cy - top, width, height)


@njit()
def sample_view(
    upright: NDArray[np.float64], forearm: NDArray[np.float64], any_view_share: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """A rotation (3, 3) from the hand's rest frame to camera axes.

    A share of any direction; the rest about an upright hand: half of them palm or back to the camera, half of any yaw.
    upright (3, 3): see `Rig`; forearm (3,): from elbow to wrist, rest frame.
    """
    limit = _FOREARM_TOWARDS_CAMERA * np.sqrt((forearm**2).sum())
    while True:
        if rng.random() < any_view_share:
            rotation = random_rotation(rng)
        else:
            if rng.random() < 0.5:
                yaw = rng.uniform(-180.0, 180.0)
            else:
                yaw = 180.0 * rng.integers(0, 2) + 35.0 * rng.standard_normal()
            turn = euler(30.0 * rng.standard_normal(), yaw, 40.0 * rng.standard_normal())
            rotation = multiply(turn, upright)
        if apply(rotation, forearm)[2] < limit:
            return rotation


@njit()
def sample_lens(rng: np.random.Generator) -> tuple[Lens, NDArray[np.float64]]:
    """A camera of any make and a hand position (3,) mm in front of it."""
    while True:
        z = rng.uniform(*_DEPTH_MM)
        focal = np.exp(rng.uniform(np.log(_WINDOW_PX[0]), np.log(_WINDOW_PX[1]))) * z / CUBE_MM
        if _FOCAL_PX[0] <= focal <= _FOCAL_PX[1]:
            break
    aspect = min(max(np.exp(_ASPECT * rng.standard_normal()), 1 / _MAX_ASPECT), _MAX_ASPECT)
    width = int(focal / rng.uniform(*_FOCAL_PER_WIDTH))
    height = width * 3 // 4
    cx = (width - 1) / 2 + _OFF_AXIS * width * rng.standard_normal()
    cy = (height - 1) / 2 + _OFF_AXIS * width * rng.standard_normal()
    u = width * (0.5 + rng.uniform(-_AWAY, _AWAY))
    v = height * (0.5 + rng.uniform(-_AWAY, _AWAY))
    lens = Lens(focal, focal * aspect, cx, cy, width, height)
    return lens, np.array([(u - cx) * z / lens.fx, (v - cy) * z / lens.fy, z])


@njit()
def sample_center_error(coarse_share: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """How far (3,) mm the cube is off the hand's middle: a refined centre's error, or a first, coarse one's."""
    coarse = rng.random() < coarse_share
    spread, most = (28.0, 70.0) if coarse else (7.0, 25.0)
    error = np.empty(3)
    for axis in range(3):
        error[axis] = min(max(spread * rng.standard_normal(), -most), most)
    return error
