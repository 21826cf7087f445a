"""A whole depth frame of a person's hand raised before their body, as a sensor sees it."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from knuckle.camera import Camera
from knuckle.synth.assets import BONES, FOREARM, WRIST
from knuckle.synth.hands import HandModel, unit
from knuckle.synth.pose import pose_bones
from knuckle.synth.prior import PROTOTYPES
from knuckle.synth.render import NOTHING, draw_ellipsoid, draw_rectangle, rasterize
from knuckle.synth.rotations import euler
from knuckle.synth.sensor import measure
from knuckle.synth.skinning import skin


@dataclass(frozen=True, eq=False)
class Frame:
    """depth (H, W) float32 mm, 0 = no measurement; parts (H, W) uint8; joints (21, 3) mm in camera axes."""

    depth: NDArray[np.float32]
    parts: NDArray[np.uint8]
    joints: NDArray[np.float64]


def render_frame(
    model: HandModel,
    camera: Camera,
    gesture: str,
    place: tuple[float, float, float],
    turn: tuple[float, float, float],
    sensor: str,
    rng: np.random.Generator,
) -> Frame:
    """One right hand in a gesture, as a sensor sees it at 0.7 of its noise; arguments as of `render_scene`."""
    depth, labels, joints = render_scene(model, camera, gesture, place, turn)
    measured, parts = measure(depth, labels, camera.fx, sensor, 0.7, rng)
    return Frame(measured, parts, joints)


def render_scene(
    model: HandModel,
    camera: Camera,
    gesture: str | NDArray[np.float64],
    place: tuple[float, float, float],
    turn: tuple[float, float, float],
    person_mm: float = 1050.0,
) -> tuple[NDArray[np.float64], NDArray[np.uint8], NDArray[np.float64]]:
    """One right hand in front of head, body and wall, without a sensor's noise.

    gesture: one of `prior.PROTOTYPES`, or the angles (23,) of `anatomy.POSE` in degrees; place: middle of the points
    about which the bones turn, mm; turn: pitch, yaw, roll in degrees from a hand held upright, palm to the camera;
    person_mm: distance of the head. Returns depth (H, W) mm, parts (H, W) and joints (21, 3) mm.
    """
    vertices, joints, tips = model.shaped(np.zeros(model.asset.shapes.shape[1]), 1.0)
    stretch = np.ones(BONES)
    pose = PROTOTYPES[gesture] if isinstance(gesture, str) else gesture
    bones = pose_bones(model, joints, tips, pose, stretch, stretch)
    upright = np.stack([np.cross(model.distal, model.palmar), -model.distal, -model.palmar])
    rotation, middle = euler(*turn) @ upright, bones.chain.mean(axis=0)
    points = (skin(vertices, *model.skinning, bones.maps) - middle) @ rotation.T + place
    depth = _person(camera, person_mm).copy()
    face = np.full(depth.shape, -1, dtype=np.int32)
    wrist, forearm = joints[WRIST] - middle, unit(joints[WRIST] - joints[FOREARM])
    _draw_sleeve(depth, camera, rotation @ wrist + place, rotation @ forearm)
    rasterize(points, model.asset.faces, camera.fx, camera.fy, camera.cx, camera.cy, depth, face)
    labels = np.zeros(depth.shape, dtype=np.uint8)
    drawn = face >= 0
    labels[drawn] = model.face_labels[face[drawn]]
    return depth, labels, (bones.joints - middle) @ rotation.T + place


def _draw_sleeve(depth: NDArray, camera: Camera, wrist: NDArray, forearm: NDArray) -> None:
    """A sleeve from behind the wrist to the elbow: the hand models end half-way up the forearm."""
    middle = wrist - 210.0 * forearm
    across = unit(np.cross(forearm, [0.31, 0.87, 0.38]))  # any direction that is not the forearm's
    inverse = np.stack([across, np.cross(forearm, across), forearm]) / np.array([[40.0], [40.0], [150.0]])
    left, top, right, bottom = _window(camera, middle, 150.0)
    lens = (camera.fx, camera.fy, camera.cx - left, camera.cy - top)
    draw_ellipsoid(middle, inverse, *lens, depth[top:bottom, left:right])


def _window(camera: Camera, middle: NDArray, radius: float) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of all pixels that a ball about a point (3,) mm may cover; of all there are, if near."""
    if middle[2] - radius < 1.0:
        return 0, 0, camera.width, camera.height
    corners = np.array([middle[:2] - radius, middle[:2] + radius])[:, None]  # (2, 1, 2), over both depths
    seen = corners / np.array([middle[2] - radius, middle[2] + radius])[:, None] * [camera.fx, camera.fy]
    low = np.floor(seen.min(axis=(0, 1)) + [camera.cx, camera.cy]).astype(int)
    high = np.ceil(seen.max(axis=(0, 1)) + [camera.cx, camera.cy]).astype(int) + 1
    left, top = np.clip(low, 0, [camera.width, camera.height]).tolist()
    right, bottom = np.clip(high, 0, [camera.width, camera.height]).tolist()
    return left, top, right, bottom


@lru_cache(maxsize=4)
def _person(camera: Camera, away: float) -> NDArray[np.float64]:
    """Depth (H, W) mm of head, body and wall, which stay while a hand moves. Not to be written to."""
    depth = np.full((camera.height, camera.width), NOTHING)
    lens = (camera.fx, camera.fy, camera.cx, camera.cy)
    draw_rectangle(
        np.array([0.0, 0.0, 1350.0 + away]), np.array([3000.0, 0, 0]), np.array([0, 3000.0, 0]), *lens, depth
    )
    head, body = ((60.0, -160.0, away), (75.0, 110.0, 95.0)), ((60.0, 330.0, away + 50.0), (230.0, 380.0, 120.0))
    for where, radii in (head, body):
        draw_ellipsoid(np.array(where), np.diag(1 / np.array(radii)), *lens, depth)
    depth.flags.writeable = False
    return depth
