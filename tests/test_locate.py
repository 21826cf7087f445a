"""Where the hand is: scenes whose hand lies where we put it, and the real frames where they are at hand."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from knuckle.camera import Camera
from knuckle.crop import CropBox
from knuckle.depth import read_depth
from knuckle.locate import SearchSettings, find_centers, hand_center, largest_region, refine_center

CAMERA = Camera(fx=480.0, fy=480.0, cx=320.0, cy=240.0, width=640, height=480)


def plate(frame: np.ndarray, x: tuple[float, float], y: tuple[float, float], z: float, camera: Camera = CAMERA) -> None:
    """Puts a plate that faces the camera into a frame: x and y from, to and z in mm. What is nearer stays."""
    v, u = np.indices(frame.shape)
    points = camera.back_project(np.stack([u, v], axis=-1), np.full(frame.shape, z))
    inside = (points[..., 0] >= x[0]) & (points[..., 0] <= x[1]) & (points[..., 1] >= y[0]) & (points[..., 1] <= y[1])
    frame[inside & ((frame == 0) | (frame > z))] = z


def empty() -> np.ndarray:
    return np.zeros((480, 640), np.float32)


def test_center_of_a_single_hand_is_its_middle() -> None:
    frame = empty()
    plate(frame, (-10, 90), (-120, 60), 700.0)
    centers = find_centers(frame, CAMERA)
    assert len(centers) == 1
    assert centers[0].dtype == np.float64
    np.testing.assert_allclose(centers[0], [40, -30, 700], atol=8)


def test_hand_before_a_body_comes_first() -> None:
    frame = empty()
    plate(frame, (0, 100), (-150, 30), 600.0)
    plate(frame, (-250, 250), (-200, 400), 900.0)
    plate(frame, (-2000, 2000), (-2000, 2000), 2500.0)
    np.testing.assert_allclose(find_centers(frame, CAMERA)[0], [50, -60, 600], atol=8)


def test_speckle_nearer_than_the_hand_is_ignored() -> None:
    frame = empty()
    plate(frame, (0, 100), (-150, 30), 600.0)
    rng = np.random.default_rng(0)
    noisy = frame.copy()
    noisy[rng.random(frame.shape) < 0.01] = 200.0
    plate(noisy, (-60, -45), (0, 15), 250.0)  # a blob of 225 mm²
    assert len(find_centers(frame, CAMERA)) == 1
    np.testing.assert_allclose(find_centers(noisy, CAMERA)[0], [50, -60, 600], atol=15)


@pytest.mark.parametrize("z", [100.0, 1800.0])
def test_nothing_outside_the_depth_range_is_a_hand(z: float) -> None:
    frame = empty()
    plate(frame, (-100, 100), (-100, 100), z)
    assert find_centers(frame, CAMERA) == []
    assert find_centers(frame, CAMERA, SearchSettings(nearest_mm=50, farthest_mm=2000)) != []


def test_empty_frame_has_no_hand() -> None:
    assert find_centers(empty(), CAMERA) == []


def test_free_end_of_an_arm_comes_before_the_end_at_the_border() -> None:
    frame = empty()
    plate(frame, (-40, 40), (-100, 2000), 700.0)  # a raised arm, cut off by the lower border
    first, second = find_centers(frame, CAMERA)[:2]
    np.testing.assert_allclose(first, [0, 0, 700], atol=12)  # the upper 200 mm
    assert second[1] > 150


def test_pointing_arm_is_cut_behind_the_hand() -> None:
    """An arm towards the camera, 500 mm long and sloping up: only its nearest piece is looked at first."""
    v, u = np.indices((480, 640))
    frame = empty()
    for z in np.arange(500.0, 1000.0, 2.0):
        points = CAMERA.back_project(np.stack([u, v], axis=-1), np.full(frame.shape, z))
        ring = (np.abs(points[..., 0]) <= 45) & (np.abs(points[..., 1] - 0.4 * (z - 500)) <= 45)
        frame[ring & (frame == 0)] = z
    first = find_centers(frame, CAMERA)[0]
    assert 520 <= first[2] <= 600


def test_candidates_are_few_and_apart() -> None:
    frame = empty()
    for index in range(8):
        plate(frame, (-420 + 110 * index, -340 + 110 * index), (-60, 60), 600.0 + 60 * index)
    centers = find_centers(frame, CAMERA)
    assert len(centers) == SearchSettings().max_candidates
    gaps = [np.linalg.norm(a - b) for i, a in enumerate(centers) for b in centers[:i]]
    assert min(gaps) > 50


@pytest.mark.parametrize("size", [(424, 512), (120, 160), (60, 80), (1080, 1920)])
def test_frames_of_any_size(size: tuple[int, int]) -> None:
    height, width = size
    camera = Camera(fx=0.75 * width, fy=0.75 * width, cx=width / 2, cy=height / 2, width=width, height=height)
    frame = np.zeros(size, np.float32)
    plate(frame, (-40, 60), (-100, 80), 650.0, camera)
    np.testing.assert_allclose(
        find_centers(frame, camera)[0], [10, -10, 650], atol=2.5 * 650 / (0.75 * min(width, 160))
    )


@pytest.mark.parametrize("size", [(1, 640), (2, 640), (480, 1), (1, 1), (3, 1000)])
def test_a_strip_of_a_frame_has_no_hand(size: tuple[int, int]) -> None:
    """OpenCV ends the process for an image without rows, which is what thinning leaves of the first."""
    camera = Camera(500.0, 500.0, size[1] / 2, size[0] / 2, size[1], size[0])
    assert find_centers(np.full(size, 500.0, np.float32), camera) == []


def test_hand_center_is_the_middle_of_the_percentiles() -> None:
    points = np.random.default_rng(1).normal(size=(500, 3)) * [10, 20, 30]
    center = hand_center(points.astype(np.float32))
    in_order = np.sort(points[:481], axis=0)  # 481 = 24 * 20 + 1, so that both percentiles are points
    np.testing.assert_allclose(hand_center(points[:481]), (in_order[24] + in_order[456]) / 2)
    assert center.dtype == np.float64
    assert center.shape == (3,)


def test_hand_center_ignores_a_few_strays() -> None:
    grid = np.stack(np.meshgrid(np.arange(21.0), np.arange(21.0), [500.0]), axis=-1).reshape(-1, 3)
    strays = np.full((5, 3), 5000.0)
    np.testing.assert_allclose(hand_center(np.vstack([grid, strays])), [10, 10, 500], atol=0.6)


def test_refined_center_leaves_the_forearm_out() -> None:
    box = CropBox(np.array([20.0, 10.0, 600.0]), CAMERA)
    crop = np.ones((48, 48), np.float32)
    crop[4:44, 16:32] = 0.1
    parts = np.zeros((48, 48), np.uint8)
    parts[4:24, 16:32] = 1
    parts[40:42, 40:42] = 5  # a stray label on nothing
    center = refine_center(box, crop, parts)
    assert center is not None
    np.testing.assert_allclose(center, hand_center(box.points(crop)[4:24, 16:32].reshape(-1, 3)))
    assert center[1] < 10 - 40


def test_no_hand_cells_no_center() -> None:
    box = CropBox(np.array([0.0, 0.0, 600.0]), CAMERA)
    empty_crop, seen = np.ones((48, 48), np.float32), np.zeros((48, 48), np.float32)
    assert refine_center(box, seen, np.zeros((48, 48), np.uint8)) is None
    assert refine_center(box, empty_crop, np.ones((48, 48), np.uint8)) is None


def test_largest_region_joins_diagonals() -> None:
    mask = np.zeros((10, 10), bool)
    mask[0, 0:3] = True
    mask[5, 5] = mask[6, 6] = mask[7, 7] = mask[8, 8] = True
    expected = np.eye(10, dtype=bool)
    expected[:5, :5] = False
    expected[9, 9] = False
    np.testing.assert_array_equal(largest_region(mask), expected)
    assert not largest_region(np.zeros((4, 4), bool)).any()


# First guesses in real frames, x, y, z mm, that were seen to hold the whole hand when drawn into the frame.
REAL_HANDS = {
    "frames/kinect2/00000010.png": (83, -117, 634),
    "frames/kinect2/00000037.png": (35, -21, 631),
    "frames/kinect2/00000199.png": (39, -105, 640),
    "frames/kinect2/00000316.png": (73, -116, 738),
    "frames/sr305/20210326-230536/150.png": (-14, -11, 498),
    "frames/sr305/20210326-230536/30.png": (-29, 97, 614),
    "frames/sr305/20210326-231615/40.png": (2, 84, 570),
    "frames/sr305/20210326-231615/220.png": (40, 56, 559),
}


@pytest.mark.parametrize("name", REAL_HANDS)
def test_first_guess_holds_the_hand_of_a_real_frame(name: str, shared_data: Path) -> None:
    camera = Camera.load(shared_data.joinpath(*name.split("/")[:2], "camera.json"))
    first = find_centers(read_depth(shared_data / name, camera.depth_unit_mm), camera)[0]
    assert np.linalg.norm(first - REAL_HANDS[name]) < 35  # 250 mm leave this much room around a spread hand


def test_first_guess_holds_every_joint_of_the_nyu_frame(shared_data: Path) -> None:
    folder = shared_data / "nyu"
    camera = Camera.load(folder / "camera.json")
    with gzip.open(folder / "test_groundtruth_uvd.txt.gz", "rt") as file:
        truth = np.array(file.readline().split(), float).reshape(14, 3)
    joints = camera.back_project(truth[:, :2], truth[:, 2])
    first = find_centers(read_depth(folder / "depth_1_0000001.png"), camera)[0]
    assert np.abs(CropBox(first, camera).to_crop(joints)).max() <= 1
