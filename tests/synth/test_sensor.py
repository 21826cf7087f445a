"""Sensor noise: what is kept, what is lost, and how large the noise is, on scenes simple enough to know the answer."""

import numpy as np
import pytest
from numpy.typing import NDArray

from knuckle.errors import SettingsError
from knuckle.synth.render import NOTHING
from knuckle.synth.sensor import measure

FX = 500.0
BASELINE_MM = 75.0
NOISY = ("structured-light", "time-of-flight")


def plane(z: float, size: int = 120) -> tuple[NDArray, NDArray]:
    return np.full((size, size), z), np.ones((size, size), dtype=np.uint8)


def box_before_wall() -> tuple[NDArray, NDArray]:
    """A box (label 5) 500 mm away, columns 60..99, rows 40..79, before a wall (label 0) 800 mm away."""
    depth, labels = np.full((120, 160), 800.0), np.zeros((120, 160), dtype=np.uint8)
    depth[40:80, 60:100], labels[40:80, 60:100] = 500.0, 5
    return depth, labels


def seen(scene: tuple[NDArray, NDArray], noise: str, strength: float = 1.0, seed: int = 0) -> tuple[NDArray, NDArray]:
    return measure(*scene, FX, noise, strength, np.random.default_rng(seed))


def test_no_noise_is_the_identity() -> None:
    depth, labels = box_before_wall()
    labels[:] = 3
    depth[:10] = NOTHING
    measured, carried = seen((depth, labels), "none")
    np.testing.assert_array_equal(measured[10:], depth[10:].astype(np.float32))
    np.testing.assert_array_equal(carried[10:], labels[10:])
    assert (measured[:10] == 0).all()
    assert (carried[:10] == 0).all()


@pytest.mark.parametrize("noise", [*NOISY, "none"])
def test_forms(noise: str) -> None:
    scene = box_before_wall()
    kept = scene[0].copy(), scene[1].copy()
    measured, carried = seen(scene, noise)
    assert measured.dtype == np.float32
    assert carried.dtype == np.uint8
    assert measured.shape == carried.shape == scene[0].shape
    assert np.isfinite(measured).all()
    assert (measured >= 0).all()
    assert (carried[measured == 0] == 0).all()
    for array, before in zip(scene, kept, strict=True):
        np.testing.assert_array_equal(array, before)  # what was rendered is not written to


@pytest.mark.parametrize("noise", NOISY)
def test_it_depends_on_the_generator_alone(noise: str) -> None:
    for one, other in zip(seen(box_before_wall(), noise), seen(box_before_wall(), noise), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (seen(box_before_wall(), noise)[0] != seen(box_before_wall(), noise, seed=1)[0]).any()


@pytest.mark.parametrize("noise", [*NOISY, "none"])
def test_nothing_rendered_is_nothing_measured(noise: str) -> None:
    depth, labels = plane(NOTHING)
    measured, carried = seen((depth, labels), noise)
    assert not measured.any()
    assert not carried.any()


@pytest.mark.parametrize("noise", NOISY)
@pytest.mark.parametrize("strength", [0.0, 0.2, 1.2])
def test_labels_travel_with_the_surface(noise: str, strength: float) -> None:
    """A pixel labelled as the box measured the box's depth, and the box is near; other pixels measured no box."""
    scene = box_before_wall()
    for seed in range(5):
        measured, carried = seen(scene, noise, strength, seed)
        assert set(np.unique(carried)) == {0, 5}
        rows, columns = np.nonzero(carried == 5)
        assert rows.min() >= 40 - 6
        assert rows.max() < 80 + 6
        assert columns.min() >= 60 - 6
        assert columns.max() < 100 + 6
        assert np.abs(measured[carried == 5] - 500).max() < 15 + 6 * 3
        behind = measured[(carried == 0) & (measured > 0)]
        assert behind.min() > 500 + 15 - 6 * 3
        if noise == "structured-light":
            assert behind.min() > 800 - 6 * 8


def test_structured_light_rounds_disparity_to_an_eighth() -> None:
    tilted = 600 + np.linspace(0, 150, 120)[None, :] + np.zeros((120, 1))
    for strength in (0.0, 1.0):
        measured, _ = seen((tilted, np.ones(tilted.shape, dtype=np.uint8)), "structured-light", strength)
        eighths = 8 * FX * BASELINE_MM / measured[measured > 0].astype(float)
        assert np.abs(eighths - np.rint(eighths)).max() < 1e-3
        assert len(np.unique(np.rint(eighths))) > 20


def test_the_projector_casts_its_shadow_to_the_right() -> None:
    """It stands left of the camera: right of a near box, the wall is dark for as many pixels as disparity jumps."""
    measured, _ = seen(box_before_wall(), "structured-light", 0.0)
    jump = round(FX * BASELINE_MM * (1 / 500 - 1 / 800))  # px
    rows = slice(44, 76)
    assert (measured[rows, 102 : 100 + jump - 3] == 0).mean() > 0.95
    assert (measured[rows, 100 + jump + 3 : 155] == 0).mean() < 0.05
    assert (measured[rows, 5:58] == 0).mean() < 0.05
    assert (measured[rows, 63:97] == 0).mean() < 0.05
    assert (measured[:37] == 0).mean() < 0.05


def test_time_of_flight_casts_no_shadow() -> None:
    measured, _ = seen(box_before_wall(), "time-of-flight")
    assert (measured[44:76, 102:130] == 0).mean() < 0.05


@pytest.mark.parametrize("noise", NOISY)
def test_noise_is_without_bias_and_grows_with_distance(noise: str) -> None:
    spread = []
    for z in (400.0, 700.0, 1200.0):
        measured, _ = seen(plane(z), noise)
        error = measured[measured > 0] - z
        assert (measured > 0).mean() > 0.95
        assert abs(error.mean()) < 0.35 * error.std()
        spread.append(error.std())
    assert spread[0] < spread[1] < spread[2]


def test_structured_light_noise_is_that_of_a_sixth_of_a_pixel() -> None:
    z = 1000.0
    measured, _ = seen(plane(z), "structured-light")
    sixth = z**2 / (FX * BASELINE_MM) / 6  # mm
    assert 0.6 * sixth < (measured[measured > 0] - z).std() < 1.5 * sixth


def test_time_of_flight_noise_grows_with_the_square_of_distance() -> None:
    for z in (300.0, 1000.0):
        measured, _ = seen(plane(z), "time-of-flight")
        sigma = 1 + 3 * (z / 1000) ** 2  # mm
        assert 0.7 * sigma < (measured - z).std() < 1.3 * sigma


@pytest.mark.parametrize("noise", NOISY)
def test_strength_scales_the_noise(noise: str) -> None:
    def spread(strength: float) -> float:
        measured, _ = seen(plane(1000.0), noise, strength)
        return float((measured[measured > 0] - 1000).std())

    assert spread(0.0) < 1e-3 if noise == "time-of-flight" else spread(0.0) < 3.4  # an eighth of a pixel's rounding
    assert 2 * spread(0.2) < spread(1.0) < spread(1.2)


def test_time_of_flight_without_strength_only_jitters() -> None:
    measured, carried = seen(box_before_wall(), "time-of-flight", 0.0)
    assert set(np.unique(measured)) == {500.0, 800.0}
    np.testing.assert_array_equal(carried == 5, measured == 500)


def test_time_of_flight_mixes_depths_at_edges_alone() -> None:
    measured, carried = seen(box_before_wall(), "time-of-flight")
    flying = (measured > 530) & (measured < 760)
    assert flying.sum() > 10
    assert (carried[flying] == 0).all()
    rows, columns = np.nonzero(flying)
    to_edge = np.minimum.reduce(
        [np.abs(rows - 39.5), np.abs(rows - 79.5), np.abs(columns - 59.5), np.abs(columns - 99.5)]
    )
    assert to_edge.max() <= 4


@pytest.mark.parametrize("noise", NOISY)
def test_grazing_surfaces_are_lost(noise: str) -> None:
    step = np.tan(np.radians(86)) / FX  # relative change of depth from one column to the next
    steep = 600 * np.cumprod(np.full((120, 12), 1 + step), axis=1)
    assert np.diff(steep, axis=1).max() < 25  # not yet a jump
    measured, _ = seen((steep, np.ones(steep.shape, dtype=np.uint8)), noise)
    assert (measured[:, 1:-1] == 0).mean() > 0.2
    assert (seen(plane(600), noise)[0] == 0).mean() < 0.03


def test_an_unknown_noise_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match=r"'snow'.*structured-light, time-of-flight, none"):
        seen(plane(500), "snow")
