"""Commands on datasets of real frames: check, import, predict."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from knuckle.cli import main
from knuckle.cli.inference import FRAMES
from knuckle.data.joint_text import read_joint_text
from knuckle.data.store import SampleStore
from made_up import write_frames, write_icvl, write_nyu


def run(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> tuple[str, list[str]]:
    """Runs a command; returns stdout, and the lines on stderr that are no progress bar."""
    assert main([str(argument) for argument in arguments]) == code
    captured = capsys.readouterr()
    return captured.out, [line for line in captured.err.splitlines() if line.startswith("knuckle: ")]


@pytest.fixture
def nyu(tmp_path: Path) -> Path:
    root = tmp_path / "meine Hände" / "nyu"
    for split in ("train", "test"):
        write_nyu(root, split)
    return root


@pytest.fixture
def icvl(tmp_path: Path) -> Path:
    """A dataset without a published size in its splits' way: 2 + 3 frames."""
    write_icvl(tmp_path / "icvl")
    return tmp_path / "icvl"


def test_check_says_what_is_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_frames(tmp_path / "own", joints=("wrist", "thumb_tip"))
    out, _ = run(capsys, "data", "check", tmp_path / "own", "--dataset", "frames", "--workers", 1)
    assert out == "all: 3 frames are listed, 3 of them with an image that can be read, 3 with joints\n"


def test_check_names_what_is_missing_or_damaged(nyu: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (nyu / "test" / "depth_1_0000001.png").unlink()
    (nyu / "test" / "depth_1_0000002.png").write_bytes(b"torn")
    (nyu / "train" / "joint_data.mat").unlink()
    out, _ = run(capsys, "data", "check", nyu, "--dataset", "nyu", "--workers", 1, code=2)
    assert "test: 2 of 8,252 frames are listed, 0 of them with an image that can be read" in out
    assert "1 of 2 frames are missing (test/depth_1_0000001.png)" in out
    assert "1 of 2 frames cannot be read" in out
    assert "joint_data.mat: missing" in out


def test_check_can_look_without_decoding(nyu: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (nyu / "test" / "depth_1_0000002.png").write_bytes(b"torn")
    options = ["--dataset", "nyu", "--split", "test", "--json"]
    quick, _ = run(capsys, "data", "check", nyu, *options, "--quick", code=2)
    thorough, _ = run(capsys, "data", "check", nyu, *options, "--workers", 1, code=2)
    assert json.loads(quick)["damaged"] == []
    (fault,) = json.loads(thorough)["damaged"]
    assert "depth_1_0000002.png" in fault
    assert set(json.loads(quick)) == {
        "split", "frames", "whole", "missing", "damaged", "unlabelled", "no_joints", "faults",
    }  # fmt: skip


def test_a_wrong_folder_is_refused(nyu: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, (line,) = run(capsys, "data", "check", nyu.parent / "none", "--dataset", "nyu", code=2)
    assert "none: no such folder" in line
    (nyu.parent / "nyu.zip").write_bytes(b"PK")
    for command in (["check"], ["import", "--out", nyu.parent / "out.zarr"]):
        _, (line,) = run(capsys, "data", *command, nyu.parent / "nyu.zip", "--dataset", "nyu", code=2)
        assert "nyu.zip: a file: unpack it" in line
    _, (line,) = run(capsys, "data", "check", nyu.parent, "--dataset", "nyu", code=2)
    assert f"it seems to lie in {nyu}" in line


def test_import_writes_a_group_for_each_split(nyu: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = nyu.parent / "nyu.zarr"
    for _ in range(2):  # the second time nothing is left to do
        printed, _ = run(capsys, "data", "import", nyu, "--dataset", "nyu", "--out", out, "--workers", 1)
        assert printed.splitlines() == [
            f"wrote {out}/{split}: 2 of 2 frames, centres from annotation" for split in ("train", "test")
        ]
    store = SampleStore.open(out / "test")
    assert len(store) == 2
    assert np.isfinite(store.read("joints")).all()
    assert store.attributes["cube_mm"] == {"A": 300}


def test_import_names_a_frame_that_cannot_be_used(icvl: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torn = sorted((icvl / "Testing" / "Depth").rglob("*.png"))[1]
    torn.write_bytes(torn.read_bytes()[:200])
    options = ["--dataset", "icvl", "--split", "test", "--workers", 1, "--cube-mm", 200]
    out, (line,) = run(capsys, "data", "import", icvl, *options, "--out", icvl / "out.zarr", code=2)
    assert torn.name in line
    assert "2 of 3 frames" in out
    store = SampleStore.open(icvl / "out.zarr" / "test")
    assert np.isnan(store.read("center")).any(axis=1).tolist() == [False, True, False]
    assert set(store.read("cube_mm").tolist()) == {200}


def test_import_refuses_what_it_cannot_do(nyu: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin = ["data", "import", nyu, "--dataset", "nyu", "--out", nyu / "out.zarr", "--workers", 1]
    _, (line,) = run(capsys, *begin, "--centers", nyu / "none.txt", "--split", "test", code=2)
    assert "none.txt: cannot read" in line
    _, (line,) = run(capsys, *begin, "--centers", nyu / "none.txt", code=2)
    assert "of one split: say which, with  --split" in line
    _, (line,) = run(capsys, *begin, "--cube-mm", 5, code=2)
    assert "cube_mm must be" in line
    _, (line,) = run(capsys, *begin, "--side", "both", code=2)
    assert "side must be" in line
    _, (line,) = run(capsys, *begin, "--split", "dev", code=2)
    assert "has no split 'dev'" in line
    assert not (nyu / "out.zarr").exists()


def test_a_missing_extra_is_named(
    nyu: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("knuckle.cli.making.find_spec", lambda name: None)
    for command in (["check", nyu], ["import", nyu, "--out", nyu / "out.zarr"]):
        _, (line,) = run(capsys, "data", *command, "--dataset", "nyu", code=2)
        assert "is not installed: run  pip install 'knuckle[data]'" in line


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    for name in ("camera.json", "1-open.png", "2-point.png"):
        shutil.copy(FRAMES / name, folder)
    return folder


def test_predict_writes_a_line_for_each_frame(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (recording / "3-torn.png").write_bytes(b"torn")
    found = tmp_path / "found.txt"
    out, (line,) = run(capsys, "predict", recording, "--dataset", "frames", "--out", found, code=2)
    assert "3-torn.png" in line
    assert out == f"wrote {found}: a hand in 2 of 3 frames, centres from locate\n"
    joints = read_joint_text(found, 21).values
    assert np.isnan(joints).all(axis=(1, 2)).tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--dataset", "frames"], "with  --out"),
        (["--dataset", "frames", "--out", "x.txt", "--json"], "--json: not with a dataset"),
        (["--dataset", "frames", "--out", "x.txt", "--camera", "c.json"], "--camera: not with a dataset"),
        (["--dataset", "frames", "--out", "x.txt", "--center", "0,0,600"], "--center: not with a dataset"),
        (["--dataset", "frames", "--out", "."], ".: a folder"),
        (["--centers", "annotation", "--camera", "c.json"], "--centers: only a dataset has it"),
        (["--center", "0,0,600"], "--center: only depth images have it"),
        (["--workers", "2", "--camera", "c.json"], "--workers: only a dataset has it"),
        (["--scheduler", "tcp://head:8786"], "--scheduler: only a dataset has it"),
        (["--dataset", "frames", "--out", "x.txt", "--workers", "1", "--scheduler", "x"], "exclude each other"),
        (["--dataset", "frames", "--out", "x.txt", "--centers", "annotation"], "no joints are known"),
    ],
)
def test_predict_refuses_what_does_not_go_together(
    recording: Path, capsys: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    _, (line,) = run(capsys, "predict", recording, *options, code=2)
    assert says in line


def test_a_mended_frame_gets_into_the_store(nyu: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image, out = nyu / "test" / "depth_1_0000002.png", nyu / "out.zarr"
    whole = image.read_bytes()
    image.write_bytes(b"torn")
    command = ["data", "import", nyu, "--dataset", "nyu", "--split", "test", "--out", out, "--workers", 1]
    run(capsys, *command, code=2)
    image.write_bytes(whole)
    run(capsys, *command)
    assert np.isfinite(SampleStore.open(out / "test").read("center")).all()


def test_a_store_from_another_camera_is_refused(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["data", "import", recording, "--dataset", "frames", "--centers", "locate", "--workers", 1]
    run(capsys, *command, "--out", tmp_path / "out.zarr")
    camera = json.loads((recording / "camera.json").read_text(encoding="utf-8"))
    (recording / "camera.json").write_text(json.dumps({**camera, "fx": camera["fx"] + 1}), encoding="utf-8")
    _, (line,) = run(capsys, *command, "--out", tmp_path / "out.zarr", code=2)
    assert "holds other samples (camera" in line


def test_a_name_that_is_too_long_is_no_folder(capsys: pytest.CaptureFixture[str]) -> None:
    _, (line,) = run(capsys, "data", "check", "x" * 300, "--dataset", "nyu", code=2)
    assert "no such folder" in line
    _, (line,) = run(capsys, "evaluate", "found.txt", "--dataset", "nyu", "--labels", "x" * 300, code=2)
    assert "cannot read" in line
