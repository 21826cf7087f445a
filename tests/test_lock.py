"""One writer at a time, and none is locked out by one that is gone."""

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from knuckle import lock as lock_module
from knuckle.errors import DatasetError, SettingsError
from knuckle.lock import only_writer

HOLD = """
import sys
from pathlib import Path
from knuckle.lock import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(path: Path) -> subprocess.Popen[str]:
    """A process that holds the lock until its input ends, or it is killed."""
    command = [sys.executable, "-c", HOLD, str(path)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_writer_is_refused_and_told_who_writes(tmp_path: Path) -> None:
    place = tmp_path / "new" / "hands.zarr"
    with hold(place) as holder:
        who = rf"hands.zarr: another process .*process {holder.pid} on"
        with pytest.raises(DatasetError, match=who) as caught, only_writer(place, DatasetError):
            pytest.fail("both write")
        assert "\n" not in str(caught.value)
        with only_writer(tmp_path / "new" / "other.zarr"):
            pass
        holder.communicate("")
    with only_writer(place):
        pass
    assert list(place.parent.iterdir()) == []


def test_a_killed_writer_locks_nobody_out(tmp_path: Path) -> None:
    with hold(tmp_path / "run") as holder:
        holder.send_signal(signal.SIGKILL)
    assert (tmp_path / ".run.lock").exists()
    with only_writer(tmp_path / "run"), pytest.raises(SettingsError, match="another"), only_writer(tmp_path / "run"):
        pytest.fail("both write")
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_fails_gives_the_lock_back(tmp_path: Path) -> None:
    with pytest.raises(KeyError), only_writer(tmp_path / "run"):
        raise KeyError
    with only_writer(tmp_path / "run"):
        pass


def _count_up(place: Path, times: int) -> None:
    """Adds one to a number in a file, in two steps that another writer would come between."""
    while times:
        try:
            with only_writer(place):
                number = int(place.read_text())
                place.write_text(str(number + 1))
                times -= 1
        except SettingsError:
            pass


def test_many_writers_are_never_two_at_once(tmp_path: Path) -> None:
    """Also while locks are removed and made anew all the time."""
    place = tmp_path / "number"
    place.write_text("0")
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_count_up, args=(place, 200)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert place.read_text() == "600"


@pytest.mark.parametrize("name", ["file/run", "x" * 300])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SettingsError, match="cannot write") as caught, only_writer(tmp_path / name):
        pass
    assert str(caught.value).startswith(f"{tmp_path / name}: ")


def test_a_file_system_without_locks_is_written_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise OSError(95, os.strerror(95))

    monkeypatch.setattr(lock_module.fcntl, "flock", refuse)
    with only_writer(tmp_path / "run"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_without_the_systems_locks_nothing_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_module, "fcntl", None)
    with only_writer(tmp_path / "run"):
        assert list(tmp_path.iterdir()) == []
