"""The command that compares predictions with labels."""

import json
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from knuckle.cli.datasets import Dataset, TextForm
from knuckle.cli.making import need
from knuckle.cli.output import complain, say
from knuckle.errors import SettingsError
from knuckle.files import is_folder, write_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from knuckle.data.dataset import Dataset as Images
    from knuckle.evaluation.score import Score
    from knuckle.evaluation.truth import Truth


def evaluate(
    predictions: Annotated[
        list[Path],
        typer.Argument(
            help="Text files, plain or gzipped, a line a frame, three numbers a joint; or a run's test.npy."
        ),
    ],
    dataset: Dataset,
    labels: Annotated[Path, typer.Option(help="The true joints: a file of the same kind, or the dataset's folder.")],
    form: Annotated[
        TextForm | None,
        typer.Option(
            help="Numbers of the predictions: uvd (px, px, mm), xyz (mm, camera axes, y down), own (mm, the dataset's "
            "own axes; NYU and MSRA15: y up); by default as the community's files have it."
        ),
    ] = None,
    labels_form: Annotated[TextForm | None, typer.Option(help="The same of the labels' file.")] = None,
    split: Annotated[str | None, typer.Option(help="Of the labels' folder; by default what is tested on.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, file name → numbers.")] = False,
    joints: Annotated[bool, typer.Option("--joints", help="Print the errors of every joint and finger, too.")] = False,
    csv: Annotated[
        Path | None, typer.Option(dir_okay=False, help="CSV file to write: file, measure, of, value.")
    ] = None,
    plots: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Folder for curve.svg, joints.svg and, with --images, worst-*.png."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="The dataset's folder: --plots then shows each file's worst frames.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Markdown page to write, with its chart beside it.")
    ] = None,
) -> None:
    """Compare predictions with labels, as the literature does.

    Prints for each file the mean 3D and 2D error in mm (2D: x and y of the points in space), a 95 % interval, and the
    share of frames whose worst joint is within 20 and 40 mm; for NYU each test person apart.

    With --json, for each file: frames, missing_frames, unlabelled_frames, mean_3d_mm, mean_3d_interval_mm, mean_2d_mm,
    median_3d_mm, per_joint_mm, per_finger_mm, per_subject_mm, within_mm (0 to 80 mm → share of frames), and
    area_under_curve (of within_mm, 0..1).

    A frame without a usable answer (nan, or depth 0) is counted as missing: it is left out of the means, and within no
    distance. A file with another number of lines, or joints, than the labels is refused.
    """
    from knuckle.evaluation.score import score
    from knuckle.evaluation.table import as_csv, comparison, joint_table
    from knuckle.evaluation.truth import read_predictions, read_truth

    if plots is not None or page is not None:
        need("matplotlib", extra="data")
    if images is not None and plots is None:
        raise SettingsError("--images is for the pictures of worst frames: say where they go, with  --plots FOLDER")
    if page is not None and page.suffix == ".svg":
        raise SettingsError(f"{page}: the page's chart would have this name: name the page .md")
    if is_folder(labels) and labels_form is not None:
        raise SettingsError("--labels-form is for a labels' file: leave it out with a folder")
    if not is_folder(labels) and split is not None and images is None:
        raise SettingsError("--split is for a labels' folder: leave it out with a file")
    truth = read_truth(dataset, labels, labels_form, split)  # type: ignore[arg-type]
    names = _names(predictions)
    found = {name: read_predictions(path, truth, form) for name, path in zip(names, predictions, strict=True)}  # type: ignore[arg-type]
    scores = {name: score(joints_mm, truth) for name, joints_mm in found.items()}
    opened = None if images is None else _open_images(images, truth, dataset, split)
    _say_missing(scores, found, truth)
    say(json.dumps({name: one.as_json() for name, one in scores.items()}) if as_json else comparison(scores))
    if joints and not as_json:
        say(joint_table(scores))
    if csv is not None:
        write_whole(csv, as_csv(scores))
        _wrote(csv, as_json)
    if plots is not None:
        for path in _plot(plots, scores, found, truth, opened):
            _wrote(path, as_json)
    if page is not None:
        options = {"dataset": dataset, "labels": labels, "form": form, "labels-form": labels_form, "split": split}
        for path in _page(page, scores, truth, _command(predictions, page, options)):
            _wrote(path, as_json)


def _names(paths: list[Path]) -> list[str]:
    """File names; whole paths where two share a name."""
    names = [path.name for path in paths]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SettingsError(f"{twice}: these predictions are named twice: leave one out")
    return names


def _wrote(path: Path, as_json: bool) -> None:
    if not as_json:
        say(f"wrote {path}")


def _say_missing(scores: "dict[str, Score]", found: "dict[str, NDArray]", truth: "Truth") -> None:
    unlabelled = int((~truth.labelled).sum())
    if unlabelled:
        complain(f"{truth.path}: {unlabelled:,} frames have no whole label and are left out for every file")
    for name, one in scores.items():
        if one.missing:
            first = int(np.flatnonzero(np.isnan(found[name]).any(axis=(1, 2)) & truth.labelled)[0])
            complain(
                f"{name}: {one.missing:,} of {one.frames:,} frames have no usable answer, "
                f"{f'line {first + 1}' if truth.names is None else truth.names[first]} the first: "
                "they are left out of the means, and count as within no distance"
            )


def _open_images(folder: Path, truth: "Truth", dataset: str, split: str | None) -> "Images":
    from knuckle.data.datasets import open_dataset
    from knuckle.evaluation.truth import evaluated_split

    opened = open_dataset(dataset, folder, split or evaluated_split(dataset))
    if len(opened) != len(truth):
        raise SettingsError(f"{folder}: {len(opened):,} frames, but {truth.path} has {len(truth):,}")
    return opened


def _plot(
    folder: Path,
    scores: "dict[str, Score]",
    found: "dict[str, NDArray]",
    truth: "Truth",
    images: "Images | None",
) -> list[Path]:
    from knuckle.draw import write_image
    from knuckle.evaluation.page import by_method
    from knuckle.evaluation.pictures import curve, joint_bars, worst_frames
    from knuckle.evaluation.table import ranked

    named = by_method(dict(ranked(scores)))
    written = [folder / "curve.svg", folder / "joints.svg"]
    write_whole(written[0], curve(named))
    write_whole(written[1], joint_bars(named))
    if images is None:
        return written
    for name, (method, one) in zip(dict(ranked(scores)), named.items(), strict=True):
        path = folder / f"worst-{method.strip('/').replace('/', '_')}.png"
        write_image(path, worst_frames(one, found[name], truth, images))
        written.append(path)
    return written


def _page(path: Path, scores: "dict[str, Score]", truth: "Truth", command: str) -> list[Path]:
    from knuckle.evaluation.page import by_method, results_page
    from knuckle.evaluation.pictures import curve
    from knuckle.evaluation.table import ranked

    figure = path.with_suffix(".svg")
    write_whole(path, results_page(scores, truth, command, figure.name))
    write_whole(figure, curve(by_method(dict(ranked(scores)))))
    return [path, figure]


def _command(predictions: list[Path], page: Path, options: Mapping[str, object]) -> str:
    """The command line; a star for all files of a folder."""
    words = ["knuckle evaluate"]
    words += [f"--{name} {quote(str(value))}" for name, value in options.items() if value is not None]
    for folder in dict.fromkeys(path.parent for path in predictions):
        files = [path for path in predictions if path.parent == folder]
        whole = len(files) > 1 and set(files) == set(folder.glob("[!.]*"))
        words += [f"{quote(str(folder))}/*"] if whole else [quote(str(path)) for path in files]
    return " ".join([*words, f"--page {quote(str(page))}"])
