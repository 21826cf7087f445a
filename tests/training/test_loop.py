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
from knuckle.training.loop import fit
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

    def loss(self, indices: NDArray[np.int64]) -> Tensor:
        self.batches.append(indices.tolist())
        disturbed = self.inputs[indices] + self.noise * torch.randn(len(indices), 3, generator=self.generator)
        return (self.model(disturbed) - self.truth[indices]).square().mean()

    def fit(self, folder: Path, settings: FitSettings = SETTINGS, **others) -> None:
        fit(self.model, self.loss, SAMPLES, settings, folder, generator=self.generator, **others)


def killing_at(step: int, loss: Callable) -> Callable:
    """The loss, until it is asked for the given step: then the run is killed."""
    asked = 0

    def wrapped(indices: NDArray[np.int64]) -> Tensor:
        nonlocal asked
        asked += 1
        if asked == step:
            raise KilledError
        return loss(indices)

    return wrapped


def test_it_overfits_a_tiny_problem(tmp_path: Path) -> None:
    problem = Problem()
    problem.fit(tmp_path, LONG)
    assert problem.loss(np.arange(SAMPLES)).item() < 1e-4
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
    killed = Problem(noise=0.1)
    with pytest.raises(KilledError):
        fit(
            killed.model,
            killing_at(killed_at, killed.loss),
            SAMPLES,
            SETTINGS,
            tmp_path / "killed",
            generator=killed.generator,
        )
    resumed = Problem(noise=0.1)
    resumed.fit(tmp_path / "killed")
    assert killed.batches + resumed.batches == whole.batches
    for name, value in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], value)
    files = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "killed")]
    assert files[0] == files[1]
    assert curve(tmp_path / "killed") == curve(tmp_path / "whole")


def test_only_the_latest_checkpoint_is_kept_and_none_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_CHECKPOINT_SECONDS", -1.0)
    killed = Problem()
    with pytest.raises(KilledError):
        fit(killed.model, killing_at(30, killed.loss), SAMPLES, SETTINGS, tmp_path, generator=killed.generator)
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


def batches(seed: int, steps: int, first: int = 0) -> list[list[int]]:
    settings = SETTINGS.model_copy(update={"seed": seed})
    return [indices.tolist() for indices in loop._batches(SAMPLES, settings, steps, first)]


def test_an_epoch_shows_every_sample_at_most_once() -> None:
    """Two whole batches of 8 make an epoch of 20; the order is new in each, and the four left over differ."""
    found = batches(0, 60)
    epochs = [found[i] + found[i + 1] for i in range(0, 60, 2)]
    assert all(len(set(epoch)) == 16 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 30
    assert {index for epoch in epochs for index in epoch} == set(range(SAMPLES))


def test_batches_depend_on_seed_and_step_alone() -> None:
    whole = batches(0, 30)
    for first in (1, 2, 7, 29):
        assert batches(0, 30, first) == whole[first:]
    assert batches(0, 10) == whole[:10]  # whatever the length of the run
    assert batches(1, 30) != whole


def test_a_batch_larger_than_the_data_is_all_of_it() -> None:
    settings = SETTINGS.model_copy(update={"batch": 64})
    found = [sorted(indices.tolist()) for indices in loop._batches(SAMPLES, settings, 3, 0)]
    assert found == [list(range(SAMPLES))] * 3


def test_mixed_precision_learns_too(tmp_path: Path) -> None:
    problem = Problem()
    problem.fit(tmp_path, LONG.model_copy(update={"bfloat16": True}))
    assert problem.loss(np.arange(SAMPLES)).item() < 0.01
    assert problem.model.weight.dtype == torch.float32
