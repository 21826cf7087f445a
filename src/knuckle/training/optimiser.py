"""Optimisers and learning rates that a recipe may ask for."""

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from knuckle.training.muon import Muon
from knuckle.training.recipe import FitSettings

_LEAST_STEPS = 11  # of a one-cycle schedule: its warm-up is a tenth, and it divides by zero where that is one step


def make_optimiser(model: nn.Module, settings: FitSettings) -> Optimizer:
    """Muon and AdamW (decoupled weight decay), Adam or SGD (weight decay as a penalty), for what can be trained."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if settings.optimiser == "muon":
        return Muon(parameters, lr=settings.rate, weight_decay=settings.weight_decay)
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "sgd": torch.optim.SGD}[settings.optimiser]
    return kind(parameters, lr=settings.rate, weight_decay=settings.weight_decay, fused=True)


def make_schedule(optimiser: Optimizer, settings: FitSettings, steps: int) -> LRScheduler:
    """One cycle of `steps` steps, a tenth of them warm-up; or rate / (1 + step · rate_decay)."""
    if settings.schedule == "decay":
        return LambdaLR(optimiser, lambda step: 1 / (1 + step * settings.rate_decay))
    return OneCycleLR(
        optimiser, settings.rate, total_steps=max(steps, _LEAST_STEPS), pct_start=0.1, cycle_momentum=False
    )
