"""Step 1: the segmentation network learns a tiny problem, from measured pixels alone, and goes on after a kill."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from knuckle.segmentation.train import LabelledCrops, fine_tune, make_segmenter, predict_parts, train_segmenter
from knuckle.training import loop
from knuckle.training.recipe import FitSettings, NetworkSettings, SegmentationRecipe

RECIPE = SegmentationRecipe(
    size=NetworkSettings(widths=(8, 8, 8), hidden=12),
    fit=FitSettings(epochs=20, batch=8, rate=0.02, bfloat16=False, threads=1),
)


def problem(count: int = 16) -> tuple[NDArray[np.float16], NDArray[np.uint8]]:
    """A slanted plane in front of nothing: its near half is part 1, its far half part 7, a block in it is not hand."""
    rng = np.random.default_rng(0)
    depth, parts = np.ones((count, 48, 48), dtype=np.float16), np.zeros((count, 48, 48), dtype=np.uint8)
    for index in range(count):
        top, left = rng.integers(4, 12, size=2)
        slope = np.linspace(-0.6, 0.6, 30)[:, None] + np.zeros(30)
        depth[index, top : top + 30, left : left + 30] = slope
        parts[index, top : top + 30, left : left + 30] = np.where(slope < 0, 1, 7)
    return depth, parts


def test_it_overfits_a_tiny_problem(tmp_path: Path) -> None:
    depth, parts = problem()
    seen = []
    model = train_segmenter(RECIPE, depth, parts, tmp_path, lambda *at: seen.append(at))
    assert not model.training
    with torch.no_grad():
        found = model(torch.from_numpy(depth).float()[:, None]).argmax(dim=1).numpy()
    measured = depth < 1
    assert (found[measured] == parts[measured]).mean() > 0.95
    assert seen[-1][:2] == (40, 40)
    assert (tmp_path / "weights.safetensors").exists()


def short(**changes) -> SegmentationRecipe:
    return RECIPE.model_copy(update={"fit": RECIPE.fit.model_copy(update={"epochs": 4, **changes})})


def test_labels_where_nothing_is_measured_do_not_count(tmp_path: Path) -> None:
    depth, parts = problem()
    other = np.where(depth < 1, parts, 13).astype(np.uint8)
    train_segmenter(short(), depth, parts, tmp_path / "a")
    train_segmenter(short(), depth, other, tmp_path / "b")
    one, two = ((tmp_path / name / "weights.safetensors").read_bytes() for name in "ab")
    assert one == two


def test_a_run_depends_on_its_seed(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train_segmenter(short(seed=seed, epochs=1), *problem(), tmp_path / name)
    a, b, c = ((tmp_path / name / "weights.safetensors").read_bytes() for name in "abc")
    assert a == b != c


def test_a_killed_run_ends_in_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setattr(loop, "_LOG_STEPS", 1)

    def kill(step: int, steps: int, loss: float) -> None:
        if step == 4:
            raise KeyboardInterrupt

    train_segmenter(short(), *problem(), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train_segmenter(short(), *problem(), tmp_path / "killed", kill)
    steps: list[int] = []
    train_segmenter(short(), *problem(), tmp_path / "killed", lambda step, *_: steps.append(step))
    assert steps == [4, 5, 6, 7, 8]
    whole, killed = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "killed"))
    assert whole == killed


REAL_DEPTH = -0.75  # of every pixel of a real crop: what tells it from a synthetic one


def real_crops(count: int) -> LabelledCrops:
    """A near block, all of it part 13, which no synthetic crop has."""
    depth = np.ones((count, 48, 48), dtype=np.float16)
    depth[:, 10:40, 10:40] = REAL_DEPTH
    return LabelledCrops(depth, np.where(depth < 1, 13, 0).astype(np.uint8))


def tuned(
    folder: Path, real: LabelledCrops | None, share: float, steps: int = 12, **others
) -> tuple[torch.nn.Module, list[list[bool]]]:
    """A fine-tuned network, and for every batch which of its crops were real."""
    torch.manual_seed(3)
    model, seen = make_segmenter(RECIPE), []
    model.register_forward_pre_hook(
        lambda module, crops: seen.append((crops[0] - REAL_DEPTH).abs().flatten(1).amin(dim=1).lt(1e-3).tolist())
    )
    recipe = RECIPE.model_copy(update={"augment": False})
    fit = RECIPE.fit.model_copy(update={"batch": 8, "steps": steps, "seed": 5})
    fine_tune(model, recipe, fit, LabelledCrops(*problem(40)), real, share, folder, **others)
    return model, seen


@pytest.mark.parametrize(("share", "count"), [(0.1, 1), (0.25, 2), (0.5, 4), (0.9, 7)])
def test_a_share_of_every_batch_is_real(tmp_path: Path, share: float, count: int) -> None:
    _, seen = tuned(tmp_path, real_crops(5), share)
    assert [sum(batch) for batch in seen] == [count] * 12
    assert all(len(batch) == 8 for batch in seen)


def test_real_crops_are_learned_from_with_their_own_labels(tmp_path: Path) -> None:
    model, _ = tuned(tmp_path, real_crops(5), 0.5, steps=60)
    crops = real_crops(2)
    assert (predict_parts(model, crops.depth) == crops.parts)[crops.depth < 1].mean() > 0.9


@pytest.mark.parametrize("real", [None, real_crops(0)], ids=["none asked for", "none accepted"])
def test_without_real_crops_all_are_synthetic(tmp_path: Path, real: LabelledCrops | None) -> None:
    _, seen = tuned(tmp_path / "a", real, 0.5)
    assert [len(batch) for batch in seen] == [8] * 12
    assert not any(map(any, seen))
    tuned(tmp_path / "b", None, 0.0)
    a, b = ((tmp_path / name / "weights.safetensors").read_bytes() for name in "ab")
    assert a == b


def test_a_killed_fine_tuning_ends_in_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setattr(loop, "_LOG_STEPS", 1)
    many = LabelledCrops(np.random.default_rng(0).uniform(-1, 1, (9, 48, 48)).astype(np.float16), problem(9)[1])

    def kill(step: int, *_: float) -> None:
        if step == 5:
            raise KeyboardInterrupt

    whole, _ = tuned(tmp_path / "whole", many, 0.5)
    with pytest.raises(KeyboardInterrupt):
        tuned(tmp_path / "killed", many, 0.5, progress=kill)
    resumed, seen = tuned(tmp_path / "killed", many, 0.5)
    assert len(seen) == 8  # the checkpoint of step 4, then the rest
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_the_paper_network_trains(tmp_path: Path) -> None:
    recipe = short(batch=1, epochs=1 / 16).model_copy(update={"network": "paper"})
    losses: list[float] = []
    model = train_segmenter(recipe, *problem(), tmp_path, lambda step, steps, loss: losses.append(loss))
    assert len(losses) == 1
    assert np.isfinite(losses[0])
    assert all(parameter.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("network", ["compact", "paper"])
def test_every_weight_learns_in_either_precision(network: str) -> None:
    """A layer without a gradient stays random and is not missed: the loss goes down without it."""
    torch.manual_seed(0)
    model = make_segmenter(RECIPE.model_copy(update={"network": network}))
    depth, parts = problem(4)
    crops, labels = torch.from_numpy(depth).float()[:, None], torch.from_numpy(parts).long()
    gradients = []
    for bfloat16 in (False, True):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            loss = F.cross_entropy(model(crops).float(), labels)
        loss.backward()
        gradients.append({name: weight.grad.clone() for name, weight in model.named_parameters()})
    for name, exact in gradients[0].items():
        assert exact.norm() > 0, name
        if exact.norm() > 1e-6:  # a bias before a normalisation has no effect
            alike = F.cosine_similarity(exact.flatten(), gradients[1][name].flatten(), dim=0)
            assert alike > 0.5, name
