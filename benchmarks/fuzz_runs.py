"""Readers of recipes, runs, MANO files and the hands in the cache."""

import pickle
import shutil
import sys
import types
import unittest.mock
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from fuzz_target import FileTarget
from knuckle.pipeline.run import Run
from knuckle.report.examples import read_examples
from knuckle.report.runs import read_run
from knuckle.synth import assets, mano_file
from knuckle.training.recipe import Recipe, load_recipe

_VALUES: dict[str, Any] = {
    "data": {"train": "a/target-train", "dev": "a/target-dev", "test": "a/target-test", "benchmark": "sensor-gap"},
    "segmentation": {"fit": {"steps": 7, "batch": 3}},
    "supervision": {"rows": {"control": {"labels": "none"}, "dictionary": {"labels": "dictionary", "gate": True}}},
    "methods": {"rows": {"a": {"network": "paper"}, "b": {"network": "cascade", "first": "a"}}, "fit": {"steps": 6}},
}


def _recipe(folder: Path) -> None:
    (folder / "a.yaml").write_text(yaml.safe_dump(_VALUES), encoding="utf-8")


def _run(folder: Path) -> None:
    run = Run(folder / "run-0", Recipe.model_validate(_VALUES))
    run.begin()
    for step in ("segmentation", "supervision/control", "methods"):
        run.finish(step, {"test": {"pixel": 50.0}, "seconds": 1.0})
    run.write("results.json", {"seed": 0, "made_by": {"machine": "abacus"}, "tables": _tables()})
    np.savez_compressed(folder / "run-0" / "examples.npz", **_pictures())


def _tables() -> dict[str, Any]:
    parts = {"pixel": 50.0, "class": 40.0, "parts": [None, *(50.0 + index for index in range(19))]}
    joints = {"mean_3d": 20.0, "mean_2d": 10.0, "median_3d": 19.0, "joints": [1.0] * 21, "curve": [0.5] * 81}
    return {
        "segmentation": {"f_s": {"held_out": parts, "dev": parts, "test": parts}},
        "restoration": {"none": {"pixel": 40.0, "class": 30.0}, "vote": {"pixel": 44.0, "class": 34.0}},
        "supervision": {name: {"held_out": parts, "dev": parts, "test": parts} for name in ("control", "dictionary")},
        "methods": {name: {"dev": joints, "test": joints} for name in ("a", "b")},
        "time": {"f_s": 2.0, "a": 30.0, "b": 40.0},
    }


def _pictures() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    labels, center = rng.integers(0, 21, (2, 48, 48), dtype=np.uint8), np.float32([[0, 0, 500]] * 2)
    places = (center[:, None] + rng.uniform(-90, 90, (2, 21, 3))).astype(np.float32)
    kept = {"depth": rng.uniform(-1, 1, (2, 48, 48)).astype(np.float16), "truth": labels, "predicted": labels}
    kept |= {"restored": labels, "joints": places, "center": center, "cube_mm": np.full(2, 250.0, np.float32)}
    kept |= {f"parts of {name}": labels for name in ("control", "dictionary")}
    return kept | {f"joints of {name}": places for name in ("a", "b")}


def _read_run(folder: Path) -> None:
    run = Run(folder / "run-0")
    for step in ("segmentation", "supervision/control", "methods", "regression"):
        run.result(step)
    read_examples(read_run(folder / "run-0"))


def _report(folder: Path) -> None:
    from knuckle.report.write import write_report

    try:
        write_report([folder / "run-0"], folder / "report")
    finally:
        shutil.rmtree(folder / "report", ignore_errors=True)


class _Chumpy:
    """Stands in for chumpy's array: the pickle holds its state."""

    def __init__(self, x: Any) -> None:
        self.x = x


_Chumpy.__module__, _Chumpy.__qualname__ = "chumpy.ch", "Ch"


def _mano(folder: Path) -> None:
    """A hand of 20 vertices, in the form of the real file, which may not be shipped."""
    import scipy.sparse

    rng = np.random.default_rng(0)
    parents = [4294967295, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14]
    model = {
        "v_template": rng.normal(size=(20, 3)),
        "shapedirs": _Chumpy(rng.normal(size=(20, 3, 2))),
        "J_regressor": scipy.sparse.csc_matrix(np.eye(16, 20)),
        "weights": np.eye(16)[rng.integers(0, 16, 20)],
        "f": rng.integers(0, 20, (30, 3)).astype(np.uint32),
        "kintree_table": np.array([parents, range(16)], dtype=np.int64),
    }
    (folder / "MANO_RIGHT.pkl").write_bytes(_pickled(model))


def _pickled(model: dict[str, Any]) -> bytes:
    """With chumpy's class under its own name, although chumpy is not there."""
    package, module = types.ModuleType("chumpy"), types.ModuleType("chumpy.ch")
    module.Ch = _Chumpy  # type: ignore[attr-defined]
    with unittest.mock.patch.dict(sys.modules, {"chumpy": package, "chumpy.ch": module}):
        return pickle.dumps(model, protocol=2)


def _asset(folder: Path) -> None:
    rng = np.random.default_rng(0)
    assets._save(_small_asset(rng), folder / "a.npz")


def _small_asset(rng: np.random.Generator) -> assets.HandAsset:
    return assets.HandAsset(
        vertices=rng.normal(size=(8, 3)),
        joints=rng.normal(size=(21, 3)),
        weights=np.full((8, 21), 1 / 21),
        faces=rng.integers(0, 8, (5, 3)).astype(np.int32),
        shape_vertices=np.zeros((0, 8, 3)),
        shape_joints=np.zeros((0, 21, 3)),
        shapes=np.zeros((1, 0)),
    )


TARGETS = (
    FileTarget("recipe", _recipe, lambda folder: load_recipe(folder / "a.yaml")),
    FileTarget("run", _run, _read_run, ("**/*.json", "**/*.npz")),
    FileTarget("report", _run, _report, ("**/*.json", "**/*.npz")),
    FileTarget("mano", _mano, lambda folder: mano_file.read(folder / "MANO_RIGHT.pkl")),
    FileTarget("hand-asset", _asset, lambda folder: assets._load(folder / "a.npz")),
)
