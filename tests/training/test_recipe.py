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
        ("segmentation: {fit: {steps: 0}}", "segmentation.fit.steps"),
        (
            "segmentation: {start: a.safetensors, weights: b.safetensors}",
            "recipe: Value error, segmentation: give weights",
        ),
        ("segmentation: {fit: {optimiser: newton}}", "segmentation.fit.optimiser"),
        ("segmentation: {fit: {schedule: cosine}}", "segmentation.fit.schedule"),
        ("segmentation: {fit: {rate_decay: -1}}", "segmentation.fit.rate_decay"),
        ("segmentation: {fit: {device: tpu}}", "segmentation.fit.device"),
        ("data: {synthetics: [a]}", "data.synthetics"),
        ("data: {held_out: -1}", "data.held_out"),
        ("data: {benchmark: nyu}", "data.benchmark"),
        ("data: {scale: 0}", "data.scale"),
        ("data: {scale: 1.5}", "data.scale"),
        ("supervision: {}", "supervision.rows"),
        ("supervision: {rows: {}}", "supervision.rows"),
        ("supervision: {rows: {a: {}}}", "supervision.rows.a.labels"),
        ("supervision: {rows: {a: {labels: guessed}}}", "supervision.rows.a.labels"),
        ("supervision: {rows: {a: {labels: none, real_share: 0}}}", "supervision.rows.a.real_share"),
        ("supervision: {rows: {a: {labels: none, real_share: 1}}}", "supervision.rows.a.real_share"),
        ("supervision: {rows: {a: {labels: none, shift_mm: -1}}}", "supervision.rows.a.shift_mm"),
        ("supervision: {rows: {a: {labels: none, method: crf}}}", "supervision.rows.a.method"),
        ("supervision: {frames: 0, rows: {a: {labels: none}}}", "supervision.frames"),
        ("supervision: {dictionary: {maps: 0}, rows: {a: {labels: none}}}", "supervision.dictionary.maps"),
        (
            "supervision: {teacher: {joint_noise_mm: -1}, rows: {a: {labels: none}}}",
            "supervision.teacher.joint_noise_mm",
        ),
        ("methods: {rows: {}}", "methods.rows"),
        ("methods: {rows: {a: {network: resnet}}}", "methods.rows.a.network"),
        ("methods: {rows: {a: {network: paper, input: 96}}}", "methods.rows.a.input"),
        ("methods: {turn_degrees: 181, rows: {a: {network: paper}}}", "methods.turn_degrees"),
        ("methods: {zoom: 1, rows: {a: {network: paper}}}", "methods.zoom"),
        ("regression: {spread_weight: -1}", "regression.spread_weight"),
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


REAL = "data: {synthetic: [s], train: t, test: e}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (REAL + "methods: {rows: {d: {network: paper, parts: mine}}}", "methods.rows.d.parts: there is no row 'mine'"),
        (REAL + "methods: {rows: {b: {network: cascade}}}", "methods.rows.b.first"),
        (REAL + "methods: {rows: {b: {network: cascade, first: a}}}", "methods.rows.b.first"),
        (REAL + "methods: {rows: {a: {network: voting}, b: {network: cascade, first: a}}}", "methods.rows.b.first"),
        (
            REAL + "methods: {rows: {a: {network: paper, parts: truth}, b: {network: cascade, first: a}}}",
            "methods.rows.b.first",
        ),
        (
            REAL + "methods: {rows: {a: {network: paper}, b: {network: cascade, first: a, parts: synthetic}}}",
            "methods.rows.b.first",
        ),
        ("supervision: {rows: {a: {labels: none}}}", "need data.train and data.test"),
        ("data: {train: t}\nmethods: {rows: {a: {network: paper}}}", "need data.train and data.test"),
        ("data: {test: e}\nmethods: {rows: {a: {network: paper}}}", "need data.train and data.test"),
    ],
)
def test_sections_that_do_not_fit_together_are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load_recipe(path)
    assert str(caught.value).startswith(f"{path}: recipe: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_sections_that_fit_together_load(tmp_path: Path) -> None:
    text = REAL + "supervision: {rows: {mine: {labels: teacher}}}\nmethods:\n  rows:\n    a: {network: paper}\n"
    text += "    b: {network: cascade, first: a}\n    d: {network: paper, parts: mine}\n    e: {network: voting}\n"
    recipe = load_recipe(written(tmp_path, text))
    assert recipe.methods is not None
    assert list(recipe.methods.rows) == ["a", "b", "d", "e"]
    assert recipe == Recipe.model_validate_json(recipe.model_dump_json())


def seeds_of(values: object) -> list[int]:
    if not isinstance(values, dict):
        return []
    own = [values["seed"]] if "seed" in values else []
    return own + [seed for value in values.values() for seed in seeds_of(value)]


def test_a_seed_is_that_of_every_fit_and_changes_nothing_else(tmp_path: Path) -> None:
    text = REAL + "supervision: {rows: {a: {labels: none}}}\nregression: {}\n"
    text += "methods: {rows: {a: {network: paper, fit: {steps: 3}}, b: {network: voting}}}"
    recipe = load_recipe(written(tmp_path, text))
    assert seeds_of(recipe.with_seed(7).model_dump()) == [7] * 6  # steps 1 and 2, teacher, methods, row a, regression
    assert seeds_of(recipe.model_dump()) == [0] * 6
    assert recipe.with_seed(7).with_seed(0) == recipe


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


@pytest.mark.parametrize(
    "text",
    [
        "segmentation: {fit: {seed: 1" + "0" * 5000 + "}}",
        "segmentation: {fit: {seed: 2001-99-99}}",
        "[" * 5000,
        "segmentation: !!int x",
        "a: &a [*a]",
        "a: &a {<<: *a}",
        "!!python/object/apply:os.system [exit 1]",
    ],
)
def test_yaml_that_python_stumbles_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(SettingsError, match=r"a\.yaml: ") as caught:
        load_recipe(tmp_path / "a.yaml")
    assert "\n" not in str(caught.value)
