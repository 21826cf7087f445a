"""What `examples/` shows works, and gives the same numbers as the package."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from knuckle import Camera, Hand, HandPoseEstimator, read_depth
from knuckle.cli.inference import FRAMES
from knuckle.networks import SHIPPED

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
CAMERA_FILE = FRAMES / "camera.json"
NAMES = ("1-open.png", "2-point.png", "3-ok.png", "4-vee.png")
AT_THE_EDGES = ((-390.0, -290.0, 600.0), (390.0, 290.0, 600.0))  # mm; the cube reaches beyond the frame


def estimated(name: str, center: tuple[float, float, float] | None = None) -> Hand:
    camera = Camera.load(CAMERA_FILE)
    hand = HandPoseEstimator()(read_depth(FRAMES / name, camera.depth_unit_mm), camera, side="right", center=center)
    assert hand is not None
    return hand


def agrees(command: list[str], cwd: Path) -> None:
    """Runs an example on every frame, about the centre that knuckle finds, and compares all joints."""
    for name in NAMES:
        hand = estimated(name)
        place = ",".join(f"{value:.6f}" for value in hand.center)
        done = subprocess.run(
            [*command, str(SHIPPED), str(FRAMES / name), str(CAMERA_FILE), place],
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found = np.array([[float(number) for number in line.split()] for line in done.stdout.splitlines()])
        assert found.shape == (21, 4)
        np.testing.assert_allclose(found[:, :3], hand.joints, rtol=0, atol=0.01)
        confidence = 1 - np.exp(-20 / found[:, 3])
        np.testing.assert_allclose(confidence, hand.confidence, rtol=0, atol=1e-3)


def test_python_without_knuckle_agrees(tmp_path: Path) -> None:
    agrees([sys.executable, str(EXAMPLES / "without_knuckle.py")], tmp_path)


def test_python_without_knuckle_crops_as_knuckle_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import without_knuckle

    from knuckle.crop import CropBox

    camera = Camera.load(CAMERA_FILE)
    rng = np.random.default_rng(1)
    depth = rng.uniform(580, 620, (camera.height, camera.width)).astype(np.float32)  # up to the edges, and with holes
    depth[rng.random(depth.shape) < 0.1] = 0
    intrinsics = json.loads(CAMERA_FILE.read_text(encoding="utf-8"))
    for center in ((0.0, 0.0, 600.0), *AT_THE_EDGES, (0.0, 0.0, 2000.0)):
        place = np.array(center)
        expected = CropBox(place, camera).crop_depth(depth)
        np.testing.assert_allclose(without_knuckle.crop(depth, intrinsics, place), expected, atol=1e-5)


def test_python_without_knuckle_imports_nothing_of_it() -> None:
    text = (EXAMPLES / "without_knuckle.py").read_text(encoding="utf-8")
    assert "import knuckle" not in text
    assert "from knuckle" not in text


def test_javascript_agrees() -> None:
    if shutil.which("node") is None:
        pytest.skip("no Node on this machine: install Node 18 or later")
    if not (EXAMPLES / "javascript" / "node_modules").is_dir():
        pytest.skip("the example's packages are not installed: run  make examples")
    agrees(["node", "hand.mjs"], EXAMPLES / "javascript")


def test_the_notebook_runs_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook = json.loads((EXAMPLES / "quickstart.ipynb").read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for cell in cells:
        exec(compile("".join(cell["source"]), "quickstart.ipynb", "exec"), names)
    assert sorted(os.listdir(tmp_path)) == ["camera.json", "hand.png"]  # noqa: PTH208
    out = capsys.readouterr().out
    for words in ("right hand at", "index_tip", "thumb to index", "nearest"):
        assert words in out
    assert "no hand" not in out
