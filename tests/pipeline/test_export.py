"""The networks of a run as the ONNX pair that the estimator runs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hands_run import RECIPE, WEIGHTS, on

from knuckle.camera import Camera
from knuckle.data.memory import TrainingData
from knuckle.errors import SettingsError, WeightsError
from knuckle.estimator import HandPoseEstimator
from knuckle.pipeline.export import export
from knuckle.pipeline.train import train
from knuckle.regression.train import make_regressor
from knuckle.segmentation.network import part_probabilities
from knuckle.segmentation.train import make_segmenter
from knuckle.training.checkpoint import load_weights


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    assert export(run, folder) == [folder / "segmentation.onnx", folder / "regression.onnx"]
    return folder


def test_the_exported_pair_is_the_trained_one(store: Path, run: Path, exported: Path) -> None:
    crops = TrainingData.load(store).depth[:5].astype(np.float32)
    segmenter, regressor = make_segmenter(RECIPE.segmentation), make_regressor(RECIPE.regression)
    load_weights(segmenter, run / WEIGHTS[0])
    load_weights(regressor, run / WEIGHTS[1])
    depth = torch.from_numpy(crops)[:, None]
    with torch.no_grad():
        probabilities = part_probabilities(segmenter(depth), depth)
        joints, spread = regressor(depth, probabilities)
    estimator = HandPoseEstimator(exported, threads=1)
    found = estimator.segment(crops)
    np.testing.assert_allclose(found, probabilities.numpy(), atol=1e-4)
    placed = estimator.regress(crops, found)
    np.testing.assert_allclose(placed[0], joints.numpy(), atol=1e-4)
    np.testing.assert_allclose(placed[1], spread.numpy(), atol=1e-4)


def test_the_estimator_takes_the_exported_pair(exported: Path) -> None:
    camera = Camera(fx=500, fy=500, cx=159.5, cy=119.5, width=320, height=240)
    frame = np.full((240, 320), 3000.0, dtype=np.float32)
    assert HandPoseEstimator(exported, threads=1)(frame, camera) is None
    frame[60:180, 110:210] = 500.0
    HandPoseEstimator(exported, threads=1)(frame, camera, center=(0, 0, 500))  # whatever a network of two steps says


def test_a_run_without_a_regressor_gives_the_segmenter_alone(tmp_path: Path, store: Path) -> None:
    train(on(store, RECIPE.model_copy(update={"regression": None})), tmp_path / "run")
    assert export(tmp_path / "run", tmp_path / "out") == [tmp_path / "out" / "segmentation.onnx"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["SHA256SUMS", "segmentation.onnx"]


def test_what_is_not_a_finished_run_is_not_exported(tmp_path: Path, store: Path) -> None:
    with pytest.raises(SettingsError, match="not a run of"):
        export(tmp_path / "none", tmp_path / "out")

    def kill(network: str, *_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(on(store), tmp_path / "run", kill)
    with pytest.raises(WeightsError, match=r"weights\.safetensors"):
        export(tmp_path / "run", tmp_path / "out")
    assert not (tmp_path / "out").exists()
