"""The metric cube against plain loops over cells and pixels, and against what a crop must never do."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from knuckle.camera import Camera
from knuckle.crop import CUBE_MM, SIZE, CropBox, from_crop, surface, to_crop
from knuckle.errors import SettingsError

seeds = st.integers(0, 2**32 - 1)
CAMERA = Camera(fx=475.3, fy=474.9, cx=315.9, cy=245.2, width=640, height=480)


@dataclass
class Scene:
    box: CropBox
    depth: NDArray[np.float32]  # (H, W) mm, whole numbers, so that sums are exact
    labels: NDArray[np.uint8]  # (H, W), 0..20, 0 where depth is 0


def scene(seed: int, min_step_px: float = 0.2, max_step_px: float = 4.0) -> Scene:
    """A small frame of random surfaces, speckle and holes, and a window that lies in it, across its edge or outside.

    A cell of the crop is min_step_px to max_step_px frame pixels wide.
    """
    rng = np.random.default_rng(seed)
    width, height = rng.integers(8, 90, 2)
    z, cube = rng.uniform(200, 1500), rng.uniform(80, 400)
    step = min_step_px * (max_step_px / min_step_px) ** rng.random()
    focal = step * rng.uniform(1, 1.1, 2) * SIZE * z / cube
    camera = Camera(*focal, *rng.uniform(-20, 100, 2), width, height)
    middle = rng.uniform(-0.4, 1.4, 2) * [width, height]
    box = CropBox(camera.back_project(middle, z), camera, cube)
    coarse = rng.integers(z - cube, z + cube, (12, 12))  # surfaces with steps between them
    depth = np.kron(coarse, np.ones((8, 8)))[:height, :width] + rng.integers(-15, 16, (height, width))
    depth = np.where(rng.random((height, width)) < 0.1, 0, np.maximum(depth, 0)).astype(np.float32)
    labels = np.where(depth > 0, rng.integers(1, 21, (height, width)), 0).astype(np.uint8)
    return Scene(box, depth, labels)


def pixel_at(box: CropBox, cell: float, axis: int) -> int:
    """Frame pixel (column for axis 0, row for axis 1) nearest to a place in the crop, in cells from its edge."""
    return round(float(box.corner[axis] + cell / SIZE * box.extent[axis]))


def value_at(image: NDArray, row: int, column: int) -> float:
    inside = 0 <= row < image.shape[0] and 0 <= column < image.shape[1]
    return image[row, column].item() if inside else 0


def crop_depth_by_loops(box: CropBox, depth: NDArray[np.float32]) -> NDArray[np.float64]:
    crop = np.ones((SIZE, SIZE))
    for row in range(SIZE):
        for column in range(SIZE):
            seen = value_at(depth, pixel_at(box, row + 0.5, 1), pixel_at(box, column + 0.5, 0))
            if seen == 0:
                continue
            places = [(row + i / 6, column + j / 6) for i in (1, 3, 5) for j in (1, 3, 5)]
            values = [value_at(depth, pixel_at(box, r, 1), pixel_at(box, c, 0)) for r, c in places]
            same = [value for value in values if value > 0 and abs(value - seen) <= 12]
            relative = (sum(same) / len(same) - box.center[2]) / (box.cube_mm / 2)
            crop[row, column] = min(max(relative, -1), 1)
    return crop


def crop_labels_by_loops(box: CropBox, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    crop = np.zeros((SIZE, SIZE), np.uint8)
    for row in range(SIZE):
        for column in range(SIZE):
            crop[row, column] = value_at(labels, pixel_at(box, row + 0.5, 1), pixel_at(box, column + 0.5, 0))
    return crop


def paste_labels_by_loops(box: CropBox, parts: NDArray[np.uint8], depth: NDArray[np.float32]) -> NDArray[np.uint8]:
    labels = np.zeros(depth.shape, np.uint8)
    for row, column in np.ndindex(depth.shape):
        u, v = (np.array([column, row]) - box.corner) / box.extent * SIZE
        if 0 <= u < SIZE and 0 <= v < SIZE and 0 < depth[row, column] < box.center[2] + box.cube_mm / 2:
            labels[row, column] = parts[math.floor(v), math.floor(u)]
    return labels


@settings(max_examples=60)
@given(seeds)
def test_crops_equal_plain_loops(seed: int) -> None:
    it = scene(seed)
    assert it.box.crop_depth(it.depth) == pytest.approx(crop_depth_by_loops(it.box, it.depth), abs=2e-6)
    assert (it.box.crop_labels(it.labels) == crop_labels_by_loops(it.box, it.labels)).all()
    parts = np.random.default_rng(seed).integers(0, 21, (SIZE, SIZE)).astype(np.uint8)
    pasted = it.box.paste_labels(parts, it.depth)
    assert (pasted == paste_labels_by_loops(it.box, parts, it.depth)).all()


def test_the_scenes_reach_into_across_and_outside_the_frame() -> None:
    seen = [np.mean(it.box.crop_labels(np.ones_like(it.labels))) for it in map(scene, range(200))]
    assert min(seen) == 0
    assert max(seen) == 1
    assert any(0.2 < share < 0.8 for share in seen)


@given(seeds)
def test_crop_forms(seed: int) -> None:
    it = scene(seed)
    crop, labels = it.box.crop_depth(it.depth), it.box.crop_labels(it.labels)
    assert (crop.shape, crop.dtype, labels.shape, labels.dtype) == ((48, 48), np.float32, (48, 48), np.uint8)
    assert np.abs(crop).max() <= 1
    assert it.depth.dtype == np.float32


@given(seeds)
def test_no_depth_between_two_surfaces_and_labels_stay_with_theirs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    it = scene(seed)
    near, far = it.box.center[2] + np.array([-0.3, 0.4]) * it.box.cube_mm  # 56 mm or more apart
    labels = rng.integers(0, 3, it.depth.shape).astype(np.uint8)  # 0 hole, 1 near surface, 2 far one: no cell is pure
    depth = np.choose(labels, [0 * it.depth, near, far]).astype(np.float32)
    depth += (labels > 0) * rng.uniform(-5, 5, depth.shape).astype(np.float32)
    crop, cells = it.box.crop_depth(depth), it.box.crop_labels(labels)
    mm = crop * it.box.cube_mm / 2 + it.box.center[2]
    assert (crop[cells == 0] == 1).all()
    assert np.abs(mm[cells == 1] - near).max(initial=0) < 5.01
    assert np.abs(mm[cells == 2] - far).max(initial=0) < 5.01


def test_one_surface_is_averaged() -> None:
    noise = np.random.default_rng(0).normal(0, 3, (480, 640)).astype(np.float32)
    box = CropBox([0, 0, 400], CAMERA)  # a cell is 6 px wide
    crop = box.crop_depth(400 + noise) * CUBE_MM / 2
    assert crop.std() < 3 / 3 * 1.15  # nine samples of independent noise


def test_holes_are_not_averaged_into_a_surface_at_the_lens() -> None:
    frame = np.full((480, 640), 8, np.float32)  # mm: no farther from "no measurement" than the same surface reaches
    frame[::2] = 0
    box = CropBox([0, 0, 50], CAMERA, cube_mm=100)
    crop = box.crop_depth(frame)
    seen = box.crop_labels((frame > 0).astype(np.uint8)) == 1
    assert 0 < seen.sum() < SIZE * SIZE
    assert crop[seen] == pytest.approx((8 - 50) / 50)
    assert (crop[~seen] == 1).all()


@pytest.mark.parametrize(("z", "value"), [(100, -1), (275, -1), (400, 0), (462.5, 0.5), (525, 1), (5000, 1), (0, 1)])
def test_depth_is_relative_to_the_cube_and_clamped(z: float, value: float) -> None:
    crop = CropBox([0, 0, 400], CAMERA).crop_depth(np.full((480, 640), z, np.float32))
    assert crop == pytest.approx(value)


@pytest.mark.parametrize("center", [(5000, 0, 400), (-5000, 0, 400), (0, 5000, 400), (1e300, 0, 400), (0, -1e300, 400)])
def test_a_window_outside_the_frame_is_empty(center: tuple[float, float, float]) -> None:
    box = CropBox(center, CAMERA)
    frame = np.full((480, 640), 400, np.float32)
    assert (box.crop_depth(frame) == 1).all()
    assert (box.crop_labels(np.ones((480, 640), np.uint8)) == 0).all()
    assert (box.paste_labels(np.ones((SIZE, SIZE), np.uint8), frame) == 0).all()


@given(seeds, st.sampled_from([np.float64, np.float32]))
def test_joints_return_through_the_crop(seed: int, dtype: type) -> None:
    rng = np.random.default_rng(seed)
    box = scene(seed).box
    joints = joints_about(box, rng)
    assert np.abs(box.from_crop(box.to_crop(joints).astype(dtype)) - joints).max() <= 2e-3  # mm
    places = rng.uniform(-1.2, 1.2, (21, 3)) * [1, 1, 0.5]
    assert box.to_crop(box.from_crop(places)) == pytest.approx(places, abs=1e-9)


def joints_about(box: CropBox, rng: np.random.Generator) -> NDArray[np.float64]:
    """(21, 3) mm in the cube and beside it, nowhere behind the camera."""
    joints = box.center + rng.uniform(-1.5, 1.5, (21, 3)) * box.cube_mm / 2
    joints[:, 2] = np.maximum(joints[:, 2], 0.4 * box.center[2])
    return joints


def test_crop_coordinates() -> None:
    """The cube's corner at the centre's depth is the window's corner; half as far, the same pixel is half as wide."""
    box = CropBox([10, 20, 400], CAMERA, cube_mm=200)
    joints = [[110, -80, 400], [55, -40, 200], [110 * 1.125, -80 * 1.125, 450], [10 * 1.25, 20 * 1.25, 500]]
    places = [[1, -1, 0], [1, -1, -2], [1, -1, 0.5], [0, 0, 1]]
    assert box.to_crop(joints) == pytest.approx(np.array(places))
    assert box.from_crop(places) == pytest.approx(np.array(joints))


@given(seeds)
def test_crop_coordinates_are_the_crops_pixels_at_any_depth(seed: int) -> None:
    box = scene(seed).box
    joints = joints_about(box, np.random.default_rng(seed))
    places = box.to_crop(joints)
    assert places[:, :2] == pytest.approx((box.to_pixels(joints) + 0.5) / SIZE * 2 - 1, abs=1e-9)
    assert places[:, 2] == pytest.approx((joints[:, 2] - box.center[2]) * 2 / box.cube_mm)


@given(seeds)
def test_the_surface_is_what_the_camera_back_projects(seed: int) -> None:
    it = scene(seed)
    crop = it.box.crop_depth(it.depth)
    cells = (np.arange(SIZE) + 0.5) / SIZE
    u, v = np.meshgrid(*(it.box.corner[axis] + cells * it.box.extent[axis] for axis in (0, 1)))
    z = it.box.center[2] + crop * it.box.cube_mm / 2
    expected = it.box.camera.back_project(np.stack([u, v], axis=-1), z)
    np.testing.assert_allclose(it.box.points(crop), expected, rtol=0, atol=1e-4)  # mm


@given(seeds)
def test_a_batch_of_frames_is_each_frame_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes = [scene(seed + number).box for number in range(3)]
    center, cube = np.stack([box.center for box in boxes]), np.array([box.cube_mm for box in boxes])
    joints = np.stack([joints_about(box, rng) for box in boxes])
    crops = rng.uniform(-1, 1, (3, SIZE, SIZE)).astype(np.float32)
    places, points = to_crop(joints, center, cube), surface(crops, center, cube)
    back = from_crop(places, center, cube)
    for number, box in enumerate(boxes):
        assert (places[number] == box.to_crop(joints[number])).all()
        assert (points[number] == box.points(crops[number])).all()
        assert (back[number] == box.from_crop(places[number])).all()


def test_joints_that_are_unknown_stay_unknown() -> None:
    joints = np.full((2, 21, 3), np.nan)
    joints[1] = 300.0
    places = to_crop(joints, [[0, 0, 400]] * 2, [250, 250])
    assert np.isnan(places[0]).all()
    assert np.isfinite(places[1]).all()


@given(seeds, st.integers(0, SIZE - 1), st.integers(0, SIZE - 1), st.floats(0.7, 1.3))
def test_a_joint_is_drawn_on_the_cell_that_shows_it(seed: int, row: int, column: int, nearer: float) -> None:
    box = scene(seed, min_step_px=1.05).box  # the cell's nearest pixel lies in the cell
    u, v = pixel_at(box, column + 0.5, 0), pixel_at(box, row + 0.5, 1)
    joint = box.camera.back_project((u, v), box.center[2] * nearer)
    assert np.rint(box.to_pixels(joint)).tolist() == [column, row]


@given(seeds)
def test_points_lie_on_the_rays_of_their_cells(seed: int) -> None:
    it = scene(seed)
    crop = it.box.crop_depth(it.depth)
    points = it.box.points(crop)
    assert points.shape == (SIZE, SIZE, 3)
    assert points[..., 2] == pytest.approx(crop * it.box.cube_mm / 2 + it.box.center[2])
    columns, rows = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    assert it.box.to_pixels(points) == pytest.approx(np.stack([columns, rows], axis=-1), abs=1e-6)


def test_points_measure_a_plane() -> None:
    box = CropBox([30, -20, 500], CAMERA)
    points = box.points(np.zeros((SIZE, SIZE), np.float32))
    assert points.mean((0, 1)) == pytest.approx([30, -20, 500], abs=1e-6)
    assert np.diff(points[..., 0], axis=1) == pytest.approx(CUBE_MM / SIZE)
    assert np.diff(points[..., 1], axis=0) == pytest.approx(CUBE_MM / SIZE)


@given(seeds)
def test_pasted_labels_are_cropped_again(seed: int) -> None:
    it = scene(seed, min_step_px=1.05)
    depth = np.full(it.depth.shape, it.box.center[2], np.float32)
    parts = np.random.default_rng(seed).integers(1, 21, (SIZE, SIZE)).astype(np.uint8)
    again = it.box.crop_labels(it.box.paste_labels(parts, depth))
    inside = it.box.crop_labels(np.ones(depth.shape, np.uint8)) == 1
    assert (again == np.where(inside, parts, 0)).all()


def test_pixels_without_depth_or_behind_the_cube_take_no_label() -> None:
    box = CropBox([0, 0, 400], CAMERA)
    parts = np.full((SIZE, SIZE), 7, np.uint8)
    depth = np.zeros((480, 640), np.float32)
    depth[200, 300:304] = 400, 524, 526, 100
    labels = box.paste_labels(parts, depth)
    assert labels[200, 300:304].tolist() == [7, 7, 0, 7]
    assert labels.sum() == 21


@given(seeds)
def test_a_window_of_the_camera_crops_the_same(seed: int) -> None:
    it = scene(seed)
    height, width = it.depth.shape
    rng = np.random.default_rng(seed)
    left, top = int(rng.integers(0, width - 1)), int(rng.integers(0, height - 1))
    right, bottom = int(rng.integers(left + 1, width + 1)), int(rng.integers(top + 1, height + 1))
    camera = it.box.camera.window(left, top, right - left, bottom - top)
    box = CropBox(it.box.center, camera, it.box.cube_mm)
    covered = np.zeros_like(it.depth)
    covered[top:bottom, left:right] = it.depth[top:bottom, left:right]
    assert (box.crop_depth(it.depth[top:bottom, left:right]) == it.box.crop_depth(covered)).all()


@given(seeds)
def test_the_mirrored_camera_crops_the_mirrored_image(seed: int) -> None:
    it = scene(seed)
    box = CropBox(it.box.center * [-1, 1, 1], it.box.camera.mirrored(), it.box.cube_mm)
    mirrored = box.crop_depth(it.depth[:, ::-1])
    assert mirrored[:, ::-1] == pytest.approx(it.box.crop_depth(it.depth), abs=1e-6)
    assert (box.crop_labels(it.labels[:, ::-1])[:, ::-1] == it.box.crop_labels(it.labels)).all()


@pytest.mark.parametrize("center", [(0, 0, 0), (0, 0, -1), (0, 0), (0, 0, np.nan), (np.inf, 0, 1), 400, [[0, 0, 1]]])
def test_an_impossible_center_is_refused(center: object) -> None:
    with pytest.raises(SettingsError, match="center must be"):
        CropBox(center, CAMERA)  # type: ignore[arg-type]


@pytest.mark.parametrize("cube_mm", [0, -250, np.nan, np.inf])
def test_an_impossible_cube_is_refused(cube_mm: float) -> None:
    with pytest.raises(SettingsError, match="cube_mm"):
        CropBox([0, 0, 400], CAMERA, cube_mm)


def test_a_box_keeps_its_center_when_the_callers_array_changes() -> None:
    center = np.array([0.0, 0.0, 400.0])
    box = CropBox(center, CAMERA)
    center[:] = 1
    assert box.center.tolist() == [0, 0, 400]
