"""The building blocks of the sensor models beside plain ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from knuckle.compiled import njit
from knuckle.synth.noise_fields import (
    cast_shadow,
    draw_key,
    farthest_around,
    nearest_around,
    normal,
    smooth_at,
    smooth_grid,
    tangent,
    uniform,
    word,
)

COUNT = 200_000


@njit()
def draw_many(rng, count):
    key = draw_key(rng)
    normals, uniforms = np.empty(count), np.empty(count)
    for i in range(count):
        bits = word(key, i)
        normals[i], uniforms[i] = normal(bits), uniform(bits)
    return normals, uniforms


@njit()
def whole_field(height, width, step, key):
    grid = smooth_grid(height, width, step, key)
    field = np.empty((height, width))
    for y in range(height):
        for x in range(width):
            field[y, x] = smooth_at(grid, y, x, np.float32(1 / step))
    return field


@pytest.fixture(scope="module")
def drawn() -> tuple[NDArray, NDArray]:
    return draw_many(np.random.default_rng(0), COUNT)


def test_normals_have_the_moments_of_a_normal(drawn: tuple[NDArray, NDArray]) -> None:
    normals, _ = drawn
    assert abs(normals.mean()) < 4 / np.sqrt(COUNT)
    assert normals.std() == pytest.approx(1, abs=0.01)
    assert abs((normals**3).mean()) < 0.03
    assert 2.6 < (normals**4).mean() < 3.05  # four summands: 2.7; a normal: 3
    assert np.abs(normals).max() < 3.5
    assert abs(np.corrcoef(normals[:-1], normals[1:])[0, 1]) < 4 / np.sqrt(COUNT)


def test_uniforms_fill_their_interval_evenly(drawn: tuple[NDArray, NDArray]) -> None:
    _, uniforms = drawn
    assert uniforms.min() >= 0
    assert uniforms.max() < 1
    shares = np.histogram(uniforms, 20, (0, 1))[0] / COUNT
    np.testing.assert_allclose(shares, 0.05, rtol=0.06)


def test_keys_come_from_the_generator() -> None:
    first, again, other = (draw_many(np.random.default_rng(seed), 100)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.4


@pytest.mark.parametrize("step", [2.5, 4.0, 9.0])
def test_a_smooth_field_has_unit_variance_and_the_grain_of_its_step(step: float) -> None:
    fields = np.stack([whole_field(90, 110, step, key) for key in range(20)])
    assert fields.std() == pytest.approx(1, abs=0.12)
    assert abs(fields.mean()) < 0.12
    far = int(np.ceil(2 * step))
    close = (fields[:, :, 1:] * fields[:, :, :-1]).mean()
    assert close > 0.5
    assert abs((fields[:, :, far:] * fields[:, :, :-far]).mean()) < 0.15


@settings(max_examples=40)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_neighbourhoods_are_those_of_scipy(height: int, width: int, radius: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    depth = rng.uniform(300, 900, (height, width)).astype(np.float32)
    depth[rng.random(depth.shape) < 0.3] = np.inf
    size = 2 * radius + 1
    np.testing.assert_array_equal(nearest_around(depth, radius), ndimage.minimum_filter(depth, size, mode="nearest"))
    np.testing.assert_array_equal(farthest_around(depth, radius), ndimage.maximum_filter(depth, size, mode="nearest"))


def plain_shadow(depth: NDArray, fx: float, baseline: float) -> NDArray[np.bool_]:
    """Every pixel against every other one of its row, in the light's columns."""
    blocked = np.zeros(depth.shape, dtype=bool)
    for row, dark in zip(depth, blocked, strict=True):
        columns = [x + fx * baseline / z for x, z in enumerate(row)]
        for x, z in enumerate(row):
            for other, nearer in enumerate(row):
                first = np.floor(columns[other])
                if nearer < z - 25 and np.floor(columns[x] + 0.5) in (first, first + 1) and np.isfinite(z):
                    dark[x] = True
    return blocked


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.floats(5, 90), st.sampled_from([-1, 1]))
def test_shadows_are_what_the_light_does_not_see(seed: int, away: float, side: int) -> None:
    baseline = side * away
    rng = np.random.default_rng(seed)
    depth = np.repeat(rng.choice([400.0, 500.0, 900.0, np.inf], (4, 10)), rng.integers(1, 9), axis=1)
    depth += rng.uniform(0, 20, depth.shape)
    np.testing.assert_array_equal(cast_shadow(depth, 480.0, baseline), plain_shadow(depth, 480.0, baseline))


def test_the_slope_of_a_tilted_plane() -> None:
    """z = z0 + x·tan: in pixels, z = z0 / (1 - tan·(u - cx)/fx)."""
    fx, tilt = 500.0, np.tan(np.radians(40))
    depth = np.tile(600 / (1 - tilt * np.arange(-10, 11) / fx), (9, 1))
    assert tangent(depth, 4, 10, fx) == pytest.approx(tilt, rel=1e-3)
    depth[:, 12:] += 100
    assert tangent(depth, 4, 11, fx) == 0.0
