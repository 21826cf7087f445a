"""Where the time of one synthetic sample goes: processor time of each stage, called for itself.

    python benchmarks/synth_stages.py [--hand makehuman] [--count 300]

Calling a compiled function from Python with a whole rig costs some 0.03 ms, which is in each row but not in a sample.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from knuckle.crop import SIZE
from knuckle.synth.clutter import draw_clutter
from knuckle.synth.cropping import crop, cube_window
from knuckle.synth.hands import HandModel
from knuckle.synth.prior import DEFAULT_MIX
from knuckle.synth.rig import Rig, rig_of
from knuckle.synth.sample import draw_hand, visible_center
from knuckle.synth.sensor import SENSORS, measure_kind
from knuckle.synth.shape import sample_hand
from knuckle.synth.view import sample_center_error, sample_lens


class Clock:
    """Processor seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def __call__(self, stage: str, function: Callable, *arguments: Any) -> Any:
        """What the function returns; its time is added to the stage's."""
        start = time.process_time()
        result = function(*arguments)
        self.seconds[stage] += time.process_time() - start
        return result


def one_sample(rig: Rig, index: int, clock: Clock) -> None:
    """The stages of `sample.try_sample`, with every sensor in turn."""
    rng = clock("random generator", np.random.default_rng, [1, index])
    lens, position = clock("camera", sample_lens, rng)
    hand = clock("shape, pose, view, skin", sample_hand, rig, False, DEFAULT_MIX, 0.3, position, rng)
    center, _ = clock("middle of the hand", visible_center, rig, hand.points, lens)
    cube = center + sample_center_error(0.2, rng)
    view = cube_window(lens, cube, 6)
    depth, labels = clock("z-buffer", draw_hand, rig, hand.points, view, False)
    clock("clutter", draw_clutter, depth, labels, view, center, rig, DEFAULT_MIX, rng)
    for kind, sensor in enumerate(SENSORS):
        seen = clock(f"sensor: {sensor}", measure_kind, depth, labels, lens.fx, kind, 0.7, rng)
    into = np.empty((SIZE, SIZE), dtype=np.float32), np.empty((SIZE, SIZE), dtype=np.uint8)
    clock("crop", crop, *seen, view, cube, *into)


def main(
    hand: Annotated[str, typer.Option(help="makehuman, soma or mano:PATH.")] = "makehuman",
    count: Annotated[int, typer.Option(min=1, help="Samples.")] = 300,
) -> None:
    """Milliseconds of each stage of a sample."""
    rig = rig_of(HandModel.load(hand))
    for index in range(20):  # compiles what is not yet cached
        one_sample(rig, index, Clock())
    clock = Clock()
    for index in range(count):
        one_sample(rig, index, clock)
    table = Table(title=f"{hand}, mean of {count} samples")
    table.add_column("stage")
    table.add_column("ms", justify="right")
    for stage, seconds in clock.seconds.items():
        table.add_row(stage, f"{seconds / count * 1e3:.3f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
