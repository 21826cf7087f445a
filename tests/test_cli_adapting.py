"""`knuckle adapt`: what it reads, what it says, and what it refuses before anything is trained."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from knuckle import Camera
from knuckle.cli import main
from knuckle.data.frames import write_joints
from knuckle.data.memory import TrainingData
from knuckle.depth import write_depth
from knuckle.errors import AdaptError
from knuckle.networks import SHIPPED
from knuckle.pipeline.verdict import Verdict
from knuckle.synth.frame import render_scene
from knuckle.synth.hands import HandModel

CAMERA = Camera(fx=145.0, fy=145.0, cx=79.5, cy=59.5, width=160, height=120, depth_unit_mm=1.0)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three frames with the joints of all."""
    folder, model, joints = tmp_path_factory.mktemp("recording"), HandModel.load("makehuman"), []
    CAMERA.save(folder / "camera.json")
    for index in range(3):
        depth, _, placed = render_scene(model, CAMERA, "open", (0.0, 0.0, 450.0), (0.0, 10.0 * index, 0.0))
        write_depth(folder / f"{index}.png", depth, 1.0)
        joints.append(placed)
    write_joints(folder, ["0.png", "1.png", "2.png"], np.array(joints))
    return folder


def order(recording: Path, out: Path, *more: object) -> list[str]:
    return [str(word) for word in ("adapt", recording, "--joints", recording / "joints.csv", "--out", out, *more)]


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    """Runs a command that must fail with exit code 2; returns its one line."""
    capsys.readouterr()
    assert main(arguments) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert len(lines) == 1, lines
    return lines[0]


def test_it_hands_on_frames_and_options_and_says_what_came_of_it(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []

    def adapt(*arguments: Any) -> Verdict:
        told.extend(arguments)
        arguments[-1]("joints", 5, 7, 0.5)
        return Verdict(10, 9.0, 7.0, -3.0, -1.0, 12.0, 8.0, 30.0)

    monkeypatch.setattr("knuckle.pipeline.adapt.adapt", adapt)
    assert main(order(recording, tmp_path / "mine", "--steps", 7, "--seed", 3, "--threads", 1)) == 0
    frames, weights, out, settings = told[:4]
    assert isinstance(frames, TrainingData)
    assert len(frames) == 3
    assert (weights, out, settings.steps, settings.seed, settings.threads) == (SHIPPED, tmp_path / "mine", 7, 3, 1)
    assert capsys.readouterr().out.splitlines() == [
        "9.0 mm before, 7.0 mm after on 10 held-out frames (difference -3.0 to -1.0 mm; fingertips 12.0 and 8.0 mm)",
        f"wrote {tmp_path / 'mine'}",
    ]


def test_a_bad_frame_is_named_and_the_others_used(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "damaged"
    folder.mkdir()
    for path in recording.iterdir():
        (folder / path.name).write_bytes(b"torn" if path.name == "1.png" else path.read_bytes())

    def adapt(frames: TrainingData, *_: Any) -> Verdict:
        raise AdaptError(f"{len(frames)} frames: no better")

    monkeypatch.setattr("knuckle.pipeline.adapt.adapt", adapt)
    assert main(order(folder, tmp_path / "mine")) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("knuckle: ")]
    assert "1.png" in lines[0]
    assert lines[1:] == ["knuckle: 2 frames: no better"]


def test_what_cannot_be_adapted_to_is_refused_in_one_line(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine"
    assert "3 frames with all 21 joints are too few: at least 40" in refused(capsys, order(recording, out))
    assert "right or left" in refused(capsys, order(recording, out, "--side", "auto"))
    assert "is there already" in refused(capsys, order(recording, recording))
    assert "record it first" in refused(capsys, ["adapt", "synthetic", *order(recording, out)[2:]])
    assert "--joints" in refused(capsys, ["adapt", str(recording), "--out", str(out)])
    lost = order(recording, out)
    lost[3] = str(tmp_path / "no.csv")
    assert "no.csv" in refused(capsys, lost)
    assert "no-weights" in refused(capsys, order(recording, out, "--weights", tmp_path / "no-weights"))
    assert list(tmp_path.iterdir()) == []
