"""The z-buffer and the simple shapes against twins that shoot a ray through each pixel's centre."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from posing import Posing

from knuckle.synth.hands import HandModel
from knuckle.synth.render import NOTHING, draw_ellipsoid, draw_rectangle, draw_shape, rasterize
from knuckle.synth.rotations import random_rotation

FX, FY, CX, CY = 60.0, 64.0, 15.3, 11.7
WIDTH, HEIGHT = 32, 24
SEEDS = st.integers(0, 2**32 - 1)


def rays() -> NDArray:
    """(H, W, 3) direction through each pixel's centre, with z = 1, so that a ray's parameter is its depth."""
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([(u - CX) / FX, (v - CY) / FY, np.ones(u.shape)], axis=-1)


def moller_trumbore(ray: NDArray, a: NDArray, b: NDArray, c: NDArray) -> tuple[float, float]:
    """Depth at which a ray from the origin meets a triangle (inf if it does not), and how far inside its border.

    The second number is the smallest barycentric coordinate: near 0 at an edge, negative outside.
    """
    one, two = b - a, c - a
    p = np.cross(ray, two)
    determinant = one @ p
    if abs(determinant) < 1e-12:
        return np.inf, -1.0
    s = -a
    u = s @ p / determinant
    q = np.cross(s, one)
    v = ray @ q / determinant
    depth = two @ q / determinant
    inside = min(u, v, 1 - u - v)
    return (depth if inside >= 0 else np.inf), inside


def plain_rasterize(points: NDArray, faces: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Depth and face of every pixel, and whether the pixel is unsure: an edge runs through its centre."""
    depth, face = np.full((HEIGHT, WIDTH), NOTHING), np.full((HEIGHT, WIDTH), -1)
    unsure = np.zeros((HEIGHT, WIDTH), dtype=bool)
    directions = rays()
    for index, corners in enumerate(faces):
        if (points[corners, 2] <= 1).any():
            continue
        for y, x in np.ndindex(HEIGHT, WIDTH):
            z, inside = moller_trumbore(directions[y, x], *points[corners])
            unsure[y, x] |= abs(inside) < 1e-7
            if z < depth[y, x]:
                depth[y, x], face[y, x] = z, index
    return depth, face, unsure


def drawn(points: NDArray, faces: NDArray) -> tuple[NDArray, NDArray]:
    depth, face = np.full((HEIGHT, WIDTH), NOTHING), np.full((HEIGHT, WIDTH), -1, dtype=np.int32)
    rasterize(points, np.asarray(faces, dtype=np.int32), FX, FY, CX, CY, depth, face)
    return depth, face


def random_mesh(rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Some triangles that cross each other, some of them large, outside the window or behind the camera."""
    points = rng.normal(size=(12, 3)) * [60, 45, 80] + [0, 0, 200]
    points[0, 2] = -50
    points[1, :2] *= 20
    return points, rng.integers(12, size=(6, 3))


@settings(max_examples=15)
@given(SEEDS)
def test_rasterize_equals_ray_casting(seed: int) -> None:
    points, faces = random_mesh(np.random.default_rng(seed))
    depth, face = drawn(points, faces)
    plain, plain_face, unsure = plain_rasterize(points, faces)
    np.testing.assert_array_equal(np.isfinite(depth)[~unsure], np.isfinite(plain)[~unsure])
    covered = np.isfinite(plain) & ~unsure
    np.testing.assert_allclose(depth[covered], plain[covered], rtol=1e-6)
    same = face == plain_face
    corners = [set(f) for f in faces.tolist()]
    for y, x in np.argwhere(covered & ~same):  # allowed only where two faces cross or share their corners
        assert corners[face[y, x]] & corners[plain_face[y, x]]


def test_rasterize_leaves_no_gap_at_a_shared_edge() -> None:
    """A square of two triangles whose borders and diagonal run exactly through pixel centres."""
    z = 100.0
    u, v = np.array([5, 15, 15, 5.0]), np.array([4, 4, 14, 14.0])
    points = np.stack([(u - CX) * z / FX, (v - CY) * z / FY, np.full(4, z)], axis=1)
    depth, face = drawn(points, np.array([[0, 1, 2], [0, 2, 3]]))
    np.testing.assert_allclose(depth[5:14, 6:15], z)
    assert set(face[5:14, 6:15].ravel().tolist()) == {0, 1}
    depth[4:15, 5:16] = NOTHING
    assert np.isinf(depth).all()


def test_rasterize_keeps_what_is_nearer() -> None:
    triangle = np.array([[-900, -900, 500], [900, -900, 500], [0, 900, 500.0]])
    depth, face = np.full((HEIGHT, WIDTH), 400.0), np.full((HEIGHT, WIDTH), 7, dtype=np.int32)
    depth[:, WIDTH // 2 :] = 600.0
    rasterize(triangle, np.array([[0, 1, 2]], dtype=np.int32), FX, FY, CX, CY, depth, face)
    assert (depth[:, : WIDTH // 2] == 400).all()
    assert (face[:, : WIDTH // 2] == 7).all()
    np.testing.assert_allclose(depth[12, WIDTH // 2 :], 500)
    assert (face[12, WIDTH // 2 :] == 0).all()


@pytest.mark.parametrize(
    "triangle",
    [
        [[0, 0, 100], [0, 0, 100], [5, 5, 100]],  # two corners in one
        [[0, 0, 100], [5, 5, 100], [10, 10, 100]],  # three on a line
        [[0, 0, 100], [0, 0, 150], [0, 0, 200]],  # seen edge on, as a point
        [[-50, -50, -100], [50, -50, -100], [0, 50, -100]],  # behind the camera
        [[-50, -50, 100], [50, -50, 100], [0, 50, 0.5]],  # reaching behind the nearest plane
        [[4000, 0, 100], [4100, 0, 100], [4000, 100, 100]],  # right of the window
        [[0, -900, 100], [10, -900, 100], [0, -800, 100]],  # above it
    ],
)
def test_rasterize_leaves_out_what_cannot_be_seen(triangle: list) -> None:
    depth, face = drawn(np.array(triangle, dtype=float), np.array([[0, 1, 2]]))
    assert np.isinf(depth).all()
    assert (face == -1).all()


def test_only_the_outside_of_a_hand_is_seen(model: HandModel) -> None:
    """The back of a face would show through a hole in the mesh, or where the z-buffer kept what is farther."""
    posing = Posing(model)
    points = posing.vertices - posing.vertices.mean(axis=0) + [0, 0, 500]
    depth, face = np.full((200, 200), NOTHING), np.full((200, 200), -1, dtype=np.int32)
    rasterize(points, model.asset.faces, 300.0, 300.0, 99.5, 99.5, depth, face)
    corners = points[model.asset.faces[face[face >= 0]]]  # (N, 3, 3)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert ((normals * corners.mean(axis=1)).sum(axis=1) < 0).mean() > 0.999


@settings(max_examples=30)
@given(SEEDS)
def test_draw_rectangle_equals_ray_casting(seed: int) -> None:
    rng = np.random.default_rng(seed)
    turn, center = random_rotation(rng), rng.normal(size=3) * [20, 20, 40] + [0, 0, 150]
    half = rng.uniform(5, 120, size=2)
    side, up = turn[:, 0] * half[0], turn[:, 1] * half[1]
    depth = np.full((HEIGHT, WIDTH), NOTHING)
    depth[:4] = 120.0
    before = depth.copy()
    draw_rectangle(center, side, up, FX, FY, CX, CY, depth)
    for y, x in rng.integers([HEIGHT, WIDTH], size=(60, 2)):
        ray = rays()[y, x]
        # ray·z = center + a·side + b·up, solved for z, a, b
        z, a, b = np.linalg.solve(np.stack([ray, -side, -up], axis=1), center)
        if min(abs(abs(a) - 1), abs(abs(b) - 1)) < 1e-6:
            continue  # its border runs through the pixel's centre
        hit = abs(a) < 1 and abs(b) < 1 and 1 < z < before[y, x]
        assert depth[y, x] == pytest.approx(z if hit else before[y, x], rel=1e-9)


@settings(max_examples=30)
@given(SEEDS)
def test_draw_ellipsoid_equals_ray_casting(seed: int) -> None:
    rng = np.random.default_rng(seed)
    turn, center = random_rotation(rng), rng.normal(size=3) * [25, 20, 40] + [0, 0, 180]
    radii = rng.uniform(5, 60, size=3)
    depth = np.full((HEIGHT, WIDTH), NOTHING)
    depth[:4] = 150.0
    before = depth.copy()
    draw_ellipsoid(center, np.ascontiguousarray((turn / radii).T), FX, FY, CX, CY, depth)
    for y, x in rng.integers([HEIGHT, WIDTH], size=(60, 2)):
        ray = turn.T @ rays()[y, x] / radii  # in the frame in which the ellipsoid is the unit sphere
        middle = turn.T @ center / radii
        z_closest = ray @ middle / (ray @ ray)
        squared = (middle - z_closest * ray) @ (middle - z_closest * ray)
        if abs(squared - 1) < 1e-6:
            continue
        z = z_closest - np.sqrt(max(1 - squared, 0) / (ray @ ray))
        hit = squared < 1 and 1 < z < before[y, x]
        assert depth[y, x] == pytest.approx(z if hit else before[y, x], rel=1e-6)


def test_shapes_behind_the_camera_are_not_drawn() -> None:
    depth = np.full((HEIGHT, WIDTH), NOTHING)
    draw_rectangle(np.array([0, 0, -90.0]), np.array([50.0, 0, 0]), np.array([0, 50.0, 0]), FX, FY, CX, CY, depth)
    draw_ellipsoid(np.array([0, 0, -90.0]), np.eye(3) / 30, FX, FY, CX, CY, depth)
    draw_ellipsoid(np.zeros(3), np.eye(3) / 30, FX, FY, CX, CY, depth)  # around the camera
    assert np.isinf(depth).all()


def test_a_shape_takes_the_labels_where_it_is_nearer() -> None:
    depth, labels = np.full((HEIGHT, WIDTH), 400.0), np.full((HEIGHT, WIDTH), 7, dtype=np.uint8)
    depth[:, 16:] = 200.0
    draw_shape(False, np.array([0, 0, 300.0]), np.eye(3) / 40, FX, FY, CX, CY, depth, labels)
    assert (labels[:, 16:] == 7).all()
    np.testing.assert_array_equal(labels[:, :16] == 0, depth[:, :16] < 400)
    assert (labels[:, :16] == 0).any()
