"""Segmentation networks f_s. All have one face: depth crop (N, 1, 48, 48) in, logits (N, 21, 48, 48) out."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from knuckle.anatomy import LABELS
from knuckle.crop import SIZE
from knuckle.layers import DepthInput, LocalContrastNorm, Trunk, with_edges_repeated


class PaperSegmenter(nn.Module):
    """The paper's network ([N] Table 1, §4): 5×5 convolutions of 32, 64, 128 maps, two hidden layers of 500 a pixel.

    2×2 max pooling is dense: every shift of the pooled map is kept, so that 48×48 stays. That equals pooling with
    stride 1 and dilating what follows by 2 each time (the shifted maps, interleaved). With resolution 24 ([N] §5.3) the
    first pooling keeps one shift only, and the logits are interpolated to 48×48 at the end. Normalisation is over the
    pixels of one image, in training and at test time. It has 21 outputs instead of 20: the paper subtracts the
    background beforehand, here "not hand" is learned.
    """

    def __init__(self, contrast: bool = True, resolution: int = 48) -> None:
        super().__init__()
        self.stride = SIZE // resolution
        first, second = 2 // self.stride, 4 // self.stride  # dilations after each pooling
        self.second = first
        self.input = LocalContrastNorm() if contrast else nn.Identity()
        self.conv1 = _dense_convolution(1, 32, dilation=1)
        self.conv2 = _dense_convolution(32, 64, dilation=first)
        self.conv3 = _dense_convolution(64, 128, dilation=second)
        self.hidden = nn.Sequential(*_hidden(128, 500), *_hidden(500, 500))
        self.output = nn.Conv2d(500, len(LABELS), 1)

    def forward(self, depth: Tensor) -> Tensor:
        maps = self.conv1(self.input(depth))
        maps = _dense_pool(maps, dilation=1) if self.stride == 1 else F.max_pool2d(maps, 2)
        maps = _dense_pool(self.conv2(maps), dilation=self.second)
        logits = self.output(self.hidden(self.conv3(maps)))
        return logits if self.stride == 1 else F.interpolate(logits, scale_factor=2.0, mode="bilinear")


class CompactSegmenter(nn.Module):
    """A network that two CPU cores can train and run: half-resolution U-Net, then 2×2 label vectors a cell.

    The head sees the raw pixels of its cell beside the features, so that borders are drawn at full resolution.
    """

    def __init__(self, widths: tuple[int, int, int] = (48, 72, 128), hidden: int = 96, contrast: bool = True) -> None:
        super().__init__()
        self.input = DepthInput(contrast)
        self.trunk = Trunk(self.input.channels, widths)
        self.head = nn.Sequential(
            nn.Conv2d(widths[0] + self.input.channels, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, 4 * len(LABELS), 1),
        )

    def forward(self, depth: Tensor) -> Tensor:
        image = self.input(depth)
        return F.pixel_shuffle(self.head(torch.cat([self.trunk(image), image], dim=1)), 2)


SEGMENTERS: dict[str, Callable[..., nn.Module]] = {
    "paper": PaperSegmenter,
    "paper-24": partial(PaperSegmenter, resolution=24),
    "compact": CompactSegmenter,
}
"""The networks by the name that a recipe gives them."""


def _dense_convolution(inputs: int, outputs: int, dilation: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 5, padding=2 * dilation, dilation=dilation),
        nn.InstanceNorm2d(outputs, affine=True),
        nn.ReLU(inplace=True),
    )


def _hidden(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 1), nn.InstanceNorm2d(outputs, affine=True), nn.ReLU(inplace=True)]


def _dense_pool(maps: Tensor, dilation: int) -> Tensor:
    """2×2 max pooling at stride 1; the last row and column repeat, so that the size stays."""
    return F.max_pool2d(with_edges_repeated(maps, dilation), 2, stride=1, dilation=dilation)


def part_probabilities(logits: Tensor, depth: Tensor) -> Tensor:
    """Logits (N, 21, 48, 48) → probabilities; a pixel of depth (N, 1, 48, 48) that measures nothing is not hand."""
    nothing = (depth >= 1).to(logits.dtype)
    shares = (logits - logits.amax(dim=1, keepdim=True)).exp()  # a softmax; ONNX Runtime's own is thrice as slow here
    probabilities = shares * ((1 - nothing) / shares.sum(dim=1, keepdim=True))
    return torch.cat([probabilities[:, :1] + nothing, probabilities[:, 1:]], dim=1)
