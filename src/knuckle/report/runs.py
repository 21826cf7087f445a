"""Folders of finished runs, read and grouped: runs of one recipe that differ in their seed alone are one regime."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knuckle.errors import SettingsError, shown

RECIPE = "recipe.json"
RESULTS = "results.json"

TABLES = ("segmentation", "restoration", "supervision", "methods", "time")
"""What `results.json` holds under "tables": row → measures; empty where the recipe leaves a step out."""


_KINDS: dict[str, Any] = {
    **dict.fromkeys(("data", "segmentation", "supervision", "methods", "rows", "fit"), dict),
    **dict.fromkeys(("network", "labels", "parts", "first", "method", "start", "weights"), str),
    **dict.fromkeys(("benchmark", "train", "dev", "test"), str),
    **dict.fromkeys(("scale", "epochs", "shift_mm", "reach_mm", "real_share"), int | float),
}
"""Of the settings that a report puts into words or goes by."""

_MAY_BE_NULL = {"supervision", "methods", "fit", "first", "start", "weights", "reach_mm"}
_MAY_BE_NULL |= {"train", "dev", "test", "benchmark"}
"""Of these; for the others the recipe has a value."""


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """One folder of `knuckle train`: its recipe and its results, as they lie there."""

    folder: Path
    recipe: dict[str, Any]
    tables: dict[str, dict[str, Any]]
    machine: dict[str, Any]
    seed: int


@dataclass(frozen=True, eq=False)
class Regime:
    """Runs of one recipe, by rising seed."""

    name: str
    runs: tuple[FinishedRun, ...]

    @property
    def recipe(self) -> dict[str, Any]:
        """That of the first run; the others differ in the seed alone."""
        return self.runs[0].recipe

    @property
    def seeds(self) -> list[int]:
        return [run.seed for run in self.runs]

    def rows(self, step: str) -> dict[str, dict[str, Any]]:
        """Settings of the rows of `supervision` or `methods`, by name, in the recipe's order."""
        return rows_of(self.recipe, step)


def rows_of(recipe: dict[str, Any], step: str) -> dict[str, dict[str, Any]]:
    """Settings of the rows of a recipe's step; none where it leaves the step out."""
    return dict((recipe.get(step) or {}).get("rows") or {})


def read_run(folder: Path) -> FinishedRun:
    """Reads a finished run. Raises `SettingsError` if the folder holds none, or what it holds is not whole."""
    if not (folder / RECIPE).is_file():
        raise SettingsError(f"{folder}: not a run of  knuckle train  (no {RECIPE})")
    recipe = _read_object(folder / RECIPE)
    _check_settings(folder / RECIPE, recipe)
    if not (folder / RESULTS).is_file():
        raise SettingsError(f"{folder}: the run is not finished (no {RESULTS}): go on with  knuckle train")
    results = _read_object(folder / RESULTS)
    tables = results.get("tables")
    if not isinstance(tables, dict):
        raise SettingsError(f"{folder / RESULTS}: has no tables: run  knuckle train  again")
    for name in TABLES:
        if not isinstance(tables.get(name), dict):
            raise SettingsError(f"{folder / RESULTS}: has no table {name!r}: run  knuckle train  again")
    for step in ("supervision", "methods"):
        for row in rows_of(recipe, step):
            if not isinstance(tables[step].get(row), dict):
                raise SettingsError(f"{folder / RESULTS}: table {step!r} has no row {row!r}: run  knuckle train  again")
    seed = results.get("seed")
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise SettingsError(f"{folder / RESULTS}: seed must be a whole number, got {shown(seed)}")
    machine = results.get("made_by") or {}
    if not isinstance(machine, dict):
        raise SettingsError(f"{folder / RESULTS}: made_by must be an object, got {shown(machine)}")
    return FinishedRun(folder, recipe, tables, machine, seed)


def group(folders: Sequence[Path]) -> list[Regime]:
    """Reads runs and groups them by their folder's name without a trailing -SEED, in the order they are given.

    Raises `SettingsError` as `read_run`, and for two runs of one regime with one seed or with different recipes.
    """
    found: dict[str, list[FinishedRun]] = {}
    for folder in folders:
        found.setdefault(_regime_name(folder), []).append(read_run(folder))
    for runs in found.values():
        for index, run in enumerate(runs):
            for earlier in runs[:index]:
                _check_same_regime(earlier, run)
    return [Regime(name, tuple(sorted(runs, key=lambda run: run.seed))) for name, runs in found.items()]


def _regime_name(folder: Path) -> str:
    name = folder.resolve().name
    return re.sub(r"(?<=.)-\d+$", "", name)


def _check_same_regime(one: FinishedRun, other: FinishedRun) -> None:
    if one.seed == other.seed:
        raise SettingsError(f"{one.folder} and {other.folder} have the same seed, {one.seed}: give one of them")
    key = next(_differences(one.recipe, other.recipe, ""), None)
    if key is not None:
        raise SettingsError(
            f"{one.folder} and {other.folder} are named as one regime, but their recipes differ in {key}: "
            "rename a folder, up to the -SEED at its end"
        )


def _differences(one: Any, other: Any, key: str) -> Iterator[str]:
    """Dotted keys in which two recipes differ, seeds left out."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in [*one, *(name for name in other if name not in one)]:
            if name != "seed":
                yield from _differences(one.get(name), other.get(name), f"{key}.{name}" if key else name)
    elif one != other:
        yield key


def _check_settings(path: Path, settings: dict[str, Any]) -> None:
    """Raises `SettingsError` unless what a report reads of a recipe is of its kind. Anything may be missing."""
    for key, value in settings.items():
        kinds = None if value is None and key in _MAY_BE_NULL else _KINDS.get(key)
        if kinds is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
            raise SettingsError(f"{path}: {key} cannot be {shown(value)}: run  knuckle train  again")
        for below in value.values() if key == "rows" and isinstance(value, dict) else (value,):
            if key == "rows" and not isinstance(below, dict):
                raise SettingsError(f"{path}: rows cannot hold {shown(below)}: run  knuckle train  again")
            if isinstance(below, dict):
                _check_settings(path, below)


def _read_object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: cannot be read as JSON ({' '.join(str(error).split())})") from None
    if not isinstance(found, dict):
        raise SettingsError(f"{path}: must hold a JSON object, got a {type(found).__name__}")
    return found
