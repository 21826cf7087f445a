"""Optimisers: Muon against singular values and AdamW, the schedules against their formulas, mixed precision."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from knuckle.training import device, loop
from knuckle.training.loop import fit
from knuckle.training.muon import Muon, orthogonal
from knuckle.training.optimiser import make_optimiser, make_schedule
from knuckle.training.recipe import FitSettings

CPU = FitSettings(steps=12, batch=4, device="cpu", threads=1, bfloat16=False, rate=0.02, optimiser="muon")


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40), st.floats(1e-4, 1e4))
def test_orthogonal_matrices_have_singular_values_about_one(seed: int, rows: int, columns: int, scale: float) -> None:
    """Those of no less than a hundredth of the largest: what is smaller is on its way, and never goes beyond."""
    matrix = scale * torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    found = orthogonal(matrix)
    assert found.shape == matrix.shape
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    along = torch.einsum("ri,rc,ic->i", left, found, right)  # found = left · diag(along) · right
    clear = values > 0.01 * matrix.norm()
    assert (along[clear] > 0.6).all()
    assert (along < 1.3).all()
    assert (along > -1e-3).all()
    torch.testing.assert_close(left * along @ right, found, atol=1e-3, rtol=0)


def test_orthogonal_of_nothing_is_nothing() -> None:
    assert torch.equal(orthogonal(torch.zeros(3, 5)), torch.zeros(3, 5))


def test_a_step_of_muon_goes_downhill_along_every_direction() -> None:
    """A badly conditioned quadratic: plain gradients would leave its flat directions as they are."""
    torch.manual_seed(0)
    scales = torch.logspace(0, -2, 6)
    weight = nn.Parameter(torch.randn(6, 6))
    optimiser = Muon([weight], lr=0.1)

    def loss() -> Tensor:
        return (scales[:, None] * weight).square().sum()

    losses = [loss().item()]
    for _ in range(150):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()
        losses.append(loss().item())
    assert losses[1] < losses[0]
    assert losses[-1] < 0.03 * losses[0]
    assert weight[-1].abs().max() < 1.5  # began at up to 2.6


def test_muon_moves_as_far_as_adamw_does() -> None:
    """Root mean square of an update: a fifth of the rate, whatever the shape."""
    for shape in ((8, 30), (30, 8), (16, 3, 3, 3)):
        weight = nn.Parameter(torch.zeros(shape))
        optimiser = Muon([weight], lr=0.5)
        weight.grad = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        optimiser.step()
        assert weight.square().mean().sqrt().item() == pytest.approx(0.5 * 0.2, rel=0.2)


def test_vectors_follow_adamw() -> None:
    torch.manual_seed(0)
    mine, theirs = (nn.Parameter(torch.linspace(-1, 1, 7)) for _ in range(2))
    optimisers = Muon([mine], lr=0.01, weight_decay=0.1), torch.optim.AdamW([theirs], lr=0.01, weight_decay=0.1)
    for _ in range(20):
        mine.grad = torch.randn(7)
        theirs.grad = mine.grad.clone()
        for optimiser in optimisers:
            optimiser.step()
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-5)


def test_weight_decay_of_matrices_is_decoupled() -> None:
    weight = nn.Parameter(torch.ones(4, 4))
    weight.grad = torch.zeros(4, 4)
    Muon([weight], lr=0.1, weight_decay=0.5).step()
    torch.testing.assert_close(weight.detach(), torch.full((4, 4), 0.95))


def test_what_has_no_gradient_stays() -> None:
    used, unused = nn.Parameter(torch.ones(3, 3)), nn.Parameter(torch.ones(3, 3))
    used.grad = torch.ones(3, 3)
    Muon([used, unused], lr=0.1, weight_decay=0.5).step()
    assert torch.equal(unused.detach(), torch.ones(3, 3))
    frozen = nn.Linear(2, 2)
    frozen.weight.requires_grad_(False)
    assert len(make_optimiser(frozen, CPU).param_groups[0]["params"]) == 1


class Killed(Exception):  # noqa: N818
    pass


@pytest.mark.parametrize("optimiser", ["muon", "adamw", "adam", "sgd"])
def test_a_killed_training_goes_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimiser: str
) -> None:
    monkeypatch.setattr(loop, "_CHECKPOINT_SECONDS", -1.0)
    inputs = torch.randn(20, 5, generator=torch.Generator().manual_seed(0))
    chosen = CPU.model_copy(update={"optimiser": optimiser, "schedule": "decay", "rate_decay": 0.1})

    def trained(folder: Path, steps: float) -> nn.Module:
        torch.manual_seed(1)
        model, asked = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1)), 0

        def draw(indices: NDArray[np.int64]) -> tuple[Tensor]:
            nonlocal asked
            asked += 1
            if asked > steps:
                raise Killed
            return (inputs[indices],)

        def loss(rows: Tensor) -> Tensor:
            return (model(rows) - rows[:, :1] ** 2).square().sum() / 4

        fit(model, draw, loss, 20, chosen, folder)
        return model

    whole = trained(tmp_path / "whole", np.inf)
    with pytest.raises(Killed):
        trained(tmp_path / "killed", 7)
    resumed = trained(tmp_path / "killed", 5)  # no more than are left
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def rates(schedule: str, steps: int, **others) -> list[float]:
    chosen = CPU.model_copy(update={"schedule": schedule, "optimiser": "sgd", **others})
    optimiser = make_optimiser(nn.Linear(2, 2), chosen)
    plan, found = make_schedule(optimiser, chosen, steps), []
    for _ in range(steps):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        plan.step()
    return found


def test_a_decaying_rate_is_the_papers() -> None:
    assert rates("decay", 50, rate=0.1, rate_decay=0.02) == pytest.approx([0.1 / (1 + t * 0.02) for t in range(50)])
    assert rates("decay", 5, rate=0.1) == pytest.approx([0.1] * 5)


def test_a_cycle_peaks_after_a_tenth() -> None:
    found = rates("one-cycle", 100, rate=0.1)
    assert int(np.argmax(found)) == 9
    assert max(found) == pytest.approx(0.1)
    assert found[-1] < 1e-5
    assert found[0] == pytest.approx(0.1 / 25)


@pytest.mark.parametrize(("flags", "expected"), [({}, False), ({"avx512_bf16": True}, True), ({"bf16": False}, False)])
def test_bfloat16_needs_a_cpu_that_multiplies_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: dict[str, bool], expected: bool
) -> None:
    monkeypatch.setattr(device.torch.cpu, "get_capabilities", lambda: flags)
    model, kinds = nn.Linear(3, 1), []

    def draw(indices: NDArray[np.int64]) -> tuple[Tensor]:
        return (torch.ones(len(indices), 3),)

    def loss(rows: Tensor) -> Tensor:
        found = model(rows)
        kinds.append(found.dtype)
        return found.float().square().mean()

    fit(model, draw, loss, 8, CPU.model_copy(update={"steps": 2, "bfloat16": True}), tmp_path / "asked")
    assert kinds == [torch.bfloat16 if expected else torch.float32] * 2
    fit(model, draw, loss, 8, CPU.model_copy(update={"steps": 2}), tmp_path / "not asked")
    assert kinds[2:] == [torch.float32] * 2
    assert device.multiplies_bfloat16(torch.device("cuda"))
