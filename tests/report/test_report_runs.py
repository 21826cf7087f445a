"""Which folders are a report's, and which belong together."""

import re
from pathlib import Path
from typing import Any

import pytest
from small_runs import make_recipe, make_results, write_json, write_run

from knuckle.errors import SettingsError
from knuckle.report.runs import group, read_run


def test_runs_of_one_name_are_one_regime_by_rising_seed(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / name, seed) for name, seed in (("weak-7", 7), ("strong-0", 0), ("weak-2", 2))]
    weak, strong = group(folders)
    assert (weak.name, weak.seeds, strong.name, strong.seeds) == ("weak", [2, 7], "strong", [0])
    assert [run.folder.name for run in weak.runs] == ["weak-2", "weak-7"]


@pytest.mark.parametrize(
    ("folder", "name"), [("weak", "weak"), ("run-1-12", "run-1"), ("48px", "48px"), ("-3", "-3"), ("a-b", "a-b")]
)
def test_a_regime_is_named_after_its_folder(tmp_path: Path, folder: str, name: str) -> None:
    assert group([write_run(tmp_path / folder)])[0].name == name


def test_the_name_is_that_of_the_folder_wherever_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_run(tmp_path / "weak-0"))
    assert group([Path()])[0].name == "weak"


def test_a_recipe_without_steps_2_and_3_has_no_rows(tmp_path: Path) -> None:
    (regime,) = group([write_run(tmp_path / "run", recipe=make_recipe(labels=None, methods=None))])
    assert regime.rows("supervision") == regime.rows("methods") == {}


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nowhere: not a run of  knuckle train"):
        read_run(tmp_path / "nowhere")


def test_an_unfinished_run_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "weak-1", 1)
    (run / "results.json").unlink()
    with pytest.raises(SettingsError, match=r"weak-1: the run is not finished \(no results.json\)"):
        read_run(run)


@pytest.mark.parametrize("name", ["results.json", "recipe.json"])
@pytest.mark.parametrize(("text", "said"), [("{not", "cannot be read as JSON"), ("[1]", "a JSON object, got a list")])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    run = write_run(tmp_path / "run")
    (run / name).write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=f"{name}: .*{said}"):
        read_run(run)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("data",), []),
        (("data", "scale"), "1"),
        (("segmentation", "network"), [-1]),
        (("segmentation", "fit"), 3),
        (("supervision", "rows"), ["a"]),
        (("supervision", "rows", "control"), None),
        (("supervision", "rows", "control", "labels"), ["none"]),
        (("supervision", "rows", "control", "labels"), None),
        (("methods", "rows", "a", "parts"), [[]]),
        (("methods", "fit", "epochs"), True),
    ],
)
def test_settings_of_another_kind_are_refused(tmp_path: Path, path: tuple[str, ...], value: Any) -> None:
    recipe = make_recipe()
    at = recipe
    for key in path[:-1]:
        at = at[key]
    results = make_results(recipe)
    at[path[-1]] = value
    with pytest.raises(SettingsError, match=r"recipe\.json: .*run  knuckle train  again"):
        read_run(write_run_of(tmp_path / "run", recipe, results))


def write_run_of(folder: Path, recipe: dict[str, Any], results: dict[str, Any]) -> Path:
    folder.mkdir()
    write_json(folder / "recipe.json", recipe)
    write_json(folder / "results.json", results)
    return folder


def test_json_of_any_depth_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / "recipe.json").write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"recipe\.json: cannot be read"):
        read_run(run)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / "results.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match=r"results\.json: cannot be read"):
        read_run(run)


def _without(results: dict[str, Any], *path: str) -> dict[str, Any]:
    at = results
    for key in path[:-1]:
        at = at[key]
    del at[path[-1]]
    return results


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (("tables",), "has no tables"),
        (("tables", "restoration"), "has no table 'restoration'"),
        (("tables", "time"), "has no table 'time'"),
        (("tables", "supervision", "teacher"), "table 'supervision' has no row 'teacher'"),
        (("tables", "methods", "ours"), "table 'methods' has no row 'ours'"),
        (("seed",), "seed must be a whole number, got None"),
    ],
)
def test_results_that_lack_something_are_refused(tmp_path: Path, path: tuple[str, ...], said: str) -> None:
    run = write_run(tmp_path / "run", results=_without(make_results(make_recipe()), *path))
    with pytest.raises(SettingsError, match=said):
        read_run(run)


def test_an_unfinished_row_is_refused(tmp_path: Path) -> None:
    results = make_results(make_recipe())
    results["tables"]["methods"]["b"] = None
    with pytest.raises(SettingsError, match="has no row 'b'"):
        read_run(write_run(tmp_path / "run", results=results))


def test_one_seed_twice_is_refused(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / name, 3) for name in ("weak-0", "weak-1")]
    with pytest.raises(SettingsError, match=r"weak-0 and .*weak-1 have the same seed, 3"):
        group(folders)


def test_recipes_that_differ_in_more_than_seeds_are_refused(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / f"weak-{seed}", seed) for seed in range(3)]
    other = make_recipe(2)
    other["supervision"]["fit"]["steps"] = 99
    write_json(folders[2] / "recipe.json", other)
    with pytest.raises(SettingsError, match=r"weak-0 and .*weak-2 .* differ in supervision\.fit\.steps"):
        group(folders)


def test_a_step_more_is_another_recipe(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / "run-0"), write_run(tmp_path / "run-1", 1, make_recipe(1, methods=None))]
    with pytest.raises(SettingsError, match=re.escape("differ in methods")):
        group(folders)
