"""A compiled training: the same steps as without, on every kind of network, and a clear word where nothing compiles."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from knuckle.errors import SettingsError
from knuckle.layers import ConvBlock, doubled, with_edges_repeated
from knuckle.regression.train import make_method, train_method
from knuckle.segmentation.train import LabelledCrops, fine_tune, make_segmenter
from knuckle.training import loop
from knuckle.training.augment import Turns
from knuckle.training.compiling import compiled, lost_gradient
from knuckle.training.recipe import FitSettings, MethodSettings, NetworkSettings, SegmentationRecipe

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")

FIT = FitSettings(steps=4, batch=4, optimiser="adam", rate=1e-3, bfloat16=False, threads=1)
SIZE = NetworkSettings(widths=(4, 4, 4), hidden=4)
COUNT = 8

Train = Callable[..., nn.Module]


class KilledError(Exception):
    pass


def crops() -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (COUNT, 48, 48)).astype(np.float16)


def segmenter(settings: FitSettings, folder: Path) -> nn.Module:
    torch.manual_seed(0)
    recipe = SegmentationRecipe(size=SIZE)
    model = make_segmenter(recipe)
    parts = np.random.default_rng(1).integers(0, 21, (COUNT, 48, 48), dtype=np.uint8)
    fine_tune(model, recipe, settings, LabelledCrops(crops(), parts), None, 0.0, folder)
    return model


def regressor(method: MethodSettings) -> Train:
    def train(settings: FitSettings, folder: Path, *progress: loop.Progress) -> nn.Module:
        torch.manual_seed(0)
        model, rng = make_method(method), np.random.default_rng(2)
        probabilities = rng.integers(0, 256, (COUNT, 21, 48, 48), dtype=np.uint8)
        joints = rng.uniform(-0.5, 0.5, (COUNT, 21, 3)).astype(np.float32)
        train_method(model, settings, Turns(30, 0.1), crops(), probabilities, joints, folder, *progress)
        return model

    return train


TRAININGS: dict[str, Train] = {
    "segmenter": segmenter,
    "paper": regressor(MethodSettings(network="paper", shared=True, parts="truth")),
    "voting": regressor(MethodSettings(network="voting", size=SIZE, parts="truth")),
}


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    "name", ["paper", *(pytest.param(name, marks=pytest.mark.slow) for name in ("segmenter", "voting"))]
)
def test_a_compiled_training_does_the_same_steps(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_LOG_STEPS", 1)
    plain = TRAININGS[name](FIT, tmp_path / "plain")
    fast = TRAININGS[name](FIT.model_copy(update={"compiled": True}), tmp_path / "compiled")
    assert losses(tmp_path / "compiled") == pytest.approx(losses(tmp_path / "plain"), rel=1e-3)
    for (key, value), other in zip(plain.state_dict().items(), fast.state_dict().values(), strict=True):
        # in the mean: Adam's first steps are as long for a gradient that is mere rounding, here and there turned round
        assert (value.float() - other.float()).square().mean().sqrt() < 5e-4, key


def test_killed_and_resumed_it_ends_in_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setattr(loop, "_LOG_STEPS", 1)
    settings = FIT.model_copy(update={"compiled": True})

    def kill(step: int, steps: int, loss: float) -> None:
        if step == 3:
            raise KilledError

    whole = TRAININGS["paper"](settings, tmp_path / "whole")
    with pytest.raises(KilledError):
        TRAININGS["paper"](settings, tmp_path / "killed", kill)
    assert json.loads((tmp_path / "killed" / "latest.json").read_text())["step"] == 2
    resumed = TRAININGS["paper"](settings, tmp_path / "killed")
    for (key, value), other in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(value, other), key


class Small(nn.Module):
    """A linear layer whose gradient may be lost, a normalisation that keeps statistics, and another linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)

    def loss(self, values: torch.Tensor, lost: bool = False) -> torch.Tensor:
        hidden = self.first(values)
        return self.last(self.norm(hidden.detach() if lost else hidden)).square().mean()


def test_a_lost_gradient_is_named_and_the_model_left_as_it_was() -> None:
    model, values = Small(), torch.randn(6, 3)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    exact = partial(model.loss, values)
    assert lost_gradient(model, exact, lambda: model.loss(values) * 1.01) is None
    assert lost_gradient(model, exact, lambda: model.loss(values, lost=True)) == "first.weight"
    assert lost_gradient(model, exact, lambda: model.loss(values) * torch.nan) == "first.weight"
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("lost", [True, False])
def test_a_training_goes_by_its_program_if_that_loses_no_gradient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    values, calls = torch.randn(COUNT, 3), 0

    def train(settings: FitSettings, folder: Path) -> nn.Module:
        torch.manual_seed(0)
        model = Small()

        def program(rows: torch.Tensor) -> torch.Tensor:
            nonlocal calls
            calls += 1
            return model.loss(rows, lost=lost)

        monkeypatch.setattr(loop, "compiled", lambda _: program)
        loop.fit(model, lambda indices: (values[indices],), model.loss, COUNT, settings, folder)
        return model

    plain = train(FIT, tmp_path / "plain")
    with pytest.warns(UserWarning, match=r"wrong gradient of first\.weight") if lost else nullcontext():
        fast = train(FIT.model_copy(update={"compiled": True}), tmp_path / "compiled")
    assert calls == (1 if lost else 1 + FIT.steps)
    for (key, value), other in zip(plain.state_dict().items(), fast.state_dict().values(), strict=True):
        assert torch.equal(value, other), key


class Doubling(nn.Module):
    """What loses its gradient where `doubled` is `F.interpolate`, compiled, with bfloat16."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.after = nn.Conv2d(4, 4, 1), ConvBlock(4, 4)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return self.after(doubled(self.before(maps)))


def test_doubling_keeps_its_gradient_when_it_is_compiled() -> None:
    model, maps = Doubling(), torch.randn(4, 4, 6, 6)

    def loss(images: torch.Tensor) -> torch.Tensor:
        return model(images).float().square().mean()

    def in_bfloat16(program: Callable[..., torch.Tensor]) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return program(maps)

    assert lost_gradient(model, partial(loss, maps), partial(in_bfloat16, compiled(loss))) is None


def test_doubled_is_the_nearest_pixel_compiled_or_not() -> None:
    maps = torch.randn(2, 3, 4, 5)
    expected = maps.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    assert torch.equal(doubled(maps), expected)
    assert torch.equal(torch.compile(doubled, backend="eager")(maps), expected)


def test_where_nothing_compiles_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", (None, str(tmp_path / "no-compiler")))
    monkeypatch.setattr("torch._inductor.config.force_disable_caches", True)
    with pytest.raises(SettingsError, match=r"^fit\.compiled: cannot compile here \(.+\): install a C\+\+ compiler"):
        compiled(lambda values: (values.sin() * 2).sum())(torch.ones(3, requires_grad=True))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_repeated_edges_are_those_of_replicate_padding(count: int) -> None:
    maps = torch.randn(2, 3, 5, 6)
    padded = nn.functional.pad(maps, (0, count, 0, count), mode="replicate")
    assert torch.equal(with_edges_repeated(maps, count), padded)
