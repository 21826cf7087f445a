"""Readers of checkpoints, weights and networks."""

import json
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import torch

from fuzz_target import FileTarget
from knuckle.networks import SHIPPED, load_regression, load_segmentation
from knuckle.training.checkpoint import load_checkpoint, load_weights, save_checkpoint, save_weights


def _model() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 2))


def _checkpoint(folder: Path) -> None:
    model = _model()
    optimiser = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 4)).sum().backward()
    optimiser.step()
    state = {"optimiser": optimiser.state_dict(), "seed": 0}
    save_checkpoint(folder, model, state, 3)
    (folder / "latest.json").write_text(json.dumps({"step": 3}), encoding="utf-8")  # without checksums, as older ones


def _weights(folder: Path) -> None:
    save_weights(_model(), folder / "a.safetensors")


@cache
def _small_networks() -> dict[str, bytes]:
    """The smallest ONNX files that knuckle takes: what is checked of them does not depend on their size."""
    from onnx import TensorProto, helper

    shapes = {"depth": [1, 48, 48], "probabilities": [21, 48, 48], "joints": [21, 3], "spread": [21]}
    ports = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape]) for name, shape in shapes.items()
    }
    files = {}
    for role, given, made in (
        ("segmentation", ["depth"], ["probabilities"]),
        ("regression", ["depth", "probabilities"], ["joints", "spread"]),
    ):
        nodes, constants = [helper.make_node("ReduceMean", ["depth", "axes"], ["mean"], keepdims=0)], []
        constants.append(helper.make_tensor("axes", TensorProto.INT64, [3], [1, 2, 3]))
        for name in made:
            constants.append(
                helper.make_tensor(f"w {name}", TensorProto.FLOAT, [1, *shapes[name]], np.zeros(shapes[name]).ravel())
            )
            constants.append(
                helper.make_tensor(
                    f"s {name}", TensorProto.INT64, [1 + len(shapes[name])], [-1] + [1] * len(shapes[name])
                )
            )
            nodes.append(helper.make_node("Reshape", ["mean", f"s {name}"], [f"m {name}"]))
            nodes.append(helper.make_node("Add", [f"m {name}", f"w {name}"], [name]))
        graph = helper.make_graph(
            nodes, role, [ports[name] for name in given], [ports[name] for name in made], constants
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        helper.set_model_props(model, {"knuckle": role})
        files[f"{role}.onnx"] = model.SerializeToString()
    return files


def _networks(folder: Path) -> None:
    for name, data in _small_networks().items():
        (folder / name).write_bytes(data)


def _shipped(folder: Path) -> None:
    for path in SHIPPED.glob("*.onnx"):  # without their checksums, which would tell every change
        shutil.copy(path, folder)


def _run_networks(folder: Path) -> None:
    crops = np.zeros((1, 1, 48, 48), np.float32)
    probabilities = load_segmentation(folder, 1).run(depth=crops)[0]
    load_regression(folder, 1).run(depth=crops, probabilities=np.asarray(probabilities))


TARGETS = (
    FileTarget("checkpoint", _checkpoint, lambda folder: load_checkpoint(folder, _model())),
    FileTarget("safetensors", _weights, lambda folder: load_weights(_model(), folder / "a.safetensors")),
    FileTarget("onnx", _networks, _run_networks),
    FileTarget("onnx-shipped", _shipped, _run_networks, ("*.onnx",)),
)
