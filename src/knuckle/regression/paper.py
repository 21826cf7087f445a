"""The paper's regression network f_r ([N] §4, Table 1, Figure 4): one small Inception module and a hidden layer.

Figure 4 leaves open what masks do with joints that share weights; `SharedPaperRegressor` says what is done here.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from knuckle.anatomy import HAND21
from knuckle.layers import LocalContrastNorm, with_edges_repeated
from knuckle.regression.masks import joint_labels, joint_masks

_J = len(HAND21)
_FEATURES = 32  # maps of c1
_LOCAL = 8  # maps of c212, the branch that is masked
_MODULE = _LOCAL + 8 + 8 + 16  # and of c222, c232 and c241
_HIDDEN = 1200
_CHANNELS = 2  # raw depth, and depth after local contrast normalisation


class PaperRegressor(nn.Module):
    """Depth crop (N, 1, 48, 48) and part probabilities (N, 21, 48, 48) → joints (N, 21, 3) in crop coordinates.

    One network a joint, as [N] prefers; the 21 run as one by grouped convolutions. With `parts`, the first branch of
    each sees the feature maps only where the joint's own parts are; without, it sees them whole. `size`: side of the
    depth image, 24 or 48. Batch normalisation uses the training's statistics at test time.

    With `zoomed`, depth is a patch for each joint, (N, 21, size, size) instead, and there are no parts.
    """

    table: Tensor

    def __init__(self, parts: bool = True, size: int = 24, zoomed: bool = False) -> None:
        super().__init__()
        self.parts, self.size, self.cells = parts, size, size // 2
        self.contrast = LocalContrastNorm()
        inputs, groups = (_CHANNELS * _J, _J) if zoomed else (_CHANNELS, 1)
        self.c1 = _convolution(inputs, _FEATURES * _J, 3, groups, pooled=True)
        self.module = _Inception(_J)
        self.fc = _Dense(_J, _MODULE * self.cells**2, _HIDDEN)
        self.norm = nn.BatchNorm1d(_J * _HIDDEN)
        self.output = _Dense(_J, _HIDDEN, 3)
        self.register_buffer("table", joint_labels(), persistent=False)

    def forward(self, depth: Tensor, probabilities: Tensor | None = None) -> Tensor:
        maps = self.c1(depth_image(depth, self.size, self.contrast))  # and p1: (N, 21 · 32, cells, cells)
        masked = maps
        if self.parts:
            assert probabilities is not None
            masks = joint_masks(probabilities, self.table, self.cells)
            masked = maps * masks.repeat_interleave(_FEATURES, dim=1)
        features = self.module(maps, masked)  # (N, 21, 40, cells, cells)
        hidden = self.fc(features.flatten(2))
        hidden = self.norm(hidden.flatten(1)).unflatten(1, hidden.shape[1:]).relu()
        return self.output(hidden)


class SharedPaperRegressor(nn.Module):
    """The same with one set of weights for all joints; the faces are alike.

    Three branches of the module run once. The masked branch runs once a joint, with the same weights under each joint's
    mask, and so does the hidden layer, which reads all four. Only the output layer is a joint's own. With `zoomed`
    everything before it runs on each joint's patch.
    """

    table: Tensor

    def __init__(self, parts: bool = True, size: int = 24, zoomed: bool = False) -> None:
        super().__init__()
        self.parts, self.size, self.cells, self.zoomed = parts, size, size // 2, zoomed
        self.contrast = LocalContrastNorm()
        self.c1 = _convolution(_CHANNELS, _FEATURES, 3, pooled=True)
        self.module = _Inception(1)
        self.fc = nn.Linear(_MODULE * self.cells**2, _HIDDEN)
        self.norm = nn.BatchNorm1d(_HIDDEN)
        self.output = _Dense(_J, _HIDDEN, 3)
        self.register_buffer("table", joint_labels(), persistent=False)

    def forward(self, depth: Tensor, probabilities: Tensor | None = None) -> Tensor:
        images = depth.flatten(0, 1)[:, None] if self.zoomed else depth
        maps = self.c1(depth_image(images, self.size, self.contrast))
        local = self.module.local(self._masked(maps, probabilities)).flatten(1)
        hidden = self._hidden(local, self.module.whole_picture(maps).flatten(1))
        count = depth.shape[0]  # not len(), which an export takes for a constant
        return self.output(hidden.view(count, -1, _HIDDEN).expand(-1, _J, -1))

    def _hidden(self, local: Tensor, whole: Tensor) -> Tensor:
        """The hidden layer of the masked branch's maps, a row for each image or each joint, and of the other maps.

        A sum of two products, so that what all joints of an image see alike is multiplied once.
        """
        of_local, of_whole = self.fc.weight.split([local.shape[1], whole.shape[1]], dim=1)
        shared = F.linear(whole, of_whole, self.fc.bias)
        sums = F.linear(local, of_local).view(shared.shape[0], -1, _HIDDEN) + shared[:, None]
        hidden: Tensor = self.norm(sums.flatten(0, 1)).relu()
        return hidden

    def _masked(self, maps: Tensor, probabilities: Tensor | None) -> Tensor:
        """With parts (N · 21, 32, cells, cells), the maps under each joint's mask; else the maps as they are."""
        if not self.parts:
            return maps
        assert probabilities is not None
        masks = joint_masks(probabilities, self.table, self.cells)
        return (maps[:, None] * masks[:, :, None]).flatten(0, 1)


class _Inception(nn.Module):
    """Figure 4's module for `groups` networks side by side."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups
        inputs = _FEATURES * groups
        self.local = nn.Sequential(  # c211, c212
            _convolution(inputs, 16 * groups, 1, groups), _convolution(16 * groups, _LOCAL * groups, 3, groups)
        )
        self.whole = nn.Sequential(  # c221, c222
            _convolution(inputs, 16 * groups, 1, groups), _convolution(16 * groups, 8 * groups, 3, groups)
        )
        self.pooled = _convolution(inputs, 8 * groups, 1, groups)  # c232, after p231
        self.plain = _convolution(inputs, 16 * groups, 1, groups)  # c241

    def forward(self, maps: Tensor, masked: Tensor) -> Tensor:
        """Maps (N, groups · 32, h, w), whole and masked → (N, groups, 40, h, w)."""
        local = self.local(masked).unflatten(1, (self.groups, -1))
        return torch.cat([local, self.whole_picture(maps)], dim=2)

    def whole_picture(self, maps: Tensor) -> Tensor:
        """What the branches without a mask make of maps (N, groups · 32, h, w): (N, groups, 32, h, w)."""
        pooled = F.max_pool2d(with_edges_repeated(maps, 1), 2, stride=1)
        branches = self.whole(maps), self.pooled(pooled), self.plain(maps)
        return torch.cat([branch.unflatten(1, (self.groups, -1)) for branch in branches], dim=2)


class _Dense(nn.Module):
    """A fully connected layer for each of `groups` networks: (N, groups, inputs) → (N, groups, outputs)."""

    def __init__(self, groups: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = inputs**-0.5  # as nn.Linear
        self.weight = nn.Parameter(torch.empty(groups, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(groups, outputs).uniform_(-bound, bound))

    def forward(self, values: Tensor) -> Tensor:
        # contiguous, and unbound and stacked instead of transposed back, so that the gradients are contiguous too: in
        # another layout bmm is five times as slow
        found = torch.bmm(values.transpose(0, 1).contiguous(), self.weight)
        return torch.stack(found.unbind(0), dim=1) + self.bias


def depth_image(depth: Tensor, size: int, contrast: nn.Module) -> Tensor:
    """Depth (N, C, h, w) → (N, 2 · C, size, size): each map raw and locally normalised; the nearest pixels."""
    small = -F.max_pool2d(-depth, depth.shape[-1] // size) if depth.shape[-1] > size else depth
    return torch.stack([small, contrast(small)], dim=2).flatten(1, 2)


def _convolution(inputs: int, outputs: int, kernel: int, groups: int = 1, pooled: bool = False) -> nn.Sequential:
    """Pooling comes before normalisation: a quarter of the work, and [N] does not say."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False),
        *([nn.MaxPool2d(2)] if pooled else []),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
