"""One sample's parts: the hand's middle, drawn hands, sizes, and that the crop is what `CropBox` makes of the frame."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from knuckle import locate
from knuckle.camera import Camera
from knuckle.synth.hands import HandModel
from knuckle.synth.prior import DEFAULT_MIX
from knuckle.synth.rig import rig_of
from knuckle.synth.sample import draw_hand, visible_center
from knuckle.synth.shape import moved, sample_hand, sample_shape, sample_stretch
from knuckle.synth.view import Lens, sample_lens

SEEDS = st.integers(0, 2**32 - 1)


def test_the_coarse_picture_finds_the_middle_of_what_is_seen(model: HandModel) -> None:
    """Against every pixel at the camera's own resolution: apart by at most 2 mm, half a pixel of the coarse picture."""
    rig, off = rig_of(model), []
    for seed in range(12):
        rng = np.random.default_rng([5, seed])
        lens, position = sample_lens(rng)
        hand = sample_hand(rig, False, DEFAULT_MIX, 0.3, position, rng)
        wide = Lens(lens.fx, lens.fy, lens.cx + 100, lens.cy + 100, lens.width + 200, lens.height + 200)
        depth, labels = draw_hand(rig, hand.points, wide, False)
        rows, columns = np.nonzero(labels)
        points = Camera(*wide).back_project(np.stack([columns, rows], axis=1), depth[rows, columns])
        center, seen = visible_center(rig, hand.points, lens)
        assert seen
        off.append(np.abs(center - locate.hand_center(points)).max())
    assert np.max(off) < 2.0


def test_an_empty_picture_shows_nothing(soma: HandModel) -> None:
    rig = rig_of(soma)
    lens = Lens(200.0, 200.0, 49.5, 49.5, 100, 100)
    points = rig.vertices + [0, 0, 500]
    depth, labels = draw_hand(rig, points, lens, True)
    assert np.isinf(depth).all()
    assert not labels.any()
    depth, labels = draw_hand(rig, points, lens, False)
    assert set(np.unique(labels)) >= set(range(5))
    assert (labels[np.isinf(depth)] == 0).all()


def test_sizes_cover_their_range(model: HandModel) -> None:
    """From wrist to middle fingertip along the bones, 0.82 to 1.15 of the mean hand, every part of the range alike."""
    rig, rng = rig_of(model), np.random.default_rng(0)
    sizes = []
    for _ in range(400):
        _, joints, tips = sample_shape(rig, rng)
        chain = np.stack([joints[1], joints[10], joints[11], joints[12], tips[2]])
        sizes.append(np.linalg.norm(np.diff(chain, axis=0), axis=1).sum() / rig.length)
    assert 0.82 - 1e-6 <= np.min(sizes) < 0.83
    assert 1.14 < np.max(sizes) <= 1.15 + 1e-6
    assert (np.histogram(sizes, bins=5, range=(0.82, 1.15))[0] > 50).all()


@given(SEEDS)
def test_fingers_stretch_each_for_itself_and_the_palm_as_one(seed: int) -> None:
    lengths, widths = sample_stretch(0.1, np.random.default_rng(seed))
    for factors in (lengths, widths):
        assert (factors[1:] >= 0.8).all()
        assert (factors[1:] <= 1.25).all()
        assert len(set(factors[[1, 2, 5, 9, 13, 17]])) == 1
    assert len({*widths[[3, 6, 10, 14, 18]]}) > 1
    np.testing.assert_array_equal(widths[[6, 7]], widths[[7, 8]])  # a finger is as wide all along
    assert 0.85 <= widths[0] <= 1.7


@settings(max_examples=20)
@given(SEEDS)
def test_moved_points_are_turned_then_shifted(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, rotation, place = rng.normal(size=(9, 3)), rng.normal(size=(3, 3)), rng.normal(size=3)
    np.testing.assert_allclose(moved(points, rotation, place), points @ rotation.T + place, atol=1e-12)
