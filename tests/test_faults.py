"""The fault campaign finds nothing with a few kills, and would find something if there were anything."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.append(str(BENCHMARKS))

from fault_checks import differences, torn  # noqa: E402

LOG = b'{"step": 3, "loss": 0.5}\n{"step": 6, "loss": 0.25}\n'


def test_other_bytes_missing_files_and_other_curves_are_differences() -> None:
    expected = {"run/weights.safetensors": b"abc", "run/log.jsonl": LOG}
    assert differences(expected, expected) == []
    assert differences({"run/log.jsonl": LOG}, expected) == ["run/weights.safetensors"]
    assert differences({**expected, "more": b""}, expected) == ["more"]
    assert differences({**expected, "run/weights.safetensors": b"abd"}, expected) == ["run/weights.safetensors"]
    for log in (LOG.replace(b"0.25", b"0.25001"), LOG + LOG, LOG[:25]):
        assert differences({**expected, "run/log.jsonl": log}, expected) == ["run/log.jsonl"]
    assert differences({**expected, "run/log.jsonl": LOG.replace(b"0.25", b"0.2500001")}, expected) == []


def test_half_a_file_under_its_name_is_torn(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"hal")
    (tmp_path / ".a.123.part").write_bytes(b"h")
    assert torn("synth", tmp_path, tmp_path, {"a": b"half", "b": b"whole"}) == ["a"]


@pytest.mark.slow
@pytest.mark.parametrize("job", ["record", "record-folder", "predict", "synth", "train"])
def test_kills_tear_nothing_and_are_resumed_to_the_same(job: str) -> None:
    command = [sys.executable, str(BENCHMARKS / "faults.py"), "--job", job, "--kills", "4", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["kills"], found["good"]) == (4, True)
