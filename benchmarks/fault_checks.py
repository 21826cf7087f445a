"""What a killed run must have left, and what a finished one must be like."""

import json
from pathlib import Path
from typing import Any

import numpy as np

TOLERANCE = 1e-6
"""Between the loss curves of a run that was killed and of one that was not."""

_PASSING = (".part", ".partial", ".lock")  # endings of files that nobody takes for a result
_OWN = ("events.out", "time/result.json", "results.json", "log.jsonl", "latest.json", "step-")  # not as bytes

Files = dict[str, bytes]


def files(folder: Path) -> Files:
    """Every file below a folder but those that are under way."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.endswith(_PASSING)}


def _plain(found: Files) -> Files:
    """Without what differs from run to run by right: times."""
    return {name: data for name, data in found.items() if not any(own in name for own in _OWN)}


def curves(found: Files) -> dict[str, list[tuple[int, float]]]:
    """Step and loss of every line of every log."""
    logs = {name: data for name, data in found.items() if name.endswith("log.jsonl")}
    lines = {name: [json.loads(line) for line in data.splitlines()] for name, data in logs.items()}
    return {name: [(line["step"], line["loss"]) for line in read] for name, read in lines.items()}


def results(found: Files) -> Any:
    """The numbers of a training run but the times that its networks take."""
    texts = [data for name, data in found.items() if name.endswith("/results.json")]
    read = [json.loads(text) for text in texts]
    for one in read:
        one["tables"]["time"] = sorted(one["tables"]["time"])
    return read


def differences(found: Files, expected: Files) -> list[str]:
    """What a finished run has otherwise than an undisturbed one: names of files."""
    mine, theirs = _plain(found), _plain(expected)
    wrong = sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))
    ours, wanted = curves(found), curves(expected)
    wrong += sorted(name for name in wanted if not _same_curve(ours.get(name, []), wanted[name]))
    return wrong + (["results.json"] if results(found) != results(expected) else [])


def _same_curve(one: list[tuple[int, float]], other: list[tuple[int, float]]) -> bool:
    if [step for step, _ in one] != [step for step, _ in other]:
        return False
    return bool(np.allclose([loss for _, loss in one], [loss for _, loss in other], rtol=0, atol=TOLERANCE))


def torn(job: str, given: Path, out: Path, expected: Files) -> list[str]:
    """Files that a kill left neither as they were nor as they should be."""
    if job.startswith("record"):
        return torn_recording(given, out)
    found = _plain(files(out))
    return sorted(name for name in found.keys() & expected.keys() if found[name] != expected[name])


def torn_recording(given: Path, out: Path) -> list[str]:
    """A recording must hold the first frames of its source, each of them whole, or say that it has none."""
    from knuckle.errors import SourceError
    from knuckle.sources import LiveFrame, RecordedSource, open_source

    truth = np.load(given / "frames.npy", mmap_mode="r")
    for path in out.glob("[!.]*"):  # not the lock
        try:
            with open_source(str(path)) as source:
                assert isinstance(source, RecordedSource)
                read = list(source.frames())
        except SourceError:  # says that there is no frame yet
            continue
        same = [
            isinstance(frame, LiveFrame) and np.array_equal(frame.depth, truth[index])
            for index, frame in enumerate(read)
        ]
        if not all(same):
            return [f"{path.name}: frame {same.index(False)}"]
    return []
