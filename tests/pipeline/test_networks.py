"""The whole of training on 64 samples: both networks, resumed, exported, and run by the estimator."""

from pathlib import Path

import numpy as np
import pytest
import torch

from knuckle.camera import Camera
from knuckle.data.memory import TrainingData
from knuckle.errors import SettingsError, StoreError, WeightsError
from knuckle.estimator import HandPoseEstimator
from knuckle.pipeline.networks import export, train
from knuckle.segmentation.network import part_probabilities
from knuckle.segmentation.train import make_segmenter
from knuckle.synth.generate import SynthSettings
from knuckle.synth.production import generate
from knuckle.training.checkpoint import load_weights
from knuckle.training.recipe import FitSettings, NetworkSettings, Recipe, RegressionRecipe, SegmentationRecipe

SIZE = NetworkSettings(widths=(8, 8, 8), hidden=8)
FIT = FitSettings(epochs=0.5, batch=16, bfloat16=False, threads=1)  # two steps
RECIPE = Recipe(
    segmentation=SegmentationRecipe(size=SIZE, fit=FIT),
    regression=RegressionRecipe(size=SIZE, fit=FIT),
)
WEIGHTS = ("segmentation/weights.safetensors", "regression/weights.safetensors")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "hands.zarr"
    generate(path, SynthSettings(hand="soma"), 64, seed=0, workers=1)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, store: Path) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("run")
    train(RECIPE, [store], folder)
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    assert export(run, folder) == [folder / "segmentation.onnx", folder / "regression.onnx"]
    return folder


def test_a_run_trains_both_networks_in_order(tmp_path: Path, store: Path, run: Path) -> None:
    seen = []
    train(RECIPE, [str(store)], tmp_path, lambda *at: seen.append(at))
    assert [at[:3] for at in seen] == [("segmentation", 2, 2), ("regression", 2, 2)]
    for weights in WEIGHTS:
        assert (tmp_path / weights).exists()


def test_a_finished_run_is_not_done_again(store: Path, run: Path) -> None:
    before = [(run / weights).stat().st_mtime_ns for weights in WEIGHTS]
    seen = []
    train(RECIPE, [store], run, lambda *at: seen.append(at))
    assert seen == []
    assert [(run / weights).stat().st_mtime_ns for weights in WEIGHTS] == before


def test_a_finished_segmentation_network_is_kept(tmp_path: Path, store: Path) -> None:
    def kill(network: str, *_: float) -> None:
        if network == "regression":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(RECIPE, [store], tmp_path, kill)
    before = (tmp_path / WEIGHTS[0]).read_bytes()
    seen = []
    train(RECIPE, [store], tmp_path, lambda network, *_: seen.append(network))
    assert seen == ["regression"]
    assert (tmp_path / WEIGHTS[0]).read_bytes() == before


def test_a_run_of_another_recipe_is_refused(store: Path, run: Path) -> None:
    other = RECIPE.model_copy(update={"regression": None})
    with pytest.raises(SettingsError, match="holds a run of another recipe") as caught:
        train(other, [store], run)
    assert str(run) in str(caught.value)


@pytest.mark.parametrize(
    "segmentation",
    [
        SegmentationRecipe(network="paper", size=SIZE, fit=FIT),
        SegmentationRecipe(size=NetworkSettings(widths=(8, 8, 16), hidden=8), fit=FIT),
    ],
    ids=["paper", "other size"],
)
def test_a_start_that_does_not_fit_is_refused_before_anything_is_trained(
    tmp_path: Path, store: Path, segmentation: SegmentationRecipe
) -> None:
    with pytest.raises(SettingsError, match=r"regression\.from_segmenter"):
        train(Recipe(segmentation=segmentation, regression=RECIPE.regression), [store], tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_missing_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"none\.zarr"):
        train(RECIPE, [tmp_path / "none.zarr"], tmp_path / "run")


def test_the_paper_network_trains_alone(tmp_path: Path, store: Path) -> None:
    fit = FIT.model_copy(update={"batch": 1, "epochs": 1 / 64})
    train(Recipe(segmentation=SegmentationRecipe(network="paper", fit=fit), regression=None), [store], tmp_path)
    assert (tmp_path / WEIGHTS[0]).exists()
    assert not (tmp_path / "regression").exists()


def test_the_exported_pair_is_the_trained_one(store: Path, run: Path, exported: Path) -> None:
    crops = TrainingData.load(store).depth[:5].astype(np.float32)
    segmenter = make_segmenter(RECIPE.segmentation)
    load_weights(segmenter, run / WEIGHTS[0])
    tensor = torch.from_numpy(crops)[:, None]
    with torch.no_grad():
        expected = part_probabilities(segmenter(tensor), tensor).numpy()
    estimator = HandPoseEstimator(exported, threads=1)
    probabilities = estimator.segment(crops)
    np.testing.assert_allclose(probabilities, expected, atol=1e-4)
    joints, spread = estimator.regress(crops, probabilities)
    assert joints.shape == (5, 21, 3)
    assert np.isfinite(joints).all()
    assert (spread > 0).all()


def test_the_estimator_takes_the_exported_pair(exported: Path) -> None:
    camera = Camera(fx=500, fy=500, cx=159.5, cy=119.5, width=320, height=240)
    frame = np.full((240, 320), 3000.0, dtype=np.float32)
    assert HandPoseEstimator(exported, threads=1)(frame, camera) is None
    frame[60:180, 110:210] = 500.0
    HandPoseEstimator(exported, threads=1)(frame, camera, center=(0, 0, 500))  # whatever a network of two steps says


def test_what_is_not_a_finished_run_is_not_exported(tmp_path: Path, store: Path) -> None:
    with pytest.raises(SettingsError, match="not a run of"):
        export(tmp_path / "none", tmp_path / "out")

    def kill(network: str, *_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(RECIPE, [store], tmp_path / "run", kill)
    with pytest.raises(WeightsError, match=r"weights\.safetensors"):
        export(tmp_path / "run", tmp_path / "out")
    assert not (tmp_path / "out").exists()
