"""Our estimator's joints of a dataset as a file of the field's form."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from knuckle.anatomy import NYU14_FROM_HAND21
from knuckle.camera import Camera
from knuckle.cli.inference import FRAMES
from knuckle.data.datasets import open_dataset
from knuckle.data.frames import write_joints
from knuckle.data.joint_text import read_joint_text
from knuckle.data.nyu import EVALUATED, PROTOCOL
from knuckle.depth import read_depth
from knuckle.estimator import HandPoseEstimator
from knuckle.evaluation.predict import PredictSettings, predict_dataset
from knuckle.evaluation.score import score
from knuckle.evaluation.truth import read_predictions, read_truth
from made_up import nyu_joints, write_nyu_image
from onnx_stand_ins import hand_frame, write_stand_ins

NAMES = sorted(path.name for path in FRAMES.glob("*.png"))


@pytest.fixture(scope="module")
def estimator() -> HandPoseEstimator:
    return HandPoseEstimator(threads=1)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled frames, with one that cannot be read and one that shows no hand behind them."""
    folder = tmp_path_factory.mktemp("own") / "zwei Hände"
    folder.mkdir()
    for name in ("camera.json", *NAMES):
        shutil.copy(FRAMES / name, folder)
    (folder / "8-torn.png").write_bytes((FRAMES / NAMES[0]).read_bytes()[:1000])
    cv2.imwrite(str(folder / "9-wall.png"), np.full((480, 640), 3000, dtype=np.uint16))
    return folder


def test_a_line_a_frame_in_the_estimator_s_own_places(
    recording: Path, estimator: HandPoseEstimator, tmp_path: Path
) -> None:
    told: list[int] = []
    dataset = open_dataset("frames", recording, "all")
    empty, unread = predict_dataset(dataset, None, tmp_path / "f.txt", workers=1, progress=told.append, frames=4)
    assert empty == 1
    (fault,) = unread
    assert "8-torn.png" in fault
    assert told == [0, 4, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["f.txt"]
    found = read_joint_text(tmp_path / "f.txt", 21).values
    assert np.isnan(found).all(axis=(1, 2)).tolist() == [False] * 4 + [True] * 2
    camera = Camera.load(recording / "camera.json")
    for name, joints in zip(NAMES, found, strict=False):
        hand = estimator(read_depth(recording / name, camera.depth_unit_mm), camera, side="right")
        assert hand is not None
        np.testing.assert_allclose(joints, hand.joints, atol=0.001)


def test_our_own_file_is_evaluated_and_its_gaps_are_counted(recording: Path, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    shutil.copytree(recording, folder)
    dataset = open_dataset("frames", folder, "all")
    predict_dataset(dataset, None, tmp_path / "f.txt")
    labels = np.nan_to_num(read_joint_text(tmp_path / "f.txt", 21).values, nan=500.0)
    write_joints(folder, [dataset.path(index).name for index in range(6)], labels)
    truth = read_truth("frames", folder)
    got = score(read_predictions(tmp_path / "f.txt", truth), truth)
    assert (got.frames, got.missing) == (6, 2)
    assert got.mean_3d == pytest.approx(0, abs=0.001)
    assert got.within[80] == pytest.approx(4 / 6)


@pytest.fixture(scope="module")
def nyu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four frames of NYU's size with the hand that the stand-in networks know; its labels lie on it."""
    root = tmp_path_factory.mktemp("made up") / "nyu"
    (root / "test").mkdir(parents=True)
    uvd = np.full((4, 36, 3), (320.0, 240.0, 600.0))
    uvd[:, EVALUATED[8], :2] += (-40, 30)
    savemat(root / "test" / "joint_data.mat", nyu_joints(uvd))
    for index in range(4):
        write_nyu_image(root / "test" / f"depth_1_{index + 1:07d}.png", hand_frame().astype(np.uint16))
    return root


@pytest.mark.parametrize("centers", ["locate", "annotation"])
def test_nyu_s_joints_are_made_of_ours(nyu: Path, tmp_path: Path, centers: str) -> None:
    weights = write_stand_ins(tmp_path / "weights")
    stand_in = HandPoseEstimator(weights, threads=1)
    dataset = open_dataset("nyu", nyu, "test")
    empty, unread = predict_dataset(dataset, weights, tmp_path / "f.txt", PredictSettings(centers))
    assert (empty, unread) == (0, [])
    labels = dataset.labels[0]
    given = None if centers == "locate" else (labels.min(axis=0) + labels.max(axis=0)) / 2
    hand = stand_in(dataset.depth(0), dataset.camera, side="right", center=given)
    assert hand is not None
    numbers = read_joint_text(tmp_path / "f.txt", 14).values[0]
    expected = NYU14_FROM_HAND21 @ hand.joints.astype(float)
    np.testing.assert_allclose(numbers[:, :2], dataset.camera.project(expected), atol=0.01)
    np.testing.assert_allclose(numbers[:, 2], expected[:, 2], atol=0.01)


def test_forms_and_centres_of_a_file(nyu: Path, tmp_path: Path) -> None:
    weights = write_stand_ins(tmp_path / "weights")
    stand_in = HandPoseEstimator(weights, threads=1)
    dataset = open_dataset("nyu", nyu, "test")
    (tmp_path / "centers.txt").write_text("0 0 600\ninvalid\n0 0 0\n0 0 600\n", encoding="ascii")
    settings = PredictSettings(str(tmp_path / "centers.txt"), form="own")
    empty, _ = predict_dataset(dataset, weights, tmp_path / "f.txt", settings)
    assert empty == 2  # without a centre, or with one that no camera sees
    found = read_joint_text(tmp_path / "f.txt", 14).values
    hand = stand_in(dataset.depth(0), dataset.camera, side="right", center=(0, 0, 600))
    assert hand is not None
    for line in (found[0], found[3]):
        np.testing.assert_allclose(line, PROTOCOL.from_mm(NYU14_FROM_HAND21 @ hand.joints, "own"), atol=0.01)
    assert np.isnan(found[1:3]).all()
