"""What `knuckle predict` prints and writes: records, tables, and the names of its files."""

import csv
import errno
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from knuckle.anatomy import HAND21
from knuckle.errors import SettingsError
from knuckle.estimator import Hand
from knuckle.files import reason_of

RECORDS = "predictions.jsonl"
"""Name of the file of records in an output folder."""

_BESIDE_FRAMES = ("camera.json", "timestamps.csv", "joints.csv")


@dataclass(frozen=True)
class Moment:
    """Which hand in which frame of a sequence: index from 0, seconds on the source's clock, number of the hand."""

    index: int
    timestamp: float
    number: int | None


def to_record(frame: Path, hand: Hand | None, moment: Moment | None = None) -> str:
    """One line of JSON: file, found, side, center_mm (3), joints_mm (21 x 3), pixels (21 x 2), confidence (21).

    Of a sequence also frame, timestamp_s and hand, after file. Lengths are mm in camera axes; what is not known because
    no hand was found is null.
    """
    record: dict[str, Any] = {"file": str(frame)}
    if moment is not None:
        record |= {"frame": moment.index, "timestamp_s": round(moment.timestamp, 6), "hand": moment.number}
    record["found"] = hand is not None
    record["side"] = None if hand is None else hand.side
    record["center_mm"] = None if hand is None else hand.center.astype(float).round(3).tolist()
    record["joints_mm"] = None if hand is None else hand.joints.astype(float).round(3).tolist()
    record["pixels"] = None if hand is None else hand.pixels.astype(float).round(3).tolist()
    record["confidence"] = None if hand is None else hand.confidence.astype(float).round(4).tolist()
    return json.dumps(record, allow_nan=False)


CSV_COLUMNS = (
    *("file", "frame", "timestamp_s", "hand", "found", "side", "center_x_mm", "center_y_mm", "center_z_mm"),
    *(f"{joint}_{value}" for joint in HAND21 for value in ("x_mm", "y_mm", "z_mm", "u_px", "v_px", "confidence")),
)
"""Of a table of predictions: one row for each hand, and one for each frame without a hand."""


def to_row(frame: Path, hand: Hand | None, moment: Moment | None = None) -> list[str]:
    """A row under `CSV_COLUMNS`; what is not known is empty. Lengths are mm in camera axes."""
    row = [str(frame), *([""] * 3 if moment is None else _moment_cells(moment)), str(int(hand is not None))]
    if hand is None:
        return row + [""] * (len(CSV_COLUMNS) - len(row))
    row += [hand.side, *(f"{value:.3f}" for value in hand.center)]
    for (x, y, z), (u, v), confidence in zip(hand.joints, hand.pixels, hand.confidence, strict=True):
        row += [f"{x:.3f}", f"{y:.3f}", f"{z:.3f}", f"{u:.3f}", f"{v:.3f}", f"{confidence:.4f}"]
    return row


def _moment_cells(moment: Moment) -> list[str]:
    return [str(moment.index), f"{moment.timestamp:.6f}", "" if moment.number is None else str(moment.number)]


def summary(name: str, hand: Hand | None) -> str:
    """One line about a frame for a person to read."""
    if hand is None:
        return f"{name}: no hand found"
    x, y, z = hand.center
    return f"{name}: {hand.side} hand at {x:.0f}, {y:.0f}, {z:.0f} mm, mean confidence {hand.confidence.mean():.2f}"


def joint_table(hand: Hand) -> str:
    """The 21 joints as a table: mm in camera axes, pixels, confidence."""
    lines = [f"{'joint':<12}{'x mm':>8}{'y mm':>8}{'z mm':>8}{'u px':>8}{'v px':>8}{'confidence':>12}"]
    for name, (x, y, z), (u, v), confidence in zip(HAND21, hand.joints, hand.pixels, hand.confidence, strict=True):
        lines.append(f"{name:<12}{x:>8.1f}{y:>8.1f}{z:>8.1f}{u:>8.1f}{v:>8.1f}{confidence:>12.2f}")
    return "\n".join(lines)


def picture_paths(frames: Sequence[Path], folder: Path) -> list[Path]:
    """A picture for every frame, NAME-hand.png; frames that share a name get their folders, or a number, in front.

    Raises `SettingsError` if a file that would be written is one of the frames.
    """
    paths = [folder / f"{name}-hand.png" for name in _unique_names(frames)]
    taken = {os.path.realpath(frame) for frame in frames}
    for path in (*paths, folder / RECORDS):
        if os.path.realpath(path) in taken:
            raise SettingsError(f"{path}: would be written over one of the frames: give another folder with --out")
    return paths


def refuse_over(path: Path | None, read: Sequence[Path], folders: Sequence[Path]) -> None:
    """Raises `SettingsError` if what is to be written is something that is read, or belongs to it.

    That is the camera, the times and the labels in the folders of the frames.
    """
    if path is None:
        return
    taken = {os.path.realpath(source) for source in read if source.exists()}
    taken |= {os.path.realpath(folder / name) for folder in set(folders) for name in _BESIDE_FRAMES}
    if os.path.realpath(path) in taken:
        raise SettingsError(f"{path}: would be written over what is read: give another name")


@contextmanager
def records_file(folder: Path) -> Iterator[IO[str]]:
    """Opens `predictions.jsonl` of a folder, which is made if it is missing, for writing.

    The file appears when the block ends; if the block fails, an earlier file is left as it was.
    Raises `SettingsError`, naming the path, if it cannot be written.
    """
    with _whole_file(folder / RECORDS, make_folder=True) as file:
        yield file


@contextmanager
def csv_file(path: Path) -> Iterator[Callable[[list[str]], None]]:
    """Yields what writes a row, RFC 4180, below a head of `CSV_COLUMNS`; the file appears as of `records_file`.

    Until then it has a temporary name beside it; a kill leaves that, and an earlier table as it was.
    """
    with _whole_file(path, make_folder=False) as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(CSV_COLUMNS)
        yield writer.writerow


@contextmanager
def _whole_file(path: Path, make_folder: bool) -> Iterator[IO[str]]:
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():  # said before the work, not after it
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with partial.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            yield file
        partial.replace(path)
    except OSError as error:
        raise SettingsError(f"{path}: cannot write the predictions ({reason_of(error)})") from None
    finally:
        with suppress(OSError):
            partial.unlink()


def _unique_names(frames: Sequence[Path]) -> list[str]:
    """A name for each frame, different on every file system: its stem, with as many of its folders as that takes."""
    parts = [frame.absolute().with_suffix("").parts[1:] for frame in frames]
    for count in (1, 2, 3):
        names = ["_".join(part[-count:]) for part in parts]
        if len({name.casefold() for name in names}) == len(names):
            return names
    return [f"{index:05d}_{part[-1]}" for index, part in enumerate(parts)]
