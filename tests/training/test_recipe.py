"""Recipes: the shipped ones load, and whatever is wrong is named with its key in one line."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from knuckle.errors import SettingsError
from knuckle.training.recipe import Recipe, load_recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "recipe.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_the_recipes_of_the_project_load(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe == Recipe.model_validate_json(recipe.model_dump_json())  # a run keeps it as JSON


def test_there_are_recipes() -> None:
    assert "release.yaml" in [path.name for path in RECIPES]


@pytest.mark.parametrize("text", ["", "# nothing asked for\n", "{}"])
def test_an_empty_recipe_is_the_default(tmp_path: Path, text: str) -> None:
    assert load_recipe(written(tmp_path, text)) == Recipe()


def test_values_are_taken_over(tmp_path: Path) -> None:
    text = "segmentation: {network: paper, fit: {epochs: 0.5, seed: 9}}\nregression: null\n"
    recipe = load_recipe(str(written(tmp_path, text)))
    assert recipe.segmentation.network == "paper"
    assert (recipe.segmentation.fit.epochs, recipe.segmentation.fit.seed) == (0.5, 9)
    assert recipe.segmentation.fit.batch == Recipe().segmentation.fit.batch
    assert recipe.regression is None


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("epochs: 3", "epochs"),
        ("segmentation: {fit: {epoch: 3}}", "segmentation.fit.epoch"),
        ("segmentation: {fit: {epochs: 0}}", "segmentation.fit.epochs"),
        ("segmentation: {fit: {epochs: .inf}}", "segmentation.fit.epochs"),
        ("segmentation: {fit: {epochs: many}}", "segmentation.fit.epochs"),
        ("segmentation: {fit: {rate: .nan}}", "segmentation.fit.rate"),
        ("segmentation: {fit: {batch: 0}}", "segmentation.fit.batch"),
        ("segmentation: {fit: {batch: 2.5}}", "segmentation.fit.batch"),
        ("segmentation: {fit: {seed: -1}}", "segmentation.fit.seed"),
        ("segmentation: {network: resnet}", "segmentation.network"),
        ("segmentation: {not_hand_weight: 0}", "segmentation.not_hand_weight"),
        ("regression: {fit: {threads: 0}}", "regression.fit.threads"),
        ("regression: {size: {widths: [8, 8]}}", "regression.size.widths"),
        ("regression: {size: {widths: [8, 0, 8]}}", "regression.size.widths.1"),
        ("regression: {size: {hidden: -4}}", "regression.size.hidden"),
        ("regression: 3", "regression"),
        ("- a list", "recipe"),
        ("just words", "recipe"),
    ],
)
def test_a_wrong_key_or_value_is_named(tmp_path: Path, text: str, key: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load_recipe(path)
    assert str(caught.value).startswith(f"{path}: {key}")
    assert "\n" not in str(caught.value)


def test_every_fault_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"segmentation\.fit\.batch: .*; regression\.typo: "):
        load_recipe(written(tmp_path, "segmentation: {fit: {batch: 0}}\nregression: {typo: 1}"))


@pytest.mark.parametrize(
    "text", ["segmentation: {fit: [", "a: b: c", b"\xff\xfe\x00", "x: !!python/object/apply:os.getcwd []", "a: \x07"]
)
def test_what_is_not_yaml_is_refused(tmp_path: Path, text: str | bytes) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SettingsError, match="cannot read the recipe") as caught:
        load_recipe(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_recipe_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(SettingsError, match="cannot read the recipe"):
            load_recipe(path)


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Recipe().segmentation.fit.epochs = 3.0
