"""Statistics of noise: what was put into a frame is found in it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from knuckle.camera import Camera
from knuckle.synth.noise_statistics import (
    DIRECTIONS,
    Flatness,
    flatness,
    hole_shares,
    quantisation_step,
    raggedness,
    silhouette,
    walk_off,
)

FX = 400.0
Y, X = np.mgrid[:80, :100].astype(float)
ROUND = 600 + 0.2 * X - 0.3 * Y + 0.004 * (X - 50) ** 2 - 0.003 * (Y - 40) ** 2 + 0.002 * X * Y


def windows(depth: NDArray, window_px: int = 7) -> Flatness:
    return flatness(depth.astype(np.float32), np.ones(depth.shape, dtype=bool), FX, window_px)


def test_a_round_surface_is_no_noise() -> None:
    assert windows(ROUND).sigma.max() < 1e-3


@settings(max_examples=15)
@given(st.floats(0.1, 0.8), st.floats(-1.0, 1.0), st.sampled_from([7, 15]), st.integers(0, 99))
def test_noise_and_stripes_are_found_again(sigma: float, stripe: float, window_px: int, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, sigma, ROUND.shape)
    found = windows(ROUND + noise + stripe * np.where(Y % 2 == 0, 1, -1), window_px)
    assert np.sqrt(np.mean(found.sigma**2)) == pytest.approx(sigma, rel=0.1)
    assert np.median(found.stripe) == pytest.approx(stripe, abs=0.1 * sigma + 0.01)


def test_white_noise_is_told_from_smooth_noise() -> None:
    noise = np.random.default_rng(0).normal(0, 1, ROUND.shape)
    assert all(-0.2 < value < 0.02 for value in windows(ROUND + noise).correlation())
    row, column = windows(ROUND + ndimage.uniform_filter1d(noise, 3, axis=1)).correlation()
    assert row > 0.4
    assert column < 0.1
    nothing = flatness(ROUND.astype(np.float32), np.zeros(ROUND.shape, dtype=bool), FX)
    assert all(np.isnan(nothing.correlation()))


def test_only_windows_inside_one_surface_count() -> None:
    depth = ROUND.copy()
    depth[:, 50:] += 100
    depth[:, :20] = 0
    found = windows(depth)
    assert found.sigma.max() < 1e-3
    assert len(found.z) == (80 - 6) * ((30 - 6) + (50 - 6)) // (1 + (80 - 6) * ((30 - 6) + (50 - 6)) // 4000)
    steep = 600 * np.cumprod(np.full((20, 20), 1 + 1.2 / FX), axis=1)
    assert len(windows(steep).z) == 0


def test_bands_and_joining() -> None:
    both = Flatness.joined([windows(ROUND), windows(ROUND + 400)])
    near = both.between(500, 800)
    assert 0 < len(near.z) < len(both.z)
    assert near.z.max() < 800


@settings(max_examples=40)
@given(st.integers(0, 12), st.integers(0, 12), st.sampled_from(sorted(DIRECTIONS)))
def test_the_width_of_an_edge(width: int, flying: int, direction: str) -> None:
    """A square of 10 px, `width` dark pixels beyond its edges, of which the first `flying` lie between near and far."""
    flying = min(flying, width)
    distance = np.maximum(np.abs(X - 50), np.abs(Y - 40))
    depth = np.where(distance <= 10, 500.0, 900.0)
    depth[(distance > 10) & (distance <= 10 + width)] = 0
    depth[(distance > 10) & (distance <= 10 + flying)] = 700
    edge = walk_off(depth.astype(np.float32), distance <= 10, direction)
    if flying >= 2:  # two alike are a surface
        assert (edge.width == 0).all()
    else:
        assert (edge.width == width).all()
        assert (edge.flying == flying).all()
    assert len(edge.width) == 21
    assert (edge.rise == 0).all()
    assert edge.open_share == 0


def test_edges_with_nothing_behind_are_open_and_fingers_are_passed_over() -> None:
    depth = np.zeros((60, 100), dtype=np.float32)
    depth[10:50, 10:20] = 500
    hand = depth > 0
    assert walk_off(depth, hand, "right").open_share == 1
    depth[10:30, 24:30] = 505  # another finger, on half of the rows
    depth[:, 40:] = 900
    edge = walk_off(depth, hand, "right")
    assert (edge.width == 20).all()
    assert len(edge.width) == 20
    depth[:, 19] += 12 * hand[:, 19]
    assert (walk_off(depth, hand, "right").rise == 12).all()


def test_walks_out_of_the_frame_do_not_count() -> None:
    depth = np.zeros((60, 100), dtype=np.float32)
    depth[10:50, 80:90] = 500
    edge = walk_off(depth, depth > 0, "right")
    assert len(edge.width) == 0
    assert np.isnan(edge.open_share)


def test_holes_inside_and_around() -> None:
    depth = np.full((60, 60), 900, dtype=np.float32)
    depth[20:40, 20:40] = 500
    hand = depth == 500
    depth[30, 30] = 0
    hand[30, 30] = False
    depth[:20] = 0
    inside, around = hole_shares(depth, hand)
    assert inside == pytest.approx(1 / 400)
    assert around == pytest.approx(4 * 28 / (28**2 - 20**2))


def test_a_ragged_outline() -> None:
    disc = np.hypot(X - 50, Y - 40) < 25
    rng = np.random.default_rng(0)
    border = ndimage.binary_dilation(disc) & ~ndimage.binary_erosion(disc)
    ragged = disc ^ (border & (rng.random(disc.shape) < 0.4))
    assert raggedness(disc) < 0.15
    assert raggedness(ragged) > 2 * raggedness(disc) + 0.1


def test_the_step_of_depth() -> None:
    mask = np.ones(ROUND.shape, dtype=bool)
    assert quantisation_step((np.rint(ROUND / 0.5) * 0.5).astype(np.float32), mask) == 0.5
    assert np.isnan(quantisation_step(np.full((4, 4), 500, dtype=np.float32), np.ones((4, 4), dtype=bool)))


def test_a_silhouette_is_the_largest_piece_in_its_cube() -> None:
    camera = Camera(fx=FX, fy=FX, cx=50, cy=40, width=100, height=80)
    depth = np.full((80, 100), 900, dtype=np.float32)
    depth[30:50, 40:60] = 500
    depth[34:36, 70:72] = 500
    depth[30:50, 2:5] = 500  # 60 mm aside
    hand = silhouette(depth, camera, np.array([0.0, 0.0, 500.0]), 50.0)
    expected = np.zeros_like(hand)
    expected[30:50, 40:60] = True
    np.testing.assert_array_equal(hand, expected)
    assert not silhouette(depth, camera, np.array([0.0, 0.0, 200.0]), 50.0).any()
