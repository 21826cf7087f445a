"""`knuckle predict` for depth images: each by itself, or, for a video, as a sequence."""

from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING

import typer

from knuckle.camera import Camera
from knuckle.cli.following import Wanted, watched
from knuckle.cli.live import INTERRUPTED, stopping
from knuckle.cli.output import complain, progress, say
from knuckle.depth import read_depth
from knuckle.errors import CameraError, DepthError
from knuckle.estimator import Hand, HandPoseEstimator

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from knuckle.video import VideoFile

    Finder = Callable[[NDArray[np.float32], int], Hand | None]

RATE = 30.0
"""Frames a second of a video of images: they do not tell their own."""


def finder(
    estimator: HandPoseEstimator,
    camera: Camera,
    center: list[float] | None,
    side: str,
    cube_mm: float,
    fps: float | None,
) -> "Finder":
    """What finds the hand in a frame and its number: each frame by itself, or, with a rate, as a sequence."""
    from knuckle.tracking import HandTracker, TrackingSettings

    if fps is None or center is not None:
        return lambda depth, index: estimator(depth, camera, center=center, side=side, cube_mm=cube_mm)
    tracker = HandTracker(estimator, TrackingSettings(side=side, cube_mm=cube_mm, smoothing=None))
    return lambda depth, index: next((found.hand for found in tracker(depth, camera, index / fps)), None)


def predict_images(frames: list[Path], unit_mm: float | None, find: "Finder", wanted: Wanted) -> None:
    """Finds the hand in each image. Exits with 2 if one could not be read, with 130 after Ctrl-C; files are kept."""
    from knuckle.predictions import csv_file, picture_paths, records_file, refuse_over, to_row
    from knuckle.video import VideoFile

    refuse_over(wanted.csv, frames, [frame.parent for frame in frames])
    pictures = None if wanted.out is None else picture_paths(frames, wanted.out)
    done = bad = 0
    with ExitStack() as files:
        records = None if wanted.out is None else files.enter_context(records_file(wanted.out))
        row = None if wanted.csv is None else files.enter_context(csv_file(wanted.csv))
        film = None if wanted.video is None else files.enter_context(VideoFile(wanted.video, wanted.fps or RATE))
        stop = files.enter_context(stopping())
        advance = files.enter_context(progress("frames", len(frames)))
        for frame in watched(frames, advance, stop):
            done += 1
            try:
                depth = read_depth(frame, unit_mm)
                hand = find(depth, done - 1)
            except (DepthError, CameraError) as error:
                complain(str(error) if str(frame) in str(error) else f"{frame}: {error}")
                bad += 1
                continue
            if row is not None:
                row(to_row(frame, hand))
            _keep(frame, depth, hand, records, None if pictures is None else pictures[done - 1], film)
            _tell(frame, hand, wanted.as_json, alone=len(frames) == 1)
    _report(wanted, film)
    if done < len(frames):
        raise typer.Exit(INTERRUPTED)
    if bad:
        raise typer.Exit(2)


def _keep(
    frame: Path,
    depth: "NDArray[np.float32]",
    hand: Hand | None,
    records: IO[str] | None,
    picture: Path | None,
    film: "VideoFile | None",
) -> None:
    """Writes what is asked for of a frame."""
    from knuckle.draw import hand_picture, write_image
    from knuckle.predictions import to_record
    from knuckle.video import panels

    if records is not None and picture is not None:
        records.write(to_record(frame, hand) + "\n")
        write_image(picture, hand_picture(depth, hand))
    if film is not None:
        film.write(panels(depth, [] if hand is None else [hand]))


def _tell(frame: Path, hand: Hand | None, as_json: bool, alone: bool) -> None:
    """Prints the result of a frame."""
    from knuckle.predictions import joint_table, summary, to_record

    say(to_record(frame, hand) if as_json else summary(str(frame), hand))
    if hand is not None and alone and not as_json:
        say(joint_table(hand))


def _report(wanted: Wanted, film: "VideoFile | None") -> None:
    if film is not None and not film.pictures:
        complain(f"{wanted.video}: no frame could be read, so there is no video")
    elif film is not None and not wanted.as_json:
        say(f"wrote {wanted.video}")
