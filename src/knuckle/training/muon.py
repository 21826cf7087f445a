"""Muon: momentum whose matrices are made orthogonal, so that every direction of a layer learns at the same pace.

Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; scaled as in Liu et al. 2025, "Muon is
scalable for LLM training", so that a rate that suits AdamW suits it too. `torch.optim.Muon` takes matrices alone; here
a convolution is the matrix (outputs, inputs · kernel), and biases and norms are left to AdamW's rule.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration: steepest at zero among those that stay bounded
_ITERATIONS = 5
_MATCH = 0.2  # root mean square of AdamW's usual update, in units of the rate
_BETAS = (0.9, 0.999)  # of AdamW's rule


class Muon(Optimizer):
    """Muon for weights of two and more dimensions, AdamW for the rest; weight decay is decoupled."""

    def __init__(
        self, parameters: Iterable[Tensor], lr: float, weight_decay: float = 0.0, momentum: float = 0.95
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                state = self.state[parameter]
                if parameter.ndim >= 2:
                    update = _orthogonal_update(parameter.grad, state, group["momentum"])
                else:
                    update = _adam_update(parameter.grad, state)
                parameter.add_(update, alpha=-group["lr"])


def _orthogonal_update(gradient: Tensor, state: dict[str, Tensor], momentum: float) -> Tensor:
    """Nesterov momentum, its singular values all about 1, at the root mean square of an AdamW update."""
    mean = state.setdefault("mean", torch.zeros_like(gradient))
    mean.lerp_(gradient, 1 - momentum)
    matrix = gradient.lerp(mean, momentum).flatten(1)
    return (orthogonal(matrix) * (_MATCH * max(matrix.shape) ** 0.5)).view_as(gradient)


def orthogonal(matrix: Tensor) -> Tensor:
    """About the nearest orthogonal matrix U·Vᵀ of (rows, columns) U·S·Vᵀ: singular values between 0.7 and 1.2."""
    a, b, c = _COEFFICIENTS
    wide = matrix if len(matrix) <= matrix.shape[1] else matrix.T
    found = wide / (wide.norm() + 1e-7)
    for _ in range(_ITERATIONS):
        square = found @ found.T
        found = a * found + (b * square + c * square @ square) @ found
    return found if wide is matrix else found.T


def _adam_update(gradient: Tensor, state: dict[str, Tensor]) -> Tensor:
    mean = state.setdefault("mean", torch.zeros_like(gradient))
    square = state.setdefault("square", torch.zeros_like(gradient))
    steps = state.setdefault("steps", torch.zeros(()))
    steps += 1
    mean.lerp_(gradient, 1 - _BETAS[0])
    square.lerp_(gradient.square(), 1 - _BETAS[1])
    unbiased = mean / (1 - _BETAS[0] ** steps)
    return unbiased / ((square / (1 - _BETAS[1] ** steps)).sqrt() + 1e-8)
