"""The commands that make hands and networks: the whole way from nothing to an estimator, and what they refuse."""

import json
from pathlib import Path

import pytest

from knuckle.cli import main
from knuckle.data.store import SampleStore
from knuckle.estimator import HandPoseEstimator

RECIPE = """
data: {synthetic: [elsewhere.zarr], held_out: 4}
segmentation:
  size: {widths: [8, 8, 8], hidden: 8}
  fit: {epochs: 0.5, batch: 8, bfloat16: false, threads: 1}
regression:
  size: {widths: [8, 8, 8], hidden: 8}
  fit: {epochs: 0.5, batch: 8, bfloat16: false, threads: 1}
"""


def weights_of(run: Path) -> list[bytes]:
    return [(run / name / "weights.safetensors").read_bytes() for name in ("segmentation", "regression")]


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Runs a command that must fail with exit code 2 and one line; returns the line."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("knuckle: ")]
    assert len(lines) == 1
    return lines[0]


def test_from_nothing_to_an_estimator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, run, recipe = tmp_path / "hands.zarr", tmp_path / "run", tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE, encoding="utf-8")
    synth = ["synth", "--count", "24", "--out", store, "--seed", "5", "--hand", "soma", "--workers", "1"]
    assert main([*map(str, synth), "--sheet", str(tmp_path / "sheet.png")]) == 0
    assert len(SampleStore.open(store)) == 24
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
    assert main(["train", str(recipe), "--data", str(store), "--out", str(run)]) == 0
    kept = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    assert kept["segmentation"]["size"]["hidden"] == 8
    assert kept["data"]["synthetic"] == [str(store)]
    assert main(["export", str(run), "--out", str(tmp_path / "weights")]) == 0
    HandPoseEstimator(tmp_path / "weights")
    out = capsys.readouterr().out
    assert f"trained {run}" in out
    assert f"wrote {tmp_path / 'weights' / 'segmentation.onnx'}" in out


@pytest.fixture
def order(tmp_path: Path) -> list[str]:
    """A command that trains two stores' hands into `run`, without --out's value for another place."""
    for name in "ab":
        synth = ["synth", "--count", "12", "--seed", str(ord(name)), "--hand", "soma", "--workers", "1"]
        assert main([*synth, "--out", str(tmp_path / name)]) == 0
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return ["train", str(tmp_path / "recipe.yaml"), "--data", str(tmp_path / "a"), "--data", str(tmp_path / "b")]


def test_a_run_is_done_once_and_again_where_asked(
    tmp_path: Path, order: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    here = [*order, "--out", str(run)]
    assert main(here) == 0
    stores = json.loads((run / "results.json").read_text(encoding="utf-8"))["data"]["stores"]
    assert list(stores) == [str(tmp_path / "a"), str(tmp_path / "b")]
    before = weights_of(run)
    (run / "segmentation" / "mark").write_text("of the first time")
    (run / "regression" / "mark").write_text("of the first time")
    assert main(here) == 0
    assert main([*here, "--redo", "regression"]) == 0
    assert (run / "segmentation" / "mark").exists()
    assert not (run / "regression" / "mark").exists()
    assert weights_of(run) == before
    for name in ("nothing", ".", "..", "", "../a", str(tmp_path / "a"), "segmentation/.."):
        assert "has no step" in refused(capsys, *here, "--redo", name), name
    assert weights_of(run) == before
    assert (tmp_path / "a").exists()


def test_a_seed_is_every_networks(tmp_path: Path, order: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for name, seed in (("plain", []), ("zero", ["--seed", "0"]), ("one", ["--seed", "1"])):
        assert main([*order, *seed, "--out", str(tmp_path / name)]) == 0
    plain, zero, one = (weights_of(tmp_path / name) for name in ("plain", "zero", "one"))
    assert plain == zero
    assert all(first != second for first, second in zip(plain, one, strict=True))
    results = json.loads((tmp_path / "one" / "results.json").read_text(encoding="utf-8"))
    assert results["seed"] == 1
    assert "holds a run of another recipe" in refused(capsys, *order, "--seed", "2", "--out", tmp_path / "one")
    assert "--seed" in refused(capsys, *order, "--seed", "-1", "--out", tmp_path / "two")


WRONG_ORDERS = [  # options, and what the one line must say
    (["--count", 0], "count must be at least 1, got 0"),
    (["--count", "many"], "--count"),
    ([], "--count"),
    (["--count", 1, "--seed", -1], "seed"),
    (["--count", 1, "--hand", "paw"], "'paw'"),
    (["--count", 1, "--hand", "mano:nowhere.pkl"], "nowhere.pkl"),
    (["--count", 1, "--sensor", "snow"], "'snow': choose one of clean, structured-light"),
    (["--count", 1, "--side", "both"], "'both': choose one of right, left"),
    (["--count", 1, "--empty-share", 2], "empty_share"),
    (["--count", 1, "--coarse-share", -1], "coarse_share"),
    (["--count", 1, "--workers", 0], "workers"),
    (["--count", 1, "--workers", 2, "--scheduler", "tcp://127.0.0.1:9"], "scheduler"),
    (["--count", 1, "--scale", 0.5], "--scale: only a benchmark has it: leave it out"),
    (["--benchmark", "sensor-hole"], "'sensor-hole': choose sensor-gap"),
    (["--benchmark", "sensor-gap", "--count", 5], "--count: benchmark sensor-gap decides it: leave it out"),
    (["--benchmark", "sensor-gap", "--scale", 1.5], "scale must be"),
]


@pytest.mark.parametrize(("options", "said"), WRONG_ORDERS)
def test_a_wrong_order_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[object], said: str
) -> None:
    assert said in refused(capsys, "synth", "--out", tmp_path / "hands.zarr", *options)
    assert not (tmp_path / "hands.zarr").exists()


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order = ["synth", "--count", 1, "--hand", "soma", "--workers", 1, "--out"]
    (tmp_path / "notes.txt").write_text("not yours")
    assert str(tmp_path) in refused(capsys, *order, tmp_path)
    assert "nope://hands.zarr" in refused(capsys, *order, "nope://hands.zarr")


def test_a_store_is_completed_unless_that_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order = ["synth", "--count", "8", "--hand", "soma", "--side", "left", "--workers", "1", "--sensor", "coded-light"]
    order += ["--no-clutter", "--out", f"file://{tmp_path}/hands.zarr/trial"]
    assert main([*order, "--no-resume"]) == 0
    store = SampleStore.open(tmp_path / "hands.zarr" / "trial")
    assert store.read("side").tolist() == [1] * 8
    recipe = store.attributes["recipe"]
    assert (recipe["hand"], recipe["sensor"], recipe["side"], recipe["clutter"]) == (
        "soma",
        "coded-light",
        "left",
        False,
    )
    assert main(order) == 0
    assert "something already" in refused(capsys, *order, "--no-resume")
    assert "holds other samples" in refused(capsys, *order, "--seed", 1)


def test_a_benchmark_is_made_group_by_group(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order = [
        "synth",
        "--benchmark",
        "sensor-gap",
        "--scale",
        "0.0005",
        "--workers",
        "1",
        "--out",
        str(tmp_path / "g.zarr"),
    ]
    assert main([*order, "--no-resume"]) == 0
    counts = {group: len(SampleStore.open(tmp_path / "g.zarr" / group)) for group in ("source", "target-train")}
    assert counts == {"source": 30, "target-train": 6}
    assert f"wrote {tmp_path / 'g.zarr'}/target-test" in capsys.readouterr().out
    assert "something already" in refused(capsys, *order, "--no-resume")


def test_bad_settings_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "hands.zarr"
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("segmentation: {fit: {batches: 3}}", encoding="utf-8")
    out = ("--out", tmp_path / "run")
    assert "batches" in refused(capsys, "train", recipe, "--data", store, *out)
    assert "missing.yaml" in refused(capsys, "train", "missing.yaml", "--data", store, *out)
    recipe.write_text("", encoding="utf-8")
    assert str(store) in refused(capsys, "train", recipe, "--data", store, *out)
    out = ("--out", tmp_path / "second")  # the first folder is that of the first recipe
    assert "data.synthetic is missing" in refused(capsys, "train", recipe, *out)
    out = ("--out", tmp_path / "third")
    recipe.write_text("data: {synthetic: [a/b], benchmark: sensor-gap}", encoding="utf-8")
    assert "a/b is not the group source of a" in refused(capsys, "train", recipe, *out)
    out = ("--out", tmp_path / "fourth")
    recipe.write_text(f"data: {{held_out: 30, synthetic: [{store}]}}", encoding="utf-8")
    assert main(["synth", "--count", "8", "--hand", "soma", "--workers", "1", "--out", str(store)]) == 0
    assert "held_out 30 leaves nothing of 8" in refused(capsys, "train", recipe, *out)
    recipe.write_text("segmentation: {start: none.safetensors}\ndata: {held_out: 0}", encoding="utf-8")
    other = ("--data", store, "--out", tmp_path / "other")
    assert "none.safetensors" in refused(capsys, "train", recipe, *other)
    assert "--out" in refused(capsys, "train", recipe)
    assert str(tmp_path) in refused(capsys, "export", tmp_path, "--out", tmp_path / "weights")
