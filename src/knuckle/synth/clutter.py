"""What else a sensor sees inside the cube: wall, table, body, face, objects, the other hand. Simple and unlabelled."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from knuckle.compiled import njit
from knuckle.synth.assets import BONES
from knuckle.synth.pose import sample_posed
from knuckle.synth.render import NOTHING, draw_shape, rasterize, rectangle_matrix, shape_depth, shape_middle
from knuckle.synth.rig import Rig
from knuckle.synth.rotations import about_x, about_z, multiply, random_rotation, tilted
from knuckle.synth.shape import moved
from knuckle.synth.shaping import fingertips
from knuckle.synth.skinning import skin
from knuckle.synth.view import Lens

KINDS = ("wall", "table", "board", "face", "body", "limb", "thing", "other_hand")
_FREQUENCY = (0.17, 0.1, 0.12, 0.12, 0.17, 0.13, 0.1, 0.09)  # of each kind
_OTHER_HAND = KINDS.index("other_hand")
_BARE = 0.2  # share of the samples without clutter
_MOST = 4  # objects a sample
_OCCLUDED = 0.06  # largest share of the hand's pixels that one object may hide
_PUSHES = 6
_PUSH = 1.06  # how much farther from the camera an object goes that hides too much


class Shape(NamedTuple):
    """A flat or round object, see `render.draw_shape`: flat, center (3,) mm, matrix (3, 3)."""

    flat: bool
    center: NDArray[np.float64]
    matrix: NDArray[np.float64]


@njit()
def draw_clutter(
    depth: NDArray[np.float32],
    labels: NDArray[np.uint8],
    lens: Lens,
    center: NDArray[np.float64],
    rig: Rig,
    mix: NDArray[np.float64],
    rng: np.random.Generator,
) -> None:
    """Adds up to four random objects behind and beside the hand at center (3,) mm, in place.

    depth (H, W) mm, `NOTHING` where empty; labels (H, W), set to 0 where an object hides the hand; mix: of the other
    hand's poses.
    """
    if rng.random() < _BARE:
        return
    for _ in range(rng.integers(1, _MOST + 1)):
        kind = draw_kind(rng)
        if kind == _OTHER_HAND:
            place_mesh(*sample_other_hand(center, rig, mix, rng), rig.faces, lens, depth, labels)
        else:
            place_shape(sample_shape_of(kind, center, rng), lens, depth, labels)


@njit()
def draw_kind(rng: np.random.Generator) -> int:
    """A random index into `KINDS`."""
    left = rng.random()
    for kind in range(len(_FREQUENCY)):
        left -= _FREQUENCY[kind]
        if left < 0.0:
            return kind
    return 0


@njit()
def place_shape(shape: Shape, lens: Lens, depth: NDArray[np.float32], labels: NDArray[np.uint8]) -> bool:
    """Draws a shape, pushed back until it hides little of the hand; one that never does is left out (False)."""
    limit = int(_OCCLUDED * hand_pixels(labels))
    center = shape.center
    for _ in range(_PUSHES):
        if not _hides_more(shape.flat, center, shape.matrix, lens, depth, labels, limit):
            draw_shape(shape.flat, center, shape.matrix, lens.fx, lens.fy, lens.cx, lens.cy, depth, labels)
            return True
        center = center * _PUSH
    return False


@njit()
def hand_pixels(labels: NDArray[np.uint8]) -> int:
    """How many pixels are labelled."""
    count = 0
    for label in labels.flat:
        if label > 0:
            count += 1
    return count


@njit(fastmath={"arcp", "contract"})
def _hides_more(
    flat: bool,
    center: NDArray[np.float64],
    matrix: NDArray[np.float64],
    lens: Lens,
    depth: NDArray[np.float32],
    labels: NDArray[np.uint8],
    limit: int,
) -> bool:
    """Whether a shape lies before more than `limit` of the labelled pixels."""
    middle = shape_middle(matrix, center)
    hidden = 0
    for y in range(depth.shape[0]):
        ray_y = (y - lens.cy) / lens.fy
        for x in range(depth.shape[1]):
            if labels[y, x] > 0:
                hidden += shape_depth(flat, matrix, middle, (x - lens.cx) / lens.fx, ray_y) < depth[y, x]
        if hidden > limit:
            return True
    return False


@njit()
def place_mesh(
    points: NDArray[np.float64],
    where: NDArray[np.float64],
    faces: NDArray[np.int32],
    lens: Lens,
    depth: NDArray[np.float32],
    labels: NDArray[np.uint8],
) -> bool:
    """`place_shape` of a mesh: points (V, 3) mm about its place where (3,), faces (F, 3)."""
    limit = int(_OCCLUDED * hand_pixels(labels))
    layer, face = np.empty_like(depth), np.empty(depth.shape, dtype=np.int32)
    unturned = np.eye(3)
    for _ in range(_PUSHES):
        layer[:] = NOTHING
        there = moved(points, unturned, where)
        rasterize(there, faces, lens.fx, lens.fy, lens.cx, lens.cy, layer, face)
        if ((layer < depth) & (labels > 0)).sum() <= limit:
            _lay_over(layer, depth, labels)
            return True
        where = where * _PUSH
    return False


@njit()
def _lay_over(layer: NDArray[np.float32], depth: NDArray[np.float32], labels: NDArray[np.uint8]) -> None:
    for y in range(depth.shape[0]):
        for x in range(depth.shape[1]):
            if layer[y, x] < depth[y, x]:
                depth[y, x] = layer[y, x]
                labels[y, x] = 0


@njit()
def sample_shape_of(kind: int, center: NDArray[np.float64], rng: np.random.Generator) -> Shape:
    """A random object of a kind (index into `KINDS`, any but the other hand) about the hand at center (3,) mm."""
    if kind == 0:  # wall
        turn, half = tilted(0.0, 35.0, rng), (2000.0, 2000.0)
        return _rectangle(_beside(center, 0.0, 20.0, 220.0, rng), turn, half[0], half[1])
    if kind == 1:  # table
        offset = np.array([80.0 * rng.standard_normal(), rng.uniform(40.0, 160.0), rng.uniform(-50.0, 200.0)])
        turn = multiply(about_z(np.degrees(0.2) * rng.standard_normal()), about_x(rng.uniform(55.0, 85.0)))
        return _rectangle(center + offset, turn, rng.uniform(150.0, 900.0), rng.uniform(60.0, 400.0))
    if kind == 2:  # board
        turn = tilted(0.0, 75.0, rng)
        where = _beside(center, 90.0, -40.0, 180.0, rng)
        return _rectangle(where, turn, rng.uniform(25.0, 160.0), rng.uniform(25.0, 200.0))
    if kind == 3:  # face
        radii = (rng.uniform(65.0, 90.0), rng.uniform(95.0, 125.0), rng.uniform(85.0, 110.0))
        return _ellipsoid(_beside(center, 80.0, 110.0, 300.0, rng), tilted(0.0, 25.0, rng), radii)
    if kind == 4:  # body
        radii = (rng.uniform(140.0, 230.0), rng.uniform(250.0, 400.0), rng.uniform(80.0, 140.0))
        return _ellipsoid(_beside(center, 120.0, 140.0, 330.0, rng), tilted(0.0, 20.0, rng), radii)
    if kind == 5:  # limb
        thick = rng.uniform(22.0, 60.0)
        radii = (thick, thick * rng.uniform(0.8, 1.2), rng.uniform(120.0, 320.0))
        return _ellipsoid(_beside(center, 90.0, -30.0, 200.0, rng), random_rotation(rng), radii)
    radii = (rng.uniform(12.0, 60.0), rng.uniform(12.0, 60.0), rng.uniform(12.0, 60.0))
    return _ellipsoid(_beside(center, 80.0, -40.0, 160.0, rng), random_rotation(rng), radii)


@njit()
def sample_other_hand(
    center: NDArray[np.float64], rig: Rig, mix: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A hand of the other side: the mean shape in another pose, mirrored. Points (V, 3) about its place (3,), mm."""
    scale, plain = rng.uniform(0.9, 1.1), np.ones(BONES)
    joints = rig.joints * scale
    tips = fingertips(rig.vertices, rig.joints, rig.tip_vertices) * scale
    bones = sample_posed(rig, joints, tips, plain, plain, mix, rng)
    mirrored = random_rotation(rng)
    mirrored[0] *= -1.0
    points = moved(skin(rig.vertices * scale, rig.skin_bones, rig.skin_weights, bones.maps), mirrored, np.zeros(3))
    middle = moved(bones.chain, mirrored, np.zeros(3)).sum(axis=0) / bones.chain.shape[0]
    return points - middle, _beside(center, 110.0, -30.0, 180.0, rng)


@njit()
def _rectangle(center: NDArray, rotation: NDArray, half_width: float, half_height: float) -> Shape:
    side = np.array([rotation[0, 0] * half_width, rotation[1, 0] * half_width, rotation[2, 0] * half_width])
    up = np.array([rotation[0, 1] * half_height, rotation[1, 1] * half_height, rotation[2, 1] * half_height])
    return Shape(True, center, rectangle_matrix(side, up))


@njit()
def _ellipsoid(center: NDArray, rotation: NDArray, radii: tuple[float, float, float]) -> Shape:
    matrix = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            matrix[i, j] = rotation[j, i] / radii[i]
    return Shape(False, center, matrix)


@njit()
def _beside(
    center: NDArray[np.float64], lateral: float, nearest: float, farthest: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """A place about center: 1 σ of `lateral` mm off in x and y, nearest..farthest mm behind it."""
    offset = np.array(
        [lateral * rng.standard_normal(), lateral * rng.standard_normal(), rng.uniform(nearest, farthest)]
    )
    return center + offset
