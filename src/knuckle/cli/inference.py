"""Commands that find hands: they need the light install only."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from knuckle.camera import Camera
from knuckle.cli.datasets import Name, TextForm, predict_into
from knuckle.cli.following import Wanted, is_source, predict_source
from knuckle.cli.options import Topic, Weights
from knuckle.cli.output import refuse_given, say
from knuckle.cli.predicting import RATE, finder, predict_images
from knuckle.crop import CUBE_MM
from knuckle.depth import read_depth
from knuckle.errors import SettingsError
from knuckle.estimator import HandPoseEstimator

FRAMES = Path(__file__).parent.parent / "frames"
"""Folder of the frames that come with the package, for `knuckle demo`."""


_OF_SOURCES = ("hands", "smooth", "limit", "topic")


class Side(StrEnum):
    """Which hand to look for."""

    right = "right"
    left = "left"
    auto = "auto"


def demo(
    out: Annotated[Path, typer.Option(help="The picture to write, .png or .jpg.")] = Path("knuckle-demo.png"),
    weights: Weights = None,
) -> None:
    """Find the hand in the frames that come with knuckle.

    Reads the package's own frames. Prints a line for every frame and the 21 joints of the first hand: mm in camera
    axes (x right, y down, z forward), and pixels. Writes one picture of all frames.
    """
    from knuckle.draw import contact_sheet, hand_picture, write_image
    from knuckle.predictions import joint_table, summary

    camera = Camera.load(FRAMES / "camera.json")
    estimator = HandPoseEstimator(weights)
    names = sorted(path.name for path in FRAMES.glob("*.png"))
    depths = [read_depth(FRAMES / name, camera.depth_unit_mm) for name in names]
    hands = [estimator(depth, camera) for depth in depths]
    pictures = [hand_picture(depth, hand) for depth, hand in zip(depths, hands, strict=True)]
    write_image(out, contact_sheet(pictures, columns=2, titles=names))
    for name, hand in zip(names, hands, strict=True):
        say(summary(name, hand))
    for hand in [hand for hand in hands if hand is not None][:1]:
        say(joint_table(hand))
    say(f"wrote {out}")


def predict(
    context: typer.Context,
    frames: Annotated[
        list[Path],
        typer.Argument(
            help="Depth images: 16-bit PNG, NYU's packed PNG, .bin, .npy (H, W). Or one source of frames: a folder, "
            ".zarr, .npz, .npy (N, H, W), .bag, .mcap, .db3, synthetic, realsense. Or, with --dataset, its folder."
        ),
    ],
    camera: Annotated[
        Path | None,
        typer.Option(
            help="JSON file with fx, fy, cx, cy, width, height (px) and, if known, depth_unit_mm; sources have theirs."
        ),
    ] = None,
    unit_mm: Annotated[
        float | None,
        typer.Option(help="Millimetres per step of the images; by default the camera file's depth_unit_mm, or 1."),
    ] = None,
    center: Annotated[
        str | None,
        typer.Option(metavar="X,Y,Z", help="Where the hand is, mm in camera axes; by default it is searched for."),
    ] = None,
    side: Annotated[Side, typer.Option(help="Which hand it is; auto takes the one that fits better.")] = Side.auto,
    cube_mm: Annotated[float, typer.Option(help="Edge of the cube that holds the hand, mm.")] = CUBE_MM,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line for each frame.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Table to write, .csv: a row for each hand.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for a picture of each frame, NAME-hand.png, and predictions.jsonl. With --dataset: text."
        ),
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option(
            help="Video to write, .mp4: depth, parts, skeleton. The frames are then a sequence: it is followed."
        ),
    ] = None,
    fps: Annotated[
        float | None, typer.Option(help="Frames a second, with --video; by default the source's own, or 30.")
    ] = None,
    hands: Annotated[int, typer.Option(min=1, max=2, help="Of a source: how many are followed at once.")] = 1,
    smooth: Annotated[
        bool, typer.Option("--smooth", help="Of a source: calm the joints with a One-Euro filter.")
    ] = False,
    limit: Annotated[int | None, typer.Option("--frames", min=1, help="Of a source: stop after so many.")] = None,
    topic: Topic = None,
    weights: Weights = None,
    dataset: Annotated[Name | None, typer.Option(help="Predict a whole split of this dataset.")] = None,
    split: Annotated[str | None, typer.Option(help="Of the dataset; by default what is tested on.")] = None,
    centers: Annotated[
        str | None,
        typer.Option(
            help="Of the dataset: locate (found in each frame, the default), annotation, or a file of centres."
        ),
    ] = None,
    form: Annotated[
        TextForm | None, typer.Option(help="Of the dataset's text file; by default as its community has it.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Of the dataset: processes; by default one for each core.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Of the dataset: address of a Dask scheduler: its workers do it.")
    ] = None,
) -> None:
    """Find the hand in depth images.

    Prints a line for each frame and, for a single frame, the 21 joints: mm in camera axes (x right, y down, z
    forward), and pixels.

    With --json, prints an object for each frame: file, found, side, center_mm (3), joints_mm (21 x 3), pixels
    (21 x 2), confidence (21, the probability that the joint is within 20 mm); null where no hand is found.

    A source's frames are a sequence: its hands are followed, each with a number that it keeps, until the source ends or
    Ctrl-C; --json and --csv also have frame (from 0), timestamp_s and hand (its number). With --csv, --out or --video
    the files take the place of the printed lines.

    A frame that cannot be read is named on stderr; the others are done all the same, and the exit code is 2. After
    Ctrl-C the files hold what was done until then, and the exit code is 130, or 0 where a live source was to run until
    Ctrl-C.

    With --dataset, reads a dataset's folder and writes one text file, a line a frame, three numbers a joint, as
    knuckle evaluate and the field's evaluators read it; a frame without a hand is a line of nan. A killed run goes on
    with the same command.
    """
    if dataset is not None:
        taken = ("camera", "unit_mm", "center", "as_json", "csv", "video", "fps", *_OF_SOURCES)
        refuse_given(context, taken, "not with a dataset")
        asked = context.get_parameter_source("side")
        shown = side if asked is not None and asked.name == "COMMANDLINE" else Side.right  # datasets show right hands
        predict_into(frames, dataset, split, centers, form, shown, cube_mm, out, weights, workers, scheduler)
        return
    refuse_given(context, ("split", "centers", "form", "workers", "scheduler"), "only a dataset has it")
    if video is None:
        refuse_given(context, ("fps",), "only a video has it")
    if is_source(frames):
        refuse_given(context, ("center",), "only depth images have it")
        from knuckle.smoothing import OneEuroSettings
        from knuckle.sources import open_source
        from knuckle.tracking import HandTracker, TrackingSettings

        with open_source(str(frames[0]), camera, unit_mm, topic) as source:
            settings = TrackingSettings(hands, side, cube_mm, OneEuroSettings() if smooth else None)
            tracker = HandTracker(HandPoseEstimator(weights), settings)
            predict_source(source, tracker, Wanted(limit, as_json, csv, out, video, fps))
        return
    refuse_given(context, _OF_SOURCES, "only a source has it")
    if camera is None:
        raise SettingsError("camera is missing: give the intrinsics with  --camera camera.json")
    intrinsics = Camera.load(camera)
    place = None if center is None else _parse_center(center)
    rate = None if video is None else fps or RATE
    find = finder(HandPoseEstimator(weights), intrinsics, place, side, cube_mm, rate)
    wanted = Wanted(None, as_json, csv, out, video, rate)
    predict_images(frames, intrinsics.depth_unit_mm if unit_mm is None else unit_mm, find, wanted)


def _parse_center(text: str) -> list[float]:
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise SettingsError(f"--center must be three numbers, X,Y,Z in mm, got {text!r}") from None
