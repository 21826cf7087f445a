"""The teacher: what each pixel is told of the bones, by plain loops; the noise on the joints, and the hand's axes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from knuckle.segmentation import train as train_module
from knuckle.segmentation.bones import among_bones
from knuckle.segmentation.teacher import ConditionedSegmenter
from knuckle.segmentation.train import LabelledCrops, hand_axes, predict_parts, train_teacher
from knuckle.training.recipe import FitSettings, NetworkSettings, TeacherSettings

SIZE = NetworkSettings(widths=(8, 8, 8), hidden=12)
FIT = FitSettings(steps=40, batch=8, rate=0.02, bfloat16=False, device="cpu", threads=1)
RECIPE = TeacherSettings(size=SIZE, fit=FIT)
CUBE = 250.0


def problem(count: int = 16) -> tuple[LabelledCrops, NDArray[np.float32]]:
    """A flat block; what lies right of joint 9 is part 1, the rest part 7: depth alone cannot tell."""
    rng = np.random.default_rng(0)
    depth = np.ones((count, 48, 48), dtype=np.float16)
    depth[:, 6:42, 6:42] = 0.1
    joints = rng.uniform(-0.5, 0.5, (count, 21, 3)).astype(np.float32)
    steps = (np.arange(48) + 0.5) / 24 - 1
    right = steps[None, None] > joints[:, 9, 0, None, None]
    parts = np.where(depth < 1, np.where(right, 1, 7), 0).astype(np.uint8)
    return LabelledCrops(depth, parts), joints


def test_pixels_are_told_where_they_are_among_the_bones() -> None:
    rng = np.random.default_rng(1)
    depth = torch.from_numpy(rng.uniform(-1, 1, (2, 1, 48, 48)))
    joints = torch.from_numpy(rng.uniform(-0.8, 0.8, (2, 21, 3)))
    distance, along = among_bones(depth, joints)
    found = ConditionedSegmenter(SIZE.widths, SIZE.hidden)._place(depth, joints)
    expected = torch.cat([torch.exp(-4 * distance), along.clamp(-1, 2)], dim=1)
    torch.testing.assert_close(found, expected)


def test_a_bone_without_length_gives_finite_numbers_and_gradients() -> None:
    joints = torch.zeros(1, 21, 3, requires_grad=True)
    depth = torch.zeros(1, 1, 48, 48)
    found = ConditionedSegmenter(SIZE.widths, SIZE.hidden)(depth, joints)
    found.square().mean().backward()
    assert found.isfinite().all()
    assert joints.grad is not None
    assert joints.grad.isfinite().all()


def test_it_learns_what_only_the_joints_say(tmp_path: Path) -> None:
    crops, joints = problem()
    longer = RECIPE.model_copy(update={"fit": FIT.model_copy(update={"steps": 120})})
    model = train_teacher(longer, 0.5, crops, joints, CUBE, tmp_path)
    measured = crops.depth < 1
    found = predict_parts(model, crops.depth, joints)
    assert (found == crops.parts)[measured].mean() > 0.9
    assert (found[~measured] == 0).all()
    swapped = predict_parts(model, crops.depth, joints[::-1].copy())
    assert (swapped == crops.parts)[measured].mean() < 0.85


def joints_told(recipe: TeacherSettings, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Tensor, Tensor]:
    """What joints the network is told in training, and what they are, (S · N, 21, 3) both."""
    crops, joints = problem()
    told: list[Tensor] = []
    real = ConditionedSegmenter.forward
    monkeypatch.setattr(
        ConditionedSegmenter, "forward", lambda self, depth, given: (told.append(given), real(self, depth, given))[1]
    )
    orders: list[NDArray[np.int64]] = []
    fit = train_module.fit

    def spy(model, loss_of, *others):
        fit(model, lambda indices: (orders.append(indices), loss_of(indices))[1], *others)

    monkeypatch.setattr(train_module, "fit", spy)
    train_teacher(recipe, 0.5, crops, joints, CUBE, folder)
    return torch.cat(told), torch.from_numpy(joints[np.concatenate(orders)])


def test_joints_have_noise_in_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the recipe's standard deviation on every coordinate, new for each."""
    told, true = joints_told(RECIPE.model_copy(update={"joint_noise_mm": 8.0}), tmp_path, monkeypatch)
    error = (told - true) * CUBE / 2
    assert error.mean().abs() < 0.3
    assert error.std().item() == pytest.approx(8.0, rel=0.03)
    assert len(error.unique()) > 0.99 * error.numel()


def test_without_noise_the_joints_are_told_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told, true = joints_told(RECIPE.model_copy(update={"joint_noise_mm": 0.0}), tmp_path, monkeypatch)
    torch.testing.assert_close(told, true)


def rotations(count: int, seed: int) -> Tensor:
    found = torch.linalg.qr(torch.randn(count, 3, 3, generator=torch.Generator().manual_seed(seed)).double())[0]
    return found * found.det()[:, None, None]


def test_hand_axes_are_orthonormal_and_turn_with_the_hand() -> None:
    joints = torch.randn(30, 21, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    axes = hand_axes(joints)
    torch.testing.assert_close(axes.transpose(1, 2) @ axes, torch.eye(3).double().expand(30, 3, 3))
    torch.testing.assert_close(axes.det(), torch.ones(30).double())
    turn = rotations(30, seed=1)
    moved = joints @ turn.transpose(1, 2) + torch.randn(30, 1, 3)
    torch.testing.assert_close(hand_axes(moved), turn @ axes)
    torch.testing.assert_close(hand_axes(3 * joints), axes)


def test_hand_axes_of_a_flat_hand() -> None:
    """Fingers up (y down: towards -y), pinky to the right of the index finger: the third axis leaves the plane."""
    joints = torch.zeros(1, 21, 3)
    joints[0, 9] = torch.tensor([0.0, -2.0, 0.0])
    joints[0, 5], joints[0, 17] = torch.tensor([-1.0, -2.0, 0.0]), torch.tensor([1.0, -1.5, 0.0])
    expected = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]).T
    torch.testing.assert_close(hand_axes(joints)[0], expected)
