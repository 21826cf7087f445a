"""The command that compares predictions with labels: what it prints and writes, and what it refuses in one line."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from knuckle.cli import main
from knuckle.data.joint_text import write_joint_text
from knuckle.data.nyu import PROTOCOL
from made_up import write_nyu

TRUE = np.random.default_rng(0).uniform((-150, -150, 500), (150, 150, 900), (5, 14, 3))


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Labels and two methods, 3 and 5 mm off, in a folder with a space and an umlaut in its name."""
    folder = tmp_path / "meine Übung"
    offsets = {"labels": (0, 0, 0), "near": (3, 0, 0), "far": (3, 0, 4)}
    paths = {name: folder / f"{name}.txt.gz" for name in offsets}
    for name, offset in offsets.items():
        write_joint_text(paths[name], PROTOCOL.from_mm(TRUE + offset, "uvd"))
    return paths


def run(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> tuple[str, str]:
    """Runs the command; returns what it printed on stdout and stderr."""
    assert main(["evaluate", "--dataset", "nyu", *map(str, arguments)]) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    out, err = run(capsys, *arguments, code=2)
    assert out == ""
    (line,) = err.splitlines()
    return line


def test_a_comparison_is_printed(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    out, err = run(capsys, files["far"], files["near"], "--labels", files["labels"])
    assert err == ""
    assert [line.split()[0] for line in out.splitlines()] == ["3D", "near.txt.gz", "far.txt.gz"]
    assert " 5.000 " in out.splitlines()[2]


def test_json_is_one_object_by_file_name(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run(capsys, files["far"], files["near"], "--labels", files["labels"], "--json")
    found: dict[str, Any] = json.loads(out)
    assert list(found) == ["far.txt.gz", "near.txt.gz"]
    assert found["far.txt.gz"]["mean_3d_mm"] == pytest.approx(5, abs=0.01)
    assert found["far.txt.gz"]["mean_2d_mm"] == pytest.approx(3, abs=0.01)
    assert found["near.txt.gz"]["within_mm"]["4"] == 1


def test_files_of_one_name_are_told_apart(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "near.txt.gz"
    other.write_bytes(files["near"].read_bytes())
    out, _ = run(capsys, files["near"], other, "--labels", files["labels"], "--json")
    assert list(json.loads(out)) == [str(files["near"]), str(other)]
    assert "twice" in refused(capsys, other, other, "--labels", files["labels"])


def test_everything_that_can_be_written_is(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    options = ["--joints", "--csv", out / "all.csv", "--plots", out / "plots", "--page", out / "page.md"]
    printed, _ = run(capsys, files["near"], files["far"], "--labels", files["labels"], *options)
    written = [out / "all.csv", out / "plots/curve.svg", out / "plots/joints.svg", out / "page.md", out / "page.svg"]
    assert [line for line in printed.splitlines() if line.startswith("wrote")] == [f"wrote {path}" for path in written]
    assert "thumb_ip" in printed
    assert "near.txt.gz,mean_3d_mm,," in (out / "all.csv").read_text(encoding="utf-8")
    assert "](page.svg)" in (out / "page.md").read_text(encoding="utf-8")
    assert (out / "page.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_worst_frames_are_shown_where_the_images_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uvd = write_nyu(tmp_path / "nyu", "test")
    write_joint_text(tmp_path / "found.txt", uvd + (5.0, 0, 0))
    options = ["--labels", tmp_path / "nyu", "--plots", tmp_path, "--images", tmp_path / "nyu"]
    out, _ = run(capsys, tmp_path / "found.txt", *options)
    assert f"wrote {tmp_path / 'worst-found.png'}" in out
    assert (tmp_path / "worst-found.png").stat().st_size > 1000


def test_missing_answers_and_labels_are_said(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = PROTOCOL.from_mm(TRUE, "uvd")
    numbers[3] = np.nan
    write_joint_text(tmp_path / "gap.txt", numbers)
    numbers[:] = PROTOCOL.from_mm(TRUE, "uvd")
    numbers[0] = 0
    write_joint_text(tmp_path / "some.txt", numbers)
    out, err = run(capsys, tmp_path / "gap.txt", "--labels", tmp_path / "some.txt", "--json")
    first, second = err.splitlines()
    assert "some.txt: 1 frames have no whole label" in first
    assert "gap.txt: 1 of 4 frames have no usable answer, line 4 the first" in second
    found = json.loads(out)["gap.txt"]
    assert (found["frames"], found["missing_frames"], found["unlabelled_frames"]) == (4, 1, 1)
    assert found["within_mm"]["80"] == 0.75


def test_what_is_wrong_is_said_in_one_line(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = ["--labels", files["labels"]]
    assert "none.txt: cannot read" in refused(capsys, tmp_path / "none.txt", *labels)
    assert "none.txt: cannot read" in refused(capsys, files["near"], "--labels", tmp_path / "none.txt")
    (tmp_path / "torn.gz").write_bytes(files["near"].read_bytes()[:-20])
    assert "torn.gz: cannot read" in refused(capsys, tmp_path / "torn.gz", *labels)
    lines = gzip.decompress(files["near"].read_bytes()).decode().splitlines(keepends=True)
    (tmp_path / "short.txt").write_text("".join(lines[:-1]), encoding="ascii")
    assert "short.txt: 4 lines for the 5 frames" in refused(capsys, tmp_path / "short.txt", *labels)
    (tmp_path / "few.txt").write_text("1 2 3\n" * 5, encoding="ascii")
    assert "few.txt: line 1 has 3 numbers" in refused(capsys, tmp_path / "few.txt", *labels)
    write_nyu(tmp_path / "nyu", "test")
    plots = ["--plots", tmp_path, "--images", tmp_path / "nyu"]
    assert main(["evaluate", "--dataset", "nyu", str(files["near"]), *map(str, labels), *map(str, plots)]) == 2
    assert "nyu: 2 frames, but" in capsys.readouterr().err
    assert main(["evaluate", "--dataset", "faces", str(files["near"]), *map(str, labels)]) == 2
    assert "'faces' is not one of" in capsys.readouterr().err


def test_charts_need_matplotlib_and_numbers_do_not(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("knuckle.cli.making.find_spec", lambda name: None)
    run(capsys, files["near"], "--labels", files["labels"])
    for option in ("--plots", "--page"):
        line = refused(capsys, files["near"], "--labels", files["labels"], option, tmp_path / "x.md")
        assert "'matplotlib' is not installed: run  pip install 'knuckle[data]'" in line


def test_the_light_install_can_evaluate(files: dict[str, Path]) -> None:
    arguments = ["evaluate", "--dataset", "nyu", str(files["near"]), "--labels", str(files["labels"])]
    heavy = ("zarr", "scipy", "h5py", "matplotlib", "numba", "torch", "fsspec", "onnxruntime")
    program = (
        f"import sys; from knuckle.cli import main; main({arguments!r}); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
