"""Commands for frames that come one after the other."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from knuckle.cli.options import SourceCamera, Topic, UnitMm
from knuckle.cli.output import complain, say

INTERRUPTED = 130


def record(
    source: Annotated[
        str,
        typer.Argument(
            help="synthetic, realsense, a folder of depth images, or a file: .npy, .npz, .zarr, .bag, .mcap, .db3."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write: Zarr if the name ends in .zarr, else an image a frame.")],
    frames: Annotated[int | None, typer.Option(min=1, help="Stop after so many frames.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.001, help="Stop after so many, by the source's clock.")] = None,
    camera: SourceCamera = None,
    unit_mm: UnitMm = None,
    topic: Topic = None,
) -> None:
    """Record depth frames, without loss.

    Reads a source's frames until it ends, enough are there, or Ctrl-C. Writes depth in the sensor's 16-bit steps
    (float32 mm where it has none), the time of each frame in seconds, and the camera: as a Zarr folder, or as PNG (.npy
    for floats), timestamps.csv and camera.json.

    Frames that cannot be read are named on stderr and left out, and the exit code is 2. A recording that is cut short,
    by Ctrl-C, a full disk, a pulled plug or a kill, can be read up to there. Ctrl-C is how a live source ends: the exit
    code is 0 then, but 130 if it came before what --frames or --seconds asked for, or before a recorded source's end.
    """
    from knuckle.sources import open_source
    from knuckle.sources import record as record_source

    with open_source(source, camera, unit_mm, topic) as opened, stopping() as stop:
        endless = opened.is_live and frames is None and seconds is None
        if endless:
            complain(f"recording from {opened.name} until Ctrl-C")
        done = record_source(opened, out, frames, seconds, complain, stop)
    say(f"wrote {out}: {done.frames} frames" + (f", {done.bad} left out" if done.bad else ""))
    if done.stopped and not endless:
        raise typer.Exit(INTERRUPTED)
    if done.bad:
        raise typer.Exit(2)


@contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
    """Yields what tells whether Ctrl-C was pressed. It waits for the frame at hand; a second one does not wait."""
    pressed = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)
