"""The One-Euro filter against its formulas, and what it is for: less jitter, little lag."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knuckle.errors import SettingsError
from knuckle.smoothing import OneEuroFilter, OneEuroSettings


def by_the_book(series: list[list[float]], times: list[float], settings: OneEuroSettings) -> list[list[float]]:
    """One joint, number by number, as Casiez et al. write it; the cutoff rises with the joint's speed in space."""
    place, speed, out = list(series[0]), [0.0] * len(series[0]), [list(series[0])]
    for values, before, now in zip(series[1:], times, times[1:], strict=False):
        step = now - before

        def share(cutoff: float, step: float = step) -> float:
            return 1 / (1 + 1 / (2 * math.pi * cutoff * step))

        a = share(settings.speed_cutoff_hz)
        speed = [a * (value - old) / step + (1 - a) * s for value, old, s in zip(values, place, speed, strict=True)]
        b = share(settings.cutoff_hz + settings.rise * math.hypot(*speed))
        place = [b * value + (1 - b) * old for value, old in zip(values, place, strict=True)]
        out.append(list(place))
    return out


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10), st.floats(0, 0.1))
def test_the_filter_is_the_paper_s(seed: int, cutoff: float, rise: float) -> None:
    rng = np.random.default_rng(seed)
    settings = OneEuroSettings(cutoff, rise)
    times = np.cumsum(rng.uniform(0.005, 0.2, 12)).tolist()
    points = rng.normal(0, 50, (12, 2, 3))
    smooth = OneEuroFilter(settings)
    found = np.array([smooth(row, time) for row, time in zip(points, times, strict=True)])
    for joint in range(2):
        expected = by_the_book(points[:, joint].tolist(), times, settings)
        np.testing.assert_allclose(found[:, joint], expected, atol=1e-9)


def test_what_rests_stays() -> None:
    smooth = OneEuroFilter()
    place = np.array([[1.0, 2.0, 700.0]])
    for frame in range(20):
        np.testing.assert_array_equal(smooth(place, frame / 30), place)


def test_noise_at_rest_shrinks_and_a_quick_hand_is_followed() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 2, (300, 1, 3))
    smooth = OneEuroFilter()
    calm = np.array([smooth(row, frame / 30) for frame, row in enumerate(noise)])
    assert np.diff(calm, 2, axis=0).std() < np.diff(noise, 2, axis=0).std() / 3
    smooth = OneEuroFilter()
    quick = np.array([[[1000 * frame / 30, 0, 0]] for frame in range(60)])  # 1 m/s
    followed = np.array([smooth(row, frame / 30) for frame, row in enumerate(quick)])
    assert np.abs(followed - quick)[30:].max() < 12  # mm


def test_after_a_pause_it_begins_anew() -> None:
    smooth = OneEuroFilter()
    smooth(np.zeros((1, 3)), 0.0)
    far = np.full((1, 3), 100.0)
    np.testing.assert_array_equal(smooth(far, 1.5), far)


@pytest.mark.parametrize("later", [0.0, -5.0])
def test_a_clock_that_stands_or_goes_back_harms_nothing(later: float) -> None:
    smooth = OneEuroFilter()
    smooth(np.zeros((1, 3)), 10.0)
    found = smooth(np.ones((1, 3)), 10.0 + later)
    assert (found > 0).all()
    assert (found < 1).all()


@pytest.mark.parametrize(
    "wrong", [{"cutoff_hz": 0}, {"rise": -1}, {"speed_cutoff_hz": math.inf}, {"cutoff_hz": math.nan}]
)
def test_impossible_settings_are_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        OneEuroSettings(**wrong)
