"""What the tests of several processes train. As a program it is one of the processes, and keeps what it got:

RANK=0 WORLD_SIZE=2 LOCAL_RANK=0 LOCAL_WORLD_SIZE=2 MASTER_ADDR=... MASTER_PORT=... python several_jobs.py FOLDER
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from knuckle.errors import SettingsError
from knuckle.training import loop
from knuckle.training.loop import Batch, fit
from knuckle.training.processes import PeerError, processes
from knuckle.training.recipe import FitSettings
from knuckle.training.stop import TrainingStopped

SAMPLES = 19
FIT = FitSettings(
    steps=6, batch=7, optimiser="sgd", rate=0.05, schedule="decay", weight_decay=0, bfloat16=False, threads=1
)
WITHOUT_STATISTICS: dict[str, FitSettings] = {
    "sgd": FIT,  # seven rows: four and three
    "adam": FIT.model_copy(update={"optimiser": "adam", "rate": 0.01}),
    "muon": FIT.model_copy(update={"optimiser": "muon", "rate": 0.01}),
    "parts": FIT.model_copy(update={"accumulate": 3}),
    "smaller than the processes": FIT.model_copy(update={"batch": 1}),
    "mixed precision": FIT.model_copy(update={"bfloat16": True}),
}
WITH_STATISTICS: dict[str, FitSettings] = {
    "batch norm": FIT,
    "batch norm in parts": FIT.model_copy(update={"accumulate": 3}),
}
KILLED_AT, STOPPED_AT = 4, 3
Weights = dict[str, Tensor]


class Killed(Exception):  # noqa: N818
    pass


class Problem:
    """A small network that learns noisy pictures; each loss is a weighted mean over the batch."""

    def __init__(self, norm: bool = False) -> None:
        rng = torch.Generator().manual_seed(0)
        self.inputs, self.truth = torch.randn(SAMPLES, 2, 6, 6, generator=rng), torch.randn(SAMPLES, 5, generator=rng)
        self.weights = torch.rand(SAMPLES, generator=rng) + 0.1
        self.generator = torch.Generator().manual_seed(1)
        torch.manual_seed(2)  # no bias before a norm: its gradient is rounding alone, which Adam would make steps of
        norms = (nn.BatchNorm2d(4), nn.BatchNorm1d(8)) if norm else (nn.InstanceNorm2d(4, affine=True), nn.Identity())
        convolution = [nn.Conv2d(2, 4, 3, bias=False), norms[0], nn.ReLU(), nn.Flatten()]
        self.model = nn.Sequential(*convolution, nn.Linear(64, 8, bias=not norm), norms[1], nn.ReLU(), nn.Linear(8, 5))

    def draw(self, indices: NDArray[np.int64]) -> Batch:
        noise = 0.3 * torch.randn(len(indices), 2, 6, 6, generator=self.generator)
        weights = self.weights[indices]
        return self.inputs[indices] + noise, self.truth[indices], weights / weights.sum()

    def loss(self, inputs: Tensor, truth: Tensor, shares: Tensor) -> Tensor:
        return ((self.model(inputs).float() - truth).square().mean(dim=1) * shares).sum()

    def fit(
        self, folder: Path, settings: FitSettings = FIT, happening: Callable[[int], None] = lambda step: None
    ) -> Weights:
        drawn = 0

        def draw(indices: NDArray[np.int64]) -> Batch:
            nonlocal drawn
            drawn += 1
            happening(drawn)
            return self.draw(indices)

        fit(self.model, draw, self.loss, SAMPLES, settings, folder, generator=self.generator)
        return self.model.state_dict()


def killed_and_resumed(folder: Path) -> Weights:
    def kill(step: int) -> None:
        if step == KILLED_AT:
            raise Killed

    loop._CHECKPOINT_SECONDS = -1.0
    try:
        Problem(norm=True).fit(folder, happening=kill)
        raise AssertionError("it was not killed")
    except Killed:
        return Problem(norm=True).fit(folder)
    finally:
        loop._CHECKPOINT_SECONDS = 120.0


def stop_last_at(step: int) -> None:
    """SIGTERM for the last process alone."""
    peers = processes()
    if step == STOPPED_AT and peers.index == peers.count - 1:
        os.kill(os.getpid(), signal.SIGTERM)


def stopped_and_resumed(folder: Path, said: list[Any]) -> Weights:
    try:
        Problem(norm=True).fit(folder, happening=stop_last_at)
        raise AssertionError("it was not stopped")
    except TrainingStopped as stopped:
        said += [stopped.number, str(stopped)]
    return Problem(norm=True).fit(folder)


def stopped(folder: Path) -> None:
    """Leaves a checkpoint for any number of processes to go on from."""
    try:
        Problem(norm=True).fit(folder, happening=stop_last_at)
    except TrainingStopped:
        return


def answers() -> list[str]:
    """What `once` gives to each process, of work that is done and of work that fails in the main one."""
    peers = processes()

    def fail() -> str:
        raise SettingsError("no")

    found = [peers.once(lambda: f"from {peers.index}")]
    try:
        peers.once(fail)
    except (SettingsError, PeerError) as error:
        found.append(type(error).__name__)
    return found


def refused(folder: Path) -> str:
    try:
        Problem(norm=True).fit(folder, FIT.model_copy(update={"batch": 4, "accumulate": 3}))
    except SettingsError as error:
        return str(error)
    return ""


def do_all(folder: Path) -> tuple[dict[str, Weights], dict[str, Any]]:
    """Weights by the training's name, and what else there is to know."""
    found: dict[str, Weights] = {}
    for norm, kinds in ((False, WITHOUT_STATISTICS), (True, WITH_STATISTICS)):
        for name, settings in kinds.items():
            found[name] = Problem(norm).fit(folder / name, settings)
    said: list[Any] = []
    found["killed"] = killed_and_resumed(folder / "killed")
    found["stopped"] = stopped_and_resumed(folder / "stopped", said)
    stopped(folder / "for others")
    return found, {"stopped": said, "once": answers(), "refused": refused(folder / "refused")}


if __name__ == "__main__":
    place = Path(sys.argv[1])
    trained, noted = do_all(place)
    rank = processes().index
    torch.save(trained, place / f"weights-{rank}.pt")
    (place / f"noted-{rank}.json").write_text(json.dumps(noted), encoding="utf-8")
