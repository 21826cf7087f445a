"""The steps of training in order: segmentation network, then joint regressor, then the ONNX pair."""

from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor, nn

from knuckle.data.memory import TrainingData
from knuckle.errors import SettingsError
from knuckle.regression.export import export_regressor
from knuckle.regression.network import start_from
from knuckle.regression.train import make_regressor, train_regressor
from knuckle.segmentation.export import export_segmenter
from knuckle.segmentation.network import CompactSegmenter, part_probabilities
from knuckle.segmentation.train import make_segmenter, train_segmenter
from knuckle.training.checkpoint import load_weights
from knuckle.training.recipe import Recipe

Progress = Callable[[str, int, int, float], None]
"""Called with the network's name, step, number of steps and mean loss."""

_RECIPE = "recipe.json"


def train(recipe: Recipe, stores: Sequence[str | Path], run: Path, progress: Progress = lambda *_: None) -> None:
    """Trains both networks of a recipe on stores of samples; everything is kept in the folder `run`.

    A killed run goes on from its last checkpoint (at most two minutes are lost); a finished step is not done again.
    Raises `SettingsError` if the folder holds a run of another recipe or the regressor cannot start as the recipe
    says, `StoreError` for a store that is not whole.
    """
    _check_start(recipe)
    _keep_recipe(recipe, run)
    data = TrainingData.load(*stores)
    folder = run / "segmentation"
    if (folder / "weights.safetensors").exists():
        segmenter = _load_segmenter(recipe, run)
    else:
        segmenter = train_segmenter(
            recipe.segmentation, data.depth, data.parts, folder, lambda *at: progress("segmentation", *at)
        )
    folder = run / "regression"
    if recipe.regression is None or (folder / "weights.safetensors").exists():
        return
    regressor = make_regressor(recipe.regression)
    if recipe.regression.start is not None:
        load_weights(regressor, Path(recipe.regression.start))
    elif recipe.regression.from_segmenter and isinstance(segmenter, CompactSegmenter):
        start_from(regressor, segmenter.trunk, segmenter.input.channels)

    def probabilities_of(crops: Tensor) -> Tensor:
        return part_probabilities(segmenter(crops).float(), crops)

    train_regressor(
        regressor,
        recipe.regression,
        probabilities_of,
        data.depth,
        data.joints,
        folder,
        lambda *at: progress("regression", *at),
    )


def export(run: Path, out: Path) -> list[Path]:
    """Writes a finished run's networks to `out` as segmentation.onnx and, where there is one, regression.onnx.

    Raises `SettingsError` if `run` holds no run, `WeightsError` if it is not finished.
    """
    recipe = _kept_recipe(run)
    paths = [out / "segmentation.onnx"]
    export_segmenter(_load_segmenter(recipe, run), paths[0])
    if recipe.regression is not None:
        regressor = make_regressor(recipe.regression)
        load_weights(regressor, run / "regression" / "weights.safetensors")
        paths.append(out / "regression.onnx")
        export_regressor(regressor, paths[1])
    return paths


def _keep_recipe(recipe: Recipe, run: Path) -> None:
    run.mkdir(parents=True, exist_ok=True)
    if (run / _RECIPE).exists():
        if _kept_recipe(run) != recipe:
            raise SettingsError(f"{run}: holds a run of another recipe: choose another folder")
        return
    part = run / "recipe.part"
    part.write_text(recipe.model_dump_json(indent=2) + "\n", encoding="utf-8")
    part.replace(run / _RECIPE)


def _kept_recipe(run: Path) -> Recipe:
    try:
        return Recipe.model_validate_json((run / _RECIPE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{run}: not a run of  knuckle train  ({str(error).splitlines()[0]})") from None


def _load_segmenter(recipe: Recipe, run: Path) -> nn.Module:
    segmenter = make_segmenter(recipe.segmentation)
    load_weights(segmenter, run / "segmentation" / "weights.safetensors")
    return segmenter.eval()


def _check_start(recipe: Recipe) -> None:
    """Before anything is trained: only a compact network's trunk fits a regressor, and only one of its own size."""
    regression, segmentation = recipe.regression, recipe.segmentation
    if regression is None or not regression.from_segmenter:
        return
    if segmentation.network != "compact" or regression.size != segmentation.size:
        raise SettingsError("regression.from_segmenter needs a compact segmentation network of the same size")
