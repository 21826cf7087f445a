"""`knuckle view`: it says where the page is, refuses what it cannot show or serve, and ends with Ctrl-C."""

import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from knuckle.cli import app, main

RUN = "import sys; from knuckle.cli import main; sys.exit(main())"


def test_help_names_sources_controls_and_units() -> None:
    text = CliRunner().invoke(app, ["view", "--help"], terminal_width=200).output
    for word in ("synthetic", "realsense", ".mcap", "127.0.0.1", "8080", "mm", "Ctrl-C", "seek", "upload"):
        assert word in text, word
    assert "view" in CliRunner().invoke(app, ["--help"]).output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--source", "nowhere.zarr"], "nowhere.zarr: there is no such file or folder"),
        (["--host", "203.0.113.7"], "203.0.113.7: cannot serve a page there"),
        (["--host", "no such host"], "no such host: cannot serve a page there"),
        (["--port", "70000"], "--port"),
        (["--source", "synthetic", "--camera", "c.json"], "--camera"),
        (["--weights", "nowhere"], "nowhere"),
        (["--threads", "0"], "--threads"),
    ],
)
def test_what_cannot_be_shown_is_one_line(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "--source" not in arguments:
        arguments = [*arguments, "--source", str(_frames(tmp_path))]
    assert main(["view", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1


def test_it_serves_until_ctrl_c(tmp_path: Path) -> None:
    arguments = ["view", "--source", str(_frames(tmp_path)), "--port", str(_free_port())]
    with subprocess.Popen(
        [sys.executable, "-c", RUN, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("http://127.0.0.1:")
            with urllib.request.urlopen(line.split()[0], timeout=20) as page:
                assert b"<title>" in page.read()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, out, err) == (0, "", "")


def test_a_port_that_is_taken_gives_the_next_one(tmp_path: Path) -> None:
    from knuckle.sources import open_source
    from knuckle.viewer import Viewer

    folder = str(_frames(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Viewer(lambda: open_source(folder), folder, port=port) as viewer:
            assert port < viewer.port < port + 100


def _frames(folder: Path) -> Path:
    """A folder that is a source."""
    from knuckle.cli.inference import FRAMES

    for name in ("1-open.png", "camera.json"):
        (folder / name).write_bytes((FRAMES / name).read_bytes())
    return folder


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
