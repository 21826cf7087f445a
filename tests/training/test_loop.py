"""The training loop: it learns, it is resumed to the same weights, and it leaves its log and its weights."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from knuckle.training import loop
from knuckle.training.loop import Batch, fit
from knuckle.training.recipe import FitSettings

SETTINGS = FitSettings(epochs=30, batch=8, rate=0.05, weight_decay=0, bfloat16=False, threads=1, seed=4)
LONG = SETTINGS.model_copy(update={"epochs": 150, "rate": 0.2})
SAMPLES = 20


class KilledError(Exception):
    pass


class Problem:
    """A linear map to be found from noisy pictures of it; the noise comes from a generator of its own."""

    def __init__(self, noise: float = 0.0) -> None:
        rng = torch.Generator().manual_seed(0)
        self.inputs = torch.randn(SAMPLES, 3, generator=rng)
        self.truth = self.inputs @ torch.tensor([[1.0], [-2.0], [0.5]]) + 3
        self.noise = noise
        self.generator = torch.Generator().manual_seed(1)
        torch.manual_seed(2)
        self.model = nn.Linear(3, 1)
        self.batches: list[list[int]] = []

    def draw(self, indices: NDArray[np.int64]) -> Batch:
        self.batches.append(indices.tolist())
        disturbed = self.inputs[indices] + self.noise * torch.randn(len(indices), 3, generator=self.generator)
        return disturbed, self.truth[indices], torch.full((len(indices),), 1 / len(indices))

    def loss(self, inputs: Tensor, truth: Tensor, shares: Tensor) -> Tensor:
        return ((self.model(inputs) - truth).square()[:, 0] * shares).sum()

    def error(self) -> float:
        """Of all samples."""
        return self.loss(*self.draw(np.arange(SAMPLES))).item()

    def fit(
        self, folder: Path, settings: FitSettings = SETTINGS, draw: Callable[..., Batch] | None = None, **others
    ) -> None:
        fit(self.model, draw or self.draw, self.loss, SAMPLES, settings, folder, generator=self.generator, **others)


def at_step(step: int, happening: Callable[[], None], draw: Callable) -> Callable:
    """What draws the batches, until it is asked for that of the given step: then something happens first."""
    asked = 0

    def wrapped(indices: NDArray[np.int64]) -> Batch:
        nonlocal asked
        asked += 1
        if asked == step:
            happening()
        return draw(indices)

    return wrapped


def killed() -> None:
    raise KilledError


def test_it_overfits_a_tiny_problem(tmp_path: Path) -> None:
    problem = Problem()
    problem.fit(tmp_path, LONG)
    assert problem.error() < 1e-4
    assert not problem.model.training


def test_it_leaves_weights_and_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_LOG_STEPS", 20)
    problem, seen = Problem(), []
    problem.fit(tmp_path, progress=lambda *at: seen.append(at))
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [20, 40, 60, 75]  # 20 samples · 30 epochs / 8
    assert all(entry["steps"] == 75 and entry["samples_per_second"] > 0 for entry in log)
    assert log[-1]["loss"] < log[0]["loss"]
    assert seen == [(entry["step"], 75, entry["loss"]) for entry in log]
    assert left_in(tmp_path) == ["events", "log.jsonl", "weights.safetensors"]


def left_in(folder: Path) -> list[str]:
    """Names of the files in a run's folder; TensorBoard's are named after the time and the machine."""
    return sorted("events" if path.name.startswith("events.") else path.name for path in folder.iterdir())


@pytest.mark.parametrize("steps", [1, 2, 9, 10, 11, 12])
def test_any_number_of_steps_can_be_asked_for(tmp_path: Path, steps: int) -> None:
    problem = Problem()
    problem.fit(tmp_path, SETTINGS.model_copy(update={"epochs": steps * 8 / SAMPLES}))
    assert len(problem.batches) == steps
    assert (tmp_path / "weights.safetensors").exists()


def curve(folder: Path) -> list[tuple[int, float]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return [(line["step"], line["loss"]) for line in lines]


@pytest.mark.parametrize("killed_at", [2, 3, 7, 40])
def test_a_killed_run_ends_in_the_same_weights_and_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    monkeypatch.setattr(loop, "_CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setattr(loop, "_LOG_STEPS", 5)
    whole = Problem(noise=0.1)
    whole.fit(tmp_path / "whole")
    begun = Problem(noise=0.1)
    with pytest.raises(KilledError):
        begun.fit(tmp_path / "killed", draw=at_step(killed_at, killed, begun.draw))
    resumed = Problem(noise=0.1)
    resumed.fit(tmp_path / "killed")
    assert begun.batches + resumed.batches == whole.batches
    for name, value in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], value)
    files = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "killed")]
    assert files[0] == files[1]
    assert curve(tmp_path / "killed") == curve(tmp_path / "whole")


def test_only_the_latest_checkpoint_is_kept_and_none_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_CHECKPOINT_SECONDS", -1.0)
    begun = Problem()
    with pytest.raises(KilledError):
        begun.fit(tmp_path, draw=at_step(30, killed, begun.draw))
    assert left_in(tmp_path) == ["events", "latest.json", "log.jsonl", "step-29.safetensors", "step-29.state.pt"]
    Problem().fit(tmp_path)
    assert set(left_in(tmp_path)) == {"events", "log.jsonl", "weights.safetensors"}


def test_a_finished_training_is_loaded_not_done_again(tmp_path: Path) -> None:
    trained, again = Problem(), Problem()
    trained.fit(tmp_path)
    log = (tmp_path / "log.jsonl").read_bytes()
    torch.manual_seed(9)
    again.model.reset_parameters()
    again.model.train()
    again.fit(tmp_path, progress=lambda *at: pytest.fail("it trains"))
    assert again.batches == []
    assert torch.equal(again.model.weight, trained.model.weight)
    assert not again.model.training
    assert (tmp_path / "log.jsonl").read_bytes() == log


def test_mixed_precision_learns_too(tmp_path: Path) -> None:
    problem = Problem()
    problem.fit(tmp_path, LONG.model_copy(update={"bfloat16": True}))
    assert problem.error() < 0.01
    assert problem.model.weight.dtype == torch.float32
