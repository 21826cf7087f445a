"""A recipe on real frames: nobody knows their parts, some show no hand, and training and report work all the same."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hands_run import FIT, SIZE

from knuckle.data.memory import TrainingData
from knuckle.data.sample import ARRAYS
from knuckle.data.store import SampleStore
from knuckle.errors import SettingsError
from knuckle.pipeline.train import train
from knuckle.regression import paper
from knuckle.report.write import write_report
from knuckle.synth.generate import SynthSettings
from knuckle.synth.production import generate
from knuckle.training.recipe import Recipe

EMPTY = 3
"""The row that shows no hand."""

HALF = {"real_share": 0.5}
LABELS = {
    "control": {"labels": "none"},
    "dictionary": {"labels": "dictionary", "patch": 5, "gate": True, **HALF},
    "teacher": {"labels": "teacher", **HALF},
}
METHODS = {
    "a": {"network": "paper", "shared": True},
    "d": {"network": "paper", "shared": True, "parts": "dictionary"},
    "ours": {"network": "voting", "size": SIZE.model_dump(), "parts": "teacher"},
}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper, "_HIDDEN", 8)
    monkeypatch.setattr("knuckle.pipeline.train._TIMED", 2)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered hands, and two stores in the form of an imported dataset."""
    root = tmp_path_factory.mktemp("real")
    generate(root / "source.zarr", SynthSettings(empty_share=0), 24, seed=0, workers=1)
    for seed, name in enumerate(("train", "test"), start=1):
        generate(root / f"{name}-rendered.zarr", SynthSettings(hand="soma", empty_share=0), 8, seed, workers=1)
        as_real(root / f"{name}-rendered.zarr", root / "real.zarr" / name)
    return root


def as_real(rendered: Path, real: Path) -> None:
    """The same frames without parts, one of them without a hand."""
    source = SampleStore.open(rendered)
    rows = {name: source.read(name) for name in ARRAYS}
    rows["parts"][:] = 0
    rows["depth"][EMPTY] = 1
    for name in ("center", "joints", "joints14"):
        rows[name][EMPTY] = np.nan
    store = SampleStore.create(real, len(source), {"parts_known": False}, shard=len(source))
    store.write_shard(0, rows)


def recipe_on(root: Path, **changes: Any) -> Recipe:
    fit, size = FIT.model_copy(update={"batch": 4}).model_dump(), SIZE.model_dump()
    values = {
        "data": {
            "synthetic": [str(root / "source.zarr")],
            "train": str(root / "real.zarr" / "train"),
            "test": str(root / "real.zarr" / "test"),
            "held_out": 4,
        },
        "segmentation": {"size": size, "fit": fit},
        "supervision": {
            "rows": LABELS,
            "fit": fit,
            "teacher": {"size": size, "fit": fit},
            "dictionary": {"maps": 8},
        },
        "methods": {"rows": METHODS, "fit": fit},
    }
    return Recipe.model_validate(values | changes)


def test_frames_without_parts_or_a_hand_go_through_all_steps(stores: Path, tmp_path: Path) -> None:
    tables = train(recipe_on(stores), tmp_path / "run")["tables"]
    assert set(tables["segmentation"]["f_s"]) == {"held_out"}  # real parts cannot be scored
    for row in tables["supervision"].values():
        assert "test" not in row
        assert "labels" not in row
    assert tables["supervision"]["teacher"]["accepted"] == 7 / 8  # the empty frame taught nothing
    assert tables["restoration"] == {}
    for row in tables["methods"].values():
        assert np.isfinite([row["test"]["mean_3d"], *row["test"]["joints"], *row["test"]["curve"]]).all()
    joints = np.load(tmp_path / "run" / "methods" / "a" / "test.npy")
    assert np.isnan(joints).all(axis=(1, 2)).tolist() == [row == EMPTY for row in range(8)]


def test_their_run_makes_a_report(stores: Path, tmp_path: Path) -> None:
    train(recipe_on(stores), tmp_path / "run")
    write_report([tmp_path / "run"], tmp_path / "report")
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "teacher" in text
    assert "nan" not in text.lower().replace("finance", "")


def test_a_store_says_whether_its_parts_are_known(stores: Path) -> None:
    assert TrainingData.load(stores / "source.zarr").parts_known
    real = TrainingData.load(stores / "real.zarr" / "train")
    assert not real.parts_known
    assert not real[:2].parts_known
    assert real.has_hand.tolist() == [row != EMPTY for row in range(8)]


@pytest.mark.parametrize(
    "changes",
    [
        {"supervision": {"rows": {"truth": {"labels": "truth"}}, "fit": FIT.model_dump()}},
        {"methods": {"rows": {"e": {"network": "paper", "shared": True, "parts": "truth"}}, "fit": FIT.model_dump()}},
    ],
    ids=["labels", "parts"],
)
def test_hidden_parts_that_nobody_knows_are_refused(stores: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    both = {"supervision": {"rows": {"control": {"labels": "none"}}, "fit": FIT.model_dump()}, "methods": None}
    with pytest.raises(SettingsError, match="nobody knows the parts"):
        train(recipe_on(stores, **(both | changes)), tmp_path / "run")


def test_real_frames_are_no_synthetic_hands(stores: Path, tmp_path: Path) -> None:
    recipe = recipe_on(stores)
    data = recipe.data.model_copy(update={"synthetic": (str(stores / "real.zarr" / "train"),)})
    with pytest.raises(SettingsError, match="give rendered hands"):
        train(recipe.model_copy(update={"data": data}), tmp_path / "run")
