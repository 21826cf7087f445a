"""The three steps of a recipe from rendering to results: killed anywhere, done again in part, blind to hidden parts."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hands_run import FIT, SIZE

from knuckle.data.sample import ARRAYS
from knuckle.data.store import SampleStore
from knuckle.errors import WeightsError
from knuckle.pipeline import data as data_module
from knuckle.pipeline import train as train_module
from knuckle.pipeline.run import Run
from knuckle.pipeline.train import train
from knuckle.regression import paper
from knuckle.synth import benchmark
from knuckle.training import loop
from knuckle.training.recipe import Recipe

COUNTS = {"source": 24, "target-train": 10, "target-dev": 4, "target-test": 6}
HALF = {"real_share": 0.5}  # two of four crops: a tenth of them would be none
LABELS = {
    "control": {"labels": "none"},
    "self": {"labels": "predicted", **HALF},
    "mode": {"labels": "mode", **HALF},
    "dictionary": {"labels": "dictionary", "patch": 5, "gate": True, **HALF},
    "restored": {"labels": "dictionary", "patch": 5, **HALF},
    "teacher": {"labels": "teacher", "shift_mm": 8, **HALF},
    "truth": {"labels": "truth", **HALF},
    "longer": {"labels": "mode", **HALF, "fit": FIT.model_copy(update={"batch": 4, "steps": 3}).model_dump()},
}
METHODS = {
    "a": {"network": "paper", "shared": True},
    "b": {"network": "cascade", "first": "a", "shared": True},
    "c": {"network": "paper", "shared": True, "parts": "synthetic"},
    "d": {"network": "paper", "shared": True, "parts": "dictionary"},
    "e": {"network": "paper", "shared": True, "parts": "truth"},
    "ours": {"network": "voting", "size": SIZE.model_dump(), "parts": "teacher"},
}


@pytest.fixture(scope="module", autouse=True)
def small() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paper, "_HIDDEN", 8)
        patch.setattr("knuckle.pipeline.weak._PATCH", 5)
        patch.setattr("knuckle.pipeline.weak._TABLE_2", 2)
        patch.setattr("knuckle.pipeline.train._TIMED", 2)
        patch.setattr(loop, "_CHECKPOINT_SECONDS", -1.0)
        patch.setattr(loop, "_LOG_STEPS", 1)
        for module in (benchmark, data_module):
            groups = {name: (it[0], COUNTS[name], it[2]) for name, it in benchmark.SENSOR_GAP.items()}
            patch.setattr(module, "SENSOR_GAP", groups)
        yield


def recipe_of(root: Path) -> Recipe:
    fit, size = FIT.model_copy(update={"batch": 4}).model_dump(), SIZE.model_dump()
    data = {name: f"{root}/target-{name}" for name in ("train", "dev", "test")}
    return Recipe.model_validate(
        {
            "data": {**data, "synthetic": [f"{root}/source"], "benchmark": "sensor-gap", "held_out": 4},
            "segmentation": {"size": size, "fit": fit},
            "supervision": {
                "rows": LABELS,
                "frames": 8,
                "fit": fit,
                "teacher": {"size": size, "fit": fit},
                "dictionary": {"maps": 8},
            },
            "methods": {"rows": METHODS, "fit": fit},
            "regression": {"size": size, "fit": fit},
        }
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Path, list[tuple]]:
    """A recipe, the folder of its finished run, and all that was told of it."""
    root = tmp_path_factory.mktemp("whole")
    recipe, told = recipe_of(root / "gap.zarr"), []
    train(recipe, root / "run", lambda *at: told.append(at))
    return recipe, root / "run", told


def results_of(folder: Path) -> dict[str, Any]:
    """All results but the time that networks take."""
    found = json.loads((folder / "results.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    found["tables"]["time"] = sorted(found["tables"]["time"])
    return found


def weights_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder).parent): path.read_bytes() for path in folder.rglob("weights.safetensors")}


def test_a_run_fills_every_table(whole: tuple[Recipe, Path, list[tuple]]) -> None:
    recipe, folder, _ = whole
    found = results_of(folder)
    tables = found["tables"]
    assert list(tables["supervision"]) == list(LABELS)
    assert list(tables["methods"]) == list(METHODS)
    assert set(tables["restoration"]) == {"none", "centre", "vote", "crf-potts", "crf-overlap", "evidence"}
    assert tables["time"] == sorted(["f_s", *METHODS])
    for row in (tables["segmentation"]["f_s"], *tables["supervision"].values()):
        assert {"held_out", "dev", "test"} <= set(row)
        assert 0 <= row["test"]["pixel"] <= 100
        assert len(row["test"]["parts"]) == 20
    for row in tables["methods"].values():
        assert 1 < row["test"]["mean_3d"] < 500
        assert (len(row["test"]["curve"]), len(row["dev"]["joints"])) == (81, 21)
    assert set(found["data"]["stores"]) == {
        *recipe.data.synthetic,
        recipe.data.train,
        recipe.data.dev,
        recipe.data.test,
    }


def test_a_row_is_trained_by_its_own_settings_where_it_has_some(whole: tuple[Recipe, Path, list[tuple]]) -> None:
    lengths = {name: total for name, _, total, _ in whole[2] if name.startswith("supervision/")}
    assert lengths == {f"supervision/{name}": 3 if name == "longer" else FIT.steps for name in LABELS}


def test_methods_are_scored_by_their_joints(whole: tuple[Recipe, Path, list[tuple]]) -> None:
    recipe, folder, _ = whole
    truth = SampleStore.open(recipe.data.test).read("joints")
    for name, row in results_of(folder)["tables"]["methods"].items():
        placed = np.load(folder / "methods" / name / "test.npy")
        assert row["test"]["mean_3d"] == pytest.approx(np.linalg.norm(placed - truth, axis=2).mean(), rel=1e-3)


def test_step_3_alone_goes_on_from_the_files_of_the_others(
    whole: tuple[Recipe, Path, list[tuple]], tmp_path: Path
) -> None:
    recipe, folder, _ = whole
    d = str(folder / "supervision" / "dictionary" / "weights.safetensors")
    f_s = str(folder / "segmentation" / "weights.safetensors")
    values = recipe.model_dump() | {"supervision": None, "regression": None}
    values["segmentation"]["weights"] = f_s
    values["methods"]["rows"] = {"c": METHODS["c"], "d": {**METHODS["d"], "parts": d}}
    found = train(Recipe.model_validate(values), tmp_path / "run")["tables"]
    expected = results_of(folder)["tables"]
    assert found["methods"] == {name: expected["methods"][name] for name in ("c", "d")}
    assert found["segmentation"] == expected["segmentation"]
    assert not (tmp_path / "run" / "segmentation" / "weights.safetensors").exists()
    with np.load(tmp_path / "run" / "examples.npz") as kept, np.load(folder / "examples.npz") as others:
        assert {"joints of c", "joints of d", "predicted"} <= set(kept)
        assert all((kept[name] == others[name]).all() for name in kept)
    assert train(Recipe.model_validate(values), tmp_path / "run")["tables"]["methods"] == found["methods"]
    values["methods"]["rows"]["d"]["parts"] = str(tmp_path / "none.safetensors")
    with pytest.raises(WeightsError, match=r"none\.safetensors"):
        train(Recipe.model_validate(values), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_examples_of_every_row_are_kept(whole: tuple[Recipe, Path, list[tuple]]) -> None:
    with np.load(whole[1] / "examples.npz") as kept:
        rows = {f"parts of {name}" for name in LABELS} | {f"joints of {name}" for name in METHODS}
        assert set(kept) == rows | {"depth", "truth", "predicted", "restored", "joints", "center", "cube_mm"}
        assert all(len(values) == COUNTS["target-test"] for values in kept.values())


def test_finished_steps_are_not_done_again(
    whole: tuple[Recipe, Path, list[tuple]], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, folder, _ = whole
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    for name in ("keep_examples", "_times"):
        monkeypatch.setattr(train_module, name, lambda *_: pytest.fail("done again"))
    told: list[tuple] = []
    train(recipe, folder, lambda *at: told.append(at))
    assert {name for name, *_ in told} <= {"data"}
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert {path for path in after if after[path] != before.get(path)} == {folder / "results.json"}


def killing_at(step: str, done: int = 0) -> Callable[..., None]:
    """Kills a run when the step tells that so much of it is done, or more."""

    def kill(name: str, at: int, *_: float) -> None:
        if name == step and at >= done:
            raise KeyboardInterrupt

    return kill


def test_a_run_killed_again_and_again_ends_in_the_same_results(
    whole: tuple[Recipe, Path, list[tuple]], tmp_path: Path
) -> None:
    """Whenever something is first told, and inside every training at its end, where nothing is noted yet."""
    recipe, folder, told = whole
    trainings = {name: total for name, _, total, loss in told if loss == loss}
    assert len(trainings) == 3 + len(LABELS) + len(METHODS)  # step 1, teacher and regression too
    names = dict.fromkeys(name for name, *_ in told if name != "data")
    assert len(names) > len(trainings) + 2  # the dictionary, restoring with it, the comparison of restorations
    for name in names:
        for done in (0, trainings[name]) if name in trainings else (0,):
            with pytest.raises(KeyboardInterrupt):
                train(recipe, tmp_path / "run", killing_at(name, done))
    train(recipe, tmp_path / "run")
    assert results_of(tmp_path / "run") == results_of(folder)
    assert weights_of(tmp_path / "run") == weights_of(folder)


def test_a_step_is_done_again_alone(whole: tuple[Recipe, Path, list[tuple]], tmp_path: Path) -> None:
    recipe, folder, _ = whole
    shutil.copytree(folder, tmp_path / "run")
    (tmp_path / "run" / "examples.npz").write_bytes(b"of what is forgotten now")
    Run(tmp_path / "run", recipe).forget("methods/c")
    assert not (tmp_path / "run" / "methods" / "c").exists()
    told: list[str] = []
    train(recipe, tmp_path / "run", lambda name, *_: told.append(name))
    assert (tmp_path / "run" / "examples.npz").read_bytes() == (folder / "examples.npz").read_bytes()
    assert set(told) <= {"data", "methods/c"}
    assert "methods/c" in told
    assert results_of(tmp_path / "run") == results_of(folder)
    assert weights_of(tmp_path / "run") == weights_of(folder)


def test_every_source_of_labels_makes_another_network(whole: tuple[Recipe, Path, list[tuple]]) -> None:
    rows = {name: weights for name, weights in weights_of(whole[1]).items() if name.startswith("supervision/")}
    del rows["supervision/dictionary"]  # whose gate may accept all, as "restored" does, or nothing
    assert len(rows) == len(LABELS) - 1
    assert len(set(rows.values())) == len(rows)


def test_hidden_parts_of_real_frames_teach_nothing_but_the_row_truth(
    whole: tuple[Recipe, Path, list[tuple]], tmp_path: Path
) -> None:
    """The same stores but for the parts of target-train, which are noise, give the same weights."""
    recipe, folder, _ = whole
    shutil.copytree(Path(recipe.data.synthetic[0]).parent, tmp_path / "gap.zarr")
    store = SampleStore.open(tmp_path / "gap.zarr" / "target-train", writable=True)
    rows = {name: store.read(name) for name in ARRAYS}
    rows["parts"] = np.random.default_rng(0).integers(0, 21, rows["parts"].shape).astype(np.uint8)
    store.write_shard(0, rows)
    train(recipe_of(tmp_path / "gap.zarr"), tmp_path / "run")
    before, after = weights_of(folder), weights_of(tmp_path / "run")
    assert set(after) == set(before)
    assert {name for name in before if after[name] != before[name]} == {"supervision/truth", "methods/e"}
