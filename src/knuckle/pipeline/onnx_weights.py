"""An exported network back into PyTorch: what is shipped as ONNX can be trained on from, without another file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from knuckle.errors import MissingExtraError, WeightsError

_TOLERANCE = 1e-3  # between PyTorch and ONNX Runtime, on outputs of about 1


def load_exported(model: nn.Module, path: Path, inputs: dict[str, Tensor]) -> None:
    """Loads the weights of an ONNX file that `knuckle export` made of such a model, and makes sure that they fit.

    inputs: an example, by the file's names, that both are run on. The exporter keeps the names of all weights but those
    of linear layers, which it transposes: these are taken in the order in which they are used. Raises `WeightsError` if
    the file is missing, or of another network.
    """
    try:
        import onnx
        import onnxruntime
        from onnx import numpy_helper
    except ImportError as error:
        raise MissingExtraError("train", str(error.name)) from None
    try:
        graph = onnx.load(path).graph
    except Exception as error:  # protobuf and onnx raise many kinds
        raise WeightsError(f"{path}: cannot read the network ({str(error).splitlines()[0]})") from None
    values = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    matrices = _matrices(graph, values)
    try:
        found = {name: _value(name, weight, values, matrices) for name, weight in model.state_dict().items()}
        model.load_state_dict(found)
    except (RuntimeError, StopIteration, ValueError):
        raise WeightsError(
            f"{path}: not a float32 network of the size that knuckle ships: it cannot be adapted"
        ) from None
    model.eval()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    expected = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    with torch.inference_mode():
        outputs = model(*inputs.values())
    first = outputs[0] if isinstance(outputs, tuple) else outputs
    if np.abs(first.numpy() - expected[0]).max() > _TOLERANCE:
        raise WeightsError(f"{path}: its weights do not give what it gives: it was exported in another way")


def _matrices(graph: Any, values: dict[str, NDArray]) -> Iterator[NDArray]:
    """Constant right sides of the matrix products, in the order of use."""
    return (values[node.input[1]] for node in graph.node if node.op_type == "MatMul" and node.input[1] in values)


def _value(name: str, weight: Tensor, values: dict[str, NDArray], matrices: Iterator[NDArray]) -> Tensor:
    if name in values:
        return torch.from_numpy(values[name].copy())
    if weight.ndim != 2:
        raise ValueError(name)
    return torch.from_numpy(next(matrices).T.copy())
