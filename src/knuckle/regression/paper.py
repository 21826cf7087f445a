"""The paper's regression network f_r ([N] §4, Table 1, Figure 4): one small Inception module and a hidden layer.

Figure 4 leaves open what masks do with joints that share weights; `SharedPaperRegressor` says what is done here.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from knuckle.anatomy import HAND21
from knuckle.layers import LocalContrastNorm
from knuckle.regression.masks import joint_labels, joint_masks

_J = len(HAND21)
_FEATURES = 32  # maps of c1
_MODULE = 8 + 8 + 8 + 16  # maps of c212, c222, c232 and c241
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
        self.c1 = _convolution(_CHANNELS * (_J if zoomed else 1), _FEATURES * _J, 3, groups=_J if zoomed else 1)
        self.module = _Inception(_J)
        self.fc = _Dense(_J, _MODULE * self.cells**2, _HIDDEN)
        self.norm = nn.BatchNorm1d(_J * _HIDDEN)
        self.output = _Dense(_J, _HIDDEN, 3)
        self.register_buffer("table", joint_labels(), persistent=False)

    def forward(self, depth: Tensor, probabilities: Tensor | None = None) -> Tensor:
        maps = F.max_pool2d(self.c1(self._image(depth)), 2)  # p1: (N, 21 · 32, cells, cells)
        masked = maps
        if self.parts:
            assert probabilities is not None
            masks = joint_masks(probabilities, self.table, self.cells)
            masked = maps * masks.repeat_interleave(_FEATURES, dim=1)
        features = self.module(maps, masked)  # (N, 21, 40, cells, cells)
        hidden = self.fc(features.flatten(2))
        hidden = self.norm(hidden.flatten(1)).unflatten(1, hidden.shape[1:]).relu()
        return self.output(hidden)

    def _image(self, depth: Tensor) -> Tensor:
        return depth_image(depth, self.size, self.contrast)


class SharedPaperRegressor(nn.Module):
    """The same with one set of weights for all joints; the faces are alike.

    The module's other branches and the hidden layer run once. The masked branch runs once a joint, with the same
    weights under each joint's mask, and each joint's output layer reads the hidden layer and that joint's masked maps.
    """

    table: Tensor

    def __init__(self, parts: bool = True, size: int = 24) -> None:
        super().__init__()
        self.parts, self.size, self.cells = parts, size, size // 2
        self.contrast = LocalContrastNorm()
        self.c1 = _convolution(_CHANNELS, _FEATURES, 3)
        self.module = _Inception(1)
        self.fc = nn.Linear(_MODULE * self.cells**2, _HIDDEN)
        self.norm = nn.BatchNorm1d(_HIDDEN)
        self.output = nn.Linear(_HIDDEN, 3 * _J)
        self.local = _Dense(_J, 8 * self.cells**2, 3)
        self.register_buffer("table", joint_labels(), persistent=False)

    def forward(self, depth: Tensor, probabilities: Tensor | None = None) -> Tensor:
        maps = F.max_pool2d(self.c1(depth_image(depth, self.size, self.contrast)), 2)
        features = self.module(maps, maps)[:, 0]  # (N, 40, cells, cells)
        joints = self.output(self.norm(self.fc(features.flatten(1))).relu()).unflatten(1, (_J, 3))
        if not self.parts:
            return joints
        assert probabilities is not None
        masks = joint_masks(probabilities, self.table, self.cells)
        masked = (maps[:, None] * masks[:, :, None]).flatten(0, 1)  # (N · 21, 32, cells, cells)
        return joints + self.local(self.module.local(masked).unflatten(0, (-1, _J)).flatten(2))


class _Inception(nn.Module):
    """Figure 4's module for `groups` networks side by side."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups
        inputs = _FEATURES * groups
        self.local = nn.Sequential(  # c211, c212
            _convolution(inputs, 16 * groups, 1, groups), _convolution(16 * groups, 8 * groups, 3, groups)
        )
        self.whole = nn.Sequential(  # c221, c222
            _convolution(inputs, 16 * groups, 1, groups), _convolution(16 * groups, 8 * groups, 3, groups)
        )
        self.pooled = _convolution(inputs, 8 * groups, 1, groups)  # c232, after p231
        self.plain = _convolution(inputs, 16 * groups, 1, groups)  # c241

    def forward(self, maps: Tensor, masked: Tensor) -> Tensor:
        """Maps (N, groups · 32, h, w), whole and masked → (N, groups, 40, h, w)."""
        pooled = F.max_pool2d(F.pad(maps, (0, 1, 0, 1), mode="replicate"), 2, stride=1)
        branches = self.local(masked), self.whole(maps), self.pooled(pooled), self.plain(maps)
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


def _convolution(inputs: int, outputs: int, kernel: int, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
