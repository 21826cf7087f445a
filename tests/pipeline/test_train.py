"""Step 1 and the regressor on 64 synthetic hands: trained in order, kept, resumed; what cannot be is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hands_run import FIT, RECIPE, SIZE, WEIGHTS, on

from knuckle.data.memory import TrainingData
from knuckle.data.store import SampleStore
from knuckle.errors import SettingsError, StoreError, WeightsError
from knuckle.metrics import confusion_matrix, pixel_accuracy
from knuckle.pipeline import train as train_module
from knuckle.pipeline.train import train
from knuckle.regression.network import VotingRegressor
from knuckle.segmentation.train import make_segmenter, predict_parts
from knuckle.training.checkpoint import load_weights
from knuckle.training.recipe import NetworkSettings, Recipe, SegmentationRecipe


def test_a_run_trains_both_networks_in_order(tmp_path: Path, store: Path) -> None:
    seen = []
    train(on(store), tmp_path, lambda *at: seen.append(at))
    assert [at[:3] for at in seen] == [("segmentation", 2, 2), ("regression", 2, 2)]
    for weights in WEIGHTS:
        assert (tmp_path / weights).exists()


def test_a_finished_run_is_not_done_again(store: Path, run: Path) -> None:
    before = [(run / weights).stat().st_mtime_ns for weights in WEIGHTS]
    results = (run / "results.json").read_bytes()
    seen = []
    train(on(store), run, lambda *at: seen.append(at))
    assert seen == []
    assert [(run / weights).stat().st_mtime_ns for weights in WEIGHTS] == before
    assert (run / "results.json").read_bytes() == results


def test_a_finished_segmentation_network_is_kept(tmp_path: Path, store: Path) -> None:
    def kill(network: str, *_: float) -> None:
        if network == "regression":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(on(store), tmp_path, kill)
    before = (tmp_path / WEIGHTS[0]).read_bytes()
    seen = []
    train(on(store), tmp_path, lambda network, *_: seen.append(network))
    assert seen == ["regression"]
    assert (tmp_path / WEIGHTS[0]).read_bytes() == before


def test_the_held_out_hands_are_what_step_1_is_scored_on(store: Path, run: Path) -> None:
    kept = TrainingData.load(store)[-8:]
    segmenter = make_segmenter(RECIPE.segmentation)
    load_weights(segmenter, run / WEIGHTS[0])
    found = json.loads((run / "results.json").read_text(encoding="utf-8"))["tables"]["segmentation"]["f_s"]
    assert list(found) == ["held_out"]
    confusion = confusion_matrix(predict_parts(segmenter.eval(), kept.depth), kept.parts)
    assert found["held_out"]["pixel"] == pytest.approx(100 * pixel_accuracy(confusion))


def test_nothing_learns_from_the_held_out_hands(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the first 56 of 64 are given to the networks."""
    given = []
    real = train_module.train_segmenter

    def spy(recipe, depth, parts, *others):
        given.append((depth, parts))
        return real(recipe, depth, parts, *others)

    monkeypatch.setattr(train_module, "train_segmenter", spy)
    monkeypatch.setattr(train_module, "train_regressor", lambda *args, **_: given.append(args[3:5]))
    train(on(store), tmp_path)
    data = TrainingData.load(store)
    for depth, others in given:
        assert (depth == data.depth[:56]).all()
        assert len(others) == 56
    assert len(given) == 2


def test_a_run_of_another_recipe_is_refused(store: Path, run: Path) -> None:
    other = on(store).model_copy(update={"regression": None})
    with pytest.raises(SettingsError, match="holds a run of another recipe") as caught:
        train(other, run)
    assert str(run) in str(caught.value)


@pytest.mark.parametrize(
    "segmentation",
    [
        SegmentationRecipe(network="paper", size=SIZE, fit=FIT),
        SegmentationRecipe(network="paper-24", size=SIZE, fit=FIT),
        SegmentationRecipe(size=NetworkSettings(widths=(8, 8, 16), hidden=8), fit=FIT),
    ],
    ids=["paper", "paper-24", "other size"],
)
def test_a_start_that_does_not_fit_is_refused_before_anything_is_trained(
    tmp_path: Path, store: Path, segmentation: SegmentationRecipe
) -> None:
    with pytest.raises(SettingsError, match=r"regression\.from_segmenter"):
        train(on(store, Recipe(segmentation=segmentation, regression=RECIPE.regression)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_missing_store_is_refused(tmp_path: Path, store: Path) -> None:
    with pytest.raises(StoreError, match=r"none\.zarr"):
        train(on(tmp_path / "none.zarr"), tmp_path / "run")
    with pytest.raises(SettingsError, match=r"data\.synthetic is missing"):
        train(RECIPE, tmp_path / "other")
    with pytest.raises(SettingsError, match=r"data\.held_out 64 leaves nothing of 64"):
        train(on(store, held_out=64), tmp_path / "third")


def test_the_paper_network_trains_alone(tmp_path: Path, store: Path) -> None:
    fit = FIT.model_copy(update={"batch": 1, "steps": 1})
    train(on(store, Recipe(segmentation=SegmentationRecipe(network="paper-24", fit=fit))), tmp_path)
    assert (tmp_path / WEIGHTS[0]).exists()
    assert not (tmp_path / "regression").exists()


def starting_from(place: Path) -> Recipe:
    """Both networks begin with given weights."""
    sections = {name: getattr(RECIPE, name) for name in ("segmentation", "regression")}
    return RECIPE.model_copy(
        update={name: part.model_copy(update={"start": str(place / name)}) for name, part in sections.items()}
    )


def test_networks_start_from_given_weights(
    tmp_path: Path, store: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("segmentation", "regression"):
        (tmp_path / name).write_bytes((run / name / "weights.safetensors").read_bytes())
    begun = {}
    monkeypatch.setattr(train_module, "train_regressor", lambda model, *_: begun.update(model.state_dict()))
    train(on(store, starting_from(tmp_path)), tmp_path / "run")
    expected = VotingRegressor(SIZE.widths, SIZE.hidden, SIZE.contrast)
    load_weights(expected, tmp_path / "regression")
    assert all(torch.equal(begun[name], value) for name, value in expected.state_dict().items())
    again = (tmp_path / "run" / WEIGHTS[0]).read_bytes()
    assert again != (run / WEIGHTS[0]).read_bytes()  # two steps further
    with pytest.raises(WeightsError, match="none"):
        train(on(store, starting_from(tmp_path / "none")), tmp_path / "other")


def test_every_seed_of_a_recipe_makes_other_weights(tmp_path: Path, store: Path, run: Path) -> None:
    train(on(store).with_seed(0), tmp_path / "same")
    train(on(store).with_seed(1), tmp_path / "other")
    for weights in WEIGHTS:
        assert (tmp_path / "same" / weights).read_bytes() == (run / weights).read_bytes(), weights
        assert (tmp_path / "other" / weights).read_bytes() != (run / weights).read_bytes(), weights


def test_the_regressor_begins_as_its_own_seed_says(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was done before it in the same process: a resumed run has not done the other steps."""
    begun: dict[str, torch.Tensor] = {}
    real = train_module.train_segmenter

    def with_draws(*args):
        segmenter = real(*args)
        torch.rand(int(name))
        return segmenter

    monkeypatch.setattr(train_module, "train_segmenter", with_draws)
    monkeypatch.setattr(
        train_module, "train_regressor", lambda model, *_: begun.update({name: model.votes.weight.detach().clone()})
    )
    for name in ("1", "2"):
        train(on(store), tmp_path / name)
    assert torch.equal(begun["1"], begun["2"])


def test_training_data_goes_back_to_millimetres(store: Path) -> None:
    data, source = TrainingData.load(store, store), SampleStore.open(store)
    joints = np.concatenate([source.read("joints")] * 2)
    np.testing.assert_allclose(data.joints_mm(), joints, atol=0.01)
    assert np.isnan(joints).any()
    some = data[60:70]
    assert len(some) == 10
    np.testing.assert_allclose(some.to_mm(some.joints), joints[60:70], atol=0.01)
    assert np.shares_memory(some.depth, data.depth)
