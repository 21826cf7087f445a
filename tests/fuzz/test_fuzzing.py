"""A little of benchmarks/fuzzing.py, and whether it would see what it looks for."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from fuzz_bytes import MOST_BYTES, change_bytes, change_text
from fuzz_formats import change_file
from fuzz_process import run_cases
from fuzz_readers import MODULES, find_target
from fuzz_target import CallTarget, FileTarget, Target, refusal
from knuckle.errors import DepthError

SLOW_TO_READ = {"report": 2, "onnx-shipped": 2, "command-line": 4, "estimator": 10}
"""Readers that get fewer cases here."""


@pytest.mark.parametrize("name", MODULES)
def test_some_cases_of_every_reader(name: str, tmp_path: Path) -> None:
    target = find_target(name)
    target.open(tmp_path)
    for number in range(SLOW_TO_READ.get(name, 20)):
        refusal(target, 0, number)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_more_cases_within_bounds(name: str, tmp_path: Path) -> None:
    outcome = run_cases(find_target, name, 50 * SLOW_TO_READ.get(name, 20), seed=1, keep=tmp_path)
    assert outcome.faults == []
    assert outcome.cases == 50 * SLOW_TO_READ.get(name, 20)


def _misbehave(rng: np.random.Generator) -> None:
    """Every third case does what no reader may do."""
    case = int(rng.integers(3))
    if case == 0:
        raise DepthError("refused")
    if case == 1:
        raise ValueError("no error of ours")


def _in_two_lines(rng: np.random.Generator) -> None:
    error = DepthError("")
    error.args = ("one\ntwo",)
    raise error


def _after_all_memory(rng: np.random.Generator) -> None:
    try:
        bytes(1 << 50)
    except MemoryError:
        raise DepthError("refused too late") from None


def _fill_memory(rng: np.random.Generator) -> None:
    np.ones(3 << 27)  # 3 GB


def _crash(rng: np.random.Generator) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _hang(rng: np.random.Generator) -> None:
    while True:
        time.sleep(0)


def _leave_open(rng: np.random.Generator) -> None:
    os.dup(0)


BAD = {
    "ValueError": (_misbehave, "error: ValueError: no error of ours"),
    "two lines": (_in_two_lines, "message: 2 lines"),
    "late refusal": (_after_all_memory, "memory: asked for before it was refused"),
    "memory": (_fill_memory, "memory: "),
    "crash": (_crash, "crash: SIGSEGV"),
    "open files": (_leave_open, "leak: "),
    "hang": (_hang, "hang: "),
}


def find_bad(name: str) -> Target:
    return CallTarget(name, lambda: BAD[name][0])


@pytest.mark.parametrize("name", [name for name in BAD if name != "hang"])
def test_what_no_reader_may_do_is_seen(name: str, tmp_path: Path) -> None:
    outcome = run_cases(find_bad, name, 8, keep=tmp_path)
    assert outcome.faults
    assert all(what.startswith(BAD[name][1]) for _, what in outcome.faults)
    assert outcome.cases >= 8  # it went on after each


@pytest.mark.slow
def test_a_hang_is_seen(tmp_path: Path) -> None:
    assert run_cases(find_bad, "hang", 1, keep=tmp_path).faults == [(0, "hang: 10 s")]


def test_what_was_wrong_is_kept(tmp_path: Path) -> None:
    outcome = run_cases(find_broken, "broken", 4, keep=tmp_path / "kept")
    assert [number for number, _ in outcome.faults] == [0, 1, 2, 3]
    assert (tmp_path / "kept" / "broken" / "3" / "a.txt").read_bytes() != b"1 2 3\n"
    assert (tmp_path / "kept" / "broken" / "3" / "fault.txt").read_text().startswith("error: KeyError")


def find_broken(name: str) -> Target:
    return FileTarget(name, _make_broken, _read_broken)


def _make_broken(folder: Path) -> None:
    (folder / "a.txt").write_bytes(b"1 2 3\n")


def _read_broken(folder: Path) -> None:
    if (folder / "a.txt").read_bytes() != b"1 2 3\n":
        raise KeyError("changed")


def test_a_case_is_the_same_in_every_run(tmp_path: Path) -> None:
    found = []
    for run in ("one", "two"):
        target = find_target("depth-png")
        assert isinstance(target, FileTarget)
        (tmp_path / run).mkdir()
        target.open(tmp_path / run)
        for number in range(5) if run == "one" else (4,):
            refusal(target, 7, number)
        found.append((target.place / "a.png").read_bytes())
    assert found[0] == found[1]


@pytest.mark.parametrize("change", [change_bytes, change_text])
def test_changes_are_of_every_kind_and_no_larger_than_they_may_be(change: object) -> None:
    rng = np.random.default_rng(0)
    changed = [change(b"a,1.5\nb,2\n" * 9, rng) for _ in range(500)]  # type: ignore[operator]
    assert len(set(changed)) > 350
    assert min(map(len, changed)) < 20
    assert max(map(len, changed)) <= MOST_BYTES


@pytest.mark.parametrize("name", [name for name in MODULES if name not in ("report", "command-line", "estimator")])
def test_formats_are_changed_in_their_own_language(name: str, tmp_path: Path) -> None:
    """Of twenty changed files few are as they were."""
    target = find_target(name)
    assert isinstance(target, FileTarget)
    target.make(tmp_path)
    path = next(path for pattern in target.changed for path in sorted(tmp_path.glob(pattern)) if path.is_file())
    data, rng = path.read_bytes(), np.random.default_rng(0)
    assert sum(change_file(str(path), data, rng) != data for _ in range(20)) >= 12


def test_an_unknown_reader() -> None:
    with pytest.raises(KeyError):
        find_target("nothing")
