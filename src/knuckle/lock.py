"""One process at a time writes to a place: a lock beside it that ends with its holder, however that ends."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from knuckle.errors import KnuckleError, SettingsError
from knuckle.files import reason_of

try:
    import fcntl
except ImportError:  # Windows: nothing is locked there
    fcntl = None  # type: ignore[assignment]


@contextmanager
def only_writer(path: Path, error: type[KnuckleError] = SettingsError) -> Iterator[None]:
    """Holds `.NAME.lock` beside a file or folder while the block runs; folders above it are made if need be.

    The system gives the lock back when the process ends, also by a kill; the file that is left then locks nobody out.
    Machines that share the folder respect each other's lock where its file system passes `flock` on: NFS does, with its
    lock service; where there are no locks at all, none is taken. Raises `error` if another process holds it, or the
    folder cannot be written.
    """
    if fcntl is None:
        yield
        return
    lock = path.with_name(f".{path.name}.lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = _taken(lock)
    except OSError as fault:
        raise error(f"{path}: cannot write ({reason_of(fault)})") from None
    if handle is None:
        raise error(
            f"{path}: another process is writing there ({_holder(lock)}): wait until it has ended, or choose another "
            "place"
        )
    try:
        yield
    finally:
        try:
            with suppress(OSError):
                lock.unlink()  # still locked: whoever has opened it finds that it is gone
        finally:
            os.close(handle)


def _taken(lock: Path) -> int | None:
    """A descriptor that holds the lock, or None if another one does."""
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        except OSError:  # a file system without locks
            return handle
        if os.fstat(handle).st_nlink:
            break
        os.close(handle)  # its holder removed it between our two steps
    with suppress(OSError):  # a full disk: the lock holds all the same
        os.truncate(handle, 0)
        os.write(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
    return handle


def _holder(lock: Path) -> str:
    """Who holds it, as far as its file says."""
    try:
        text = lock.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        text = ""
    return " ".join(text.split()) or "an unknown one"
