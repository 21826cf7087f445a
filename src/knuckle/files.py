"""Files that appear whole or not at all."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from knuckle.errors import KnuckleError, SettingsError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def naming(path: Path | str, error: type[KnuckleError] = SettingsError) -> Iterator[None]:
    """What the system says against writing inside the block becomes `error`: one line with the path and the remedy."""
    try:
        yield
    except OSError as fault:
        raise error(f"{path}: cannot write ({reason_of(fault)})") from None


def reason_of(fault: OSError) -> str:
    """What the system says; of a full disk also what to do."""
    reason = fault.strerror or str(fault)
    return f"{reason}: make room" if fault.errno in _FULL else reason


def is_folder(path: Path) -> bool:
    """Whether it is a folder that can be seen; no name raises an error."""
    try:
        return path.is_dir()
    except OSError:  # too long a name, or a folder above that may not be looked into
        return False


def require_writable(path: Path, error: type[KnuckleError] = SettingsError) -> None:
    """Raises `error` if `write_whole` could not write there: before hours of work, not after."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part") if path.name else path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()
        partial.unlink()
    except OSError as fault:
        raise error(f"{path}: cannot write ({reason_of(fault)})") from None


def write_whole(path: str | Path, data: bytes | str, error: type[KnuckleError] = SettingsError) -> None:
    """Writes bytes, or text as UTF-8, under a temporary name and renames that; missing folders are made.

    What a file's name may hold and UTF-8 does not is escaped. Raises `error`, naming the path, if it cannot be written.
    """
    path = Path(path)
    if not path.name:
        raise error(f"{str(path)!r}: a folder: give the name of a file")
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8", "backslashreplace"))
        partial.replace(path)
    except OSError as fault:
        raise error(f"{path}: cannot write ({reason_of(fault)})") from None
    finally:
        with suppress(OSError):  # under a file instead of a folder, or with too long a name, it cannot even be sought
            partial.unlink()
