"""Small networks with the shipped pair's ports and known answers, and a scene with a hand that they can see.

The segmentation stand-in calls every cell that shows something hand: the upper 24 rows index tip, the lower palm. It is
the surer, the more of what it sees lies in the right half, which is so for `hand_frame`'s right hand once the cube is
centred on it. The regression stand-in puts every joint at the mean position of the hand's cells plus a known offset.
"""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from knuckle.anatomy import LABELS
from knuckle.camera import Camera

CAMERA = Camera(fx=480.0, fy=480.0, cx=320.0, cy=240.0, width=640, height=480, depth_unit_mm=0.5)

OFFSETS = np.random.default_rng(3).uniform(-0.3, 0.3, (21, 3)).astype(np.float32)
"""(21, 3) crop coordinates of every joint relative to the mean of the hand's cells, for a right hand."""

INDEX_TIP = LABELS.index("index_tip")
PALM = LABELS.index("palm")


def hand_frame(side: str = "right", z: float = 600.0, x: float = 0.0, y: float = 0.0) -> NDArray[np.float32]:
    """(480, 640) mm: a flat palm of 80 x 150 mm facing the camera with a 50 x 30 mm thumb on its left (right hand)."""
    v, u = np.indices((480, 640))
    points = CAMERA.back_project(np.stack([u, v], axis=-1), np.full((480, 640), z)) - (x, y, 0)
    across = points[..., 0] if side == "right" else -points[..., 0]
    up = points[..., 1]
    palm = (np.abs(across - 25) <= 40) & (np.abs(up) <= 75)
    thumb = (np.abs(across + 40) <= 25) & (np.abs(up - 20) <= 15)
    return np.where(palm | thumb, z, 0).astype(np.float32)


def write_stand_ins(folder: Path, *, spread: float = 0.08, label: int | None = None) -> Path:
    """Writes both networks. spread: the error that is claimed, cube units; label: call all of the hand this part."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(segmentation_model(label), folder / "segmentation.onnx")
    onnx.save(regression_model(spread), folder / "regression.onnx")
    return folder


def segmentation_model(label: int | None = None, role: str = "segmentation") -> onnx.ModelProto:
    labels = np.zeros((1, 21, 48, 48), np.float32)
    labels[:, INDEX_TIP if label is None else label, :24] = 1
    labels[:, PALM if label is None else label, 24:] = 1
    half = np.ones((1, 1, 48, 48), np.float32)
    half[..., :24] = -1
    none = np.zeros((1, 21, 1, 1), np.float32)
    none[:, 0] = 1
    constants = {
        "one": np.float32(0.999),
        "labels": labels,
        "half": half / 50,
        "none": none,
        "low": np.float32(0.6),
        "gain": np.float32(0.35),
        "axes": np.array([1, 2, 3]),
    }
    nodes = [
        helper.make_node("Less", ["depth", "one"], ["shows"]),
        helper.make_node("Cast", ["shows"], ["seen"], to=TensorProto.FLOAT),  # (N, 1, 48, 48)
        helper.make_node("Mul", ["seen", "half"], ["weighed"]),
        helper.make_node("ReduceSum", ["weighed", "axes"], ["heavier"], keepdims=1),  # (N, 1, 1, 1)
        helper.make_node("Sigmoid", ["heavier"], ["fit"]),
        helper.make_node("Mul", ["fit", "gain"], ["more"]),
        helper.make_node("Add", ["more", "low"], ["sure"]),  # 0.6 .. 0.95
        helper.make_node("Mul", ["seen", "sure"], ["hand"]),
        helper.make_node("Mul", ["hand", "labels"], ["parts"]),  # (N, 21, 48, 48)
        helper.make_node("Mul", ["hand", "none"], ["taken"]),
        helper.make_node("Sub", ["none", "taken"], ["rest"]),
        helper.make_node("Add", ["parts", "rest"], ["probabilities"]),
    ]
    return _model(role, nodes, constants, [("depth", (1, 48, 48))], [("probabilities", (21, 48, 48))])


def regression_model(spread: float = 0.08, role: str = "regression") -> onnx.ModelProto:
    steps = ((np.arange(48) + 0.5) / 24 - 1).astype(np.float32)
    grid = np.stack(np.meshgrid(steps, steps))[None]  # (1, 2, 48, 48): x, y of every cell
    constants = {
        "grid": grid,
        "offsets": OFFSETS[None],
        "zero": np.array([0]),
        "first": np.array([1]),
        "one": np.float32(1),
        "tiny": np.float32(1e-6),
        "axes": np.array([2, 3]),
        "row": np.array([-1, 1, 3]),
        "spreads": np.full((1, 21), spread, np.float32),
        "flat": np.array([-1, 1]),
        "nothing": np.float32(0),
    }
    nodes = [
        helper.make_node("Slice", ["probabilities", "zero", "first", "first"], ["not_hand"]),
        helper.make_node("Sub", ["one", "not_hand"], ["hand"]),  # (N, 1, 48, 48)
        helper.make_node("ReduceSum", ["hand", "axes"], ["count"], keepdims=1),
        helper.make_node("Add", ["count", "tiny"], ["total"]),
        helper.make_node("Mul", ["hand", "grid"], ["hand_xy"]),
        helper.make_node("Mul", ["hand", "depth"], ["hand_z"]),
        helper.make_node("Concat", ["hand_xy", "hand_z"], ["hand_xyz"], axis=1),
        helper.make_node("ReduceSum", ["hand_xyz", "axes"], ["sums"], keepdims=1),
        helper.make_node("Div", ["sums", "total"], ["mean"]),
        helper.make_node("Reshape", ["mean", "row"], ["middle"]),  # (N, 1, 3)
        helper.make_node("Add", ["middle", "offsets"], ["joints"]),
        helper.make_node("Reshape", ["total", "flat"], ["flat_total"]),  # (N, 1)
        helper.make_node("Mul", ["flat_total", "nothing"], ["zeros"]),
        helper.make_node("Add", ["zeros", "spreads"], ["spread"]),
    ]
    inputs = [("depth", (1, 48, 48)), ("probabilities", (21, 48, 48))]
    return _model(role, nodes, constants, inputs, [("joints", (21, 3)), ("spread", (21,))])


def _model(role, nodes, constants, inputs, outputs) -> onnx.ModelProto:
    def port(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])

    graph = helper.make_graph(
        nodes,
        "stand_in",
        [port(*each) for each in inputs],
        [port(*each) for each in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, {"knuckle": role})
    onnx.checker.check_model(model, full_check=True)
    return model
