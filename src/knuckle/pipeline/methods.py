"""Step 3 of [N]: joint regression on real frames by several methods, all with the same frames and turns."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from knuckle.anatomy import LABELS
from knuckle.data.memory import TrainingData
from knuckle.errors import SettingsError
from knuckle.files import naming
from knuckle.pipeline.data import RunData
from knuckle.pipeline.run import Progress, Run
from knuckle.pipeline.score import joint_scores
from knuckle.pipeline.weak import load_tuned
from knuckle.regression.network import VotingRegressor, start_from
from knuckle.regression.train import load_method, make_method, place_joints, train_method
from knuckle.segmentation.network import CompactSegmenter
from knuckle.segmentation.train import load_segmenter, probabilities_in_batches
from knuckle.training.augment import Turns
from knuckle.training.processes import processes
from knuckle.training.recipe import MethodSettings, is_weights

STEP = "methods"

Parts = dict[str, NDArray[np.uint8] | None]
"""Part probabilities (N, 21, 48, 48) in 1/255 of the sets train, dev and test; None for a method without parts."""


def regress(run: Run, segmenter: nn.Module, data: RunData, progress: Progress) -> None:
    """Does what is left of step 3: trains every method on the real frames and scores it on dev and test.

    The main process of a training scores; all of them train.
    """
    recipe = run.recipe.methods
    assert recipe is not None
    sources: dict[str, Parts] = {}
    # one source of parts in memory at a time, and a cascade after what it begins with
    for name, method in sorted(recipe.rows.items(), key=lambda item: (item[1].parts, item[1].network == "cascade")):
        if run.result(f"{STEP}/{name}") is not None:
            continue
        if method.parts not in sources:
            sources = {method.parts: _parts(run, method.parts, segmenter, data)}
        _one(run, name, method, sources[method.parts], segmenter, data, progress)


def _one(
    run: Run,
    name: str,
    method: MethodSettings,
    parts: Parts,
    segmenter: nn.Module,
    data: RunData,
    progress: Progress,
) -> None:
    recipe, folder = run.recipe.methods, run.step(f"{STEP}/{name}")
    assert recipe is not None
    assert data.train is not None
    model = _begun(run, method, segmenter)
    turns = Turns(recipe.turn_degrees, recipe.zoom)
    train_method(
        model,
        method.fit or recipe.fit,
        turns,
        data.train.depth,
        parts["train"],
        data.train.joints,
        folder,
        lambda *at: progress(f"{STEP}/{name}", *at),
    )
    if processes().is_main:
        _score(run, name, model, parts, data)


def _score(run: Run, name: str, model: nn.Module, parts: Parts, data: RunData) -> None:
    result: dict[str, Any] = {}
    folder = run.step(f"{STEP}/{name}")
    for key, samples in (("dev", data.dev), ("test", data.test)):
        if samples is not None:
            places = place_joints(model, samples.depth, parts[key])
            result[key] = joint_scores(places, samples)
            with naming(folder / f"{key}.npy"):
                np.save(folder / f"{key}.npy", samples.to_mm(places).astype(np.float32))
    run.finish(f"{STEP}/{name}", result)


def load_trained(run: Run, name: str) -> nn.Module:
    """The network of a finished row. Raises `WeightsError` if it is not finished."""
    assert run.recipe.methods is not None
    method = run.recipe.methods.rows[name]
    first = None if method.first is None else load_trained(run, method.first)
    return load_method(method, run.folder / STEP / name / "weights.safetensors", first)


def _begun(run: Run, method: MethodSettings, segmenter: nn.Module) -> nn.Module:
    """The network of a method before its training; a voting one may start from the trunk of its f_s."""
    recipe = run.recipe.methods
    assert recipe is not None
    torch.manual_seed((method.fit or recipe.fit).seed)
    model = make_method(method, None if method.first is None else load_trained(run, method.first))
    if isinstance(model, VotingRegressor) and method.from_segmenter:
        source = _segmenter_of(run, method.parts, segmenter)
        if isinstance(source, CompactSegmenter):
            start_from(model, source.trunk, source.input.channels)
    return model


def _segmenter_of(run: Run, parts: str, segmenter: nn.Module) -> nn.Module | None:
    if parts in ("none", "truth"):
        return None
    if is_weights(parts):
        return load_segmenter(run.recipe.segmentation, Path(parts))
    return segmenter if parts == "synthetic" else load_tuned(run, parts)


def _parts(run: Run, source: str, segmenter: nn.Module, data: RunData) -> Parts:
    """What a source of parts says of every set; of the one that trains alone, where another process scores.

    Each process asks its own network: the answers are large, and not worth sending.
    """
    network = _segmenter_of(run, source, segmenter)
    sets = {"train": data.train}
    if processes().is_main:
        sets |= {"dev": data.dev, "test": data.test}
    if source == "none":
        return dict.fromkeys(sets)
    return {key: _of_set(network, samples) for key, samples in sets.items() if samples is not None}


def _of_set(network: nn.Module | None, samples: TrainingData) -> NDArray[np.uint8]:
    found = np.empty((len(samples), len(LABELS), *samples.parts.shape[1:]), dtype=np.uint8)
    if network is None and not samples.parts_known:
        raise SettingsError("parts truth: nobody knows the parts of these frames: leave the method out")
    if network is None:
        for label in range(len(LABELS)):
            found[:, label] = (samples.parts == label) * 255
        return found
    at = 0
    for batch in probabilities_in_batches(network, samples.depth):
        found[at : at + len(batch)] = np.rint(batch * 255)
        at += len(batch)
    return found
