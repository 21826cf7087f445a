"""Joints as text, one line a frame, three numbers a joint: what labels and published predictions come in.

Plain or gzipped. Numbers are separated by spaces, tabs or commas; a line may begin with the name of its image. A line
of NaN is a frame without an answer; an empty line is an error, because everything behind it would belong to another
frame.
"""

import gzip
import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knuckle.errors import DatasetError
from knuckle.files import write_whole

_MAX_BYTES = 1 << 30
"""Of text: five times that of HANDS17, the largest dataset."""

_PLAIN, _RATIO = 16 << 20, 16
"""A gzip file may hold so many bytes of text, and beyond that so many times its own size: joints pack about 3 times,
a bomb 1,000 times."""

_MAX_LINES, _MAX_LINE = 4_000_000, 65_536
"""Four times as many frames as HANDS17 has; characters of a line, of which a frame of NYU takes 2,000."""

_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, eq=False)
class JointText:
    """values: (N, J, 3) float64 as they stand in the file; names: of each line's image, None where lines have none."""

    path: Path
    values: NDArray[np.float64]
    names: tuple[str, ...] | None


def read_joint_text(path: str | Path, joints: int, others: dict[int, Sequence[int]] | None = None) -> JointText:
    """Reads a file with `joints` joints a line. others: other numbers of joints that are accepted, and which to take.

    Raises `DatasetError`, naming the file and line, if it cannot be read, has an empty line, a line of another length,
    something that is no number, or nothing at all.
    """
    path = Path(path)
    return parse_joint_lines(path, read_lines(path), joints, others)


def parse_joint_lines(
    path: Path, lines: list[str], joints: int, others: dict[int, Sequence[int]] | None = None, first: int = 1
) -> JointText:
    """The same for lines that have been read already; first: number of the first one in the file."""
    if not lines:
        raise DatasetError(f"{path}: holds no frame")
    for number, line in enumerate(lines, start=first):
        if not line.replace(",", " ").strip():
            raise DatasetError(f"{path}: line {number} is empty: a frame without an answer is a line of nan")
    names = None
    if not _is_number(_fields(lines[0])[0]):
        split = [line.replace(",", " ").split(maxsplit=1) for line in lines]
        bare = next((number for number, parts in enumerate(split, start=first) if len(parts) == 1), None)
        if bare is not None:
            raise DatasetError(f"{path}: line {bare} is a word without numbers: a frame without an answer is nan")
        names, lines = tuple(name for name, _ in split), [rest for _, rest in split]
    numbers = _numbers(path, lines, first)
    taken = {joints: range(joints), **(others or {})}
    if numbers.shape[1] % 3 or numbers.shape[1] // 3 not in taken:
        wanted = " or ".join(f"{3 * count}" for count in taken)
        raise DatasetError(
            f"{path}: line {first} has {numbers.shape[1]} numbers, not {wanted} (three for each of {joints} joints)"
        )
    values = numbers.reshape(len(numbers), -1, 3)
    return JointText(path, values[:, list(taken[values.shape[1]])], names)


def write_joint_text(path: str | Path, values: ArrayLike, names: Sequence[str] | None = None) -> None:
    """Writes (N, J, 3) as text that `read_joint_text` reads, three decimals; NaN as nan.

    The file appears whole or not at all; a name that ends in .gz is compressed. Raises `DatasetError` if it cannot be
    written, or the name of an image would not be read as one.
    """
    flat = np.asarray(values, dtype=np.float64)
    flat = flat.reshape(len(flat), -1)
    lines = [" ".join(f"{value:.3f}" for value in row) for row in flat.tolist()]
    if names is not None:
        wrong = next((name for name in names if name.split() != [name] or "," in name or _is_number(name)), None)
        if wrong is not None:
            raise DatasetError(f"{path}: {wrong!r} cannot be an image's name there: it must be one word, and no number")
        lines = [f"{name} {line}" for name, line in zip(names, lines, strict=True)]
    data = "".join(f"{line}\n" for line in lines).encode("utf-8")
    write_whole(path, gzip.compress(data, mtime=0) if Path(path).suffix == ".gz" else data, DatasetError)


def read_lines(path: str | Path) -> list[str]:
    """Lines of a text file, plain or gzipped, without empty ones at its end. Raises `DatasetError` if it is no text."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            is_packed = file.read(2) == _GZIP
            most = min(_MAX_BYTES, _PLAIN + _RATIO * file.seek(0, io.SEEK_END)) if is_packed else _MAX_BYTES
            file.seek(0)
            data = (gzip.GzipFile(fileobj=file) if is_packed else file).read(most + 1)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise DatasetError(f"{path}: cannot read ({_reason(error)}): copy or download it again") from None
    if len(data) > most:
        remedy = ": unpack it first, if it is one" if is_packed else ""
        raise DatasetError(f"{path}: more than {most >> 20} MiB of text, too much for a file of joints{remedy}")
    return _split(path, data)


def _split(path: Path, data: bytes) -> list[str]:
    if data.count(b"\n") + data.count(b"\r") > _MAX_LINES:
        raise DatasetError(f"{path}: more than {_MAX_LINES:,} lines: no dataset has so many frames")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DatasetError(f"{path}: not a text file: joints are text, one line a frame, plain or gzipped") from None
    lines = text.rstrip().replace("\r\n", "\n").replace("\r", "\n").split("\n") if text.strip() else []
    if max(map(len, lines), default=0) > _MAX_LINE:
        raise DatasetError(f"{path}: a line of more than {_MAX_LINE:,} characters: a line is the joints of one frame")
    return lines


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__


def _fields(line: str) -> list[str]:
    return line.replace(",", " ").split() or [""]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(path: Path, lines: list[str], first: int) -> NDArray[np.float64]:
    """(N, M) numbers; the fast way, and if that fails the slow one, which knows the line."""
    text = "\n".join(lines).replace(",", " ")
    try:
        return np.loadtxt(io.StringIO(text), ndmin=2, comments=None)
    except ValueError:
        pass
    length = len(_fields(lines[0]))
    for number, line in enumerate(lines, start=first):
        fields = _fields(line)
        wrong = next((field for field in fields if not _is_number(field)), None)
        if wrong is not None:
            raise DatasetError(f"{path}: line {number}: {wrong[:40]!r} is not a number")
        if len(fields) != length:
            raise DatasetError(f"{path}: line {number} has {len(fields)} numbers, not {length} as the lines before")
    raise DatasetError(f"{path}: its numbers cannot be read")
