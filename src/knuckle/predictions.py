"""What `knuckle predict` prints and writes: records, tables, and the names of its files."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from knuckle.anatomy import HAND21
from knuckle.errors import SettingsError
from knuckle.estimator import Hand

RECORDS = "predictions.jsonl"
"""Name of the file of records in an output folder."""


def to_record(frame: Path, hand: Hand | None) -> str:
    """One line of JSON: file, found, side, center_mm (3), joints_mm (21 x 3), pixels (21 x 2), confidence (21).

    Lengths are mm in camera axes; what is not known because no hand was found is null.
    """
    record: dict[str, Any] = {"file": str(frame), "found": hand is not None}
    record["side"] = None if hand is None else hand.side
    record["center_mm"] = None if hand is None else hand.center.astype(float).round(3).tolist()
    record["joints_mm"] = None if hand is None else hand.joints.astype(float).round(3).tolist()
    record["pixels"] = None if hand is None else hand.pixels.astype(float).round(3).tolist()
    record["confidence"] = None if hand is None else hand.confidence.astype(float).round(4).tolist()
    return json.dumps(record, allow_nan=False)


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


@contextmanager
def records_file(folder: Path) -> Iterator[IO[str]]:
    """Opens `predictions.jsonl` of a folder, which is made if it is missing, for writing.

    The file appears when the block ends; if the block fails, an earlier file is left as it was.
    Raises `SettingsError`, naming the path, if it cannot be written.
    """
    path = folder / RECORDS
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8") as file:
            yield file
        partial.replace(path)
    except OSError as error:
        raise SettingsError(f"{path}: cannot write the predictions ({error.strerror})") from None
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
