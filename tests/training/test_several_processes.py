"""Training by two processes: step for step what one does, whatever the split; resumed, stopped and refused together."""

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import several_jobs
import torch
from several_jobs import FIT, KILLED_AT, STOPPED_AT, WITH_STATISTICS, WITHOUT_STATISTICS, Problem, Weights

from knuckle.training import processes as joining
from knuckle.training.processes import Processes, processes

STEP_FOR_STEP = [name for name in (*WITHOUT_STATISTICS, *WITH_STATISTICS) if name != "mixed precision"]


def launch(folder: Path, count: int = 2) -> None:
    """Runs `several_jobs.py` as several processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    started = [
        subprocess.Popen(
            [sys.executable, several_jobs.__file__, str(folder)],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    said = [process.communicate(timeout=120)[1] for process in started]
    assert [process.returncode for process in started] == [0] * count, "\n".join(said)


@dataclass(frozen=True)
class Done:
    """Weights by the training's name and notes, of one process alone and of each of two, and their folders."""

    alone: dict[str, Weights]
    noted_alone: dict[str, Any]
    two: list[dict[str, Weights]]
    noted: list[dict[str, Any]]
    folder: Path


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("processes")
    alone, noted_alone = several_jobs.do_all(folder / "one")
    (folder / "two").mkdir()
    launch(folder / "two")
    two = [torch.load(folder / "two" / f"weights-{rank}.pt", weights_only=True) for rank in range(2)]
    noted = [json.loads((folder / "two" / f"noted-{rank}.json").read_text(encoding="utf-8")) for rank in range(2)]
    return Done(alone, noted_alone, two, noted, folder)


def assert_equal(found: Weights, expected: Weights, tolerance: float = 0.0) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(
            found[name], value, atol=tolerance, rtol=tolerance, msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.mark.parametrize("name", STEP_FOR_STEP)
def test_two_processes_train_as_one_does(done: Done, name: str) -> None:
    """Six steps, and the weights differ by rounding; the statistics of batch normalisation too."""
    assert_equal(done.two[0][name], done.alone[name], 1e-5)
    begun = Problem(name in WITH_STATISTICS).model.state_dict()
    assert any((begun[key] - value).abs().max() > 0.01 for key, value in done.alone[name].items())


def test_mixed_precision_is_as_near_as_its_rounding(done: Done) -> None:
    assert_equal(done.two[0]["mixed precision"], done.alone["mixed precision"], 0.01)


def test_all_processes_hold_the_same_weights(done: Done) -> None:
    assert done.two[0].keys() == done.two[1].keys() == done.alone.keys()
    for name, weights in done.two[0].items():
        assert_equal(done.two[1][name], weights)


def test_a_batch_in_parts_is_the_same_batch(done: Done) -> None:
    assert_equal(done.alone["parts"], done.alone["sgd"], 1e-5)


def test_batch_statistics_are_of_a_part(done: Done) -> None:
    """What accumulation changes, for one process as for two."""
    whole, parts = done.alone["batch norm"], done.alone["batch norm in parts"]
    assert max((whole[name] - parts[name]).abs().max() for name in whole) > 0.01


def test_the_killed_and_the_stopped_end_in_the_same_weights(done: Done) -> None:
    for trained in (done.alone, done.two[0]):
        assert_equal(trained["killed"], trained["batch norm"])
        assert_equal(trained["stopped"], trained["batch norm"])


def test_a_signal_to_one_process_stops_all_after_that_step(done: Done) -> None:
    """Also where the one that writes has not got it."""
    for noted in (done.noted_alone, *done.noted):
        number, said = noted["stopped"]
        assert number == signal.SIGTERM
        assert f"SIGTERM after step {STOPPED_AT} of 6: the same command goes on" in said
    assert KILLED_AT > STOPPED_AT > 1


@pytest.mark.parametrize("begun_by", ["one", "two"])
def test_a_training_goes_on_with_another_number_of_processes(done: Done, begun_by: str, tmp_path: Path) -> None:
    """Here begun by either and finished by one: the same weights, up to rounding."""
    place = done.folder / begun_by / "for others"
    assert json.loads((place / "latest.json").read_text(encoding="utf-8"))["step"] == STOPPED_AT
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in place.glob("*[nt]"):  # latest.json, step-3.state.pt
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / f"step-{STOPPED_AT}.safetensors").write_bytes((place / f"step-{STOPPED_AT}.safetensors").read_bytes())
    assert_equal(Problem(norm=True).fit(copy), done.alone["batch norm"], 1e-5)


def test_only_the_main_process_writes(done: Done) -> None:
    for name in ("sgd", "killed", "stopped"):
        lines = (done.folder / "two" / name / "log.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["step"] for line in lines] == [FIT.steps]
        files = {path.name.split(".")[0] for path in (done.folder / "two" / name).iterdir()}
        assert files == {"events", "log", "weights"}


def test_what_is_done_once_is_known_to_all(done: Done) -> None:
    assert done.noted_alone["once"] == ["from 0", "SettingsError"]
    assert [noted["once"] for noted in done.noted] == [["from 0", "SettingsError"], ["from 0", "PeerError"]]


def test_a_batch_too_small_for_its_statistics_is_refused(done: Done) -> None:
    for noted in (done.noted_alone, *done.noted):
        assert noted["refused"].startswith("batch 4, accumulate 3: batch normalisation by ")


def test_one_process_needs_no_accelerate(monkeypatch: pytest.MonkeyPatch) -> None:
    joining.processes.cache_clear()
    monkeypatch.setitem(sys.modules, "accelerate", None)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert processes() == Processes(0, 1, 1)
    joining.processes.cache_clear()
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(joining.MissingExtraError, match=r"knuckle\[devices\]"):
        processes()
    joining.processes.cache_clear()
