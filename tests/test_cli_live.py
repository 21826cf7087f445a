"""The commands for live frames: what they write, and what stays when they are interrupted, killed or out of disk."""

import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import realsense_stand_in
from knuckle.camera import Camera
from knuckle.cli import app, main
from knuckle.depth import write_depth
from knuckle.sources import LiveFrame, RecordedSource, open_source

CAMERA = Camera(fx=60.0, fy=60.0, cx=30.0, cy=23.5, width=64, height=48, depth_unit_mm=0.5)

LIVE = """
import sys, realsense_stand_in
realsense_stand_in.after, realsense_stand_in.frame_seconds = -1, float(sys.argv.pop(1))
sys.modules["pyrealsense2"] = realsense_stand_in
from knuckle.cli import main
sys.exit(main())
"""
RUN = "import sys; from knuckle.cli import main; sys.exit(main())"


def write_frames(folder: Path, count: int, noisy_from: int = 1000) -> list[np.ndarray]:
    """A folder of depth images of CAMERA: even ones, which pack to a few hundred bytes, then noisy ones."""
    folder.mkdir()
    CAMERA.save(folder / "camera.json")
    depths = []
    for index in range(count):
        steps = np.full((48, 64), 900 + index)
        if index >= noisy_from:
            steps = np.random.default_rng(index).integers(100, 60000, (48, 64))
        depths.append(steps.astype(np.float32) / 2)
        write_depth(folder / f"{index}.png", depths[-1], 0.5)
    return depths


def read(path: Path) -> list[np.ndarray]:
    """Depths of a recording, every frame of which can be read."""
    with open_source(str(path)) as source:
        assert isinstance(source, RecordedSource)
        return [source.frame(index).depth for index in range(len(source))]


def test_help_names_sources_files_and_units() -> None:
    text = CliRunner().invoke(app, ["record", "--help"], terminal_width=200).output
    for word in ("synthetic", "realsense", ".mcap", "Zarr", "timestamps.csv", "camera.json", "Ctrl-C", "mm", "seconds"):
        assert word in text, word
    assert "record" in CliRunner().invoke(app, ["--help"]).output


def test_there_and_back_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    depths = write_frames(tmp_path / "in", 11, noisy_from=5)
    assert main(["record", str(tmp_path / "in"), "--out", str(tmp_path / "a.zarr")]) == 0
    assert main(["record", str(tmp_path / "a.zarr"), "--out", str(tmp_path / "b"), "--frames", "9"]) == 0
    assert main(["record", str(tmp_path / "b"), "--out", str(tmp_path / "c"), "--seconds", "0.1"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        f"wrote {tmp_path / name}: {n} frames" for name, n in (("a.zarr", 11), ("b", 9), ("c", 3))
    ]
    assert err == ""
    for name, count in (("a.zarr", 11), ("b", 9), ("c", 3)):
        np.testing.assert_array_equal(read(tmp_path / name), depths[:count])


def test_camera_and_unit_are_passed_on(tmp_path: Path) -> None:
    depths = write_frames(tmp_path / "in", 1)
    CAMERA.mirrored().save(tmp_path / "other.json")
    (tmp_path / "in" / "camera.json").unlink()
    options = ["--camera", str(tmp_path / "other.json"), "--unit-mm", "0.25"]
    assert main(["record", str(tmp_path / "in"), "--out", str(tmp_path / "out"), *options]) == 0
    with open_source(str(tmp_path / "out")) as source:
        frame = next(source.frames())
    assert isinstance(frame, LiveFrame)
    assert (frame.camera.cx, frame.camera.depth_unit_mm) == (CAMERA.mirrored().cx, 0.25)
    np.testing.assert_array_equal(frame.depth, depths[0] / 2)


def test_bad_frames_are_named_and_the_exit_code_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    depths = write_frames(tmp_path / "in", 5)
    (tmp_path / "in" / "1.png").write_bytes(b"torn")
    write_depth(tmp_path / "in" / "3.png", depths[3][:5], 0.5)
    assert main(["record", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert out == f"wrote {tmp_path / 'out'}: 3 frames, 2 left out\n"
    assert len(err.splitlines()) == 2
    assert "1.png" in err.splitlines()[0]
    assert "64 x 5 px" in err.splitlines()[1]
    np.testing.assert_array_equal(read(tmp_path / "out"), [depths[index] for index in (0, 2, 4)])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere", "--out", "x"], "nowhere: there is no such file"),
        (["in", "--out", "in"], "in: something is there already"),
        (["in", "--out", "x", "--frames", "0"], "--frames"),
        (["in", "--out", "x", "--seconds", "-1"], "--seconds"),
        (["in", "--out", "x", "--unit-mm", "0"], "--unit-mm"),
        (["in", "--out", "x", "--topic", "/depth"], "--topic"),
        (["in", "--out", "x", "--camera", "gone.json"], "gone.json"),
        (["in", "--out", "in/0.png/x"], "in/0.png/x"),
        (["in"], "--out"),
    ],
)
def test_wrong_use_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_frames(tmp_path / "in", 1)
    assert main(["record", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert words in err
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_ctrl_c_handling_is_put_back(tmp_path: Path) -> None:
    write_frames(tmp_path / "in", 1)
    before = signal.getsignal(signal.SIGINT)
    assert main(["record", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    assert signal.getsignal(signal.SIGINT) is before


def start_live(out: Path, *options: str, frame_seconds: float = 0.004) -> "subprocess.Popen[str]":
    """`knuckle record` from the stand-in's camera, in a process that Ctrl-C reaches."""
    return subprocess.Popen(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            LIVE,
            str(frame_seconds),
            "record",
            "realsense",
            "--out",
            str(out),
            *options,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(realsense_stand_in.__file__).parent,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job's tests ignore it
    )


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "the recorder does not get there"
        time.sleep(0.01)


def has(out: Path) -> bool:
    """Whether two chunks, or sixteen images, are written."""
    return (out / "timestamps" / "c" / "1").exists() or (out / "000016.png").exists()


def in_order(depths: list[np.ndarray]) -> bool:
    """Whether frames are the stand-in's, from the first on, without a gap."""
    return all(
        np.array_equal(depth * 8, realsense_stand_in.steps_of(index).astype(np.float32))
        for index, depth in enumerate(depths)
    )


@pytest.mark.parametrize(
    ("name", "options", "code"), [("a.zarr", (), 0), ("a", (), 0), ("b.zarr", ("--frames", "100000"), 130)]
)
def test_ctrl_c_keeps_every_frame(tmp_path: Path, name: str, options: tuple[str, ...], code: int) -> None:
    with start_live(tmp_path / name, *options) as process:
        wait_for(lambda: has(tmp_path / name))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == code
    depths = read(tmp_path / name)
    assert out == f"wrote {tmp_path / name}: {len(depths)} frames\n"
    assert err == ("" if options else "knuckle: recording from realsense until Ctrl-C\n")
    assert len(depths) >= 16
    assert in_order(depths)


def test_a_second_ctrl_c_does_not_wait_for_the_sensor(tmp_path: Path) -> None:
    with start_live(tmp_path / "a", frame_seconds=60) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "knuckle: recording from realsense until Ctrl-C\n"  # Ctrl-C is handled now
        for _ in range(2):  # no more: a third could reach Python while it ends
            process.send_signal(signal.SIGINT)
            time.sleep(0.5)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)
        process.kill()
        assert process.stderr.read() == ""
    assert process.returncode == 130


@pytest.mark.parametrize("name", ["a.zarr", "a"])
def test_a_kill_leaves_whole_frames(tmp_path: Path, name: str) -> None:
    with start_live(tmp_path / name) as process:
        wait_for(lambda: has(tmp_path / name))
        process.kill()
    depths = read(tmp_path / name)
    assert len(depths) >= 16
    assert len(depths) % (8 if name == "a.zarr" else 1) == 0
    assert in_order(depths)


@pytest.mark.parametrize(("name", "count"), [("a.zarr", 16), ("a", 17)])
def test_a_full_disk_leaves_what_was_written(tmp_path: Path, name: str, count: int) -> None:
    depths = write_frames(tmp_path / "in", 24, noisy_from=17)
    done = subprocess.run(
        [sys.executable, "-B", "-W", "error", "-c", RUN, "record", str(tmp_path / "in"), "--out", str(tmp_path / name)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)),  # no file may be larger, in bytes
    )
    assert done.returncode == 2
    assert done.stdout == ""
    kept = f"{count} frames before that can be read from {tmp_path / name}"
    assert f"cannot write (File too large: make room); {kept}" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    np.testing.assert_array_equal(read(tmp_path / name), depths[:count])
