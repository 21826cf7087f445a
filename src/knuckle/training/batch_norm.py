"""Batch normalisation over a batch that several processes share: statistics of all its rows, on any device.

`torch.nn.SyncBatchNorm` does this on GPUs alone.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from knuckle.training.processes import Processes, processes


class SharedBatchNorm(_BatchNorm):
    """As `nn.BatchNorm1d` and `nn.BatchNorm2d` on the rows of all processes; at test time it is one of them."""

    @classmethod
    def of(cls, norm: _BatchNorm) -> "SharedBatchNorm":
        """With the parameters and statistics of another one: the same tensors, not copies."""
        shared = cls(norm.num_features, norm.eps, norm.momentum)
        shared.weight, shared.bias = norm.weight, norm.bias
        shared.running_mean, shared.running_var = norm.running_mean, norm.running_var
        shared.num_batches_tracked = norm.num_batches_tracked
        return shared.train(norm.training)

    @torch.compiler.disable  # a compiled training calls it as it is: it waits for other processes
    def forward(self, values: Tensor) -> Tensor:
        """Rows (N, C) or (N, C, h, w)."""
        if not self.training:
            return super().forward(values)
        peers = processes()
        axes = [axis for axis in range(values.ndim) if axis != 1]
        exact = values.float()
        count = exact.new_tensor(float(values.numel() // values.shape[1]))
        peers.add_up([count])
        mean = _sum(exact.sum(axes), peers) / count
        centred = exact - _along(mean, values)
        variance = _sum(centred.square().sum(axes), peers) / count
        self._track(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * _along(scale, values) + _along(self.bias, values)).to(values.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
        self.num_batches_tracked += 1

    def _check_input_dim(self, input: Tensor) -> None:
        """Any shape that both kinds take."""


def share_batch_norms(model: nn.Module) -> None:
    """Replaces every batch normalisation of a model by a shared one."""
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, _BatchNorm) and not isinstance(child, SharedBatchNorm):
                setattr(parent, name, SharedBatchNorm.of(child))


class _Sum(torch.autograd.Function):
    """The sum over all processes. Their losses are shares of one loss, so their gradients are added up, too."""

    @staticmethod
    def forward(context: Any, values: Tensor, peers: Processes) -> Tensor:
        context.peers = peers
        total = values.clone()
        peers.add_up([total])
        return total

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        total = gradient.clone()
        context.peers.add_up([total])
        return total, None


def _sum(values: Tensor, peers: Processes) -> Tensor:
    return _Sum.apply(values, peers)


def _along(values: Tensor, like: Tensor) -> Tensor:
    """Values of each channel (C,) → (C, 1, 1) for rows with pixels."""
    return values.view(-1, *[1] * (like.ndim - 2))
