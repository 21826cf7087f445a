"""From where, through what camera, and how far off-centre a synthetic hand is seen."""

import numpy as np
from numpy.typing import NDArray

from knuckle.camera import Camera
from knuckle.crop import CUBE_MM
from knuckle.synth.hands import HandModel, unit

_WIDTH, _HEIGHT = 640, 480
_DEPTH_MM = (280.0, 1300.0)
_WINDOW_PX = (70.0, 290.0)  # the cube's width in the frame: what near and far sensors of all makes give
_FOCAL_PX = (200.0, 750.0)
_AWAY = 0.35  # part of the half image that a hand strays from the middle
_FOREARM_TOWARDS_CAMERA = 0.55  # views more along the forearm than this, from the elbow's side, are left out


def random_rotation(rng: np.random.Generator) -> NDArray[np.float64]:
    """A uniformly distributed rotation (3, 3)."""
    w, x, y, z = unit(rng.normal(size=4))
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def euler(pitch: float, yaw: float, roll: float) -> NDArray[np.float64]:
    """Rotation about y by yaw, then x by pitch, then z by roll (degrees)."""
    (cp, sp), (cy, sy), (cr, sr) = ((np.cos(a), np.sin(a)) for a in np.radians([pitch, yaw, roll]))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def sample_view(model: HandModel, forearm: NDArray, rng: np.random.Generator) -> NDArray[np.float64]:
    """A rotation (3, 3) from the hand's rest frame to camera axes.

    30 % any direction; the rest about an upright hand: half of them palm or back to the camera, half of any yaw.
    forearm (3,): from elbow to wrist, rest frame.
    """
    upright = np.stack([np.cross(model.distal, model.palmar), -model.distal, -model.palmar])
    while True:
        if rng.random() < 0.3:
            rotation = random_rotation(rng)
        else:
            yaw = rng.uniform(-180, 180) if rng.random() < 0.5 else rng.choice([0, 180]) + rng.normal() * 35
            rotation = euler(rng.normal() * 30, yaw, rng.normal() * 40) @ upright
        if (rotation @ unit(forearm))[2] < _FOREARM_TOWARDS_CAMERA:
            return rotation


def sample_camera(rng: np.random.Generator) -> tuple[Camera, NDArray[np.float64]]:
    """A camera and a hand position (3,) mm in front of it."""
    while True:
        z = rng.uniform(*_DEPTH_MM)
        window = np.exp(rng.uniform(*np.log(_WINDOW_PX)))
        focal = window * z / CUBE_MM
        if _FOCAL_PX[0] <= focal <= _FOCAL_PX[1]:
            break
    camera = Camera(focal, focal, (_WIDTH - 1) / 2, (_HEIGHT - 1) / 2, _WIDTH, _HEIGHT)
    pixel = np.array([_WIDTH, _HEIGHT]) * (0.5 + rng.uniform(-_AWAY, _AWAY, size=2))
    return camera, camera.back_project(pixel, z)


def sample_center_error(rng: np.random.Generator, coarse_share: float) -> NDArray[np.float64]:
    """How far (3,) mm the cube is off the hand's middle: a refined centre's error, or a first, coarse one's."""
    if rng.random() < coarse_share:
        return np.clip(rng.normal(size=3) * 28, -70, 70)
    return np.clip(rng.normal(size=3) * 7, -25, 25)
