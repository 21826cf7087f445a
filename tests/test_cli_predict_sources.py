"""`knuckle predict` on sources of frames: what is printed and written, and what stays when something goes wrong."""

import csv
import io
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from knuckle import Camera, Hand, HandPoseEstimator, read_depth
from knuckle.anatomy import HAND21
from knuckle.cli import main
from knuckle.cli.following import Wanted, is_source, predict_source
from knuckle.cli.inference import FRAMES
from knuckle.predictions import CSV_COLUMNS, Moment, to_record, to_row
from knuckle.sources import LiveFrame, RecordedSource
from knuckle.tracking import HandTracker

RUN = "import sys; from knuckle.cli import main; sys.exit(main())"
LIVE = """
import sys, realsense_stand_in
realsense_stand_in.script, realsense_stand_in.after = {script}
realsense_stand_in.frame_seconds = 0.02
sys.modules["pyrealsense2"] = realsense_stand_in
from knuckle.cli import main
sys.exit(main())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The open hand five times, a torn image among them."""
    path = tmp_path_factory.mktemp("source")
    shutil.copy(FRAMES / "camera.json", path)
    for index in range(6):
        shutil.copy(FRAMES / "1-open.png", path / f"{index}.png")
    (path / "3.png").write_bytes(b"torn")
    return path


@pytest.fixture(scope="module")
def whole(folder: Path) -> Path:
    """The same without the torn one, as a stack."""
    path = folder.parent / "whole.npy"
    camera = Camera.load(folder / "camera.json")
    depth = read_depth(folder / "0.png", camera.depth_unit_mm)
    np.save(path, np.stack([np.rint(depth / (camera.depth_unit_mm or 1)).astype(np.uint16)] * 4))
    shutil.copy(folder / "camera.json", folder.parent)
    return path


@pytest.fixture(scope="module")
def expected() -> Hand:
    camera = Camera.load(FRAMES / "camera.json")
    hand = HandPoseEstimator()(read_depth(FRAMES / "1-open.png", camera.depth_unit_mm), camera)
    assert hand is not None
    return hand


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_json_lines_tell_frame_time_and_hand(folder: Path, expected: Hand, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(folder), "--json"]) == 2
    out, err = capsys.readouterr()
    records = [json.loads(line) for line in out.splitlines()]
    assert [record["frame"] for record in records] == [0, 1, 2, 4, 5]
    assert [record["timestamp_s"] for record in records] == pytest.approx([i / 30 for i in (0, 1, 2, 4, 5)], abs=1e-5)
    assert {record["hand"] for record in records} == {1}
    assert {record["file"] for record in records} == {str(folder)}
    np.testing.assert_allclose(records[0]["joints_mm"], expected.joints, atol=0.01)
    assert err.count("\n") == 1
    assert "3.png" in err


def test_a_table_has_a_row_for_each_hand(
    whole: Path, expected: Hand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(whole), "--csv", str(tmp_path / "a.csv")]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [f"{whole}: a hand in 4 of 4 frames", f"wrote {tmp_path / 'a.csv'}"]
    assert err == ""
    rows = rows_of(tmp_path / "a.csv")
    assert [row["frame"] for row in rows] == ["0", "1", "2", "3"]
    assert rows[0]["side"] == expected.side
    for joint, (x, _, _), (_, v) in zip(HAND21, expected.joints, expected.pixels, strict=True):
        assert float(rows[0][f"{joint}_x_mm"]) == pytest.approx(x, abs=0.01)
        assert float(rows[0][f"{joint}_v_px"]) == pytest.approx(v, abs=0.01)


def test_a_covered_sensor_is_a_row_without_a_hand(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "dark.npy", np.zeros((2, 480, 640), np.uint16))
    shutil.copy(folder / "camera.json", tmp_path)
    assert main(["predict", str(tmp_path / "dark.npy"), "--csv", str(tmp_path / "a.csv")]) == 0
    assert capsys.readouterr().err == ""
    rows = rows_of(tmp_path / "a.csv")
    assert [(row["frame"], row["hand"], row["found"], row["wrist_x_mm"]) for row in rows] == [
        ("0", "", "0", ""),
        ("1", "", "0", ""),
    ]


def test_depth_images_may_have_a_table_too(tmp_path: Path) -> None:
    arguments = [str(FRAMES / "1-open.png"), str(FRAMES / "2-point.png"), "--camera", str(FRAMES / "camera.json")]
    assert main(["predict", *arguments, "--csv", str(tmp_path / "a.csv")]) == 0
    rows = rows_of(tmp_path / "a.csv")
    assert [(Path(row["file"]).name, row["found"], row["frame"]) for row in rows] == [
        ("1-open.png", "1", ""),
        ("2-point.png", "1", ""),
    ]


def test_frames_ends_early_and_out_and_video_are_written(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, video = tmp_path / "out", tmp_path / "a.mp4"
    assert main(["predict", str(whole), "--frames", "2", "--out", str(out), "--video", str(video), "--smooth"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"{whole}: a hand in 2 of 2 frames"
    assert sorted(path.name for path in out.iterdir()) == ["000000-hand.png", "000001-hand.png", "predictions.jsonl"]
    assert len((out / "predictions.jsonl").read_text().splitlines()) == 2
    film = cv2.VideoCapture(str(video))
    assert (film.get(cv2.CAP_PROP_FRAME_COUNT), round(film.get(cv2.CAP_PROP_FPS))) == (2, 30)


class Zooming(RecordedSource):
    """The open hand, whose camera gives its left half from the third frame on."""

    name = "zooming"

    def __len__(self) -> int:
        return 4

    def timestamp(self, index: int) -> float:
        return index / 30

    def frame(self, index: int) -> LiveFrame:
        camera = Camera.load(FRAMES / "camera.json")
        depth = read_depth(FRAMES / "1-open.png", camera.depth_unit_mm)
        if index >= 2:
            half = depth.shape[1] // 2
            camera, depth = replace(camera, width=half), np.ascontiguousarray(depth[:, :half])
        return LiveFrame(index / 30, depth, camera)


def test_a_frame_of_another_size_is_left_out_of_the_video_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = Wanted(None, False, tmp_path / "a.csv", None, tmp_path / "a.mp4", None)
    with pytest.raises(typer.Exit) as ended:
        predict_source(Zooming(), HandTracker(HandPoseEstimator()), wanted)
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err.splitlines() == [
        f"knuckle: zooming, frame {index}: of another size than the first: left out of the video" for index in (2, 3)
    ]
    assert [row["frame"] for row in rows_of(tmp_path / "a.csv")] == ["0", "1", "2", "3"]
    assert cv2.VideoCapture(str(tmp_path / "a.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 2


def test_what_the_source_cannot_have_is_refused(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options in (["--center", "0,0,500"], ["--topic", "/a"], ["--fps", "30"], ["--hands", "3"], ["--frames", "0"]):
        assert main(["predict", str(whole), *options]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    for option in (["--hands", "2"], ["--smooth"], ["--frames", "2"]):
        arguments = ["predict", str(FRAMES / "1-open.png"), "--camera", str(FRAMES / "camera.json"), *option]
        assert main(arguments) == 2
        assert "only a source has it" in capsys.readouterr().err


def test_a_table_that_cannot_be_written_is_refused(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(whole), "--csv", "/nowhere/a.csv"]) == 2
    assert "/nowhere/a.csv: cannot write" in capsys.readouterr().err


def live(script: str, *arguments: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    return subprocess.Popen(
        [sys.executable, "-c", LIVE.format(script=script), "predict", "realsense", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def test_ctrl_c_ends_a_live_source_and_keeps_the_table(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with live("[], -1", "--csv", str(path)) as process:
        try:
            end = time.monotonic() + 60
            while not list(tmp_path.iterdir()):
                assert time.monotonic() < end
                time.sleep(0.05)
            time.sleep(1)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, err) == (0, "")
    assert len(rows_of(path)) > 1
    assert f"wrote {path}" in out


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory, whole: Path) -> Path:
    """A stack of empty frames that takes minutes, and no room on the disk: the file is sparse."""
    path = tmp_path_factory.mktemp("long") / "long.npy"
    shutil.copy(whole.parent / "camera.json", path.parent)
    stack = np.lib.format.open_memmap(path, "w+", np.uint16, (20_000, *np.load(whole, mmap_mode="r").shape[1:]))
    del stack
    return path


def interrupted(*arguments: str) -> "tuple[int, str, str]":
    """What is left of a command that gets Ctrl-C after its first line on stdout: exit code, stdout's rest, stderr."""
    with subprocess.Popen(
        [sys.executable, "-c", RUN, "predict", *arguments, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,  # what a buffer holds after readline, communicate would not give
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    return process.returncode, out.decode(), err.decode()


def test_ctrl_c_in_a_recording_keeps_the_table_and_says_130(long: Path, tmp_path: Path) -> None:
    code, out, err = interrupted(str(long), "--csv", str(tmp_path / "a.csv"))
    assert (code, err) == (130, "")
    assert len(rows_of(tmp_path / "a.csv")) == 1 + out.count("\n") < 20_000
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_ctrl_c_among_depth_images_keeps_the_table_and_says_130(tmp_path: Path) -> None:
    images = [str(FRAMES / "1-open.png")] * 5000
    code, out, err = interrupted(*images, "--camera", str(FRAMES / "camera.json"), "--csv", str(tmp_path / "a.csv"))
    assert (code, err) == (130, "")
    assert len(rows_of(tmp_path / "a.csv")) == 1 + out.count("\n") < 5000


def test_nothing_is_written_over_what_is_read(folder: Path, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = ["--camera", str(folder / "camera.json")]
    for arguments in (
        [str(folder / "0.png"), *image, "--csv", str(folder / "0.png")],
        [str(folder / "0.png"), *image, "--csv", str(folder / "joints.csv")],
        [str(folder), "--csv", str(folder / "timestamps.csv")],
        [str(folder), "--out", str(folder)],
        [str(whole), "--csv", str(whole)],
    ):
        before = {path: path.read_bytes() for path in folder.iterdir()}
        assert main(["predict", *arguments]) == 2
        assert "would be written over what is read" in capsys.readouterr().err
        assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_folder_instead_of_a_table_is_refused_before_the_work(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(whole), "--json", "--csv", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"knuckle: {tmp_path}: cannot write the predictions (Is a directory)\n")


def test_an_unplugged_camera_leaves_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with live("[1, 2, 3], 'unplugged'", "--csv", str(path)) as process:
        try:
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 2
    assert err.splitlines()[-1].endswith("is it still plugged in?")
    assert len(rows_of(path)) == 3


def test_a_bar_is_shown_on_a_terminal_only_and_never_on_stdout(whole: Path) -> None:
    master, slave = pty.openpty()
    arguments = ["predict", str(whole), "--json"]
    done = subprocess.run([sys.executable, "-c", RUN, *arguments], stdout=subprocess.PIPE, stderr=slave, text=True)
    os.close(slave)
    shown = b"".join(_read_all(master)).decode()
    assert done.returncode == 0
    assert "4/4" in shown
    assert [json.loads(line)["frame"] for line in done.stdout.splitlines()] == [0, 1, 2, 3]
    assert '"file"' not in shown


def test_lines_on_the_same_terminal_stay_whole_above_the_bar(folder: Path) -> None:
    master, slave = pty.openpty()
    command = [sys.executable, "-c", RUN, "predict", str(folder), "--json"]
    with subprocess.Popen(command, stdout=slave, stderr=slave) as process:
        os.close(slave)
        shown = b"".join(_read_all(master)).decode()
    assert process.returncode == 2
    assert "6/6" in shown  # the torn one is done, too
    lines = [line[line.index('{"file"') :] for line in shown.splitlines() if '{"file"' in line]
    assert [json.loads(line)["frame"] for line in lines] == [0, 1, 2, 4, 5]


def _read_all(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            data = os.read(descriptor, 65536)
        except OSError:  # the other end is closed
            return
        if not data:
            return
        yield data


@pytest.mark.parametrize(
    ("name", "source"),
    [("a.zarr", True), ("a.NPZ", True), ("a.mcap", True), ("synthetic", True), ("a.png", False), ("a", False)],
)
def test_sources_are_told_by_their_names(name: str, source: bool) -> None:
    assert is_source([Path(name)]) == source
    assert not is_source([Path(name), Path(name)])


def test_a_npy_is_a_source_if_it_holds_many_images(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.zeros((4, 5)))
    np.save(tmp_path / "many.npy", np.zeros((3, 4, 5)))
    (tmp_path / "torn.npy").write_bytes(b"torn")
    found = [is_source([tmp_path / f"{name}.npy"]) for name in ("one", "many", "torn", "none")]
    assert found == [False, True, False, False]


numbers = st.floats(-2000, 2000, width=32)


@given(st.data())
@settings(max_examples=40)
def test_a_row_says_what_the_hand_is(data: st.DataObject) -> None:
    def array(*shape: int) -> np.ndarray:
        values = data.draw(st.lists(numbers, min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
        return np.array(values, np.float32).reshape(shape)

    hand = Hand(array(21, 3), array(21, 2), np.zeros((2, 2), np.uint8), array(21), array(3), "left")
    name = Path(data.draw(st.text(st.characters(exclude_characters="\0/", codec="utf-8"), min_size=1)))
    moment = data.draw(st.none() | st.builds(Moment, st.integers(0, 10**9), st.floats(0, 1e6), st.integers(1, 99)))
    file = io.StringIO(newline="")
    csv.writer(file).writerows([CSV_COLUMNS, to_row(name, hand, moment)])
    file.seek(0)
    (row,) = list(csv.DictReader(file))
    record = json.loads(to_record(name, hand, moment))
    assert row["file"] == record["file"]
    assert [float(row[f"center_{axis}_mm"]) for axis in "xyz"] == pytest.approx(record["center_mm"], abs=1e-3)
    for joint, place, pixel in zip(HAND21, record["joints_mm"], record["pixels"], strict=True):
        assert [float(row[f"{joint}_{axis}_mm"]) for axis in "xyz"] == pytest.approx(place, abs=1.1e-3)
        assert [float(row[f"{joint}_{axis}_px"]) for axis in "uv"] == pytest.approx(pixel, abs=1.1e-3)
    assert (row["frame"] == "") == (moment is None)


def test_a_row_without_a_hand_is_as_long() -> None:
    row = to_row(Path("a"), None, Moment(3, 0.1, None))
    assert row == ["a", "3", "0.100000", "", "0", *[""] * (len(CSV_COLUMNS) - 5)]
