"""The compiled crop and centre against `CropBox` and `hand_center`, bit for bit."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from knuckle import locate
from knuckle.camera import Camera
from knuckle.crop import SIZE, CropBox
from knuckle.synth.cropping import crop, cube_window, hand_center
from knuckle.synth.view import Lens

SEEDS = st.integers(0, 2**32 - 1)


def frame(rng: np.random.Generator, height: int, width: int, z: float) -> tuple[NDArray, NDArray]:
    """A depth frame (H, W) mm of surfaces, steps of less than 12 mm and more, and holes; labels (H, W) everywhere."""
    depth = z + rng.normal(size=(height, width)) * rng.choice([2.0, 8.0, 60.0], size=(height, width))
    depth[rng.random((height, width)) < 0.2] = 0
    return depth.astype(np.float32), rng.integers(0, 21, size=(height, width)).astype(np.uint8)


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_the_crop_equals_the_crop_box(seed: int) -> None:
    """Cubes inside, across the border of and outside the frame, of fewer and of more pixels than the crop."""
    rng = np.random.default_rng(seed)
    camera = Camera(*rng.uniform(20, 400, size=2), *rng.uniform(-40, 160, size=2), *rng.integers(5, 140, size=2))
    center = np.array([*rng.normal(size=2) * 150, rng.uniform(200, 1500)])
    depth, labels = frame(rng, camera.height, camera.width, center[2])
    lens = Lens(camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height)
    found, parts = np.empty((SIZE, SIZE), dtype=np.float32), np.empty((SIZE, SIZE), dtype=np.uint8)
    crop(depth, labels, lens, center, found, parts)
    box = CropBox(center, camera)
    np.testing.assert_array_equal(found, box.crop_depth(depth))
    np.testing.assert_array_equal(parts, np.where(found < 1, box.crop_labels(labels), 0))


@given(SEEDS, st.integers(1, 400))
def test_the_centre_equals_the_percentiles(seed: int, count: int) -> None:
    points = np.random.default_rng(seed).normal(size=(count, 3)) * 60 + [10, -20, 500]
    np.testing.assert_array_equal(hand_center(np.ascontiguousarray(points.T)), locate.hand_center(points))


@given(SEEDS)
def test_the_window_of_a_cube_holds_what_its_crop_samples(seed: int) -> None:
    """Cropping out of the window gives the same as cropping out of a frame that goes on around it."""
    rng = np.random.default_rng(seed)
    lens = Lens(*rng.uniform(100, 300, size=2), *rng.uniform(0, 300, size=2), 320, 240)
    center = np.array([*rng.normal(size=2) * 100, rng.uniform(300, 900)])
    view = cube_window(lens, center, 3)
    camera = Camera(*lens).window(round(lens.cx - view.cx), round(lens.cy - view.cy), view.width, view.height)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == view[:4]
    box = CropBox(center, camera)
    assert (box.corner >= 3).all()
    assert (box.corner + box.extent <= [view.width - 3, view.height - 3]).all()
    assert (box.corner <= 4 + 1e-9).all()  # and little more than that
