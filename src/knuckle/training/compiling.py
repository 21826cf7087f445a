"""A loss and its gradients as one compiled program, in which the small operations between convolutions are fused."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch._dynamo.exc import BackendCompilerFailed

from knuckle.errors import SettingsError

_NOTICEABLE = 1e-3  # of the whole gradient's length; below, bfloat16's rounding may be all there is
_WRONG = 0.5  # of a parameter's gradient; bfloat16 in compiled programs changes it by up to 0.2


def compiled(loss_of: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The same loss up to rounding; its first call compiles, for up to two minutes, or loads what was compiled before.

    The programs are kept in PyTorch's cache (`TORCHINDUCTOR_CACHE_DIR`), so that a resumed training runs the same one.
    Raises `SettingsError` on that call where nothing can compile: a CPU's programs need a C++ compiler.
    """
    torch.compiler.reset()  # it gives up on a function that it has compiled for many networks
    program = torch.compile(loss_of)

    def call(*batch: Tensor) -> Tensor:
        try:
            return program(*batch)
        except BackendCompilerFailed as error:
            reason = (str(error.inner_exception).splitlines() or [""])[0]
            raise SettingsError(
                f"fit.compiled: cannot compile here ({reason}): install a C++ compiler, or set it to false"
            ) from None

    return call


def lost_gradient(model: nn.Module, exact: Callable[[], Tensor], program: Callable[[], Tensor]) -> str | None:
    """The first parameter whose gradient of a compiled loss is not that of the same loss as it was written, in float32;
    None if all are.

    Compilers err: the gradient of a part of a network can be lost without a word, and the rest goes on learning.
    Leaves the model as it was, without gradients.
    """
    buffers = [buffer.clone() for buffer in model.buffers()]
    expected, found = (_gradients(model, loss) for loss in (exact, program))
    with torch.no_grad():
        for buffer, value in zip(model.buffers(), buffers, strict=True):
            buffer.copy_(value)
    whole = sum(float(gradient.square().sum()) for gradient in expected.values()) ** 0.5
    for name, gradient in expected.items():
        length, error = float(gradient.norm()), float((found[name] - gradient).norm())
        if length > _NOTICEABLE * whole and not error <= _WRONG * length:
            return name
    return None


def _gradients(model: nn.Module, loss: Callable[[], Tensor]) -> dict[str, Tensor]:
    """In float32, of what is trained; zero where the loss does not reach."""
    model.zero_grad(set_to_none=True)
    loss().backward()  # type: ignore[no-untyped-call]
    found = {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.float().clone()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    model.zero_grad(set_to_none=True)
    return found
