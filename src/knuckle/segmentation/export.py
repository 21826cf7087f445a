"""Segmentation networks as ONNX: depth crop in, part probabilities out."""

from pathlib import Path

import torch
from torch import Tensor, nn

from knuckle.crop import SIZE
from knuckle.segmentation.network import part_probabilities
from knuckle.training.export import export_onnx


class WithProbabilities(nn.Module):
    """A segmentation network as its file has it: probabilities (N, 21, 48, 48) out."""

    def __init__(self, segmenter: nn.Module) -> None:
        super().__init__()
        self.segmenter = segmenter

    def forward(self, depth: Tensor) -> Tensor:
        return part_probabilities(self.segmenter(depth), depth)


def export_segmenter(model: nn.Module, path: Path) -> None:
    """Writes a segmentation network: "depth" (N, 1, 48, 48) → "probabilities" (N, 21, 48, 48)."""
    wrapped = WithProbabilities(model)
    export_onnx(wrapped, [torch.zeros(1, 1, SIZE, SIZE)], ["depth"], ["probabilities"], "segmentation", path)
