"""The command that compares predictions with labels: what it prints and writes, and what it refuses in one line."""

import gzip
import json
import shlex
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


def test_methods_of_one_name_have_a_curve_and_a_picture_each(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uvd = write_nyu(tmp_path / "nyu", "test")
    paths = [tmp_path / folder / "found.txt" for folder in ("a", "b")]
    for path in paths:
        write_joint_text(path, uvd)
    plots = tmp_path / "plots"
    options = ["--labels", tmp_path / "nyu", "--plots", plots, "--images", tmp_path / "nyu", "--page", plots / "p.md"]
    run(capsys, *paths, *options)
    for chart in ("curve", "joints", "p"):
        text = (plots / f"{chart}.svg").read_text(encoding="utf-8")
        assert all(str(path) in text for path in paths)
    page = (plots / "p.md").read_text(encoding="utf-8")
    assert all(f"| {path} |" in page for path in paths)
    assert len(list(plots.glob("worst-*.png"))) == 2


def test_the_page_says_the_command_that_makes_it(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "a page.md"
    write_joint_text(tmp_path / "labels.txt", TRUE)

    def command(*predictions: object) -> list[str]:
        options = ["--labels", tmp_path / "labels.txt", "--labels-form", "xyz", "--page", page]
        run(capsys, *predictions, *options)
        line = page.read_text(encoding="utf-8").split("\n\n")[2].strip()
        page.unlink()
        assert main(shlex.split(line)[1:]) == 0
        assert page.exists()
        capsys.readouterr()
        return shlex.split(line)[1:]

    assert [str(files["near"]), str(files["far"])] == command(files["near"], files["far"])[7:-2]
    monkeypatch.setattr("knuckle.cli.evaluating.Path.glob", lambda folder, pattern: [files["near"], files["far"]])
    options = ["--labels", files["labels"], "--page", page]
    run(capsys, files["near"], files["far"], *options)
    assert f" '{files['near'].parent}'/* --page" in page.read_text(encoding="utf-8")


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


def test_a_missing_answer_is_named_by_its_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uvd = write_nyu(tmp_path / "nyu", "test", frames=3)
    write_joint_text(tmp_path / "found.txt", uvd[[2, 0]], ["depth_1_0000003.png", "depth_1_0000001.png"])
    out, err = run(capsys, tmp_path / "found.txt", "--labels", tmp_path / "nyu")
    assert "1 of 3 frames have no usable answer, depth_1_0000002.png the first" in err
    assert " 0.000 " in out


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
    images = ["--images", tmp_path / "nyu"]
    near = [files["near"], *labels]
    assert "nyu: 2 frames, but" in refused(capsys, *near, *images, "--plots", tmp_path / "plots")
    assert not (tmp_path / "plots").exists()
    assert "with  --plots" in refused(capsys, *near, *images)
    for option in ("--csv", "--page"):
        assert f"'{option}'" in refused(capsys, *near, option, tmp_path / "nyu")
        assert f"'{option}'" in refused(capsys, *near, option, ".")
    assert "'--plots'" in refused(capsys, *near, "--plots", tmp_path / "few.txt")
    assert "name the page .md" in refused(capsys, *near, "--page", tmp_path / "page.svg")
    write_joint_text(tmp_path / "nan.txt", TRUE * np.nan)
    assert "nan.txt: no frame" in refused(capsys, files["near"], tmp_path / "nan.txt", *labels)
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
