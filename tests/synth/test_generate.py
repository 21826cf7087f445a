"""Samples and stores of them: what they depend on, and that their arrays fit together."""

from dataclasses import astuple, fields
from pathlib import Path

import numpy as np
import pytest
import zarr

from knuckle.camera import Camera
from knuckle.crop import CUBE_MM, CropBox
from knuckle.data.store import CHUNK, Sample, SampleStore
from knuckle.errors import SettingsError, StoreError
from knuckle.synth import generate as generate_module
from knuckle.synth.generate import SynthSettings, generate, generate_sample
from knuckle.synth.hands import HandModel
from knuckle.synth.sensor import NOISES

PLAIN = SynthSettings(hand="soma", noise="none", clutter=False, coarse_share=0, empty_share=0)


def box_of(sample: Sample) -> CropBox:
    fx, fy, cx, cy, width, height = sample.camera.tolist()
    return CropBox(sample.center, Camera(fx, fy, cx, cy, int(width), int(height)), float(sample.cube_mm))


def stored(path: Path) -> dict[str, bytes]:
    store = SampleStore.open(path)
    return {field.name: store.read(field.name).tobytes() for field in fields(Sample)}


@pytest.fixture(scope="module")
def store_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chunk and one sample more, written by one worker."""
    path = tmp_path_factory.mktemp("synth") / "hands.zarr"
    generate(path, SynthSettings(hand="soma"), CHUNK + 1, seed=3, workers=1)
    return path


@pytest.mark.parametrize("noise", ["mixed", *NOISES])
def test_a_sample_keeps_the_contract(model: HandModel, noise: str) -> None:
    for index in range(8):
        sample = generate_sample(model, SynthSettings(noise=noise, empty_share=0), 1, index)
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
        assert np.abs(box_of(sample).to_cube(sample.joints)).max() < 2
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
        settings = SynthSettings(noise="none", clutter=False, coarse_share=share, empty_share=0)
        samples = [generate_sample(soma, settings, 8, index) for index in range(20)]
        return float(np.mean([np.linalg.norm(s.joints.mean(axis=0) - s.center) for s in samples]))

    assert off(1.0) > 1.5 * off(0.0)


def test_what_lies_behind_the_cube_is_no_part(soma: HandModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cube too near to the camera cuts the hand off: the crop shows nothing there, and so do the labels."""
    monkeypatch.setattr(generate_module, "sample_center_error", lambda rng, share: np.array([0.0, 0.0, -100.0]))
    for index in range(8):
        sample = generate_sample(soma, PLAIN, 12, index)
        assert (box_of(sample).to_cube(sample.joints)[:, 2] > 1).any()
        assert (sample.parts[sample.depth >= 1] == 0).all()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"noise": "snow"}, "'snow'"),
        ({"empty_share": 1.5}, "empty_share .* 1.5"),
        ({"coarse_share": -0.1}, "coarse_share .* -0.1"),
        ({"coarse_share": float("nan")}, "coarse_share .* nan"),
    ],
)
def test_impossible_settings_are_refused_by_name(wrong: dict, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        SynthSettings(**wrong)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"count": 0}, "count .* 0"),
        ({"seed": -1}, "seed .* -1"),
        ({"workers": -2}, "workers .* -2"),
        ({"settings": SynthSettings(hand="foot")}, "'foot'"),
    ],
)
def test_impossible_orders_are_refused_and_leave_no_store(tmp_path: Path, wrong: dict, named: str) -> None:
    order = {"settings": PLAIN, "count": 1, "seed": 0, "workers": 1} | wrong
    with pytest.raises(SettingsError, match=named):
        generate(tmp_path / "hands.zarr", **order)
    assert not (tmp_path / "hands.zarr").exists()


def test_a_store_holds_the_samples_in_order(soma: HandModel, store_path: Path) -> None:
    store = SampleStore.open(store_path)
    assert len(store) == CHUNK + 1
    assert store.recipe["seed"] == 3
    for index in (0, 100, CHUNK):
        sample = generate_sample(soma, SynthSettings(hand="soma"), 3, index)
        for field in fields(Sample):
            np.testing.assert_array_equal(store.read(field.name, index, index + 1)[0], getattr(sample, field.name))


def test_the_number_of_workers_changes_nothing(tmp_path: Path, store_path: Path) -> None:
    done: list[int] = []
    generate(tmp_path / "two.zarr", SynthSettings(hand="soma"), CHUNK + 1, seed=3, workers=2, progress=done.append)
    assert stored(tmp_path / "two.zarr") == stored(store_path)
    assert sum(done) == CHUNK + 1


def test_a_killed_run_goes_on_to_the_same_bytes(store_path: Path) -> None:
    before = stored(store_path)
    group = zarr.open_group(str(store_path), mode="r+")
    group["depth"][CHUNK:] = 0.25  # as a writer leaves it that was killed before it marked the chunk
    group["done"][1] = 0
    with pytest.raises(StoreError):
        SampleStore.open(store_path).read("depth")
    done: list[int] = []
    generate(store_path, SynthSettings(hand="soma"), CHUNK + 1, seed=3, workers=1, progress=done.append)
    assert done == [CHUNK, 1]
    assert stored(store_path) == before


def test_a_store_of_other_samples_is_not_written_to(store_path: Path) -> None:
    with pytest.raises(StoreError, match="holds other samples"):
        generate(store_path, SynthSettings(hand="soma"), CHUNK + 1, seed=4, workers=1)
