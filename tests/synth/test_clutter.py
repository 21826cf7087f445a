"""Clutter: it never moves the hand, hides little of it, and takes the labels where it does."""

import numpy as np
import pytest
from numpy.typing import NDArray
from posing import Posing

from knuckle.synth.clutter import (
    KINDS,
    Shape,
    draw_clutter,
    draw_kind,
    place_mesh,
    place_shape,
    sample_other_hand,
    sample_shape_of,
)
from knuckle.synth.hands import HandModel
from knuckle.synth.prior import DEFAULT_MIX, PROTOTYPES
from knuckle.synth.render import NOTHING
from knuckle.synth.rig import rig_of
from knuckle.synth.sample import draw_hand
from knuckle.synth.skinning import skin
from knuckle.synth.view import Lens

CENTER = np.array([10.0, -5.0, 450.0])
LENS = Lens(220.0, 220.0, 79.5, 79.5, 160, 160)


def board(z: float) -> Shape:
    """Across the whole picture, facing the camera."""
    return Shape(True, np.array([0.0, 0.0, z]), np.diag([1 / 900.0, 1 / 900.0, 1.0]))


@pytest.fixture(scope="module")
def scene(soma: HandModel) -> tuple[NDArray, NDArray]:
    """Rendered depth (H, W) mm and labels (H, W) of an open hand that shows its palm."""
    posing, rig = Posing(soma), rig_of(soma)
    bones = posing(PROTOTYPES["open"])
    points = (skin(posing.vertices, *soma.skinning, bones.maps) - bones.joints.mean(axis=0)) @ rig.upright.T + CENTER
    return draw_hand(rig, points, LENS, False)


def cluttered(scene: tuple[NDArray, NDArray], model: HandModel, seed: int) -> tuple[NDArray, NDArray]:
    depth, labels = scene[0].copy(), scene[1].copy()
    draw_clutter(depth, labels, LENS, CENTER, rig_of(model), DEFAULT_MIX, np.random.default_rng(seed))
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


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=KINDS)
def test_every_kind_of_object_is_drawn(soma: HandModel, kind: int) -> None:
    """Within some tries each kind shows in an empty picture."""
    shown = 0
    for seed in range(12):
        depth = np.full((LENS.height, LENS.width), np.float32(NOTHING))
        labels = np.zeros(depth.shape, dtype=np.uint8)
        rng = np.random.default_rng(seed)
        if KINDS[kind] == "other_hand":
            placed = place_mesh(
                *sample_other_hand(CENTER, rig_of(soma), DEFAULT_MIX, rng), soma.asset.faces, LENS, depth, labels
            )
        else:
            placed = place_shape(sample_shape_of(kind, CENTER, rng), LENS, depth, labels)
        assert placed  # there is no hand to hide
        shown += np.isfinite(depth).any()
    assert shown >= 3


def test_kinds_are_as_frequent_as_asked() -> None:
    rng = np.random.default_rng(0)
    share = np.bincount([draw_kind(rng) for _ in range(6000)], minlength=len(KINDS)) / 6000
    np.testing.assert_allclose(share, [0.17, 0.1, 0.12, 0.12, 0.17, 0.13, 0.1, 0.09], atol=0.02)


def test_the_other_hand_is_of_the_other_side(soma: HandModel) -> None:
    """Its faces are turned inside out: a mirrored mesh has the opposite volume."""
    rig = rig_of(soma)

    def volume(points: NDArray) -> float:
        a, b, c = (points[rig.faces[:, k]] for k in range(3))
        return float((a * np.cross(b, c)).sum() / 6)

    points, where = sample_other_hand(CENTER, rig, DEFAULT_MIX, np.random.default_rng(1))
    assert volume(points) * volume(rig.vertices) < 0
    assert np.linalg.norm(where - CENTER) < 700


def test_an_object_that_hides_too_much_is_left_out(scene: tuple[NDArray, NDArray], soma: HandModel) -> None:
    depth, labels = scene[0].copy(), scene[1].copy()
    assert not place_shape(board(200.0), LENS, depth, labels)
    before = np.array([[-900.0, -900.0, 0.0], [900.0, -900.0, 0.0], [0.0, 900.0, 0.0]])
    face = np.array([[0, 1, 2]], dtype=np.int32)
    assert not place_mesh(before, np.array([0.0, 0.0, 200.0]), face, LENS, depth, labels)
    np.testing.assert_array_equal(depth, scene[0])
    np.testing.assert_array_equal(labels, scene[1])


def test_an_object_is_pushed_behind_the_hand(scene: tuple[NDArray, NDArray]) -> None:
    depth, labels = scene[0].copy(), scene[1].copy()
    assert place_shape(board(420.0), LENS, depth, labels)
    background = depth[0, 0]
    assert background / 420.0 == pytest.approx(1.06 ** round(np.log(background / 420.0) / np.log(1.06)))
    assert background > 430
    assert np.isfinite(depth).all()
    assert (labels > 0).sum() >= 0.94 * (scene[1] > 0).sum()


def test_a_mesh_is_drawn_where_it_is_nearer(scene: tuple[NDArray, NDArray]) -> None:
    """A triangle that is pushed to where it lies behind most of the hand, and takes the labels it covers."""
    depth, labels = scene[0].copy(), scene[1].copy()
    points = np.array([[-900.0, -900.0, 0.0], [900.0, -900.0, 0.0], [0.0, 900.0, 0.0]])
    face = np.array([[0, 1, 2]], dtype=np.int32)
    assert place_mesh(points, np.array([0.0, 0.0, 445.0]), face, LENS, depth, labels)
    changed = depth != scene[0]
    assert changed.any()
    assert (labels[changed] == 0).all()
    np.testing.assert_array_equal(labels[~changed], scene[1][~changed])
    assert (labels > 0).sum() >= 0.94 * (scene[1] > 0).sum()
