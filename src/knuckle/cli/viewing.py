"""The command that opens the live page."""

import time
from typing import Annotated

import typer

from knuckle.cli.live import stopping
from knuckle.cli.options import SourceCamera, Topic, UnitMm, Weights
from knuckle.cli.output import complain, say
from knuckle.errors import MissingExtraError


def view(
    source: Annotated[
        str,
        typer.Option(
            help="synthetic, realsense, a folder of depth images, or a file: .npy, .npz, .zarr, .bag, .mcap, .db3."
        ),
    ] = "synthetic",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page; the next free one is taken.")] = 8080,
    host: Annotated[
        str, typer.Option(help="Address of the page. 0.0.0.0: others reach it, too, with the token that is printed.")
    ] = "127.0.0.1",
    camera: SourceCamera = None,
    unit_mm: UnitMm = None,
    topic: Topic = None,
    weights: Weights = None,
    threads: Annotated[
        int, typer.Option(min=1, help="CPU threads of the networks: the browser needs a core, too.")
    ] = 1,
) -> None:
    """Show hands live, in a web page on this machine.

    Reads a source's frames; a recording plays over and over. Prints the page's address and serves it until Ctrl-C:
    points coloured by part and the skeleton in 3D (metres), depth and part map side by side, the confidence of every
    joint, and how long each stage takes, in ms. Controls change source, number and side of hands, cube and depth range
    (mm) and smoothing, pause, step and seek, save a frame, and take an uploaded depth image.

    A source that fails is opened again every two seconds; frames that cannot be read are counted and shown as such.
    """
    from knuckle.sources import open_source

    try:
        from knuckle.viewer import Viewer
    except ImportError as error:
        raise MissingExtraError("view", str(error.name)) from None

    first = [open_source(source, camera, unit_mm, topic)]  # here, so that a wrong name ends the command
    with (
        Viewer(
            lambda: first.pop() if first else open_source(source, camera, unit_mm, topic),
            source,
            host,
            port,
            weights,
            threads,
        ) as viewer,
        stopping() as stop,
    ):
        say(f"{viewer.address}  (until Ctrl-C)")
        if not viewer.is_local:
            complain("who has this whole address can see and control the page; it is not encrypted on its way")
        while not stop():
            time.sleep(0.1)
