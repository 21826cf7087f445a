"""Step 3: the regressor learns where joints are and how sure it is, also among crops without a hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from knuckle.regression.network import VotingRegressor
from knuckle.regression.train import make_regressor, train_regressor
from knuckle.training import loop
from knuckle.training.recipe import FitSettings, NetworkSettings, RegressionRecipe

RECIPE = RegressionRecipe(
    size=NetworkSettings(widths=(8, 8, 8), hidden=16),
    from_segmenter=False,
    fit=FitSettings(epochs=40, batch=8, rate=0.01, bfloat16=False, threads=1),
)


def problem(count: int = 16) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    """A block at random places, with joints on a ring about its middle; each fourth crop shows a bar and no hand."""
    rng = np.random.default_rng(0)
    depth, joints = np.ones((count, 48, 48), dtype=np.float16), np.full((count, 21, 3), np.nan, dtype=np.float32)
    angle = np.linspace(0, 2 * np.pi, 21)
    ring = np.stack([0.3 * np.cos(angle), 0.3 * np.sin(angle), np.zeros(21)], axis=1)
    for index in range(count):
        if index % 4 == 3:
            depth[index, :, 20:28] = rng.uniform(-0.5, 0.5)
            continue
        top, left = rng.integers(4, 24, size=2)
        z = rng.uniform(-0.5, 0.5)
        depth[index, top : top + 20, left : left + 20] = z
        joints[index] = ring + [(left + 10) / 24 - 1, (top + 10) / 24 - 1, z]
    return depth, joints


def probabilities_of(crops: Tensor) -> Tensor:
    probabilities = torch.zeros(len(crops), 21, 48, 48)
    probabilities[:, 1:2] = (crops < 1).float()
    probabilities[:, :1] = (crops >= 1).float()
    return probabilities


def trained(folder: Path, recipe: RegressionRecipe = RECIPE, **others) -> VotingRegressor:
    torch.manual_seed(0)
    return train_regressor(make_regressor(recipe), recipe, probabilities_of, *problem(), folder, **others)


def test_it_overfits_a_tiny_problem_and_knows_what_it_does_not_know(tmp_path: Path) -> None:
    depth, joints = problem()
    model = trained(tmp_path)
    crops = torch.from_numpy(depth).float()[:, None]
    with torch.no_grad():
        estimate, spread = (value.numpy() for value in model(crops, probabilities_of(crops)))
    hand = ~np.isnan(joints).any(axis=(1, 2))
    assert hand.sum() == 12
    error = np.linalg.norm(estimate[hand] - joints[hand], axis=2)
    assert error.mean() < 0.08  # 10 mm in a cube of 250 mm; untrained it is 0.3
    assert np.median(spread[~hand]) > 1.3 * np.median(spread[hand])


def short(**changes) -> RegressionRecipe:
    return RECIPE.model_copy(update={"fit": RECIPE.fit.model_copy(update={"epochs": 4, **changes})})


def test_crops_without_a_hand_do_not_harm(tmp_path: Path) -> None:
    """A batch of nothing but such crops still gives finite weights."""
    depth, joints = problem()
    empty = np.flatnonzero(np.isnan(joints[:, 0, 0]))
    model = make_regressor(RECIPE)
    train_regressor(model, short(batch=4), probabilities_of, depth[empty], joints[empty], tmp_path)
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_a_killed_run_ends_in_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setattr(loop, "_LOG_STEPS", 1)

    def kill(step: int, steps: int, loss: float) -> None:
        if step == 5:
            raise KeyboardInterrupt

    trained(tmp_path / "whole", short())
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "killed", short(), progress=kill)
    trained(tmp_path / "killed", short())
    whole, killed = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "killed"))
    assert whole == killed


def test_every_weight_learns() -> None:
    """A layer without a gradient stays random and is not missed: the loss goes down without it."""
    torch.manual_seed(0)
    model = make_regressor(RECIPE)
    torch.nn.init.normal_(model.agreement.write.weight)  # which begins at zero, and so would hide what is before it
    crops = torch.from_numpy(problem(4)[0]).float()[:, None]
    estimate, spread = model(crops, probabilities_of(crops))
    (estimate.square().sum() + spread.log().sum()).backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.norm() > 0, name
