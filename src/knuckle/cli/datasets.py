"""Commands for datasets of real frames: they need the `data` extra."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from knuckle.cli.making import counting, need
from knuckle.cli.output import complain, say
from knuckle.errors import SettingsError

if TYPE_CHECKING:
    from knuckle.data.check import SplitReport
    from knuckle.pipeline.importing import ImportSettings

data = typer.Typer(help="Check a downloaded dataset, or import it into a store.", rich_markup_mode=None)


class Name(StrEnum):
    """A dataset whose files can be read."""

    nyu = "nyu"
    icvl = "icvl"
    msra15 = "msra15"
    hands17 = "hands17"
    frames = "frames"


class TextForm(StrEnum):
    """What three numbers of a joint are."""

    uvd = "uvd"
    xyz = "xyz"
    own = "own"


Dataset = Annotated[Name, typer.Option(help="Which dataset it is; frames: your own depth images and camera.json.")]
Splits = Annotated[
    list[str] | None,
    typer.Option(help="Only this split, such as train or test (MSRA15: P3, not-P3); may be repeated."),
]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; by default one for each core.")]


@data.command()
def check(
    root: Annotated[Path, typer.Argument(help="Folder that the dataset was unpacked to.")],
    dataset: Dataset,
    split: Splits = None,
    quick: Annotated[bool, typer.Option("--quick", help="Look for the images only, and decode none.")] = False,
    workers: Workers = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a split.")] = False,
) -> None:
    """Say what of a dataset is there, missing or damaged, and how to mend it.

    Reads labels and, without --quick, every depth image. With --json, for each split: split, frames (with a label),
    whole (frames of the published split, or null), missing, damaged, unlabelled (lists), no_joints, faults.

    The exit code is 2 if anything is wrong.
    """
    need("zarr", "fsspec", extra="data")
    import os

    from knuckle.data.check import check_dataset

    with counting() as show:
        done: dict[str, int] = {}

        def tell(name: str, now: int, total: int) -> None:
            show(name, now - done.get(name, 0), total)
            done[name] = now

        reports = check_dataset(dataset, root, split or (), quick, workers or os.cpu_count() or 1, tell)
    for report in reports:
        say(json.dumps(asdict(report)) if as_json else _words(report))
    if any(report.faults for report in reports):
        raise typer.Exit(2)


def _words(report: "SplitReport") -> str:
    whole = "" if report.whole is None else f" of {report.whole:,}"
    good = report.frames - len(report.missing) - len(report.damaged)
    head = (
        f"{report.split}: {report.frames:,}{whole} frames are listed, {good:,} of them with an image that can be read"
    )
    lines = [f"{head}, {report.frames - report.no_joints:,} with joints"]
    return "\n".join([*lines, *(f"  {fault}" for fault in report.faults)])


@data.command("import")
def import_(
    root: Annotated[Path, typer.Argument(help="Folder that the dataset was unpacked to.")],
    dataset: Dataset,
    out: Annotated[str, typer.Option(help="Zarr store to write: folder or URL; each split is a group of that name.")],
    split: Splits = None,
    centers: Annotated[
        str,
        typer.Option(
            help="Where the hand is: annotation (the middle of the joints), locate (found in the frame), or a file of "
            "centres, x y z mm a line in the dataset's own axes, as V2V-PoseNet publishes them."
        ),
    ] = "annotation",
    cube_mm: Annotated[
        float | None, typer.Option(help="Edge of the cube about the hand, mm; by default that of the literature.")
    ] = None,
    side: Annotated[str, typer.Option(help="Which hand the frames show: right or left.")] = "right",
    workers: Workers = None,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler: its workers do it.")] = None,
) -> None:
    """Crop a dataset's hands into a store for training.

    Reads the dataset as it was downloaded. Writes a Zarr store for each split as knuckle synth does, depth (N, 48, 48)
    in [-1, 1], joints (N, 21, 3) and joints14 (N, 14, 3) mm in camera axes, NaN where the dataset has no such joint;
    parts are 0, as nobody knows them. Row i is frame i: one that cannot be used stays empty, with joints NaN, and is
    named on stderr; the exit code is 2 then. A killed run goes on with the same command, to the same bytes.
    """
    need("zarr", "fsspec", "scipy", "h5py", extra="data")
    from knuckle.data.datasets import usual_splits
    from knuckle.pipeline.importing import ImportSettings

    settings = ImportSettings(centers, cube_mm, side)
    names = split or usual_splits(dataset)
    _check_centers(dataset, root, names, settings)
    unused = sum(
        _import_one(dataset, root, name, f"{out.rstrip('/')}/{name}", settings, workers, scheduler) for name in names
    )
    if unused:
        raise typer.Exit(2)


def _check_centers(dataset: str, root: Path, splits: Sequence[str], settings: "ImportSettings") -> None:
    """Before the first of several splits is imported: that the last one will not be refused."""
    from knuckle.data.centers import ANNOTATION, LOCATE, annotated_centers
    from knuckle.data.datasets import open_dataset

    if len(splits) < 2 or settings.centers == LOCATE:
        return
    if settings.centers != ANNOTATION:
        raise SettingsError(f"{settings.centers}: a file of centres is of one split: say which, with  --split")
    for split in splits:
        annotated_centers(open_dataset(dataset, root, split))


def _import_one(
    dataset: str,
    root: Path,
    split: str,
    place: str,
    settings: "ImportSettings",
    workers: int | None,
    scheduler: str | None,
) -> int:
    """Imports a split; returns how many of its frames could not be used, each of them named."""
    from knuckle.data.datasets import open_dataset
    from knuckle.pipeline.importing import import_split

    total = len(open_dataset(dataset, root, split))
    with counting() as show:
        faults = import_split(
            dataset, root, split, place, settings, workers, scheduler, lambda done: show(split, done, total)
        )
    for fault in faults:
        complain(fault)
    say(f"wrote {place}: {total - len(faults):,} of {total:,} frames, centres from {settings.centers}")
    return len(faults)


def predict_into(
    frames: list[Path],
    dataset: str,
    split: str | None,
    centers: str | None,
    form: str | None,
    side: str,
    cube_mm: float,
    out: Path | None,
    weights: Path | None,
    workers: int | None,
    scheduler: str | None,
) -> None:
    """`knuckle predict --dataset`: a file of joints for a whole split."""
    from knuckle.data.datasets import open_dataset
    from knuckle.evaluation.predict import PredictSettings, predict_dataset
    from knuckle.evaluation.truth import evaluated_split

    if len(frames) != 1 or out is None:
        raise SettingsError("--dataset takes one folder, and a file for the joints, with  --out predictions.txt")
    if out.is_dir():
        raise SettingsError(f"{out}: a folder: with --dataset, --out is the text file to write")
    settings = PredictSettings(centers or "locate", form, side, cube_mm)  # type: ignore[arg-type]
    opened = open_dataset(dataset, frames[0], split or evaluated_split(dataset))
    with counting() as show:
        empty, unread = predict_dataset(
            opened, weights, out, settings, workers, scheduler, lambda done: show(opened.split, done, len(opened))
        )
    for fault in unread:
        complain(fault)
    found = len(opened) - empty - len(unread)
    say(f"wrote {out}: a hand in {found:,} of {len(opened):,} frames, centres from {settings.centers}")
    if unread:
        raise typer.Exit(2)
