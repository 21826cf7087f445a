"""Step 2 of [N]: f_s fine-tuned on real frames by weak supervision, a row for each source of labels."""

import copy
from typing import Any

import numpy as np
from torch import nn

from knuckle.data.memory import TrainingData
from knuckle.files import naming
from knuckle.metrics import class_accuracy, confusion_matrix, pixel_accuracy
from knuckle.pipeline.data import RunData
from knuckle.pipeline.labels import Labeller, Labels
from knuckle.pipeline.run import Progress, Run
from knuckle.pipeline.score import part_scores
from knuckle.restoration.restore import Method, RestoreSettings, restore
from knuckle.segmentation.train import LabelledCrops, fine_tune, load_segmenter, predict_parts, probabilities_in_batches
from knuckle.training.processes import processes
from knuckle.training.recipe import LabelSettings

STEP = "supervision"
RESTORATION = "restoration"

_METHODS: tuple[Method, ...] = ("centre", "vote", "crf-potts", "crf-overlap", "evidence")
_TABLE_2 = 100  # frames that the restoration methods are compared on, as in [N]
_PATCH = 27


def supervise(run: Run, segmenter: nn.Module, data: RunData, progress: Progress) -> None:
    """Does what is left of step 2: labels and a fine-tuned f_s for every row, each scored on dev and test.

    The main process of a training labels and scores; all of them fine-tune.
    """
    is_main = processes().is_main
    assert run.recipe.supervision is not None
    assert data.train is not None
    train = data.train[: run.recipe.supervision.frames]
    labeller = Labeller(run, segmenter, data.synthetic, train, progress)
    for name, row in _rows(run).items():
        step = f"{STEP}/{name}"
        if run.result(step) is None:
            labels = labeller.labels(row)
            tuned = _fine_tuned(run, name, row, segmenter, data.synthetic, train, labels, progress)
            if is_main:
                _finish_row(run, name, labeller, labels, score_segmenter(tuned, data))
    known = data.test is not None and data.test.parts_known
    restoring = known and any(row.labels == "dictionary" for row in _rows(run).values())
    if is_main and restoring and run.result(RESTORATION) is None:
        run.finish(RESTORATION, _compare_restorations(labeller, segmenter, data, progress))


def score_segmenter(segmenter: nn.Module, data: RunData) -> dict[str, Any]:
    """Accuracies on every set whose parts are known, by the set's name."""
    sets = {"held_out": data.held_out, "dev": data.dev, "test": data.test}
    return {
        name: part_scores(predict_parts(segmenter, samples.depth), samples.parts)
        for name, samples in sets.items()
        if samples is not None and samples.parts_known
    }


def load_tuned(run: Run, name: str) -> nn.Module:
    """The fine-tuned f_s of a row. Raises `WeightsError` if the row is not finished."""
    return load_segmenter(run.recipe.segmentation, run.folder / STEP / name / "weights.safetensors")


def _rows(run: Run) -> dict[str, LabelSettings]:
    assert run.recipe.supervision is not None
    return run.recipe.supervision.rows


def _fine_tuned(
    run: Run,
    name: str,
    row: LabelSettings,
    segmenter: nn.Module,
    synthetic: TrainingData,
    train: TrainingData,
    labels: Labels | None,
    progress: Progress,
) -> nn.Module:
    """A copy of f_s, trained on with the labels of a row; every row with the same number of steps, but for those that
    have settings of their own."""
    assert run.recipe.supervision is not None
    recipe = run.recipe.segmentation
    if row.augment is not None:
        recipe = recipe.model_copy(update={"augment": row.augment})
    real = None if labels is None else LabelledCrops(train.depth[labels.used], labels.parts[labels.used])
    tuned = copy.deepcopy(segmenter)
    fine_tune(
        tuned,
        recipe,
        row.fit or run.recipe.supervision.fit,
        LabelledCrops(synthetic.depth, synthetic.parts),
        real,
        row.real_share,
        run.step(f"{STEP}/{name}"),
        lambda *at: progress(f"{STEP}/{name}", *at),
    )
    return tuned


def _finish_row(run: Run, name: str, labeller: Labeller, labels: Labels | None, scores: dict[str, Any]) -> None:
    row = _rows(run)[name]
    if row.labels == "dictionary" and row.gate and labels is not None:
        _keep_rejections(run, name, labeller, labels)
    run.finish(f"{STEP}/{name}", {**({} if labels is None else labels.report), **scores})


def _keep_rejections(run: Run, name: str, labeller: Labeller, labels: Labels) -> None:
    """Some of the frames whose restoration the gate rejected ([N] Figure 7), for the report."""
    some = np.flatnonzero(~labels.used)[:8]
    path = run.folder / STEP / name / "rejected.npz"
    with naming(path):
        np.savez_compressed(
            path, depth=labeller.train.depth[some], predicted=labeller.predicted[some], restored=labels.parts[some]
        )


def _compare_restorations(
    labeller: Labeller, segmenter: nn.Module, data: RunData, progress: Progress
) -> dict[str, dict[str, float]]:
    """[N] Table 2: accuracy of f_s's maps of the first test frames, restored in every way."""
    assert data.test is not None
    test = data.test[:_TABLE_2]
    dictionary = labeller.require_dictionary(_PATCH)
    probabilities = np.concatenate(list(probabilities_in_batches(segmenter, test.depth)))
    predicted = probabilities.argmax(axis=1).astype(np.uint8)
    found = {"none": _accuracy(predicted, test.parts)}
    for number, method in enumerate(_METHODS):
        progress(RESTORATION, number, len(_METHODS), float("nan"))
        pairs = zip(predicted, probabilities, strict=True)
        maps = np.stack([restore(dictionary, RestoreSettings(method=method), *pair) for pair in pairs])
        found[method] = _accuracy(maps, test.parts)
    return found


def _accuracy(predicted: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    confusion = confusion_matrix(predicted, truth)
    return {"pixel": 100 * pixel_accuracy(confusion), "class": 100 * class_accuracy(confusion)}
