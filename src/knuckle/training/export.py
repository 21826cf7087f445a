"""A PyTorch network as an ONNX file that says whose it is."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from knuckle.errors import MissingExtraError, WeightsError
from knuckle.files import naming


def export_onnx(
    model: nn.Module,
    examples: Sequence[Tensor],
    inputs: Sequence[str],
    outputs: Sequence[str],
    role: str,
    path: Path,
) -> None:
    """Writes `model` with a free batch size; `role` goes into the file's metadata as "knuckle".

    examples: one tensor per input, first dimension the batch. Raises `MissingExtraError` without the onnx package,
    `WeightsError` if the file cannot be written.
    """
    try:
        import onnx
    except ImportError:
        raise MissingExtraError("train", "onnx") from None
    model.eval().cpu()
    # two crops: with one, the exporter would take the batch for a constant
    examples = tuple(torch.cat([example[:1]] * 2) for example in examples)
    batch = torch.export.Dim("batch", min=1, max=4096)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns that torchvision, which is not used, is missing
    with warnings.catch_warnings(action="ignore"):  # of PyTorch's own use of what it deprecates
        program = torch.onnx.export(
            model,
            examples,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=tuple({0: batch} for _ in examples),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    _forget_source(proto)
    proto.metadata_props.append(onnx.StringStringEntryProto(key="knuckle", value=role))
    part = path.with_suffix(".part")
    with naming(path, WeightsError):
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(proto, part)
        part.replace(path)


def _forget_source(proto: Any) -> None:
    """Drops what the exporter notes of the source code at every node: a shipped file names no path of the machine."""
    del proto.metadata_props[:]
    for item in (proto.graph, *proto.graph.node, *proto.graph.value_info, *proto.graph.input, *proto.graph.output):
        del item.metadata_props[:]
        item.doc_string = ""
    for function in proto.functions:
        for item in (function, *function.node):
            del item.metadata_props[:]
            item.doc_string = ""
