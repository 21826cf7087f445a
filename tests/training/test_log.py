"""The log of a training: a curve has every step once, however often the run was killed."""

import json
from pathlib import Path

import pytest

from knuckle.training.log import TrainingLog


def log(folder: Path, first: int, *steps: int) -> None:
    opened = TrainingLog(folder, first)
    for step in steps:
        opened.add(step, loss=step / 10)
    opened.close()


def steps_in(folder: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_resumed_run_has_no_step_twice(tmp_path: Path) -> None:
    log(tmp_path, 0, 10, 20, 30, 40)
    log(tmp_path, 20, 30, 40, 50)  # the last checkpoint was after 20
    assert steps_in(tmp_path) == [10, 20, 30, 40, 50]
    log(tmp_path, 45, 50)
    assert steps_in(tmp_path) == [10, 20, 30, 40, 50]


def test_a_run_that_starts_anew_forgets_what_was_there(tmp_path: Path) -> None:
    log(tmp_path, 0, 10, 20)
    log(tmp_path, 0, 10)
    assert steps_in(tmp_path) == [10]


@pytest.mark.parametrize("torn", [b'{"step": 30, "lo', b'{"step": 20, "loss": 2.0}', b"\xff\n", b"7\n", b"{}\n"])
def test_torn_lines_are_dropped(tmp_path: Path, torn: bytes) -> None:
    log(tmp_path, 0, 10, 20)
    with (tmp_path / "log.jsonl").open("ab") as file:
        file.write(torn)
    log(tmp_path, 20, 30)
    assert steps_in(tmp_path) == [10, 20, 30]
    assert [path.name for path in tmp_path.glob(".*")] == []
