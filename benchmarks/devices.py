"""Images a second of every training, by one process and by several, and how much of the device's arithmetic that is.

    python benchmarks/devices.py [--processes 2] [--batch 16] [--steps 4] [--rounds 3] [--threads 2] [--json]

Made-up crops, the recipes' networks at their full sizes, through the same loop as `knuckle train`. Each round runs
one process, then several, so that both see the same machine; the numbers are medians over the rounds. On CPUs the
processes share the threads: twice the processes are no more cores, and what is seen is the cost of sharing. With GPUs
each process has one.

Arithmetic: multiply-adds of the forward and backward pass count as two operations, and the share is of what a large
matrix product reaches on the same device, with the same threads and number format.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from knuckle.regression.train import make_method, make_regressor, train_method, train_regressor
from knuckle.segmentation.network import part_probabilities
from knuckle.segmentation.train import LabelledCrops, fine_tune, make_segmenter, train_teacher
from knuckle.training import loop
from knuckle.training.augment import Turns
from knuckle.training.device import chosen_device, multiplies_bfloat16
from knuckle.training.processes import processes
from knuckle.training.recipe import FitSettings, MethodSettings, RegressionRecipe, SegmentationRecipe, TeacherSettings

WARM_UP = 2  # steps that are not timed
Steps = Callable[[int, int, float], None]


class Data:
    """Crops as random as they may be: how fast a network learns does not depend on what."""

    def __init__(self, count: int) -> None:
        rng = np.random.default_rng(0)
        self.depth = rng.uniform(-1, 1, (count, 48, 48)).astype(np.float16)
        self.parts = rng.integers(0, 21, (count, 48, 48), dtype=np.uint8)
        self.joints = rng.uniform(-0.5, 0.5, (count, 21, 3)).astype(np.float32)
        self.probabilities = rng.integers(0, 256, (count, 21, 48, 48), dtype=np.uint8)
        self.labelled = LabelledCrops(self.depth, self.parts)


def segmenter(network: str) -> Callable[[Data, FitSettings, Path, Steps], nn.Module]:
    def train(data: Data, settings: FitSettings, folder: Path, tell: Steps) -> nn.Module:
        recipe = SegmentationRecipe.model_validate({"network": network})
        model = make_segmenter(recipe)
        fine_tune(model, recipe, settings, data.labelled, None, 0.0, folder, tell)
        return model

    return train


def teacher(data: Data, settings: FitSettings, folder: Path, tell: Steps) -> nn.Module:
    return train_teacher(TeacherSettings(fit=settings), 0.5, data.labelled, data.joints, 250.0, folder, tell)


def voting(data: Data, settings: FitSettings, folder: Path, tell: Steps) -> nn.Module:
    """With the segmentation network that it reads, which is asked anew for every augmented batch."""
    recipe = RegressionRecipe(fit=settings)
    network = make_segmenter(SegmentationRecipe()).to(chosen_device(settings.device)).eval()

    def probabilities_of(crops: Tensor) -> Tensor:
        return part_probabilities(network(crops).float(), crops)

    return train_regressor(make_regressor(recipe), recipe, probabilities_of, data.depth, data.joints, folder, tell)


def paper_regressor(shared: bool) -> Callable[[Data, FitSettings, Path, Steps], nn.Module]:
    def train(data: Data, settings: FitSettings, folder: Path, tell: Steps) -> nn.Module:
        model = make_method(MethodSettings(network="paper", shared=shared, parts="truth"))
        turns = Turns(30, 0.1)
        train_method(model, settings, turns, data.depth, data.probabilities, data.joints, folder, tell)
        return model

    return train


TRAININGS: dict[str, Callable[[Data, FitSettings, Path, Steps], nn.Module]] = {
    "f_s, compact": segmenter("compact"),
    "f_s, the paper's": segmenter("paper"),
    "f_s, the paper's at 24 px": segmenter("paper-24"),
    "teacher": teacher,
    "voting": voting,
    "f_r, shared": paper_regressor(True),
    "f_r, one a joint": paper_regressor(False),
}


def measure(name: str, batch: int, steps: int, threads: int, compiled: bool = False) -> dict[str, float]:
    """Images a second over the steps after the warm-up, and seconds of the first step; of the main process."""
    settings = FitSettings(
        steps=WARM_UP + steps,
        batch=batch,
        optimiser="adam" if name.startswith("f_r") else "muon",  # as the recipes have it
        rate=1e-4,
        threads=threads,
        compiled=compiled,
    )
    ends = [time.perf_counter()]
    loop._LOG_STEPS = 1  # every step is told
    with tempfile.TemporaryDirectory() as folder:
        place = Path(processes().once(lambda: folder))
        tell: Steps = lambda *_: ends.append(time.perf_counter())
        TRAININGS[name](Data(2 * batch), settings, place, tell)
        processes().once(lambda: None)  # nobody removes the folder before
    if not processes().is_main:
        return {}
    return {"images": batch * steps / (ends[-1] - ends[WARM_UP]), "first_s": ends[1] - ends[0]}


def operations(name: str, batch: int) -> float:
    """Of a step, forward and backward, optimiser included."""
    settings = FitSettings(steps=1, batch=batch, optimiser="adam", rate=1e-4)
    with tempfile.TemporaryDirectory() as folder, FlopCounterMode(display=False) as counter:
        TRAININGS[name](Data(batch), settings, Path(folder), lambda *_: None)
    return float(counter.get_total_flops())


def peak(threads: int) -> float:
    """Operations a second of a large matrix product, the best of several."""
    device = chosen_device("auto")
    torch.set_num_threads(threads)
    kind = torch.bfloat16 if multiplies_bfloat16(device) else torch.float32
    size = 8192 if device.type == "cuda" else 2048
    one = torch.randn(size, size, device=device, dtype=kind)
    took = []
    for _ in range(6):
        begun = time.perf_counter()
        found = one @ one
        found[0, 0].item()  # waits for a GPU
        took.append(time.perf_counter() - begun)
    return 2 * size**3 / min(took)


def work(batch: int, steps: int, threads: int) -> None:
    """What each process of a round does; the main one prints a line of JSON."""
    found = {name: measure(name, batch, steps, threads) for name in TRAININGS}
    if processes().is_main:
        rates = {name: values["images"] for name, values in found.items()}
        more = {"peak": peak(threads)} if processes().count == 1 else {}
        print(json.dumps({"images": rates, **more}))


def round_of(count: int, arguments: list[str]) -> dict:
    """One round by `count` processes."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)] if count > 1 else []
    command = [sys.executable, *launcher, __file__, *arguments, "--worker"]
    ended = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if ended.returncode:
        raise RuntimeError(ended.stderr)
    return json.loads(ended.stdout.splitlines()[-1])


def main(
    count: Annotated[int, typer.Option("--processes", min=2)] = 2,
    batch: Annotated[int, typer.Option(min=2, help="Over all processes.")] = 16,
    steps: Annotated[int, typer.Option(min=1, help="Timed, of every training.")] = 4,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    threads: Annotated[int, typer.Option(min=1, help="Of all processes together.")] = 2,
    worker: Annotated[bool, typer.Option(hidden=True)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Images a second of every training by one process and by several."""
    if worker:
        work(batch, steps, threads)
        return
    arguments = ["--batch", str(batch), "--steps", str(steps), "--threads", str(threads)]
    found = [[round_of(number, arguments) for number in (1, count)] for _ in range(rounds)]
    best = max(alone["peak"] for alone, _ in found)
    rows = {}
    for name in TRAININGS:
        one, several = (statistics.median(pair[which]["images"][name] for pair in found) for which in (0, 1))
        ratio = statistics.median(pair[1]["images"][name] / pair[0]["images"][name] for pair in found)
        share = operations(name, batch) / batch * one / best
        rows[name] = {"one": one, "several": several, "ratio": ratio, "share": share}
    show(rows, count, best)
    if as_json:
        print(json.dumps({"rows": rows, "peak": best, "processes": count, "batch": batch}))


def show(rows: dict[str, dict[str, float]], count: int, best: float) -> None:
    device = chosen_device("auto")
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    table = Table(title=f"images a second in training, {name}; a large matrix product: {best / 1e9:.0f} GFLOP/s")
    for column in ("training", "1 process", f"{count} processes", "ratio", "share of that product"):
        table.add_column(column)
    for training, row in rows.items():
        rates = f"{row['one']:.1f}", f"{row['several']:.1f}", f"{row['ratio']:.2f}"
        table.add_row(training, *rates, f"{row['share']:.0%}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
