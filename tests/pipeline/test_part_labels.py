"""Labels of real frames: the disturbed joints, what each source gives, and the gate's report by plain loops."""

import numpy as np
import pytest
import torch
from hands_run import FIT, RECIPE

from knuckle.crop import to_crop
from knuckle.data.memory import TrainingData
from knuckle.pipeline import labels as labels_module
from knuckle.pipeline.labels import Labeller, disturbed
from knuckle.pipeline.run import Run
from knuckle.restoration.gate import accept
from knuckle.restoration.vote import count_neighbours, restored
from knuckle.segmentation.bones import reached
from knuckle.segmentation.train import hand_axes
from knuckle.training.recipe import DataSettings, LabelSettings, Recipe, SupervisionRecipe


def test_joints_are_disturbed_by_one_length_in_every_hands_own_axes() -> None:
    joints = np.random.default_rng(0).normal(0, 50, (12, 21, 3)) + [0, 0, 500]
    moved = disturbed(joints, 8.0, seed=3)
    offsets = moved - joints
    np.testing.assert_allclose(np.linalg.norm(offsets, axis=2), 8.0)
    own = np.einsum("nac,nja->njc", hand_axes(torch.from_numpy(joints)).numpy(), offsets)
    np.testing.assert_allclose(own, own[:1].repeat(12, axis=0), atol=1e-9)
    assert np.linalg.norm(own[0, 0] - own[0, 1]) > 1  # each joint in a direction of its own
    assert (disturbed(joints, 8.0, seed=3) == moved).all()
    assert np.abs(disturbed(joints, 8.0, seed=4) - moved).max() > 1


@pytest.fixture
def data(store) -> TrainingData:
    """Eight of the store's frames that show a hand."""
    whole = TrainingData.load(store)
    hands = np.flatnonzero(~np.isnan(whole.joints[:, 0, 0]))[:8]
    return whole[hands]  # type: ignore[index]


@pytest.fixture
def labeller(tmp_path, data: TrainingData) -> Labeller:
    """Of a run on those frames; what f_s saw is the truth, in the second half of them with errors."""
    recipe = Recipe(
        data=DataSettings(synthetic=("s",), train="t", test="e"),
        segmentation=RECIPE.segmentation,
        supervision=SupervisionRecipe(rows={"a": LabelSettings(labels="none")}, fit=FIT),
    )
    found = Labeller(Run(tmp_path / "run", recipe), torch.nn.Identity(), data, data, lambda *_: None)
    rng = np.random.default_rng(1)
    wrong = rng.random(data.parts.shape) < np.repeat([0, 0.3], 4)[:, None, None]
    found._predicted = np.where(wrong & (data.parts > 0), rng.integers(1, 21, data.parts.shape), data.parts).astype(
        np.uint8
    )
    return found


def right_share(parts: np.ndarray, truth: np.ndarray) -> float:
    places = np.argwhere(truth > 0)
    return sum(int(parts[row, column] == truth[row, column]) for row, column in places) / len(places)


def test_every_source_gives_its_own_labels(labeller: Labeller, data: TrainingData) -> None:
    assert labeller.labels(LabelSettings(labels="none")) is None
    truth = labeller.labels(LabelSettings(labels="truth"))
    predicted = labeller.labels(LabelSettings(labels="predicted"))
    mode = labeller.labels(LabelSettings(labels="mode"))
    assert truth is not None
    assert predicted is not None
    assert mode is not None
    assert (truth.parts == data.parts).all()
    assert (predicted.parts == labeller.predicted).all()
    for part_map, found in zip(labeller.predicted, mode.parts, strict=True):
        assert (found == restored(part_map, count_neighbours(part_map))).all()
    assert truth.report["labels"]["pixel"] == 100
    assert truth.report["accepted"] == 1
    assert "gate_right" not in truth.report


@pytest.mark.parametrize("shift_mm", [0.0, 20.0])
def test_what_is_beyond_the_reach_of_the_bones_is_not_hand(
    labeller: Labeller, data: TrainingData, shift_mm: float
) -> None:
    labels = labeller.labels(LabelSettings(labels="predicted", reach_mm=8, shift_mm=shift_mm))
    assert labels is not None
    told = data.joints
    if shift_mm:
        told = to_crop(disturbed(data.joints_mm(), shift_mm, FIT.seed), data.center, data.cube_mm).astype(np.float32)
    near = reached(data.depth, told, data.cube_mm, 8)
    hand = labeller.predicted > 0
    assert (near & hand).any()
    assert (~near & hand).any()
    assert (labels.parts == np.where(near, labeller.predicted, 0)).all()
    assert labels.parts.dtype == np.uint8


def test_the_gates_report_equals_plain_loops(labeller: Labeller, data: TrainingData) -> None:
    found = labeller.labels(LabelSettings(labels="mode", gate=True))
    assert found is not None
    frames = zip(data.depth.astype(np.float32), data.center, data.cube_mm, strict=True)
    points = np.stack([labels_module.surface(*frame) for frame in frames])
    expected = accept(labeller.predicted, found.parts, points, data.joints_mm())
    assert (found.used == expected).all()
    better = [
        right_share(after, truth) > right_share(before, truth)
        for before, after, truth in zip(labeller.predicted, found.parts, data.parts, strict=True)
    ]
    used = found.used.tolist()
    assert found.report["accepted"] == sum(used) / 8
    assert found.report["better"] == sum(better) / 8
    assert found.report["gate_right"] == sum(b == u for b, u in zip(better, used, strict=True)) / 8
    accepted = [b for b, u in zip(better, used, strict=True) if u]
    assert 0 < len(accepted) < 8
    assert found.report["better_of_accepted"] == pytest.approx(sum(accepted) / len(accepted))


def test_a_gate_that_accepts_nothing_says_so(labeller: Labeller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels_module, "accept", lambda *_: np.zeros(8, dtype=bool))
    found = labeller.labels(LabelSettings(labels="mode", gate=True))
    assert found is not None
    assert found.report["accepted"] == 0
    assert "labels" not in found.report
    assert found.report["better_of_accepted"] is None  # JSON has no NaN
