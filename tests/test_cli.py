"""The command line: what it prints and writes, and that whatever is wrong ends in one line and exit code 2."""

import json
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from knuckle import __version__
from knuckle.anatomy import HAND21
from knuckle.cli import app, inference, main
from knuckle.cli.inference import FRAMES
from knuckle.depth import write_depth
from knuckle.networks import SHIPPED
from knuckle.predictions import picture_paths
from onnx_stand_ins import CAMERA, hand_frame, write_stand_ins

RUN = [sys.executable, "-c", "import sys; from knuckle.cli import main; sys.exit(main())"]
KEYS = ["file", "found", "side", "center_mm", "joints_mm", "pixels", "confidence"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """weights/, camera.json, hand.png and empty.png (a frame without a hand)."""
    folder = tmp_path_factory.mktemp("cli")
    write_stand_ins(folder / "weights")
    CAMERA.save(folder / "camera.json")
    write_depth(folder / "hand.png", hand_frame(), 0.5)
    write_depth(folder / "empty.png", np.full((480, 640), 5000, np.float32), 0.5)
    return folder


def arguments(folder: Path, *frames: Path | str, **options: object) -> list[str]:
    given = {"camera": folder / "camera.json", "weights": folder / "weights", **options}
    flags = [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    return ["predict", *map(str, frames), *flags]


def test_help_names_what_is_read_and_written() -> None:
    runner = CliRunner()
    assert "predict" in runner.invoke(app, ["--help"]).output
    text = runner.invoke(app, ["predict", "--help"], terminal_width=200).output
    for word in ("16-bit PNG", "mm", "camera axes", "predictions.jsonl", "depth_unit_mm", *KEYS):
        assert word in text, word
    assert "picture" in runner.invoke(app, ["demo", "--help"]).output


def test_without_a_command_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "Usage: knuckle" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"knuckle {__version__}\n"


def test_predict_prints_the_joints_of_a_single_frame(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(folder, folder / "hand.png")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{folder / 'hand.png'}: right hand at 10, 0, 600 mm")
    assert [line.split()[0] for line in lines[2:]] == list(HAND21)


def test_predict_json_has_one_object_a_frame(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = [folder / "hand.png", folder / "empty.png"]
    assert main([*arguments(folder, *frames), "--json"]) == 0
    hand, none = map(json.loads, capsys.readouterr().out.splitlines())
    assert list(hand) == list(none) == KEYS
    assert none == dict.fromkeys(KEYS) | {"file": str(frames[1]), "found": False}
    assert (hand["file"], hand["found"], hand["side"]) == (str(frames[0]), True, "right")
    shapes = [np.shape(hand[key]) for key in KEYS[3:]]
    assert shapes == [(3,), (21, 3), (21, 2), (21,)]
    np.testing.assert_allclose(CAMERA.project(hand["joints_mm"]), hand["pixels"], atol=0.01)


def test_predict_passes_its_options_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = {"center": "-10,20.5,620", "side": "left", "cube_mm": 220}
    assert main([*arguments(folder, folder / "hand.png", **options), "--json"]) == 0
    hand = json.loads(capsys.readouterr().out)
    assert hand["center_mm"] == [-10, 20.5, 620]
    assert hand["side"] == "left"


def test_unit_option_wins_over_the_camera_s(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments(folder, folder / "hand.png", unit_mm=0.6), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["center_mm"][2] == pytest.approx(720, abs=5)


def test_out_holds_pictures_and_records(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "results"
    frames = [folder / "hand.png", folder / "empty.png"]
    assert main([*arguments(folder, *frames, out=out), "--json"]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["empty-hand.png", "hand-hand.png", "predictions.jsonl"]
    assert (out / "predictions.jsonl").read_text() == capsys.readouterr().out
    assert all(cv2.imread(str(path)) is not None for path in out.glob("*.png"))


def test_frames_of_one_name_do_not_share_a_picture(tmp_path: Path) -> None:
    def names(*frames: str) -> list[str]:
        return [path.name for path in picture_paths([Path(frame) for frame in frames], tmp_path)]

    assert names("x/0001.png", "x/0002.npy") == ["0001-hand.png", "0002-hand.png"]
    assert names("/d/a/1.png", "/d/b/1.png") == ["a_1-hand.png", "b_1-hand.png"]
    assert len({name.casefold() for name in names("a/1.png", "a/1.npy", "a/./1.png", "A/1.PNG", "b/a_1.png")}) == 5


def test_no_frame_is_written_over(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("x.png", "x-hand.png"):
        write_depth(tmp_path / name, hand_frame(), 0.5)
    before = (tmp_path / "x-hand.png").read_bytes()
    assert main(arguments(folder, tmp_path / "x.png", tmp_path / "x-hand.png", out=tmp_path)) == 2
    assert "--out" in capsys.readouterr().err
    assert (tmp_path / "x-hand.png").read_bytes() == before


def test_bad_frames_do_not_stop_the_good_ones(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.png").write_bytes((folder / "hand.png").read_bytes()[:-30])
    np.save(tmp_path / "small.npy", np.full((48, 64), 600, np.float32))
    frames = [tmp_path / "missing.png", folder / "hand.png", tmp_path / "broken.png", tmp_path / "small.npy"]
    frames.append(folder / "empty.png")
    assert main([*arguments(folder, *frames, out=tmp_path / "out"), "--json"]) == 2
    out, err = capsys.readouterr()
    assert [json.loads(line)["file"] for line in out.splitlines()] == [str(frames[1]), str(frames[4])]
    assert len(err.splitlines()) == 3
    for line, frame in zip(err.splitlines(), (frames[0], frames[2], frames[3]), strict=True):
        assert str(frame) in line
    assert (tmp_path / "out" / "predictions.jsonl").read_text() == out


def test_a_run_that_fails_leaves_the_earlier_records(folder: Path, tmp_path: Path) -> None:
    earlier = tmp_path / "predictions.jsonl"
    earlier.write_text("earlier\n")
    (tmp_path / "hand-hand.png").mkdir()  # the picture cannot be written
    assert main(arguments(folder, folder / "hand.png", out=tmp_path)) == 2
    assert earlier.read_text() == "earlier\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hand-hand.png", "predictions.jsonl"]


def camera_file(path: Path, **changes: object) -> Path:
    path.write_text(json.dumps({**json.loads(CAMERA_JSON), **changes}))
    return path


CAMERA_JSON = json.dumps(
    {"fx": 480, "fy": 480, "cx": 320, "cy": 240, "width": 640, "height": 480, "depth_unit_mm": 0.5}
)


def huge_png(path: Path) -> None:
    """A sound PNG of 20,000 x 20,000 grey pixels of 16 bits, all zero: 800 MB in less than a megabyte."""
    compressor = zlib.compressobj(9)
    row = bytes(1 + 2 * 20_000)
    pixels = b"".join(compressor.compress(row) for _ in range(20_000)) + compressor.flush()
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 16, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    data = b"".join(struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


def bad_frame(kind: str, path: Path) -> Path:
    """Writes one of the frames that must be refused."""
    good = hand_frame()
    arrays = {"nan": np.nan, "infinite": np.inf, "negative": -1.0}
    if kind in arrays:
        good[5, 5] = arrays[kind]
        np.save(path.with_suffix(".npy"), good)
        return path.with_suffix(".npy")
    images = {
        "8 bit": np.full((480, 640), 200, np.uint8),
        "colour": np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8),
        "all zero": np.zeros((480, 640), np.uint16),
        "wrong size": np.full((240, 320), 1200, np.uint16),
    }
    if kind in images:
        cv2.imwrite(str(path), images[kind])
    elif kind == "truncated":
        cv2.imwrite(str(path), good.astype(np.uint16))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif kind == "text":
        path.write_text("this is no image\n" * 20)
    elif kind == "empty file":
        path.touch()
    elif kind == "huge":
        huge_png(path)
    elif kind == "folder":
        path.mkdir()
    return path


BAD_FRAMES = [
    *("missing", "truncated", "text", "empty file", "8 bit", "colour", "wrong size"),
    *("nan", "infinite", "negative", "all zero", "huge", "folder"),
]


@pytest.mark.parametrize("kind", BAD_FRAMES)
def test_bad_frame_ends_in_one_line_and_exit_code_2(kind: str, folder: Path, tmp_path: Path) -> None:
    frame = bad_frame(kind, tmp_path / "frame.png")
    one_line_and_code_2(arguments(folder, frame), frame.name)


BAD_OPTIONS = {
    "no camera file": ({"camera": "missing.json"}, "missing.json"),
    "unit of 60 m": ({"unit_mm": 50}, "unit"),
    "unit of nothing": ({"unit_mm": 0}, "unit"),
    "negative unit": ({"unit_mm": -1}, "unit"),
    "unit not a number": ({"unit_mm": "nan"}, "unit"),
    "unit a word": ({"unit_mm": "mm"}, "unit-mm"),
    "two coordinates": ({"center": "1,2"}, "center"),
    "center of words": ({"center": "a,b,c"}, "center"),
    "center behind": ({"center": "0,0,-5"}, "center"),
    "side": ({"side": "both"}, "side"),
    "cube": ({"cube_mm": 0}, "cube"),
    "no weights": ({"weights": "missing"}, "segmentation.onnx"),
    "option": ({"colour": "red"}, "--colour"),
    "out is a file": ({"out": "/dev/null"}, "/dev/null"),
}


@pytest.mark.parametrize("kind", BAD_OPTIONS)
def test_bad_option_ends_in_one_line_and_exit_code_2(kind: str, folder: Path) -> None:
    options, word = BAD_OPTIONS[kind]
    one_line_and_code_2(arguments(folder, folder / "hand.png", **options), word)


@pytest.mark.parametrize("changes", [{"fx": 0}, {"fy": -480}, {"width": 1}, {"fx": None}, {"cx": "320"}], ids=str)
def test_bad_camera_ends_in_one_line_and_exit_code_2(changes: dict, folder: Path, tmp_path: Path) -> None:
    camera = camera_file(tmp_path / "camera.json", **changes)
    one_line_and_code_2(arguments(folder, folder / "hand.png", camera=camera), "camera")


@pytest.mark.parametrize("args", [["predict"], ["predict", "a.png"], ["juggle"], ["demo", "--out"]], ids=str)
def test_wrong_usage_ends_in_one_line_and_exit_code_2(args: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(args) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1


def one_line_and_code_2(args: list[str], word: str) -> None:
    result = subprocess.run([*RUN, *args], capture_output=True, text=True, timeout=60)
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert word in result.stderr
    assert "Traceback" not in result.stderr


def test_a_name_of_any_bytes_is_printed(folder: Path, tmp_path: Path) -> None:
    frame = os.fsencode(tmp_path) + b"/h\xff\xc3\xa4nd.png"
    Path(os.fsdecode(frame)).write_bytes((folder / "hand.png").read_bytes())
    args = [os.fsencode(part) for part in arguments(folder)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [*map(os.fsencode, RUN), b"predict", frame, *args[1:]]
    result = subprocess.run(command, capture_output=True, env=environment, timeout=60)
    assert (result.returncode, result.stderr) == (0, b"")
    assert b"right hand" in result.stdout


def test_a_reader_that_goes_away_is_no_error(folder: Path) -> None:
    command = [*RUN, *arguments(folder, *[folder / "hand.png"] * 20), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_named(folder: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [*RUN, *arguments(folder, folder / "hand.png")]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert "standard output" in result.stderr


def test_ctrl_c_is_quiet(folder: Path) -> None:
    command = [*RUN, *arguments(folder, *[folder / "hand.png"] * 5000), "--json"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job's tests ignore it
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.stderr.read() == b""
    assert process.returncode == 130


def test_help_loads_no_network_runtime() -> None:
    code = (
        "import sys; from knuckle.cli import main; main(['--help']); "
        "print([name for name in ('onnxruntime', 'torch') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.endswith("[]\n")


def test_demo_shows_every_bundled_frame(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(inference, "FRAMES", folder)
    out = tmp_path / "picture.png"
    assert main(["demo", "--weights", str(folder / "weights"), "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "empty.png: no hand found"
    assert lines[1].startswith("hand.png: right hand at")
    assert [line.split()[0] for line in lines[3:24]] == list(HAND21)
    assert lines[24:] == [f"wrote {out}"]
    assert cv2.imread(str(out)).std() > 10


@pytest.mark.skipif(not (SHIPPED / "segmentation.onnx").exists(), reason="the package was built without its networks")
def test_demo_with_the_shipped_networks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--out", str(tmp_path / "picture.png")]) == 0
    out = capsys.readouterr().out
    assert len(list(FRAMES.glob("*.png"))) == out.count(" hand at ")
    assert out.count("thumb_tip") == 1
    assert cv2.imread(str(tmp_path / "picture.png")).std() > 10


def test_predict_writes_a_video_of_a_sequence(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = [tmp_path / f"{index}.png" for index in range(4)]
    for index, frame in enumerate(frames):
        write_depth(frame, hand_frame(x=20 * index), 0.5)
    frames.insert(2, folder / "empty.png")
    frames.insert(1, tmp_path / "torn.png")
    frames[1].write_bytes(b"torn")
    assert main(arguments(folder, *frames, side="right", video=tmp_path / "out.mp4", fps=10)) == 2
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == f"wrote {tmp_path / 'out.mp4'}"
    assert [line for line in err.splitlines() if "torn.png" in line]
    film = cv2.VideoCapture(str(tmp_path / "out.mp4"))
    shape = (film.get(cv2.CAP_PROP_FRAME_WIDTH), film.get(cv2.CAP_PROP_FRAME_HEIGHT), film.get(cv2.CAP_PROP_FPS))
    assert shape == (1920, 480, 10)
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == 5  # the torn one is left out


def test_predict_with_a_video_follows_the_hand(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    searches: list[int] = []
    plain = inference.HandPoseEstimator.find
    monkeypatch.setattr(
        inference.HandPoseEstimator, "find", lambda *given, **options: searches.append(1) or plain(*given, **options)
    )
    frames = [folder / "hand.png"] * 3
    assert main(arguments(folder, *frames, side="right", video=tmp_path / "out.mp4")) == 0
    assert len(searches) == 1
    assert capsys.readouterr().out.count("right hand at") == 3


def test_a_video_without_a_readable_frame_is_not_claimed(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "torn.png").write_bytes(b"torn")
    assert main(arguments(folder, tmp_path / "torn.png", video=tmp_path / "out.mp4")) == 2
    out, err = capsys.readouterr()
    assert "wrote" not in out
    assert "no frame could be read, so there is no video" in err


def test_a_video_that_cannot_be_written_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for video, says in ((tmp_path / "out.avi", "must end in .mp4"), (tmp_path / "none" / "out.mp4", "no such folder")):
        assert main(arguments(folder, folder / "hand.png", video=video)) == 2
        assert says in capsys.readouterr().err
