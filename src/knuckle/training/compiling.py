"""A loss and its gradients as one compiled program, in which the small operations between convolutions are fused."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch._dynamo.exc import BackendCompilerFailed

from knuckle.errors import SettingsError


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
