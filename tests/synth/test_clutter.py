"""Clutter: it never moves the hand, hides little of it, and takes the labels where it does."""

import numpy as np
import pytest
from numpy.typing import NDArray
from posing import Posing

from knuckle.camera import Camera
from knuckle.synth import clutter
from knuckle.synth.clutter import draw_clutter
from knuckle.synth.hands import HandModel
from knuckle.synth.pose import PROTOTYPES
from knuckle.synth.render import NOTHING, rasterize
from knuckle.synth.skinning import skin

CENTER = np.array([10.0, -5.0, 450.0])
CAMERA = Camera(fx=220.0, fy=220.0, cx=79.5, cy=79.5, width=160, height=160)


@pytest.fixture(scope="module")
def scene(soma: HandModel) -> tuple[NDArray, NDArray]:
    """Rendered depth (H, W) mm and labels (H, W) of an open hand that shows its palm."""
    posing = Posing(soma)
    bones = posing(PROTOTYPES["open"])
    upright = np.stack([np.cross(soma.distal, soma.palmar), -soma.distal, -soma.palmar])
    points = (skin(posing.vertices, *soma.skinning, bones.maps) - bones.joints.mean(axis=0)) @ upright.T + CENTER
    depth = np.full((CAMERA.height, CAMERA.width), NOTHING)
    face = np.full(depth.shape, -1, dtype=np.int32)
    rasterize(points, soma.asset.faces, CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy, depth, face)
    return depth, np.where(face >= 0, soma.face_labels[face], 0).astype(np.uint8)


def cluttered(scene: tuple[NDArray, NDArray], model: HandModel, seed: int) -> tuple[NDArray, NDArray]:
    depth, labels = scene[0].copy(), scene[1].copy()
    draw_clutter(depth, labels, CAMERA, CENTER, model, np.random.default_rng(seed))
    return depth, labels


def test_clutter_hides_little_and_takes_the_labels_there(soma: HandModel, scene: tuple[NDArray, NDArray]) -> None:
    clean, parts = scene
    nothing_added = objects_seen = 0
    for seed in range(60):
        depth, labels = cluttered(scene, soma, seed)
        changed = depth != clean
        nothing_added += not changed.any()
        objects_seen += bool((changed & np.isinf(clean)).any())
        assert (depth <= clean).all()  # only what is nearer is drawn
        assert (depth > 1).all()
        np.testing.assert_array_equal(labels[~changed], parts[~changed])
        assert (labels[changed] == 0).all()
        hidden = (changed & (parts > 0)).sum() / (parts > 0).sum()
        assert hidden <= 4 * 0.06
    assert 3 <= nothing_added <= 40  # one in five is left alone; others may lie outside the picture
    assert objects_seen >= 20


def test_clutter_depends_on_the_generator_alone(soma: HandModel, scene: tuple[NDArray, NDArray]) -> None:
    for one, other in zip(cluttered(scene, soma, 4), cluttered(scene, soma, 4), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", clutter._OBJECTS, ids=lambda kind: kind.__name__)
def test_every_kind_of_object_is_drawn(soma: HandModel, kind) -> None:
    """Within some tries each kind shows in an empty picture, and farther away when it is pushed."""
    shown = 0
    for seed in range(12):
        near, far = (np.full((CAMERA.height, CAMERA.width), NOTHING) for _ in range(2))
        draw = kind(CENTER, soma, np.random.default_rng(seed))
        draw(near, CAMERA, 1.0)
        draw(far, CAMERA, 1.5)
        if np.isfinite(near).any() and np.isfinite(far).any():
            shown += 1
            assert far.min() > near.min()
    assert shown >= 3


def test_an_object_that_hides_too_much_is_left_out(scene: tuple[NDArray, NDArray]) -> None:
    depth, labels = scene[0].copy(), scene[1].copy()

    def before_everything(layer: NDArray, camera: Camera, push: float) -> None:
        layer[:] = 200.0

    clutter._place(before_everything, depth, labels, CAMERA)
    np.testing.assert_array_equal(depth, scene[0])
    np.testing.assert_array_equal(labels, scene[1])


def test_an_object_is_pushed_behind_the_hand(scene: tuple[NDArray, NDArray]) -> None:
    depth, labels = scene[0].copy(), scene[1].copy()
    pushes = []

    def board(layer: NDArray, camera: Camera, push: float) -> None:
        pushes.append(push)
        layer[:] = 420.0 * push

    clutter._place(board, depth, labels, CAMERA)
    assert len(pushes) > 1
    assert np.isfinite(depth).all()
    assert ((labels > 0).sum()) >= 0.94 * (scene[1] > 0).sum()
