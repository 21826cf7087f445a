"""Sensors: what is kept, what is lost, and how large the noise is, on scenes simple enough to know the answer."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from knuckle.camera import Camera
from knuckle.depth import read_depth
from knuckle.errors import SettingsError
from knuckle.locate import find_centers
from knuckle.synth.coded_light import BASELINE_MM as CODED_BASELINE_MM
from knuckle.synth.coded_light import RANGE_MM, UNIT_MM
from knuckle.synth.noise_statistics import flatness, silhouette, walk_off
from knuckle.synth.render import NOTHING
from knuckle.synth.sensor import SENSORS, measure, measure_kind
from knuckle.synth.structured_light import BASELINE_MM, RIPPLE_PX, WHITE_PX
from knuckle.synth.time_of_flight import NEAREST_LIGHT_MM, STRIPE_MM, sigma_mm

FX = 500.0
NOISY = SENSORS[1:]
Scene = tuple[NDArray, NDArray]


def plane(z: float, size: int = 120) -> Scene:
    return np.full((size, size), float(z)), np.ones((size, size), dtype=np.uint8)


def box_before_wall(near: float = 500.0, far: float = 800.0, width: int = 40) -> Scene:
    """A box (label 5), columns 60.. and rows 40..79, before a wall (label 0)."""
    depth, labels = np.full((120, 160), far), np.zeros((120, 160), dtype=np.uint8)
    depth[40:80, 60 : 60 + width], labels[40:80, 60 : 60 + width] = near, 5
    return depth, labels


def seen(scene: Scene, sensor: str, strength: float = 1.0, seed: int = 0) -> tuple[NDArray, NDArray]:
    return measure(*scene, FX, sensor, strength, np.random.default_rng(seed))


scenes = st.builds(
    box_before_wall, st.floats(300, 700), st.one_of(st.floats(760, 950), st.just(NOTHING)), st.integers(8, 60)
)


def test_clean_is_exact() -> None:
    depth, labels = box_before_wall()
    labels[:] = 3
    depth[:10] = NOTHING
    measured, carried = seen((depth, labels), "clean")
    np.testing.assert_array_equal(measured[10:], depth[10:].astype(np.float32))
    np.testing.assert_array_equal(carried[10:], labels[10:])
    assert (measured[:10] == 0).all()
    assert (carried[:10] == 0).all()


@pytest.mark.parametrize("sensor", SENSORS)
def test_forms(sensor: str) -> None:
    scene = box_before_wall()
    kept = scene[0].copy(), scene[1].copy()
    measured, carried = seen(scene, sensor)
    assert measured.dtype == np.float32
    assert carried.dtype == np.uint8
    assert measured.shape == carried.shape == scene[0].shape
    assert np.isfinite(measured).all()
    assert (measured >= 0).all()
    assert (carried[measured == 0] == 0).all()
    for array, before in zip(scene, kept, strict=True):
        np.testing.assert_array_equal(array, before)  # what was rendered is not written to


@pytest.mark.parametrize("sensor", SENSORS)
def test_compiled_callers_get_the_same(sensor: str) -> None:
    compiled = measure_kind(*box_before_wall(), FX, SENSORS.index(sensor), 0.8, np.random.default_rng(3))
    for one, other in zip(seen(box_before_wall(), sensor, 0.8, seed=3), compiled, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("sensor", SENSORS)
def test_whole_millimetres_are_seen_as_any_others(sensor: str) -> None:
    depth, labels = box_before_wall()
    for one, other in zip(seen((depth, labels), sensor), seen((depth.astype(int), labels), sensor), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("sensor", NOISY)
def test_it_depends_on_the_generator_alone(sensor: str) -> None:
    for one, other in zip(seen(box_before_wall(), sensor), seen(box_before_wall(), sensor), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (seen(box_before_wall(), sensor)[0] != seen(box_before_wall(), sensor, seed=1)[0]).any()


@pytest.mark.parametrize("sensor", SENSORS)
@settings(max_examples=25)
@given(scene=scenes, seed=st.integers(0, 2**32 - 1), strength=st.floats(0, 1.5))
def test_nothing_is_invented(sensor: str, scene: Scene, seed: int, strength: float) -> None:
    """Where nothing is within 4 px, nothing is measured; elsewhere no more than what lies between near and far."""
    measured, carried = seen(scene, sensor, strength, seed)
    near = ndimage.minimum_filter(scene[0], 9)
    far = ndimage.maximum_filter(scene[0], 9)
    far[np.isinf(far)] = near[np.isinf(far)] + 900 if sensor == "time-of-flight" else 950
    assert (measured[np.isinf(near)] == 0).all()
    valid = measured > 0
    assert (measured[valid] > near[valid] - 31).all()  # a wrong code may lie 30 mm off
    assert (measured[valid] < far[valid] + 31).all()
    assert set(np.unique(carried)) <= {0, 5}


@pytest.mark.parametrize("sensor", NOISY)
@settings(max_examples=25)
@given(scene=scenes, seed=st.integers(0, 2**32 - 1), strength=st.floats(0, 1.5))
def test_labels_travel_with_the_surface(sensor: str, scene: Scene, seed: int, strength: float) -> None:
    """What is labelled as the box lies at the box's depth and place; what lies behind it has no label."""
    measured, carried = seen(scene, sensor, strength, seed)
    box = carried == 5
    place = ndimage.binary_dilation(scene[1] == 5, np.ones((3, 3)), iterations=4)
    assert not (box & ~place).any()
    assert (np.abs(measured[box] - scene[0].min()) < 56).all()  # an outline's error and noise
    if sensor == "structured-light":
        assert not ((measured > 0) & (measured < scene[0].min() + 30) & ~box).any()


@pytest.mark.parametrize("sensor", NOISY)
def test_without_strength_a_plane_is_nearly_clean(sensor: str) -> None:
    measured, carried = seen(plane(600), sensor, 0.0)
    eighth = 600**2 / (FX * BASELINE_MM) / 8  # mm
    assert np.abs(measured - 600).max() <= (eighth / 2 + 0.5 if sensor == "structured-light" else 0)
    assert (carried == 1).all()


def test_time_of_flight_and_coded_light_without_strength_are_clean() -> None:
    for sensor in ("time-of-flight", "coded-light"):
        measured, carried = seen(box_before_wall(), sensor, 0.0)
        np.testing.assert_array_equal(measured, box_before_wall()[0])
        np.testing.assert_array_equal(carried, box_before_wall()[1])


def test_structured_light_rounds_disparity_to_an_eighth_and_depth_to_a_millimetre() -> None:
    tilted = 600 + np.linspace(0, 150, 120)[None, :] + np.zeros((120, 1))
    for strength in (0.0, 1.0):
        measured, _ = seen((tilted, np.ones(tilted.shape, dtype=np.uint8)), "structured-light", strength)
        eighths = np.arange(8 * FX * BASELINE_MM / 800, 8 * FX * BASELINE_MM / 550).astype(int)
        allowed = np.rint(8 * FX * BASELINE_MM / eighths)
        assert np.isin(measured[measured > 0], allowed).all()
        assert len(np.unique(measured)) > 20


def test_time_of_flight_delivers_millimetres_and_coded_light_eighths() -> None:
    for sensor, unit in (("time-of-flight", 1.0), ("coded-light", UNIT_MM)):
        measured, _ = seen(plane(512.34), sensor)
        np.testing.assert_array_equal(measured, np.rint(measured / unit) * unit)


@pytest.mark.parametrize("z", [400.0, 700.0, 1200.0])
def test_time_of_flight_noise_is_the_documented_sigma_and_stripes(z: float) -> None:
    errors = np.stack([seen(plane(z), "time-of-flight", seed=seed)[0] - z for seed in range(8)])
    lines = errors.mean(axis=2)  # (8, H)
    stripe = np.abs((lines[:, ::2] - lines[:, 1::2]).mean(axis=1)) / 2
    np.testing.assert_allclose(stripe, STRIPE_MM, atol=0.25)
    swing = np.sign(lines[:, ::2].mean(axis=1) - lines[:, 1::2].mean(axis=1))[:, None, None] * STRIPE_MM
    errors[:, ::2] -= swing
    errors[:, 1::2] += swing
    assert errors.std() == pytest.approx(sigma_mm(z), rel=0.15)
    assert abs(errors.mean()) < 0.1 * errors.std()


def test_structured_light_noise_is_of_the_documented_disparity() -> None:
    """Averaged over distances, so that the rounding does not hide it."""
    errors = []
    for z in np.linspace(995, 1005, 12):
        measured, _ = seen(plane(z), "structured-light", 4.0)
        errors.append(FX * BASELINE_MM * (1 / measured[measured > 0].astype(float) - 1 / z))
    rounding = np.hypot(1 / 8, FX * BASELINE_MM / 1000**2) / np.sqrt(12)  # px
    expected = np.hypot(4 * np.hypot(WHITE_PX, RIPPLE_PX), rounding)
    assert np.concatenate(errors).std() == pytest.approx(expected, rel=0.2)


def test_coded_light_measures_near_surfaces_to_a_tenth_of_a_millimetre() -> None:
    spread = [(seen(plane(z), "coded-light")[0] - z).std() for z in (300.0, 500.0, 800.0)]
    assert spread[0] < spread[1] < spread[2]
    assert spread[1] < 0.1


@pytest.mark.parametrize("sensor", NOISY)
def test_noise_grows_with_strength(sensor: str) -> None:
    frames = [seen(plane(700.0), sensor, strength)[0] for strength in (1.0, 2.0, 3.0)]
    spread = [measured[measured > 0].std() for measured in frames]
    assert spread[0] < spread[1] < spread[2]


def test_coded_light_has_a_range() -> None:
    assert (seen(plane(0.8 * RANGE_MM), "coded-light")[0] > 0).mean() > 0.99
    assert not seen(plane(1.25 * RANGE_MM), "coded-light")[0].any()


def dark(measured: NDArray, columns: slice) -> float:
    return float((measured[46:74, columns] == 0).mean())


@pytest.mark.parametrize(
    ("sensor", "baseline"), [("structured-light", BASELINE_MM), ("coded-light", CODED_BASELINE_MM)]
)
def test_the_projector_casts_its_shadow_to_the_right(sensor: str, baseline: float) -> None:
    """It stands left of the camera: right of a near box, the wall is dark for as many pixels as disparity jumps."""
    measured, _ = seen(box_before_wall(), sensor)
    jump = round(FX * baseline * (1 / 500 - 1 / 800))  # px
    assert dark(measured, slice(102, 100 + jump - 3)) > 0.95
    assert dark(measured, slice(100 + jump + 3, 155)) < 0.05
    assert dark(measured, slice(5, 54)) < 0.05
    assert dark(measured, slice(63, 97)) < 0.05


def test_lights_in_a_row_cast_a_shadow_to_the_left_of_wide_objects_only() -> None:
    jump = FX * NEAREST_LIGHT_MM * (1 / 500 - 1 / 2400)  # px
    wide, _ = seen(box_before_wall(500.0, 2400.0, 60), "time-of-flight")
    assert dark(wide, slice(int(60 - jump) + 2, 58)) > 0.95
    assert dark(wide, slice(10, int(60 - jump) - 3)) < 0.05
    assert dark(wide, slice(123, 155)) < 0.05
    finger, _ = seen(box_before_wall(500.0, 2400.0, 10), "time-of-flight")
    assert dark(finger, slice(10, 57)) < 0.05


@pytest.mark.parametrize(("sensor", "least", "most"), [("time-of-flight", 1, 3), ("coded-light", 4, 7)])
def test_an_outline_has_a_dark_rim(sensor: str, least: int, most: int) -> None:
    measured, carried = seen(box_before_wall(), sensor)
    for direction in ("up", "down"):
        assert least <= np.median(walk_off(measured, carried == 5, direction).width) <= most


def test_near_pixels_on_a_time_of_flight_outline_lie_too_far() -> None:
    measured, carried = seen(box_before_wall(500.0, 1500.0), "time-of-flight")
    assert 3 < np.median(walk_off(measured, (measured > 0) & (measured < 700), "up").rise) < 40
    assert abs(np.median(measured[carried == 5]) - 500) < 1.5


@pytest.mark.parametrize("sensor", NOISY)
def test_grazing_surfaces_are_lost(sensor: str) -> None:
    step = np.tan(np.radians(86)) / FX  # relative change of depth from one column to the next
    steep = 600 * np.cumprod(np.full((120, 12), 1 + step), axis=1)
    assert np.diff(steep, axis=1).max() < 25  # not yet a jump
    measured, _ = seen((steep, np.ones(steep.shape, dtype=np.uint8)), sensor)
    assert (measured[:, 1:-1] == 0).mean() > 0.2
    assert (seen(plane(600), sensor)[0] == 0).mean() < 0.03


def test_an_unknown_sensor_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match=r"'snow'.*clean, structured-light, time-of-flight, coded-light"):
        seen(plane(500), "snow")


def test_noise_on_real_hands_is_the_models(shared_data: Path) -> None:
    """σ and stripes of the time-of-flight model within 30 % of what real Kinect v2 frames show on the hand."""
    folder = shared_data / "frames" / "kinect2"
    camera = Camera.load(folder / "camera.json")
    real, simulated = [], []
    for file in sorted(folder.rglob("*.png"))[1:20:6]:
        depth = read_depth(file)
        center = find_centers(depth, camera)[0]
        hand = flatness(depth, silhouette(depth, camera, center, 100.0), camera.fx)
        flat = seen(plane(center[2]), "time-of-flight")[0]
        model = flatness(flat, flat > 0, camera.fx)
        for rows, windows in ((real, hand), (simulated, model)):
            rows.append([np.median(windows.sigma), np.median(np.abs(windows.stripe))])
    np.testing.assert_allclose(np.mean(simulated, axis=0), np.mean(real, axis=0), rtol=0.3)


def test_coded_light_sees_the_same_whatever_lies_far_off_to_the_side() -> None:
    hand = np.full((90, 120), np.inf)
    hand[40:80, 50:90] = 500.0 + np.arange(40)[:, None]
    hand[40:80, 95:100] = 1120.0  # too dark to be measured, near enough to matter for what is
    beside = hand.copy()
    beside[:6, :6] = 500.0  # makes more of the frame bright enough to be looked at
    labels = np.ones(hand.shape, np.uint8)
    alone, together = (
        measure(depth, labels, 475.0, "coded-light", 1.0, np.random.default_rng(3))[0] for depth in (hand, beside)
    )
    assert (alone[40:80, 50:90] > 0).mean() > 0.3
    np.testing.assert_array_equal(alone[20:], together[20:])
    assert not measure(np.full((9, 9), 2000.0), labels[:9, :9], 475.0, "coded-light", 1.0, np.random.default_rng(3))[
        0
    ].any()
