"""timestamps.csv of a recording in a folder: which of its images are frames, and when they were taken."""

import csv
import math
from pathlib import Path

from knuckle.errors import SourceError

TIMES_FILE = "timestamps.csv"

HEADER = "file,timestamp_s"


def read_times(path: Path) -> tuple[list[str], list[float]]:
    """Names of the frames in their order, and seconds. Raises `SourceError` for anything but such a file."""
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, ValueError, csv.Error) as error:
        raise SourceError(f"{path}: cannot read the times of the frames ({error})") from None
    if not lines or lines[0] != HEADER.split(","):
        raise SourceError(f"{path}: its first line must be  {HEADER}")
    rows = [_row(path, number, line) for number, line in enumerate(lines[1:], start=2)]
    return [name for name, _ in rows], [time for _, time in rows]


def format_line(name: str, timestamp: float) -> str:
    """A line of the file; `read_times` finds the same number in it."""
    return f"{name},{timestamp!r}\n"


def _row(path: Path, number: int, cells: list[str]) -> tuple[str, float]:
    try:
        name, text = cells
        time = float(text)
    except ValueError:
        time = math.nan
    if not math.isfinite(time):
        raise SourceError(f"{path}: line {number} must be the name of a depth image and its time in seconds")
    if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise SourceError(f"{path}: line {number}: {name!r} is no name of a file in this folder")
    return name, time
