"""Views and cameras: rotations are rotations, and what is drawn at random keeps its bounds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from knuckle.camera import Camera
from knuckle.crop import CUBE_MM
from knuckle.synth.hands import HandModel
from knuckle.synth.rig import rig_of
from knuckle.synth.rotations import euler, random_rotation, tilted
from knuckle.synth.view import sample_center_error, sample_lens, sample_view

SEEDS = st.integers(0, 2**32 - 1)
ANGLES = st.floats(-180, 180)


@given(ANGLES, ANGLES, ANGLES)
def test_euler_equals_scipy(pitch: float, yaw: float, roll: float) -> None:
    plain = Rotation.from_euler("yxz", [yaw, pitch, roll], degrees=True).as_matrix()
    np.testing.assert_allclose(euler(pitch, yaw, roll), plain, atol=1e-12)


@given(SEEDS)
def test_random_rotations_are_rotations(seed: int) -> None:
    rotation = random_rotation(np.random.default_rng(seed))
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) > 0


def test_random_rotations_are_uniform() -> None:
    """Each turned axis points anywhere alike: its mean is 0, and each coordinate has a variance of 1/3."""
    rng = np.random.default_rng(0)
    turned = np.stack([random_rotation(rng) for _ in range(4000)])
    assert np.abs(turned.mean(axis=0)).max() < 0.04
    assert np.abs(turned.var(axis=0) - 1 / 3).max() < 0.03


def test_views_are_rotations_that_keep_the_arm_from_the_camera(model: HandModel) -> None:
    rng = np.random.default_rng(1)
    forearm = model.distal
    upright = rig_of(model).upright
    views = np.stack([sample_view(upright, 130 * forearm, 0.3, rng) for _ in range(600)])
    np.testing.assert_allclose(views @ views.transpose(0, 2, 1), np.tile(np.eye(3), (600, 1, 1)), atol=1e-9)
    assert (np.linalg.det(views) > 0).all()
    assert (views @ forearm)[:, 2].max() < 0.55
    assert (views @ forearm)[:, 1].mean() < -0.4  # y is down: most hands point up
    facing = (views @ model.palmar)[:, 2]
    assert (facing < -0.5).mean() > 0.15  # the palm is seen
    assert (facing > 0.5).mean() > 0.15  # the back of the hand is seen


@given(SEEDS)
def test_cameras_see_the_hand(seed: int) -> None:
    lens, position = sample_lens(np.random.default_rng(seed))
    camera = Camera(*lens)
    assert 300 <= position[2] <= 1500
    assert 200 <= camera.fx <= 750
    assert 1 / 1.1 - 1e-9 <= camera.fy / camera.fx <= 1.1 + 1e-9
    assert 70 - 1e-9 <= camera.fx * CUBE_MM / position[2] <= 290 + 1e-9
    u, v = camera.project(position)
    assert 0.1 * camera.width <= u <= 0.9 * camera.width
    assert 0.1 * camera.height <= v <= 0.9 * camera.height


def test_cameras_are_of_all_makes() -> None:
    """Wide and narrow, near and far, with pixels that are not square and an axis beside the image's middle."""
    rng = np.random.default_rng(3)
    drawn = [sample_lens(rng) for _ in range(1500)]
    lenses, z = np.array([lens for lens, _ in drawn]), np.array([position[2] for _, position in drawn])
    fx, fy, cx, cy, width, height = lenses.T
    assert z.min() < 360
    assert z.max() > 1440
    assert np.ptp(fx / width) > 0.45
    assert 0.02 < (fy / fx).std() < 0.04
    for offset in (cx - (width - 1) / 2, cy - (height - 1) / 2):
        assert 0.015 < (offset / width).std() < 0.025
        assert abs(offset.mean()) < 2


def test_the_share_of_views_from_anywhere_is_asked_for(model: HandModel) -> None:
    """With no such views nearly all hands point up; with them alone as many as the arm's rule leaves."""
    rng, upright = np.random.default_rng(4), rig_of(model).upright
    up = [
        np.mean([(sample_view(upright, model.distal, share, rng) @ model.distal)[1] < 0 for _ in range(400)])
        for share in (0.0, 1.0)
    ]
    assert up[0] > 0.9
    assert 0.4 < up[1] < 0.6


@given(SEEDS)
def test_tilts_keep_their_range(seed: int) -> None:
    rotation = tilted(20.0, 40.0, np.random.default_rng(seed))
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.cos(np.radians(40)) - 1e-9 <= rotation[2, 2] <= np.cos(np.radians(20)) + 1e-9


def test_center_errors_are_fine_or_coarse() -> None:
    rng = np.random.default_rng(2)
    fine = np.stack([sample_center_error(0.0, rng) for _ in range(1500)])
    coarse = np.stack([sample_center_error(1.0, rng) for _ in range(1500)])
    assert np.abs(fine).max() <= 25
    assert np.abs(coarse).max() <= 70
    assert 6 < fine.std() < 8
    assert 25 < coarse.std() < 30
    assert np.abs(coarse.mean(axis=0)).max() < 3
