"""Samples: what they depend on, and that their arrays fit together."""

from dataclasses import astuple, fields, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from knuckle.camera import Camera
from knuckle.crop import CUBE_MM, CropBox
from knuckle.data.sample import SIDES, Sample
from knuckle.errors import SettingsError
from knuckle.synth.generate import SynthSettings, generate_sample, generate_samples
from knuckle.synth.hands import HandModel
from knuckle.synth.sensor import SENSORS

PLAIN = SynthSettings(hand="soma", sensor="clean", clutter=False, coarse_share=0, empty_share=0)


def box_of(sample: Sample) -> CropBox:
    fx, fy, cx, cy, width, height = sample.camera.tolist()
    return CropBox(sample.center, Camera(fx, fy, cx, cy, int(width), int(height)), float(sample.cube_mm))


@pytest.mark.parametrize("sensor", ["mixed", *SENSORS])
def test_a_sample_keeps_the_contract(model: HandModel, sensor: str) -> None:
    for index in range(8):
        sample = generate_sample(model, SynthSettings(sensor=sensor, empty_share=0), 1, index)
        forms = {field.name: getattr(sample, field.name) for field in fields(Sample)}
        assert {name: (np.shape(value), value.dtype.name) for name, value in forms.items()} == {
            "depth": ((48, 48), "float32"),
            "parts": ((48, 48), "uint8"),
            "joints": ((21, 3), "float32"),
            "joints14": ((14, 3), "float32"),
            "center": ((3,), "float32"),
            "cube_mm": ((), "float32"),
            "camera": ((6,), "float32"),
            "side": ((), "uint8"),
            "seed": ((2,), "int64"),
        }
        assert sample.seed.tolist() == [1, index]
        assert np.abs(sample.depth).max() <= 1
        assert sample.parts.max() <= 20
        assert (sample.parts > 0).sum() >= 60
        assert (sample.parts[sample.depth >= 1] == 0).all()
        assert sample.cube_mm == CUBE_MM
        assert np.isfinite(sample.joints14).all()
        # within the cube's reach: a hand about the centre, moved by at most the centre's error
        assert np.abs(box_of(sample).to_crop(sample.joints)).max() < 2
        assert sample.joints[:, 2].min() > 100


def test_joints_project_onto_the_hand(model: HandModel) -> None:
    """Every joint inside the crop lies on what is drawn, and nearly every one (the arm may hide some) on the hand."""
    to_hand, to_surface = [], []  # cells
    for index in range(25):
        sample = generate_sample(model, PLAIN, 5, index)
        pixels = box_of(sample).to_pixels(sample.joints)
        pixels = pixels[((pixels > 0) & (pixels < 47)).all(axis=1)]
        for mask, distances in ((sample.parts > 0, to_hand), (sample.depth < 1, to_surface)):
            cells = np.argwhere(mask)[:, ::-1]  # (N, 2) column, row
            distances += np.linalg.norm(pixels[:, None] - cells, axis=2).min(axis=1).tolist()
    assert len(to_hand) > 400
    assert np.max(to_surface) < 1.5
    assert np.mean(np.array(to_hand) < 1.5) > 0.95


def test_the_surface_lies_before_the_joints(model: HandModel) -> None:
    """Labelled pixels are at the hand's depth: none is nearer or farther than its joints by more than flesh."""
    for index in range(10):
        sample = generate_sample(model, PLAIN, 6, index)
        z = box_of(sample).points(sample.depth)[sample.parts > 0][:, 2]
        seen = z[sample.depth[sample.parts > 0] > -1]
        assert seen.min() > sample.joints[:, 2].min() - 40
        assert seen.max() < sample.joints[:, 2].max() + 40


def test_a_sample_depends_on_seed_and_index_alone(soma: HandModel) -> None:
    settings = SynthSettings(hand="soma")
    first = generate_sample(soma, settings, 3, 7)
    generate_sample(soma, settings, 3, 8)
    again = generate_sample(soma, settings, 3, 7)
    for one, other in zip(astuple(first), astuple(again), strict=True):
        np.testing.assert_array_equal(one, other)
    for seed, index in ((4, 7), (3, 8), (7, 3)):
        assert not np.array_equal(first.depth, generate_sample(soma, settings, seed, index).depth)


def test_empty_crops_have_no_joints_and_no_parts(soma: HandModel) -> None:
    samples = [generate_sample(soma, SynthSettings(empty_share=1), 2, index) for index in range(15)]
    for sample in samples:
        assert np.isnan(sample.joints).all()
        assert np.isnan(sample.joints14).all()
        assert not sample.parts.any()
    assert any((sample.depth < 1).any() for sample in samples)  # some show clutter


def test_coarse_centres_are_farther_off(soma: HandModel) -> None:
    def off(share: float) -> float:
        settings = SynthSettings(sensor="clean", clutter=False, coarse_share=share, empty_share=0)
        samples = [generate_sample(soma, settings, 8, index) for index in range(20)]
        return float(np.mean([np.linalg.norm(s.joints.mean(axis=0) - s.center) for s in samples]))

    assert off(1.0) > 1.5 * off(0.0)


def test_what_lies_behind_the_cube_is_no_part(soma: HandModel) -> None:
    """Coarse centres leave some hands partly behind the cube: the crop shows nothing there, and so do the labels."""
    settings = SynthSettings(sensor="clean", clutter=False, coarse_share=1, empty_share=0)
    batch = generate_samples(soma, settings, 12, range(300))
    behind = batch["joints"][:, :, 2] - batch["center"][:, None, 2] > CUBE_MM / 2
    assert behind.any(axis=1).sum() >= 3
    assert (batch["parts"][batch["depth"] >= 1] == 0).all()


def test_left_hands_are_mirrored(soma: HandModel) -> None:
    """Along the palm × across it towards the index points out of a right hand's back; fingers curl the other way."""

    def handedness(side: str) -> NDArray:
        joints = generate_samples(soma, SynthSettings(sensor="clean", side=side, empty_share=0), 3, range(30))["joints"]
        across, along = joints[:, 5] - joints[:, 17], joints[:, 9] - joints[:, 0]
        curl = joints[:, [8, 12, 16, 20]].mean(axis=1) - joints[:, [5, 9, 13, 17]].mean(axis=1)
        return (np.cross(along, across) * curl).sum(axis=1)  # fingers curl towards the palm

    assert (handedness("right") < 0).mean() > 0.8
    assert (handedness("left") > 0).mean() > 0.8
    assert (generate_samples(soma, SynthSettings(side="left"), 3, range(2))["side"] == SIDES.index("left")).all()


def test_a_left_hand_is_the_mirror_image_of_the_right(soma: HandModel) -> None:
    """The same draws, of which the side changes none: joints about the hand's place have the opposite x."""
    settings = [replace(PLAIN, side=side) for side in ("right", "left")]
    right, left = (generate_samples(soma, s, 4, range(10)) for s in settings)
    np.testing.assert_array_equal(right["camera"], left["camera"])
    place = (right["joints"][..., 0] + left["joints"][..., 0]) / 2
    np.testing.assert_allclose(place, np.broadcast_to(place[:, :1], place.shape), atol=1e-2)
    np.testing.assert_allclose(right["joints"][..., 1:], left["joints"][..., 1:], atol=1e-3)


def test_stacked_samples_are_the_single_ones(soma: HandModel) -> None:
    batch = generate_samples(soma, PLAIN, 3, [5, 2])
    assert set(batch) == {field.name for field in fields(Sample)}
    for i, index in enumerate((5, 2)):
        sample = generate_sample(soma, PLAIN, 3, index)
        for name, array in batch.items():
            np.testing.assert_array_equal(array[i], getattr(sample, name))


@pytest.mark.parametrize("changed", [{"mix": (1, 0, 0)}, {"mix": (0, 0, 1)}, {"any_view_share": 1}])
def test_poses_and_views_are_as_asked(soma: HandModel, changed: dict) -> None:
    """The same draws under other shares give other hands."""
    plain, other = (generate_samples(soma, s, 3, range(6))["joints"] for s in (PLAIN, replace(PLAIN, **changed)))
    assert not np.array_equal(plain, other)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"sensor": "snow"}, "sensor 'snow'"),
        ({"side": "up"}, "side 'up'"),
        ({"any_view_share": 2.0}, "any_view_share .* 2.0"),
        ({"mix": (0.5, 0.5, 0.5)}, r"mix .* \(0.5, 0.5, 0.5\)"),
        ({"mix": (1.5, -0.5, 0.0)}, r"mix .* \(1.5, -0.5, 0.0\)"),
        ({"mix": (1.0,)}, r"mix .* \(1.0,\)"),
        ({"empty_share": 1.5}, "empty_share .* 1.5"),
        ({"coarse_share": -0.1}, "coarse_share .* -0.1"),
        ({"coarse_share": float("nan")}, "coarse_share .* nan"),
    ],
)
def test_impossible_settings_are_refused_by_name(wrong: dict, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        SynthSettings(**wrong)
