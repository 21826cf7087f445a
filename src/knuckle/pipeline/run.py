"""The folder of a training run: its recipe, and which steps are done with what result."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from knuckle.errors import SettingsError
from knuckle.files import naming, write_whole
from knuckle.training.recipe import Recipe

EXAMPLES = "examples.npz"
"""What the steps say of some test frames, for the figures of a report."""

_RECIPE = "recipe.json"
_RESULT = "result.json"
_SUM = "sha256"  # of the rest of a result

Progress = Callable[[str, int, int, float], None]
"""Called with the name of a step, how much of it is done, how much there is, and the mean loss (NaN without one)."""


class Run:
    """A folder with `recipe.json`, once it has begun, and a folder for each step: done when it holds its `result.json`.

    Raises `SettingsError` if the folder holds a run of another recipe, or none although `recipe` is None.
    """

    def __init__(self, folder: Path, recipe: Recipe | None = None) -> None:
        self.folder = folder
        if recipe is None or (folder / _RECIPE).exists():
            self.recipe = self._kept_recipe()
        else:
            self.recipe = recipe
        if recipe is not None and recipe != self.recipe:
            raise SettingsError(f"{folder}: holds a run of another recipe: choose another folder")

    def begin(self) -> None:
        """Writes the recipe, if that is not done: from now on the folder belongs to it."""
        if not (self.folder / _RECIPE).exists():
            write_whole(self.folder / _RECIPE, self.recipe.model_dump_json(indent=2) + "\n")

    def step(self, name: str) -> Path:
        """The folder of a step, made if need be."""
        path = self.folder / name
        with naming(path):
            path.mkdir(parents=True, exist_ok=True)
        return path

    def result(self, name: str) -> dict[str, Any] | None:
        """What a finished step found; None if it is not finished. Raises `SettingsError` if its file is damaged."""
        path = self.folder / name / _RESULT
        if not path.exists():
            return None
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            noted = found.pop(_SUM, None)  # results of earlier versions have none
            if noted not in (None, _digest(found)):
                raise ValueError("its checksum is wrong")
        except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
            raise SettingsError(f"{path}: damaged ({error}): do the step again, with  --redo {name}") from None
        return found

    def finish(self, name: str, result: dict[str, Any]) -> dict[str, Any]:
        """Notes that a step is done, and what it found; returns that."""
        text = json.dumps({**result, _SUM: _digest(result)}, indent=1)
        write_whole(self.step(name) / _RESULT, text + "\n")
        return result

    def forget(self, name: str) -> None:
        """Removes a step and its parts (`supervision` and `supervision/teacher` too), to be done again.

        Raises `SettingsError` if there is no such step.
        """
        path = (self.folder / name).resolve()  # nothing outside of the run, whatever the name
        if not path.is_dir() or self.folder.resolve() not in path.parents:
            raise SettingsError(f"{self.folder}: has no step {name!r}")
        shutil.rmtree(path)
        (self.folder / EXAMPLES).unlink(missing_ok=True)  # they show every step

    def write(self, name: str, values: dict[str, Any]) -> None:
        """Writes a JSON file beside the recipe."""
        write_whole(self.folder / name, json.dumps(values, indent=1) + "\n")

    def _kept_recipe(self) -> Recipe:
        try:
            return Recipe.model_validate_json((self.folder / _RECIPE).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise SettingsError(f"{self.folder}: not a run of  knuckle train  ({reason})") from None


def _digest(result: dict[str, Any]) -> str:
    """Of a result as JSON gives it back."""
    return hashlib.sha256(json.dumps(json.loads(json.dumps(result)), sort_keys=True).encode()).hexdigest()
