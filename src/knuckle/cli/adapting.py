"""The command that fine-tunes the networks on one's own frames."""

from pathlib import Path
from typing import Annotated

import typer

from knuckle.cli.inference import Side
from knuckle.cli.making import need, training
from knuckle.cli.options import SourceCamera
from knuckle.cli.output import complain, say
from knuckle.crop import CUBE_MM
from knuckle.errors import SettingsError


def adapt(
    recording: Annotated[
        str, typer.Argument(help="Frames of your sensor, in the order of their times: a folder, a stack, .zarr, a bag.")
    ],
    joints: Annotated[
        Path,
        typer.Option(
            help="Their joints: a CSV of file, then JOINT_x, JOINT_y, JOINT_z (mm, camera axes) for all 21 joints; "
            "file is the image's name, or the frame's number from 0 where there are no images."
        ),
    ],
    out: Annotated[Path, typer.Option(help="New folder for the adapted networks, as --weights takes it.")],
    weights: Annotated[
        Path | None, typer.Option(help="Folder of the networks to start from; by default those of the package.")
    ] = None,
    side: Annotated[Side, typer.Option(help="Which hand it is: right or left.")] = Side.right,
    cube_mm: Annotated[float, typer.Option(help="Edge of the cube that holds the hand, mm.")] = CUBE_MM,
    camera: SourceCamera = None,
    steps: Annotated[int, typer.Option(min=1, help="Batches of training.")] = 300,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
) -> None:
    """Adapt the networks to your sensor, and to what you call a joint.

    Reads a few hundred frames whose 21 joints are known. The first three quarters train: cleaned part maps that come
    closer to the joints than they were, and the joints themselves, mixed with rendered hands. The last quarter judges:
    the networks are written only if their mean joint error (mm) has fallen there beyond doubt; else the exit code is 2
    and nothing is written.
    """
    need("torch", "zarr", "safetensors", "tensorboardX", "onnx", "onnxscript", "numba", "anny", "platformdirs")
    from knuckle.estimator import HandPoseEstimator
    from knuckle.networks import SHIPPED
    from knuckle.pipeline.adapt import adapt as adapt_networks
    from knuckle.pipeline.own_frames import own_frames
    from knuckle.pipeline.tuning import AdaptSettings
    from knuckle.sources import RecordedSource, open_source

    if side is Side.auto:
        raise SettingsError("--side: say which hand it is, right or left")
    if out.exists():
        raise SettingsError(f"{out}: is there already: choose another folder")
    folder = SHIPPED if weights is None else weights
    with open_source(recording, camera) as source:
        if not isinstance(source, RecordedSource):
            raise SettingsError(f"{recording}: has no frames yet: record it first, with  knuckle record")
        frames, faults = own_frames(source, joints, HandPoseEstimator(folder, threads), side, cube_mm)
    for line in faults:
        complain(line)
    with training() as show:
        done = adapt_networks(frames, folder, out, AdaptSettings(steps=steps, threads=threads, seed=seed), show)
    say(done.in_words())
    say(f"wrote {out}")
