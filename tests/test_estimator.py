"""The inference journey, on small networks whose answers are known; on the shipped pair, what must hold of any hand."""

import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from knuckle import judge
from knuckle.camera import Camera
from knuckle.crop import CropBox
from knuckle.depth import read_depth
from knuckle.errors import CameraError, DepthError, SettingsError, WeightsError, shown
from knuckle.estimator import Hand, HandPoseEstimator
from knuckle.networks import SHIPPED
from onnx_stand_ins import CAMERA, INDEX_TIP, OFFSETS, PALM, hand_frame, regression_model, segmentation_model
from onnx_stand_ins import write_stand_ins as write

HALF = 125.0  # mm, half of the default cube


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def stand_in(folder: Path) -> HandPoseEstimator:
    return HandPoseEstimator(folder, threads=1)


@pytest.fixture(scope="module")
def estimator() -> HandPoseEstimator:
    """The shipped pair."""
    if not (SHIPPED / "segmentation.onnx").exists():
        pytest.skip("the package was built without its networks")
    return HandPoseEstimator(threads=1)


def found(hand: Hand | None) -> Hand:
    assert hand is not None
    return hand


def joints_of_hand(center: np.ndarray, side: str) -> np.ndarray:
    """Where the stand-in regression must put the joints of `hand_frame`, mm: as a pixel of the frame and a depth."""
    crop = CropBox(center.astype(float), CAMERA).crop_depth(hand_frame(side, x=50))
    rows, columns = np.nonzero(crop < 0.999)
    mirror = -1 if side == "left" else 1
    x = (columns.mean() + 0.5) / 24 - 1 + mirror * OFFSETS[:, 0]  # -1 and 1: the window's left and right edge
    y = (rows.mean() + 0.5) / 24 - 1 + OFFSETS[:, 1]
    z = center[2] + HALF * (crop[rows, columns].mean() + OFFSETS[:, 2])
    window = 480 * HALF / center[2]  # px, half of its width and, with this camera, of its height
    pixels = CAMERA.project(center.astype(float)) + window * np.stack([x, y], axis=1)
    return CAMERA.back_project(pixels, z)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("asked", ["auto", None])
def test_hand_is_found_and_placed(stand_in: HandPoseEstimator, side: str, asked: str | None) -> None:
    hand = found(stand_in(hand_frame(side, x=50), CAMERA, side=asked or side))
    assert hand.side == side
    expected = joints_of_hand(hand.center, side)
    np.testing.assert_allclose(hand.joints, expected, atol=0.1)
    np.testing.assert_allclose(hand.pixels, CAMERA.project(expected), atol=0.1)
    np.testing.assert_allclose(hand.center, [60 if side == "right" else 40, 0, 600], atol=4)
    np.testing.assert_allclose(hand.confidence, 1 - np.exp(-20 / (0.08 * HALF)), rtol=1e-5)


def test_forms_of_a_hand(stand_in: HandPoseEstimator) -> None:
    hand = found(stand_in(hand_frame(), CAMERA))
    shapes = {name: getattr(hand, name).shape for name in ("joints", "pixels", "parts", "confidence", "center")}
    assert shapes == {"joints": (21, 3), "pixels": (21, 2), "parts": (480, 640), "confidence": (21,), "center": (3,)}
    assert hand.parts.dtype == np.uint8
    assert all(getattr(hand, name).dtype == np.float32 for name in shapes if name != "parts")
    with pytest.raises(FrozenInstanceError):
        hand.side = "left"  # type: ignore[misc]


@pytest.mark.parametrize("side", ["right", "left"])
def test_parts_lie_on_the_frame_s_hand(stand_in: HandPoseEstimator, side: str) -> None:
    frame = hand_frame(side, x=-30, y=20)
    parts = found(stand_in(frame, CAMERA, side=side)).parts
    assert not parts[frame == 0].any()
    assert np.count_nonzero(parts) >= 0.93 * np.count_nonzero(frame)  # but for half a cell along the edges
    rows = np.nonzero((parts == INDEX_TIP).any(axis=1))[0]
    assert rows.max() < np.nonzero((parts == PALM).any(axis=1))[0].min()
    assert set(np.unique(parts)) == {0, PALM, INDEX_TIP}


def test_left_hand_is_the_right_hand_of_the_mirrored_scene() -> None:
    """The crop of a mirrored frame by the mirrored camera is the crop with its columns reversed, off-axis too."""
    rng = np.random.default_rng(5)
    camera = Camera(fx=470.3, fy=481.7, cx=301.37, cy=255.11, width=640, height=480)
    frame = rng.uniform(450, 750, (480, 640)).astype(np.float32)
    frame[rng.random(frame.shape) < 0.2] = 0
    for center in rng.uniform([-250, -150, 400], [250, 150, 800], (20, 3)):
        box = CropBox(center, camera)
        mirrored = CropBox(center * [-1, 1, 1], camera.mirrored())
        np.testing.assert_allclose(mirrored.crop_depth(frame[:, ::-1]), box.crop_depth(frame)[:, ::-1], atol=1e-5)
        joints = rng.uniform(-1, 1, (21, 3))
        np.testing.assert_allclose(
            mirrored.from_crop(joints) * [-1, 1, 1], box.from_crop(joints * [-1, 1, 1]), atol=1e-9
        )


def test_left_and_right_answers_mirror_each_other(stand_in: HandPoseEstimator) -> None:
    frame = hand_frame(x=70, y=-40)
    right = found(stand_in(frame, CAMERA, side="right", center=[80.3, -40, 610]))
    mirrored = np.ascontiguousarray(frame[:, ::-1])
    left = found(stand_in(mirrored, CAMERA.mirrored(), side="left", center=[-80.3, -40, 610]))
    np.testing.assert_allclose(left.joints * [-1, 1, 1], right.joints, atol=0.01)
    np.testing.assert_allclose([639, 0] + left.pixels * [-1, 1], right.pixels, atol=0.01)
    np.testing.assert_array_equal(left.parts[:, ::-1], right.parts)


def test_given_center_is_used_as_it_is(stand_in: HandPoseEstimator) -> None:
    center = np.array([40.0, 30.0, 620.0])
    hand = found(stand_in(hand_frame(), CAMERA, center=center, side="right"))
    np.testing.assert_array_equal(hand.center, center.astype(np.float32))
    assert stand_in(hand_frame(), CAMERA, center=[0, 0, 1400]) is None
    assert stand_in(hand_frame(), CAMERA, center=[5000, 0, 600]) is None


def test_found_center_is_on_the_hand_and_not_on_the_forearm(folder: Path) -> None:
    """A network that calls the lowest third of its crop forearm pulls the cube up."""
    network = HandPoseEstimator(folder, threads=1)
    plain = network.segment

    def without_forearm(crops: np.ndarray) -> np.ndarray:
        probabilities = plain(crops)
        probabilities[:, :, 32:] = 0
        probabilities[:, 0, 32:] = 1
        return probabilities

    before = found(network(hand_frame(), CAMERA, side="right")).center
    network.segment = without_forearm  # type: ignore[method-assign]
    after = found(network(hand_frame(), CAMERA, side="right")).center
    assert after[1] < before[1] - 10
    np.testing.assert_allclose(after[[0, 2]], before[[0, 2]], atol=4)


def test_the_next_guess_is_tried_where_the_first_is_no_hand(stand_in: HandPoseEstimator) -> None:
    frame = hand_frame(z=800, x=-100)
    frame[60:420, 380:640] = 400  # a board of 216 x 300 mm: far more surface than a hand has
    hand = found(stand_in(frame, CAMERA))
    assert hand.center[2] == pytest.approx(800, abs=5)


@pytest.mark.parametrize("depth", [300.0, 900.0, 5000.0])
def test_a_wall_is_no_hand(stand_in: HandPoseEstimator, depth: float) -> None:
    assert stand_in(np.full((480, 640), depth, np.float32), CAMERA) is None


def test_nothing_but_palm_is_no_hand(tmp_path: Path) -> None:
    assert HandPoseEstimator(write(tmp_path, label=PALM), threads=1)(hand_frame(), CAMERA) is None


@pytest.mark.parametrize("spread", [0.5, float("nan"), float("inf")])
def test_a_pose_that_the_network_does_not_trust_is_no_hand(tmp_path: Path, spread: float) -> None:
    assert HandPoseEstimator(write(tmp_path, spread=spread), threads=1)(hand_frame(), CAMERA) is None


@pytest.mark.parametrize("value", [9.0, float("nan"), float("-inf")])
def test_joints_outside_any_hand_are_no_hand(value: float) -> None:
    box = CropBox(np.array([0.0, 0.0, 600.0]), CAMERA)
    crop = box.crop_depth(hand_frame())
    probabilities = np.zeros((21, 48, 48), np.float32)
    probabilities[INDEX_TIP] = 1
    joints, spread = np.zeros((21, 3), np.float32), np.full(21, 10, np.float32)
    assert judge.is_hand(box, crop, probabilities, joints, spread)
    joints[7, 1] = value
    assert not judge.is_hand(box, crop, probabilities, joints, spread)


def test_visible_area_is_the_surface_s() -> None:
    frame = hand_frame(z=700)
    box = CropBox(np.array([10.0, 10.0, 640.0]), CAMERA)
    crop = box.crop_depth(frame)
    assert judge.visible_area(box, crop, crop < 1) == pytest.approx(80 * 150 + 50 * 30, rel=0.05)


def test_side_score_prefers_the_surer_reading() -> None:
    crop = np.full((48, 48), 1, np.float32)
    crop[10:30, 10:30] = 0
    sure, unsure = np.full((2, 21, 48, 48), 0.01, np.float32)
    sure[3], unsure[3] = 0.8, 0.6
    scores = judge.side_scores(crop, np.stack([unsure, sure]))
    np.testing.assert_allclose(scores, [0.6, 0.8], rtol=1e-6)
    confidence = np.array([[0.9] * 21, [0.5] * 21], np.float32)
    weighed = judge.side_scores(crop, np.stack([unsure, sure]), confidence)
    np.testing.assert_allclose(weighed, [0.54, 0.4], rtol=1e-6)
    np.testing.assert_array_equal(judge.side_scores(np.ones((48, 48), np.float32), np.stack([sure])), [0])


def test_a_frame_is_not_changed(stand_in: HandPoseEstimator) -> None:
    frame = hand_frame()
    before = frame.copy()
    first, second = found(stand_in(frame, CAMERA)), found(stand_in(frame, CAMERA))
    np.testing.assert_array_equal(frame, before)
    np.testing.assert_array_equal(first.joints, second.joints)


BAD_FRAMES = {
    "nan": np.full((480, 640), np.nan, np.float32),
    "inf": np.full((480, 640), np.inf, np.float32),
    "negative": np.full((480, 640), -600, np.float32),
    "all zero": np.zeros((480, 640), np.float32),
    "60 m": np.full((480, 640), 60_000, np.float32),
    "colour": np.full((480, 640, 3), 600, np.float32),
    "words": np.full((480, 640), "600"),
    "light years": np.where(np.arange(640) < 3, np.float32(3e38), np.float32(600)) * np.ones((480, 1), np.float32),
}


@pytest.mark.parametrize("frame", BAD_FRAMES.values(), ids=BAD_FRAMES)
def test_bad_frames_are_refused(stand_in: HandPoseEstimator, frame: np.ndarray) -> None:
    with pytest.raises(DepthError):
        stand_in(frame, CAMERA)


def test_a_frame_of_another_size_is_refused(stand_in: HandPoseEstimator) -> None:
    with pytest.raises(CameraError, match="320 x 240"):
        stand_in(hand_frame()[::2, ::2], CAMERA)


BAD_OPTIONS = [
    {"side": "both"},
    {"side": None},
    {"cube_mm": 0},
    {"cube_mm": -250.0},
    {"cube_mm": float("nan")},
    {"cube_mm": "250"},
    {"center": [0, 0]},
    {"center": [0, 0, -600]},
    {"center": [0, 0, 1e-300]},
    {"center": [0, float("nan"), 600]},
    {"center": [0, float("inf"), 600]},
    {"center": "middle"},
    {"center": [[0, 0, 600]]},
    {"center": [10**400, 0, 600]},
    {"center": [10**5000, 0, 600]},
    {"cube_mm": 10**5000},
    {"side": 10**5000},
]


@pytest.mark.parametrize("options", BAD_OPTIONS, ids=shown)
def test_bad_options_are_refused_by_name(stand_in: HandPoseEstimator, options: dict) -> None:
    with pytest.raises(SettingsError, match=next(iter(options))):
        stand_in(hand_frame(), CAMERA, **options)


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2"])
def test_bad_threads_are_refused(folder: Path, threads: object) -> None:
    with pytest.raises(SettingsError, match="threads"):
        HandPoseEstimator(folder, threads=threads)  # type: ignore[arg-type]


def no_file(folder: Path) -> None:
    (folder / "regression.onnx").unlink()


def truncated(folder: Path) -> None:
    path = folder / "segmentation.onnx"
    path.write_bytes(path.read_bytes()[:400])


def empty(folder: Path) -> None:
    (folder / "segmentation.onnx").write_bytes(b"")


def text(folder: Path) -> None:
    (folder / "regression.onnx").write_text("not a network\n" * 5)


def swapped(folder: Path) -> None:
    (folder / "regression.onnx").write_bytes((folder / "segmentation.onnx").read_bytes())


def unsigned(folder: Path) -> None:
    model = segmentation_model()
    del model.metadata_props[:]
    onnx.save(model, folder / "segmentation.onnx")


def wrong_outputs(folder: Path) -> None:
    onnx.save(segmentation_model(role="regression"), folder / "regression.onnx")


def fixed_batch(folder: Path) -> None:
    model = regression_model()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, folder / "regression.onnx")


DAMAGES = [no_file, truncated, empty, text, swapped, unsigned, wrong_outputs, fixed_batch]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_bad_network_file_is_named(tmp_path: Path, damage, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path)
    damage(tmp_path)
    with pytest.raises(WeightsError, match=rf"{tmp_path}/\w+\.onnx: .*(export|reinstall)") as caught:
        HandPoseEstimator(tmp_path)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_importing_knuckle_imports_no_network_runtime() -> None:
    code = "import sys, knuckle; print([m for m in ('onnxruntime', 'torch', 'typer', 'onnx') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_shipped_pair_finds_the_hand_of_every_bundled_frame(estimator: HandPoseEstimator) -> None:
    frames = SHIPPED.parent / "frames"
    camera = Camera.load(frames / "camera.json")
    paths = sorted(frames.glob("*.png"))
    assert paths
    for path in paths:
        depth = read_depth(path, camera.depth_unit_mm)
        hand = found(estimator(depth, camera))
        inside = (np.abs(hand.joints - hand.center) < HALF).all(axis=1)
        assert inside.sum() >= 18, path.name
        nearest = np.sort(np.linalg.norm(np.argwhere(hand.parts > 0)[:, ::-1][:, None] - hand.pixels, axis=-1), axis=0)[
            0
        ]
        assert np.median(nearest) < 5, path.name


def test_shipped_pair_mirrors(estimator: HandPoseEstimator) -> None:
    """What is a right hand in a frame is a left hand in the mirrored one."""
    frames = SHIPPED.parent / "frames"
    camera = Camera.load(frames / "camera.json")
    depth = read_depth(sorted(frames.glob("*.png"))[0], camera.depth_unit_mm)
    hand = found(estimator(depth, camera))
    mirrored = found(
        estimator(np.ascontiguousarray(depth[:, ::-1]), camera.mirrored(), center=hand.center * [-1, 1, 1])
    )
    again = found(estimator(depth, camera, center=hand.center))
    assert {again.side, mirrored.side} == {"left", "right"}
    np.testing.assert_allclose(mirrored.joints * [-1, 1, 1], again.joints, atol=2)


@pytest.mark.parametrize("z", [450.0, 900.0])
def test_shipped_pair_finds_no_hand_in_a_wall(estimator: HandPoseEstimator, z: float) -> None:
    assert estimator(np.full((480, 640), z, np.float32), replace(CAMERA, depth_unit_mm=None)) is None


def test_shipped_pair_finds_the_nyu_hand(estimator: HandPoseEstimator, shared_data: Path) -> None:
    folder = shared_data / "nyu"
    camera = Camera.load(folder / "camera.json")
    hand = found(estimator(read_depth(folder / "depth_1_0000001.png"), camera))
    np.testing.assert_allclose(hand.center, [-130, -10, 760], atol=60)
