"""What an optimiser is worth: the same segmentation network and number of steps, by AdamW and by Muon.

    python benchmarks/optimisers.py [--steps 600] [--threads 1] [--json]

Trains on the clean hands of the sensor-gap benchmark's source, scores on 1,000 of them that are held out and on
target-dev: accuracy in % per pixel and per class. About five minutes a row on one core.
"""

import json
import tempfile
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from knuckle.data.memory import TrainingData
from knuckle.errors import KnuckleError
from knuckle.pipeline.score import part_scores
from knuckle.segmentation.train import predict_parts, train_segmenter
from knuckle.synth.benchmark import make_sensor_gap
from knuckle.training.recipe import FitSettings, SegmentationRecipe

ROWS: tuple[tuple[Literal["adamw", "muon"], float], ...] = (
    ("adamw", 0.001),
    ("adamw", 0.002),
    ("adamw", 0.004),
    ("muon", 0.002),
    ("muon", 0.006),
    ("muon", 0.015),
)
HELD_OUT = 1000


def measure(
    optimiser: Literal["adamw", "muon"], rate: float, steps: int, threads: int, source: TrainingData, dev: TrainingData
) -> dict[str, float]:
    """Accuracies of one training."""
    settings = FitSettings(optimiser=optimiser, rate=rate, steps=steps, threads=threads, bfloat16=False)
    training, held_out = source[:-HELD_OUT], source[-HELD_OUT:]
    with tempfile.TemporaryDirectory() as folder:
        model = train_segmenter(SegmentationRecipe(fit=settings), training.depth, training.parts, Path(folder))
    found = {}
    for name, data in (("source", held_out), ("dev", dev)):
        scores = part_scores(predict_parts(model, data.depth), data.parts)
        found |= {f"{name}_pixel": scores["pixel"], f"{name}_class": scores["class"]}
    return found


def main(
    steps: Annotated[int, typer.Option(min=1, help="Batches of 64 in every training.")] = 600,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    out: Annotated[Path, typer.Option(help="Folder that keeps the benchmark's hands.")] = Path("benchmarks/out"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Accuracy after the same number of steps by each optimiser and rate."""
    try:
        store = out / "sensor-gap.zarr"
        make_sensor_gap(store)
        source, dev = TrainingData.load(store / "source"), TrainingData.load(store / "target-dev")
        rows = {f"{kind} {rate:g}": measure(kind, rate, steps, threads, source, dev) for kind, rate in ROWS}
    except KnuckleError as error:
        typer.echo(f"optimisers: {error}", err=True)
        raise typer.Exit(2) from None
    table = Table(title=f"accuracy after {steps} steps of 64, %")
    for column in ("optimiser, rate", "held-out source pixel", "class", "target-dev pixel", "class"):
        table.add_column(column)
    for name, row in rows.items():
        table.add_row(name, *(f"{value:.1f}" for value in row.values()))
    Console().print(table)
    if as_json:
        print(json.dumps(rows))


if __name__ == "__main__":
    typer.run(main)
