"""What holds of every network: it can learn, it judges each crop for itself, and it is exported as it is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR

from knuckle.regression import paper
from knuckle.regression.baselines import CascadeRegressor
from knuckle.regression.network import VotingRegressor
from knuckle.regression.paper import PaperRegressor, SharedPaperRegressor
from knuckle.segmentation.network import CompactSegmenter, PaperSegmenter
from knuckle.segmentation.teacher import ConditionedSegmenter
from knuckle.training.export import export_onnx

SMALL = ((8, 10, 12), 16)  # widths, hidden


@dataclass(frozen=True)
class Kind:
    """A network, what it reads (of depth, probabilities, joints), and the steps that 8 samples take to be learned."""

    make: Callable[[], nn.Module]
    reads: tuple[str, ...]
    places: bool  # joints, else part maps
    steps: int
    rate: float


def cascade(shared: bool) -> nn.Module:
    return CascadeRegressor(SharedPaperRegressor(parts=False), shared=shared)


NETWORKS = {
    "paper 48": Kind(PaperSegmenter, ("depth",), False, 8, 0.004),
    "paper 24": Kind(lambda: PaperSegmenter(resolution=24), ("depth",), False, 15, 0.004),
    "compact": Kind(lambda: CompactSegmenter(*SMALL), ("depth",), False, 40, 0.01),
    "teacher": Kind(lambda: ConditionedSegmenter(*SMALL), ("depth", "joints"), False, 40, 0.01),
    "voting": Kind(lambda: VotingRegressor(*SMALL), ("depth", "probabilities"), True, 80, 0.02),
    "per joint 24": Kind(PaperRegressor, ("depth", "probabilities"), True, 20, 0.005),
    "per joint 24, whole": Kind(lambda: PaperRegressor(parts=False), ("depth",), True, 20, 0.005),
    "shared 24": Kind(SharedPaperRegressor, ("depth", "probabilities"), True, 30, 0.01),
    "shared 24, whole": Kind(lambda: SharedPaperRegressor(parts=False), ("depth",), True, 30, 0.01),
    "shared 48": Kind(lambda: SharedPaperRegressor(size=48), ("depth", "probabilities"), True, 36, 0.01),
    "cascade": Kind(lambda: cascade(False), ("depth",), True, 24, 0.005),
    "cascade, shared": Kind(lambda: cascade(True), ("depth",), True, 20, 0.01),
}

every_network = pytest.mark.parametrize("name", NETWORKS)
QUICK = ("paper 24",)  # to learn; tests/segmentation and tests/regression have quick ones of what is shipped
learning = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in NETWORKS]
)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper, "_HIDDEN", 24)  # of [N]'s 1200: the network of every joint has 145 million weights
    torch.set_num_threads(2)


def make(name: str) -> nn.Module:
    torch.manual_seed(0)
    return NETWORKS[name].make()


def hands(count: int, seed: int = 0) -> dict[str, Tensor]:
    """Slanted planes at random places: the near half is part 1, the far half part 7; joints are spread about them."""
    rng = torch.Generator().manual_seed(seed)
    depth, parts = torch.ones(count, 1, 48, 48), torch.zeros(count, 48, 48, dtype=torch.long)
    joints = torch.linspace(-0.4, 0.4, 63).view(21, 3) + 0.1 * torch.rand(count, 21, 3, generator=rng)
    slope = torch.linspace(-0.6, 0.6, 28)[:, None] + torch.linspace(-0.1, 0.1, 28)
    for index, (top, left) in enumerate(torch.randint(2, 18, (count, 2), generator=rng).tolist()):
        depth[index, 0, top : top + 28, left : left + 28] = slope
        parts[index, top : top + 28, left : left + 28] = torch.where(slope < 0, 1, 7)
        joints[index, :, :2] += torch.tensor([left + 14, top + 14]) / 24 - 1
    noise = torch.rand(count, 21, 48, 48, generator=rng)
    probabilities = (4 * F.one_hot(parts, 21).permute(0, 3, 1, 2) + noise).softmax(dim=1)
    return {"depth": depth, "parts": parts, "joints": joints, "probabilities": probabilities}


def told(name: str, samples: dict[str, Tensor]) -> list[Tensor]:
    return [samples[key] for key in NETWORKS[name].reads]


def answer(name: str, model: nn.Module, samples: dict[str, Tensor]) -> Tensor:
    found = model(*told(name, samples))
    return found[0] if isinstance(found, tuple) else found


def loss(name: str, model: nn.Module, samples: dict[str, Tensor]) -> Tensor:
    found = answer(name, model, samples)
    if NETWORKS[name].places:
        return (found - samples["joints"]).norm(dim=2).mean()
    return F.cross_entropy(found, samples["parts"].masked_fill(samples["depth"][:, 0] == 1, -100))


@learning
def test_it_learns_eight_samples(name: str) -> None:
    kind, samples, model = NETWORKS[name], hands(8), make(name)
    optimiser = torch.optim.Adam([weight for weight in model.parameters() if weight.requires_grad])
    schedule = OneCycleLR(optimiser, kind.rate, total_steps=kind.steps, pct_start=0.15, cycle_momentum=False)
    for _ in range(kind.steps):
        optimiser.zero_grad()
        loss(name, model.train(), samples).backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        for _ in range(30):  # batch statistics lag behind weights that change as fast as here
            if any(isinstance(module, nn.BatchNorm1d) for module in model.modules()):
                answer(name, model, samples)
        if kind.places:
            assert loss(name, model.eval(), samples) < 0.12  # at the mean of all samples it is 0.27
            return
        found, measured = answer(name, model.eval(), samples).argmax(dim=1), samples["depth"][:, 0] < 1
        assert (found == samples["parts"])[measured].float().mean() > 0.95


def disturbed(name: str) -> nn.Module:
    """A network as if trained: nothing is zero or one any more, and batch statistics are those of some crops."""
    model = make(name)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.03 * torch.randn_like(parameter))
        for seed in range(3):
            model.train()(*told(name, hands(6, seed)))
    return model.eval()


@every_network
@torch.no_grad()
def test_it_judges_a_crop_for_itself(name: str) -> None:
    model, samples = disturbed(name), hands(3, seed=5)
    together = answer(name, model, samples)
    others = {key: torch.cat([value[1:2], 0.5 * value[:1]]) for key, value in samples.items() if key != "parts"}
    for found in (
        answer(name, model, {key: value[1:2] for key, value in samples.items()}),
        answer(name, model, others),
    ):
        torch.testing.assert_close(found[:1], together[1:2], atol=1e-4, rtol=1e-4)
    assert (together[1] - together[0]).abs().max() > 0.01


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "teacher"])  # which only labels frames
def test_its_export_gives_the_same_numbers(name: str, tmp_path: Path) -> None:
    model, reads = disturbed(name), NETWORKS[name].reads
    outputs = ["joints", "spread"] if name == "voting" else ["answer"]
    export_onnx(model, told(name, hands(1)), reads, outputs, "trial", tmp_path / "network.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx", providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map["knuckle"] == "trial"
    for count in (1, 3):
        samples = hands(count, seed=count)
        with torch.no_grad():
            expected = answer(name, model, samples).numpy()
        found = session.run(None, {key: samples[key].numpy() for key in reads})[0]
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_cascade_leaves_its_first_network_alone() -> None:
    """Weights and batch statistics of the first network stay, in training too; the second one learns."""
    model = make("cascade, shared")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    samples = hands(4)
    optimiser = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], lr=0.1)
    loss("cascade, shared", model.train(), samples).backward()
    optimiser.step()
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert changed
    assert all(key.startswith("second.") for key in changed)
