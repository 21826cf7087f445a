"""Building blocks that the segmentation and the regression networks share (PyTorch)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from knuckle.crop import SIZE

CONTRAST_KERNEL = 9
"""Window of the local contrast normalisation, px ([N] §5)."""


class LocalContrastNorm(nn.Module):
    """Depth crop (N, 1, H, W) → each pixel less its window's mean, over its window's standard deviation.

    The deviation is not let below the image's mean deviation, so that flat regions stay flat (Jarrett et al. 2009,
    "What is the best multi-stage architecture for object recognition?", §2). Windows are cut at the image's border.
    """

    def __init__(self, kernel: int = CONTRAST_KERNEL) -> None:
        super().__init__()
        self.kernel = kernel

    def forward(self, depth: Tensor) -> Tensor:
        centred = depth - self._window_mean(depth)
        deviation = self._window_mean(centred * centred).clamp_min(1e-12).sqrt()
        return centred / torch.maximum(deviation, deviation.mean(dim=(2, 3), keepdim=True).clamp_min(1e-4))

    def _window_mean(self, image: Tensor) -> Tensor:
        """Down the columns, then along the rows: the same as over the square at once, at a fifth of the cost."""
        size, margin = self.kernel, self.kernel // 2
        down = F.avg_pool2d(image, (size, 1), stride=1, padding=(margin, 0), count_include_pad=False)
        return F.avg_pool2d(down, (1, size), stride=1, padding=(0, margin), count_include_pad=False)


def with_edges_repeated(maps: Tensor, count: int) -> Tensor:
    """Maps (N, C, H, W) → (N, C, H + count, W + count): the last column, then the last row, `count` times more.

    What `F.pad` with mode="replicate" does; that one's gradient has no place in a compiled training (PyTorch 2.13).
    """
    maps = torch.cat([maps, *[maps[..., -1:]] * count], dim=3)
    return torch.cat([maps, *[maps[..., -1:, :]] * count], dim=2)


class ConvBlock(nn.Sequential):
    """3×3 convolution, normalisation over the pixels of the one image ([N] §4), ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.InstanceNorm2d(outputs, affine=True),
            nn.ReLU(inplace=True),
        )


class Trunk(nn.Module):
    """Features (N, widths[0], 24, 24) of an image (N, C, 24, 24): a U-Net with summed skips over 24, 12 and 6 px."""

    def __init__(self, inputs: int, widths: tuple[int, int, int]) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.stem = ConvBlock(inputs, fine)
        self.fine = ConvBlock(fine, fine)
        self.down_middle = nn.Sequential(ConvBlock(fine, middle, stride=2), ConvBlock(middle, middle))
        self.down_coarse = nn.Sequential(ConvBlock(middle, coarse, stride=2), ConvBlock(coarse, coarse))
        self.coarse = ConvBlock(coarse, coarse)
        self.to_middle = nn.Conv2d(coarse, middle, 1)
        self.up_middle = ConvBlock(middle, middle)
        self.to_fine = nn.Conv2d(middle, fine, 1)
        self.up_fine = ConvBlock(fine, fine)

    def forward(self, image: Tensor) -> Tensor:
        fine = self.fine(self.stem(image))
        middle = self.down_middle(fine)
        coarse = self.down_coarse(middle)
        coarse = coarse + self.coarse(coarse)
        middle = self.up_middle(middle + doubled(self.to_middle(coarse)))
        return self.up_fine(fine + doubled(self.to_fine(middle)))


class DepthInput(nn.Module):
    """Depth crop (N, 1, 48, 48) → (N, 4 or 8, 24, 24): every 2×2 pixels become channels (space to depth).

    With `contrast` the locally normalised image goes in beside the raw one: a choice of the recipe.
    """

    def __init__(self, contrast: bool) -> None:
        super().__init__()
        self.contrast = LocalContrastNorm() if contrast else None
        self.channels = 8 if contrast else 4

    def forward(self, depth: Tensor) -> Tensor:
        image = depth if self.contrast is None else torch.cat([depth, self.contrast(depth)], dim=1)
        return F.pixel_unshuffle(image, 2)


def cell_centers() -> Tensor:
    """(2, 24, 24) crop coordinates x, y of the 2×2-pixel cells."""
    half = SIZE // 2
    steps = (torch.arange(half) + 0.5) / half * 2 - 1
    return torch.stack([steps.expand(half, half), steps[:, None].expand(half, half)])


def doubled(image: Tensor) -> Tensor:
    """(N, C, H, W) → (N, C, 2H, 2W), every pixel four times.

    What `F.interpolate` does; but before a convolution and a normalisation over the image, its gradient is lost in a
    compiled training with bfloat16 (PyTorch 2.13, CPU).
    """
    if not torch.compiler.is_dynamo_compiling():
        return F.interpolate(image, scale_factor=2.0, mode="nearest")
    count, maps, height, width = image.shape
    pixels = image[:, :, :, None, :, None].expand(count, maps, height, 2, width, 2)
    return pixels.reshape(count, maps, 2 * height, 2 * width)
