"""The training loop: AdamW under a one-cycle schedule, mixed precision, resumable, logged."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from knuckle.training.checkpoint import load_checkpoint, save_checkpoint, save_weights
from knuckle.training.recipe import FitSettings

_LOG_STEPS = 50
_CHECKPOINT_SECONDS = 120.0
_LEAST_STEPS = 11  # of the schedule: its warm-up is a tenth, and OneCycleLR divides by zero where that is one step

Loss = Callable[[NDArray[np.int64]], Tensor]
"""Loss of the samples with these indices (batch,): a scalar with gradients."""


def fit(
    model: nn.Module,
    loss_of: Loss,
    samples: int,
    settings: FitSettings,
    folder: Path,
    progress: Callable[[int, int, float], None] = lambda step, steps, loss: None,
    generator: torch.Generator | None = None,
) -> None:
    """Trains `model` on `samples` samples by `loss_of` and leaves `weights.safetensors` in `folder`.

    `folder` also gets a log (`log.jsonl`) and a checkpoint every two minutes, from which the same call goes on.
    `progress` is called with step, number of steps and mean loss. `generator` is where `loss_of` takes its random
    numbers from: its state is kept in the checkpoint, so that a resumed run ends in the same weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(settings.threads)
    steps = max(1, round(samples * settings.epochs / settings.batch))
    optimiser = torch.optim.AdamW(model.parameters(), lr=settings.rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.rate, total_steps=max(steps, _LEAST_STEPS), pct_start=0.1
    )
    first = _resume(folder, model, optimiser, schedule, generator)
    model.train()
    losses: list[float] = []
    started = saved = time.monotonic()
    for step, indices in enumerate(_batches(samples, settings, steps, first), start=first + 1):
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.bfloat16):
            loss = loss_of(indices)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if step % _LOG_STEPS == 0 or step == steps:
            rate = (step - first) * settings.batch / (time.monotonic() - started)
            _log(folder, {"step": step, "steps": steps, "loss": float(np.mean(losses)), "samples_per_second": rate})
            progress(step, steps, float(np.mean(losses)))
            losses.clear()
        if time.monotonic() - saved > _CHECKPOINT_SECONDS:
            saved = time.monotonic()
            save_checkpoint(folder, model, _state(optimiser, schedule, generator), step)
    model.eval()
    save_weights(model, folder / "weights.safetensors")


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


def _state(optimiser: Optimizer, schedule: LRScheduler, generator: torch.Generator | None) -> dict[str, Any]:
    state = {"optimiser": optimiser.state_dict(), "schedule": schedule.state_dict()}
    return state if generator is None else state | {"generator": generator.get_state()}


def _resume(
    folder: Path, model: nn.Module, optimiser: Optimizer, schedule: LRScheduler, generator: torch.Generator | None
) -> int:
    """Puts everything back to the last checkpoint; returns the number of steps done, 0 without one."""
    found = load_checkpoint(folder, model)
    if found is None:
        return 0
    step, state = found
    optimiser.load_state_dict(state["optimiser"])
    schedule.load_state_dict(state["schedule"])
    if generator is not None:
        generator.set_state(state["generator"])
    return step


def _log(folder: Path, entry: dict[str, float]) -> None:
    with (folder / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
