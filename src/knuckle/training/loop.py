"""The training loop of every network: any optimiser of the recipe, mixed precision, resumable, logged."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from knuckle.training.checkpoint import drop_checkpoints, load_checkpoint, load_weights, save_checkpoint, save_weights
from knuckle.training.device import chosen_device, device_of, multiplies_bfloat16
from knuckle.training.log import TrainingLog
from knuckle.training.optimiser import make_optimiser, make_schedule
from knuckle.training.recipe import FitSettings

_LOG_STEPS = 50
_CHECKPOINT_SECONDS = 120.0

Progress = Callable[[int, int, float], None]
"""Called with the step, the number of steps and the mean loss since the last call."""

Loss = Callable[[NDArray[np.int64]], Tensor]
"""Loss of the samples with these indices (batch,): a scalar with gradients."""


def fit(
    model: nn.Module,
    loss_of: Loss,
    samples: int,
    settings: FitSettings,
    folder: Path,
    progress: Progress = lambda step, steps, loss: None,
    generator: torch.Generator | None = None,
) -> None:
    """Trains `model` on `samples` samples by `loss_of` and leaves `weights.safetensors` in `folder`.

    `folder` also gets logs (`TrainingLog`) and a checkpoint every two minutes, from which the same call goes on; once
    finished, it loads the weights and is done. `progress` is called with step, number of steps and mean loss.
    `generator` is where `loss_of` takes its random numbers from: its state is kept in the checkpoint, so that a resumed
    run ends in the same weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(settings.threads)
    model.to(chosen_device(settings.device))
    weights = folder / "weights.safetensors"
    if weights.exists():
        load_weights(model, weights)
    else:
        with closing(_Fitting(model, samples, settings, folder, generator)) as fitting:
            fitting.go(loss_of, progress)
        save_weights(model, weights)
        drop_checkpoints(folder)
    model.eval()


class _Fitting:
    """The state of one training, from the last checkpoint on."""

    def __init__(
        self, model: nn.Module, samples: int, settings: FitSettings, folder: Path, generator: torch.Generator | None
    ) -> None:
        self.model, self.samples, self.settings = model, samples, settings
        self.folder, self.generator = folder, generator
        self.steps = settings.steps or max(1, round(samples * settings.epochs / settings.batch))
        self.optimiser = make_optimiser(model, settings)
        self.schedule = make_schedule(self.optimiser, settings, self.steps)
        self.device = device_of(model)
        self.bfloat16 = settings.bfloat16 and multiplies_bfloat16(self.device)
        self.losses: list[float] = []  # since the last line of the log: a resumed run's curve is the undisturbed one's
        self.first = self._resume()
        self.log = TrainingLog(folder, self.first)

    def go(self, loss_of: Loss, progress: Progress) -> None:
        """Does the steps that are left."""
        self.model.train()
        started = saved = time.monotonic()
        batches = _batches(self.samples, self.settings, self.steps, self.first)
        for step, indices in enumerate(batches, start=self.first + 1):
            self.losses.append(self._step(loss_of, indices))
            if step % _LOG_STEPS == 0 or step == self.steps:
                speed = (step - self.first) * self.settings.batch / (time.monotonic() - started)
                mean, rate = float(np.mean(self.losses)), float(self.schedule.get_last_lr()[0])
                self.log.add(step, steps=self.steps, loss=mean, rate=rate, samples_per_second=speed)
                progress(step, self.steps, mean)
                self.losses.clear()
            if time.monotonic() - saved > _CHECKPOINT_SECONDS:
                saved = time.monotonic()
                save_checkpoint(self.folder, self.model, self._state(), step)

    def close(self) -> None:
        self.log.close()

    def _step(self, loss_of: Loss, indices: NDArray[np.int64]) -> float:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            loss = loss_of(indices)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.schedule.step()
        return loss.item()

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = {"optimiser": self.optimiser.state_dict(), "schedule": self.schedule.state_dict()}
        state["losses"] = self.losses
        return state if self.generator is None else state | {"generator": self.generator.get_state()}

    def _resume(self) -> int:
        """Puts everything back to the last checkpoint; returns the number of steps done, 0 without one."""
        found = load_checkpoint(self.folder, self.model)
        if found is None:
            return 0
        step, state = found
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.losses = list(state.get("losses", ()))  # checkpoints of earlier versions have none
        if self.generator is not None:
            self.generator.set_state(state["generator"])
        return step


def _batches(samples: int, settings: FitSettings, steps: int, first: int) -> Iterator[NDArray[np.int64]]:
    """Indices of every batch from step `first` on: each epoch in an order that depends on (seed, epoch) alone."""
    a_epoch = max(1, samples // settings.batch)
    order, epoch = np.empty(0, dtype=np.int64), -1
    for step in range(first, steps):
        if step // a_epoch != epoch:
            epoch = step // a_epoch
            order = np.random.default_rng([settings.seed, epoch]).permutation(samples)
        start = step % a_epoch * settings.batch
        yield order[start : start + settings.batch]
