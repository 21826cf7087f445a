"""Segmentation networks: one face, each image for itself, and the paper's dense pooling in its plain form."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from knuckle.networks import load_segmentation
from knuckle.segmentation import network as network_module
from knuckle.segmentation.export import export_segmenter
from knuckle.segmentation.network import SEGMENTERS, CompactSegmenter, PaperSegmenter, part_probabilities
from knuckle.segmentation.train import make_segmenter
from knuckle.training.recipe import NetworkSettings, SegmentationRecipe


def make(name: str, contrast: bool = True) -> nn.Module:
    torch.manual_seed(0)
    return PaperSegmenter(contrast) if name == "paper" else CompactSegmenter((8, 10, 12), 16, contrast)


def crops(count: int, seed: int = 0) -> Tensor:
    """(N, 1, 48, 48): smooth surfaces of random shape, and nothing around them."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 1, 6, 6, generator=generator) * 2 - 1
    depth = F.interpolate(coarse, size=(48, 48), mode="bicubic", align_corners=False).clamp(-1, 1)
    return depth.masked_fill(depth > 0.3, 1.0)


@pytest.mark.parametrize("name", SEGMENTERS)
@pytest.mark.parametrize("contrast", [True, False])
def test_every_network_has_the_same_face(name: str, contrast: bool) -> None:
    with torch.no_grad():
        logits = make(name, contrast)(crops(2))
    assert logits.shape == (2, 21, 48, 48)
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", SEGMENTERS)
def test_an_empty_crop_gives_finite_numbers(name: str) -> None:
    with torch.no_grad():
        assert make(name)(torch.ones(2, 1, 48, 48)).isfinite().all()


@pytest.mark.parametrize("name", SEGMENTERS)
@pytest.mark.parametrize("training", [True, False])
def test_a_crop_is_judged_for_itself(name: str, training: bool) -> None:
    """What else is in the batch changes nothing: normalisation is over the pixels of one image."""
    model = make(name).train(training)
    with torch.no_grad():
        alone = model(crops(1))
        together = model(torch.cat([crops(1), 5 * crops(2, seed=1)]))
    torch.testing.assert_close(together[:1], alone, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", SEGMENTERS)
def test_every_weight_takes_part(name: str) -> None:
    model = make(name)
    model(crops(2)).square().mean().backward()
    for parameter in model.parameters():
        assert parameter.grad is not None


def test_the_paper_network_has_the_sizes_of_table_1() -> None:
    model = PaperSegmenter()
    shapes = [tuple(module.weight.shape) for module in model.modules() if isinstance(module, nn.Conv2d)]
    assert shapes == [
        (32, 1, 5, 5),
        (64, 32, 5, 5),
        (128, 64, 5, 5),
        (500, 128, 1, 1),
        (500, 500, 1, 1),
        (21, 500, 1, 1),
    ]


def split(maps: Tensor) -> list[Tensor]:
    """2×2 max pooling of the maps under each of its four shifts, with stride 2: (N, C, H/2, W/2) each."""
    padded = F.pad(maps, (0, 1, 0, 1), mode="replicate")
    height, width = maps.shape[-2:]
    return [F.max_pool2d(padded[..., y : y + height, x : x + width], 2) for y in (0, 1) for x in (0, 1)]


def interleave(maps: list[Tensor]) -> Tensor:
    """Undoes the shifts: the pixel (2r + y, 2c + x) is the pixel (r, c) of shift (y, x)."""
    return F.pixel_shuffle(torch.stack(maps, dim=2).flatten(1, 2), 2)


def plain_paper_network(model: PaperSegmenter, depth: Tensor) -> Tensor:
    """Every shift of a pooled map is a map of its own, on which the plain, undilated convolutions run."""

    def convolved(block: nn.Module, maps: Tensor) -> Tensor:
        convolution = next(module for module in block.modules() if isinstance(module, nn.Conv2d))
        return F.conv2d(maps, convolution.weight, convolution.bias, padding=2).relu()

    quarters = []
    for once in split(convolved(model.conv1, model.input(depth))):
        sixteenths = [convolved(model.conv3, twice) for twice in split(convolved(model.conv2, once))]
        quarters.append(interleave(sixteenths))
    return model.output(model.hidden(interleave(quarters)))


def test_dense_pooling_equals_shifting_and_interleaving() -> None:
    model = make("paper", contrast=False).double()
    for block in (model.conv1, model.conv2, model.conv3):
        block[1] = nn.Identity()  # the plain form would normalise each shifted map by itself
    with torch.no_grad():
        depth = torch.rand(2, 1, 48, 48, dtype=torch.float64)
        model.hidden = nn.Sequential(*(m for m in model.hidden if not isinstance(m, nn.InstanceNorm2d)))
        dense, plain = model(depth), plain_paper_network(model, depth)
    inner = np.s_[..., 16:-16, 16:-16]  # zero padding at the border of a shifted map is not that of the whole
    torch.testing.assert_close(dense[inner], plain[inner], atol=1e-10, rtol=1e-8)
    assert dense[inner].std() > 1e-3


def test_probabilities_sum_to_one_and_nothing_measured_is_not_hand() -> None:
    depth = crops(3)
    probabilities = part_probabilities(torch.randn(3, 21, 48, 48) * 4, depth)
    assert probabilities.shape == (3, 21, 48, 48)
    assert (probabilities >= 0).all()
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(3, 48, 48))
    nothing = depth[:, 0] >= 1
    assert nothing.any()
    assert (probabilities[:, 0][nothing] == 1).all()
    assert (probabilities[:, 0][~nothing] < 1).all()


def test_a_recipe_names_its_network() -> None:
    size = NetworkSettings(widths=(4, 6, 8), hidden=5, contrast=False)
    compact = make_segmenter(SegmentationRecipe(network="compact", size=size))
    assert isinstance(compact, CompactSegmenter)
    assert compact.trunk.stem[0].weight.shape == (4, 4, 3, 3)
    assert compact.head[0].weight.shape[0] == 5
    paper = make_segmenter(SegmentationRecipe(network="paper", size=size))
    assert isinstance(paper, PaperSegmenter)
    assert isinstance(paper.input, nn.Identity)


@pytest.mark.parametrize("name", SEGMENTERS)
def test_the_exported_network_gives_the_same_numbers(name: str, tmp_path: Path) -> None:
    model = make(name)
    export_segmenter(model, tmp_path / "segmentation.onnx")
    source = str(Path(network_module.__file__).parent).encode()
    assert source not in (tmp_path / "segmentation.onnx").read_bytes()  # no path of the machine that exported it
    assert [path.name for path in tmp_path.iterdir()] == ["segmentation.onnx"]
    network = load_segmentation(tmp_path, threads=1)
    for count in (1, 2, 5):
        depth = crops(count, seed=count)
        with torch.no_grad():
            expected = part_probabilities(model(depth), depth).numpy()
        np.testing.assert_allclose(network.run(depth=depth.numpy())[0], expected, atol=1e-4)
