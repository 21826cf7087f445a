"""`knuckle train`: the steps of a recipe in order, each done once and resumable, and the numbers of all in one file."""

import importlib.metadata
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from knuckle.data.memory import TrainingData
from knuckle.errors import SettingsError
from knuckle.lock import only_writer
from knuckle.pipeline import methods, weak
from knuckle.pipeline.data import RunData, provide
from knuckle.pipeline.examples import keep_examples
from knuckle.pipeline.run import EXAMPLES, Progress, Run
from knuckle.regression.network import start_from
from knuckle.regression.train import make_regressor, train_regressor
from knuckle.segmentation.network import CompactSegmenter, part_probabilities
from knuckle.segmentation.train import load_segmenter, train_segmenter
from knuckle.training.checkpoint import load_weights
from knuckle.training.processes import Processes, processes
from knuckle.training.recipe import Recipe, is_weights

RESULTS = "results.json"

_PACKAGES = ("torch", "numpy", "numba", "faiss-cpu", "zarr")
_TIMED = 50  # crops


def train(
    recipe: Recipe, folder: Path, progress: Progress = lambda *_: None, redo: Iterable[str] = ()
) -> dict[str, Any]:
    """Does what is left of a recipe's steps in the folder of a run; returns all results, also in `results.json`.

    redo: steps that are forgotten first, by their folders.

    A killed run goes on from its last checkpoint (at most two minutes are lost), to the same weights; a finished step
    is not done again. All processes of a training call this. They train together; the main one does what else there is
    to do, and reports, while the others wait. Raises `SettingsError` if the folder holds a run of another recipe,
    another run trains there or the recipe cannot be followed, `StoreError` for a store that is not whole,
    `TrainingStopped` as `fit` does.
    """
    peers = processes()
    with only_writer(folder) if peers.is_main else nullcontext():
        versions = peers.once(lambda: _begin(recipe, folder, progress, redo))
        return _train(recipe, folder, progress if peers.is_main else lambda *_: None, versions, peers)


def _begin(recipe: Recipe, folder: Path, progress: Progress, redo: Iterable[str]) -> dict[str, Any]:
    """Refuses what cannot be followed, and renders what is missing; returns what the data were made by."""
    for step in redo:
        Run(folder, recipe).forget(step)
    _check_start(recipe)
    Run(folder, recipe)
    return provide(recipe, progress)


def _train(
    recipe: Recipe, folder: Path, progress: Progress, versions: dict[str, Any], peers: Processes
) -> dict[str, Any]:
    run = Run(folder, recipe)
    data = RunData.load(recipe.data)
    peers.once(run.begin)
    segmenter = _step_1(run, data, progress, peers)
    if recipe.supervision is not None:
        weak.supervise(run, segmenter, data, progress)
    if recipe.methods is not None:
        methods.regress(run, segmenter, data, progress)
    if recipe.regression is not None:
        _synthetic_regressor(run, segmenter, data.synthetic, progress)
    return peers.once(lambda: _close(run, segmenter, data, versions))


def _close(run: Run, segmenter: nn.Module, data: RunData, versions: dict[str, Any]) -> dict[str, Any]:
    """What is left once everything is trained: examples, times and the results."""
    if (run.recipe.supervision or run.recipe.methods) and not (run.folder / EXAMPLES).exists():
        keep_examples(run, segmenter, data)
    if run.recipe.methods is not None and run.result("time") is None:
        run.finish("time", _times(run, segmenter, data))
    results = _gathered(run, versions)
    run.write(RESULTS, results)
    return results


def _step_1(run: Run, data: RunData, progress: Progress, peers: Processes) -> nn.Module:
    synthetic = data.synthetic
    segmenter = train_segmenter(
        run.recipe.segmentation,
        synthetic.depth,
        synthetic.parts,
        run.folder / "segmentation",
        lambda *at: progress("segmentation", *at),
    )
    if peers.is_main and run.result("segmentation") is None:
        run.finish("segmentation", weak.score_segmenter(segmenter, data))
    return segmenter


def _synthetic_regressor(run: Run, segmenter: nn.Module, data: TrainingData, progress: Progress) -> None:
    """The voting regressor on synthetic hands, from what f_s sees in them."""
    recipe = run.recipe.regression
    assert recipe is not None
    torch.manual_seed(recipe.fit.seed)  # a resumed run has not done the steps before
    regressor = make_regressor(recipe)
    if recipe.start is not None:
        load_weights(regressor, Path(recipe.start))
    elif recipe.from_segmenter and isinstance(segmenter, CompactSegmenter):
        start_from(regressor, segmenter.trunk, segmenter.input.channels)

    def probabilities_of(crops: Tensor) -> Tensor:
        return part_probabilities(segmenter(crops).float(), crops)

    train_regressor(
        regressor,
        recipe,
        probabilities_of,
        data.depth,
        data.joints,
        run.folder / "regression",
        lambda *at: progress("regression", *at),
    )


def _check_start(recipe: Recipe) -> None:
    """Before anything is trained: files of networks fit; so does the trunk that a regressor starts from, which only a
    compact network of its own size has."""
    _check_weights(recipe)
    regression, segmentation = recipe.regression, recipe.segmentation
    if regression is None or not regression.from_segmenter:
        return
    if segmentation.network != "compact" or regression.size != segmentation.size:
        raise SettingsError("regression.from_segmenter needs a compact segmentation network of the same size")


def _check_weights(recipe: Recipe) -> None:
    """Raises `WeightsError` for a file of f_s that is missing or of another network."""
    rows = recipe.methods.rows.values() if recipe.methods else ()
    files = {method.parts for method in rows if is_weights(method.parts)}
    if recipe.segmentation.weights is not None:
        files.add(recipe.segmentation.weights)
    for path in sorted(files):
        load_segmenter(recipe.segmentation, Path(path))


def _times(run: Run, segmenter: nn.Module, data: RunData) -> dict[str, float]:
    """Median milliseconds a crop of every network, one crop at a time on one thread ([N] §5.3)."""
    assert run.recipe.methods is not None
    assert data.test is not None
    depth = torch.from_numpy(data.test.depth[:_TIMED]).float()[:, None]
    segmenter.cpu()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            parts = part_probabilities(segmenter(depth), depth)
            found = {"f_s": _median_ms(lambda i: segmenter(depth[i : i + 1]), len(depth))}
            for name in run.recipe.methods.rows:
                model = methods.load_trained(run, name)
                found[name] = _median_ms(partial(_run_one, model, depth, parts), len(depth))
    finally:
        torch.set_num_threads(threads)
    return found


def _run_one(model: nn.Module, depth: Tensor, parts: Tensor, index: int) -> None:
    model(depth[index : index + 1], parts[index : index + 1])


def _median_ms(work: Callable[[int], Any], count: int) -> float:
    work(0)
    took = []
    for index in range(count):
        begun = time.perf_counter()
        work(index)
        took.append(1000 * (time.perf_counter() - begun))
    return statistics.median(took)


def _gathered(run: Run, versions: dict[str, Any]) -> dict[str, Any]:
    """Every step's result: table → row → set → measure."""
    recipe = run.recipe
    rows = recipe.supervision.rows if recipe.supervision else {}
    named = recipe.methods.rows if recipe.methods else {}
    tables = {
        "segmentation": {"f_s": run.result("segmentation")},
        "restoration": run.result(weak.RESTORATION) or {},
        "supervision": {name: run.result(f"{weak.STEP}/{name}") for name in rows},
        "methods": {name: run.result(f"{methods.STEP}/{name}") for name in named},
        "time": run.result("time") or {},
    }
    packages = {name: importlib.metadata.version(name) for name in _PACKAGES}
    machine = {"python": platform.python_version(), "machine": platform.machine(), **packages}
    return {"seed": recipe.segmentation.fit.seed, "data": versions, "made_by": machine, "tables": tables}
