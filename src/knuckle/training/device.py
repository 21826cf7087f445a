"""Where a network is trained and run."""

import torch
from numpy.typing import NDArray
from torch import Tensor, nn


def chosen_device(name: str) -> torch.device:
    """The device of a recipe: "cpu", "cuda", or "auto", the first GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def device_of(model: nn.Module) -> torch.device:
    """The device that a network's weights are on."""
    return next(model.parameters()).device


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device does it in hardware; a CPU that does not is several times slower than with float32."""
    if device.type != "cpu":
        return True
    flags = torch.cpu.get_capabilities()
    return any(flags.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def floats_on(model: nn.Module, values: NDArray) -> Tensor:
    """An array as a float32 tensor where a network is."""
    return torch.from_numpy(values).float().to(device_of(model))
