"""The training loop of every network: by one process or several, with any optimiser, mixed precision, resumable.

A batch, with its random numbers, is the same however many processes or parts share it, and what each takes of it is a
share of one loss: gradients are added up, and a step is the same step up to rounding.
"""

import time
import warnings
from collections.abc import Callable
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from knuckle.errors import SettingsError
from knuckle.training.batch_norm import share_batch_norms
from knuckle.training.batches import batches, shares
from knuckle.training.checkpoint import drop_checkpoints, load_checkpoint, load_weights, save_checkpoint, save_weights
from knuckle.training.compiling import compiled, lost_gradient
from knuckle.training.device import chosen_device, device_of, multiplies_bfloat16
from knuckle.training.log import TrainingLog
from knuckle.training.optimiser import make_optimiser, make_schedule
from knuckle.training.processes import processes
from knuckle.training.recipe import FitSettings
from knuckle.training.stop import STOPPING, TrainingStopped, noting_signals

_WEIGHTS = "weights.safetensors"
_LOG_STEPS = 50
_CHECKPOINT_SECONDS = 120.0

Progress = Callable[[int, int, float], None]
"""Called with the step, the number of steps and the mean loss since the last call."""

Batch = tuple[Tensor, ...]
"""All that a loss needs of some samples, random numbers too: tensors with a row for each sample, (batch, ...)."""

Draw = Callable[[NDArray[np.int64]], Batch]
"""The batch of the samples with these indices (batch,)."""

Loss = Callable[..., Tensor]
"""What some rows of a batch, its tensors one by one, add to the loss of the whole batch: a scalar with gradients."""


def fit(
    model: nn.Module,
    draw: Draw,
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
    `generator` is where `draw` takes its random numbers from: its state is kept in the checkpoint, so that a resumed
    run ends in the same weights. All processes of a training must make the same calls; the main one writes.

    Raises `TrainingStopped`, after a last checkpoint, on SIGTERM or Ctrl-C; `SettingsError` if a batch is too small to
    be shared; `PeerError` if another process has ended.
    """
    peers = processes()
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(max(1, settings.threads // peers.here))
    model.to(chosen_device(settings.device))
    if peers.once((folder / _WEIGHTS).exists):
        load_weights(model, folder / _WEIGHTS)
    else:
        with closing(_Fitting(model, samples, settings, folder, generator)) as fitting:
            fitting.go(draw, loss_of, progress)
        peers.once(lambda: _finish(model, folder))
    model.eval()


def _finish(model: nn.Module, folder: Path) -> None:
    save_weights(model, folder / _WEIGHTS)
    drop_checkpoints(folder)


class _Fitting:
    """The state of one training, from the last checkpoint on."""

    def __init__(
        self, model: nn.Module, samples: int, settings: FitSettings, folder: Path, generator: torch.Generator | None
    ) -> None:
        self.model, self.samples, self.settings = model, samples, settings
        self.folder, self.generator = folder, generator
        self.peers = processes()
        self.steps = settings.steps or max(1, round(samples * settings.epochs / settings.batch))
        self._share_model()
        self.optimiser = make_optimiser(model, settings)
        self.schedule = make_schedule(self.optimiser, settings, self.steps)
        self.device = device_of(model)
        self.bfloat16 = settings.bfloat16 and multiplies_bfloat16(self.device)
        self.losses: list[float] = []  # since the last line of the log: a resumed run's curve is the undisturbed one's
        self.first = self._resume()
        self.log = TrainingLog(folder, self.first) if self.peers.is_main else None

    def go(self, draw: Draw, loss_of: Loss, progress: Progress) -> None:
        """Does the steps that are left."""
        self.model.train()
        started = saved = time.monotonic()
        order = batches(self.samples, self.settings, self.steps, self.first)
        with noting_signals() as noted:
            for step, indices in enumerate(order, start=self.first + 1):
                batch = draw(indices)
                if self.settings.compiled and step == self.first + 1:
                    loss_of = self._compiled(batch, loss_of)
                loss, stopped = self._step(batch, loss_of, noted)
                self.losses.append(loss)
                if step % _LOG_STEPS == 0 or step == self.steps:
                    self._tell(step, time.monotonic() - started, progress)
                if stopped or time.monotonic() - saved > _CHECKPOINT_SECONDS:
                    saved = time.monotonic()
                    self._save(step)
                if stopped:
                    raise TrainingStopped(stopped, self.folder, step, self.steps)

    def close(self) -> None:
        if self.log is not None:
            self.log.close()

    def _step(self, batch: Batch, loss_of: Loss, noted: Callable[[], int]) -> tuple[float, int]:
        """Returns the loss, and the signal that some process has noted, 0 without one: all go on, or all stop."""
        self.optimiser.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.device)
        for rows in shares(len(batch[0]), self.settings.accumulate, self.peers):
            loss = self._loss(batch, rows, loss_of, self.bfloat16)
            loss.backward()
            total += loss.detach()
        summed = torch.stack([total, *(total.new_tensor(float(noted() == number)) for number in STOPPING)])
        self.peers.add_up([summed, *self._gradients()])
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.schedule.step()
        value, *signals = summed.tolist()
        return value, next((number for number, count in zip(STOPPING, signals, strict=True) if count), 0)

    def _loss(self, batch: Batch, rows: slice, loss_of: Loss, bfloat16: bool) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16):
            return loss_of(*(tensor[rows] for tensor in batch))

    def _compiled(self, batch: Batch, plain: Loss) -> Loss:
        """The compiled loss, or the plain one if gradients of a process's first rows are lost in it."""
        program = compiled(plain)
        for rows in islice(shares(len(batch[0]), self.settings.accumulate, self.peers), 1):
            exact = partial(self._loss, batch, rows, plain, bfloat16=False)
            name = lost_gradient(self.model, exact, partial(self._loss, batch, rows, program, self.bfloat16))
            if name is not None:
                reason = f"the program that was compiled has a wrong gradient of {name}"
                warnings.warn(f"{self.folder}: trains without fit.compiled: {reason}", stacklevel=1)
                return plain
        return program

    def _gradients(self) -> list[Tensor]:
        """Of all that is trained; where there are several processes also of what no row of this one has reached."""
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        if self.peers.count > 1:
            for parameter in trained:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
        return [parameter.grad for parameter in trained if parameter.grad is not None]

    def _share_model(self) -> None:
        """One set of weights for all processes, and batch statistics over all of them."""
        least = min(self.settings.batch, self.samples) // self.settings.accumulate
        needed = max(2, self.peers.count)
        if least < needed and any(isinstance(layer, _BatchNorm) for layer in self.model.modules()):
            raise SettingsError(
                f"batch {self.settings.batch}, accumulate {self.settings.accumulate}: batch normalisation by "
                f"{self.peers.count} process(es) needs parts of {needed} samples and more: take a larger batch"
            )
        if self.peers.count > 1:
            self.peers.align(self.model)
            share_batch_norms(self.model)

    def _tell(self, step: int, seconds: float, progress: Progress) -> None:
        """Notes what there is since the last time."""
        mean, rate = float(np.mean(self.losses)), float(self.schedule.get_last_lr()[0])
        self.losses.clear()
        if self.log is not None:
            speed = (step - self.first) * self.settings.batch / seconds
            self.log.add(step, steps=self.steps, loss=mean, rate=rate, samples_per_second=speed)
            progress(step, self.steps, mean)

    def _save(self, step: int) -> None:
        if self.peers.is_main:
            save_checkpoint(self.folder, self.model, self._state(), step)

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
