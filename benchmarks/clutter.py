"""How much of a hand, and of the clutter beside it, is farther than some millimetres from every bone.

    python benchmarks/clutter.py [--count 2000] [--json]

What a rule like `reach_mm: 35` in a recipe takes for not hand. First of the hand on the clean synthetic hands of the
benchmark (its group source), then of the hand, and of all else that was measured, on its real frames (the group
target-train, where the hidden parts judge the rule).
"""

import json
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from knuckle.data.memory import TrainingData
from knuckle.errors import KnuckleError
from knuckle.segmentation.bones import reached
from knuckle.synth.benchmark import SENSOR_GAP
from knuckle.synth.production import generate

REACHES_MM = (20, 25, 30, 35, 40, 50)
COLUMNS = ("source, hand", "target, hand", "target, not hand")


def group(name: str, count: int, folder: Path) -> TrainingData:
    """The first samples of a group of the benchmark: each shows a hand."""
    settings, _, seed = SENSOR_GAP[name]
    generate(folder / name, settings, count, seed)
    return TrainingData.load(folder / name)


def shares_beyond(source: TrainingData, target: TrainingData, measured: NDArray[np.bool_], reach: float) -> list[float]:
    """Of the pixels that each column names, which share is farther than that from every bone, %."""
    of_source, of_target = (~reached(data.depth, data.joints, data.cube_mm, reach) for data in (source, target))
    hand = target.parts > 0
    sets = of_source[source.parts > 0], of_target[hand], of_target[measured & ~hand]
    return [100 * float(beyond.mean()) for beyond in sets]


def main(
    count: Annotated[int, typer.Option(min=1, help="Samples of either group.")] = 2000,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Shares of pixels beyond each reach."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            source, target = (group(name, count, Path(folder)) for name in ("source", "target-train"))
    except KnuckleError as error:
        typer.echo(f"clutter: {error}", err=True)
        raise typer.Exit(2) from None
    measured = target.depth < 1  # 1: the far end of the cube, or nothing at all
    found = {
        reach: dict(zip(COLUMNS, shares_beyond(source, target, measured, reach), strict=True)) for reach in REACHES_MM
    }
    table = Table("reach, mm", *COLUMNS, title=f"% of the pixels of {count} samples, farther from every bone")
    for reach, shares in found.items():
        table.add_row(str(reach), *(f"{share:.2f}" for share in shares.values()))
    Console().print(table)
    clutter = (measured & (target.parts == 0)).sum() / measured.sum()
    print(f"Of what the target's crops measure, {100 * clutter:.1f} % is not hand.")
    if as_json:
        print(json.dumps({str(reach): shares for reach, shares in found.items()} | {"not hand": 100 * float(clutter)}))


if __name__ == "__main__":
    typer.run(main)
