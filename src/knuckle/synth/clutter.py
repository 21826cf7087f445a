"""What else a sensor sees inside the cube: wall, table, body, face, objects, the other hand. Simple and unlabelled."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from knuckle.camera import Camera
from knuckle.synth.hands import HandModel
from knuckle.synth.pose import sample_posed
from knuckle.synth.render import NOTHING, draw_ellipsoid, draw_rectangle, rasterize
from knuckle.synth.skinning import skin
from knuckle.synth.view import random_rotation

_OCCLUDED = 0.06  # largest share of the hand's pixels that one object may hide
_PUSHES = 6
_PUSH = 1.06  # how much farther from the camera an object goes that hides too much


def draw_clutter(
    depth: NDArray[np.float64],
    labels: NDArray[np.uint8],
    camera: Camera,
    center: NDArray,
    model: HandModel,
    rng: np.random.Generator,
) -> None:
    """Adds up to four random objects behind and beside the hand at center (3,) mm, in place.

    depth (H, W) mm, `NOTHING` where empty; labels (H, W), set to 0 where an object hides the hand.
    """
    if rng.random() < 0.2:
        return
    for _ in range(rng.integers(1, 5)):
        draw = _OBJECTS[rng.choice(len(_OBJECTS), p=_FREQUENCY)](center, model, rng)
        _place(draw, depth, labels, camera)


Draw = Callable[[NDArray, Camera, float], None]
"""Draws an object into an empty depth image, its position multiplied by a factor ≥ 1 (pushed away along its ray)."""


def _place(draw: Draw, depth: NDArray, labels: NDArray, camera: Camera) -> None:
    """Draws an object, pushed back until it hides little of the hand; one that never does is left out."""
    hand = labels > 0
    layer = np.empty_like(depth)
    for push in range(_PUSHES):
        layer.fill(NOTHING)
        draw(layer, camera, _PUSH**push)
        nearer = layer < depth
        if (nearer & hand).sum() <= _OCCLUDED * hand.sum():
            depth[nearer] = layer[nearer]
            labels[nearer] = 0
            return


def _rectangle(center: NDArray, rotation: NDArray, half_width: float, half_height: float) -> Draw:
    def draw(depth: NDArray, camera: Camera, push: float) -> None:
        side, up = rotation[:, 0] * half_width, rotation[:, 1] * half_height
        # draw_rectangle measures along its half-edges in units of their squared length
        draw_rectangle(center * push, side, up, camera.fx, camera.fy, camera.cx, camera.cy, depth)

    return draw


def _ellipsoid(center: NDArray, rotation: NDArray, radii: NDArray) -> Draw:
    def draw(depth: NDArray, camera: Camera, push: float) -> None:
        inverse = np.ascontiguousarray((rotation / radii).T)
        draw_ellipsoid(center * push, inverse, camera.fx, camera.fy, camera.cx, camera.cy, depth)

    return draw


def _tilted(rng: np.random.Generator, least: float, most: float) -> NDArray[np.float64]:
    """A rotation whose third axis is tilted from the optical axis by least..most degrees, in any direction."""
    tilt, turn, spin = np.radians(rng.uniform(least, most)), rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi)
    return _about_z(turn) @ _about_x(tilt) @ _about_z(spin)


def _about_z(angle: float) -> NDArray[np.float64]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def _about_x(angle: float) -> NDArray[np.float64]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _offset(rng: np.random.Generator, lateral: float, nearest: float, farthest: float) -> NDArray[np.float64]:
    return np.array([*rng.normal(size=2) * lateral, rng.uniform(nearest, farthest)])


def _wall(center: NDArray, model: HandModel, rng: np.random.Generator) -> Draw:
    return _rectangle(center + _offset(rng, 0, 20, 220), _tilted(rng, 0, 35), 2000, 2000)


def _table(center: NDArray, model: HandModel, rng: np.random.Generator) -> Draw:
    where = center + [rng.normal() * 80, rng.uniform(40, 160), rng.uniform(-50, 200)]
    turn = _about_z(rng.normal() * 0.2) @ _about_x(np.radians(rng.uniform(55, 85)))
    return _rectangle(where, turn, rng.uniform(150, 900), rng.uniform(60, 400))


def _board(center: NDArray, model: HandModel, rng: np.random.Generator) -> Draw:
    return _rectangle(
        center + _offset(rng, 90, -40, 180), _tilted(rng, 0, 75), rng.uniform(25, 160), rng.uniform(25, 200)
    )


def _face(center: NDArray, model: HandModel, rng: np.random.Generator) -> Draw:
    radii = np.array([rng.uniform(65, 90), rng.uniform(95, 125), rng.uniform(85, 110)])
    return _ellipsoid(center + _offset(rng, 80, 110, 300), _tilted(rng, 0, 25), radii)


def _body(center: NDArray, model: HandModel, rng: np.random.Generator) -> Draw:
    radii = np.array([rng.uniform(140, 230), rng.uniform(250, 400), rng.uniform(80, 140)])
    return _ellipsoid(center + _offset(rng, 120, 140, 330), _tilted(rng, 0, 20), radii)


def _limb(center: NDArray, model: HandModel, rng: np.random.Generator) -> Draw:
    thick = rng.uniform(22, 60)
    radii = np.array([thick, thick * rng.uniform(0.8, 1.2), rng.uniform(120, 320)])
    return _ellipsoid(center + _offset(rng, 90, -30, 200), random_rotation(rng), radii)


def _thing(center: NDArray, model: HandModel, rng: np.random.Generator) -> Draw:
    return _ellipsoid(center + _offset(rng, 80, -40, 160), random_rotation(rng), rng.uniform(12, 60, size=3))


def _other_hand(center: NDArray, model: HandModel, rng: np.random.Generator) -> Draw:
    """A left hand: the same model in another pose, mirrored."""
    vertices, joints, tips = model.shaped(np.zeros(model.asset.shapes.shape[1]), rng.uniform(0.9, 1.1))
    stretch = np.ones(len(joints))
    bones = sample_posed(model, joints, tips, stretch, stretch, rng)
    points = skin(vertices, *model.skinning, bones.maps) - bones.chain.mean(axis=0)
    points = points * [-1.0, 1.0, 1.0] @ random_rotation(rng).T
    where = center + _offset(rng, 110, -30, 180)

    def draw(depth: NDArray, camera: Camera, push: float) -> None:
        unused = np.empty(depth.shape, dtype=np.int32)
        rasterize(points + where * push, model.asset.faces, camera.fx, camera.fy, camera.cx, camera.cy, depth, unused)

    return draw


_OBJECTS: tuple[Callable[[NDArray, HandModel, np.random.Generator], Draw], ...] = (
    _wall,
    _table,
    _board,
    _face,
    _body,
    _limb,
    _thing,
    _other_hand,
)
_FREQUENCY = (0.17, 0.1, 0.12, 0.12, 0.17, 0.13, 0.1, 0.09)
