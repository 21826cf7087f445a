"""Regression networks as ONNX: depth crop and part probabilities in, joints and their expected errors out."""

from pathlib import Path

import torch
from torch import nn

from knuckle.anatomy import LABELS
from knuckle.crop import SIZE
from knuckle.training.export import export_onnx


def export_regressor(model: nn.Module, path: Path) -> None:
    """Writes "depth" (N, 1, 48, 48), "probabilities" (N, 21, 48, 48) → "joints" (N, 21, 3), "spread" (N, 21)."""
    examples = [torch.zeros(1, 1, SIZE, SIZE), torch.zeros(1, len(LABELS), SIZE, SIZE)]
    export_onnx(model, examples, ["depth", "probabilities"], ["joints", "spread"], "regression", path)
