"""The segmentation network in 8 bits: what it says stays, its file shrinks, and a failure leaves the old one."""

import logging
from pathlib import Path

import numpy as np
import onnx
import pytest

from knuckle import HandPoseEstimator
from knuckle.networks import SHIPPED
from knuckle.pipeline.export import export
from knuckle.pipeline.quantise import calibration_crops, quantise_convolutions


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    return calibration_crops()[:32]


def eight_bit_weights(path: Path) -> list[np.ndarray]:
    """Of every convolution; zero points, biases and scales are of other types or have no more than one axis."""
    arrays = [onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer]
    return [array.astype(int) for array in arrays if array.dtype == np.int8 and array.ndim > 1]


def test_the_shipped_network_says_nearly_the_same(crops: np.ndarray, tmp_path: Path) -> None:
    for name in ("segmentation", "regression"):
        (tmp_path / f"{name}.onnx").write_bytes((SHIPPED / f"{name}.onnx").read_bytes())
    path = tmp_path / "segmentation.onnx"
    quantise_convolutions(path, path, [{"depth": crop[None, None]} for crop in crops[:16]])
    assert path.stat().st_size < 0.4 * (SHIPPED / "segmentation.onnx").stat().st_size
    small, plain = HandPoseEstimator(tmp_path, threads=1), HandPoseEstimator(threads=1)
    assert max(np.abs(weights).max() for weights in eight_bit_weights(path)) <= 64  # 7 bits: safe without VNNI
    parts, expected = small.segment(crops), plain.segment(crops)
    seen = crops < 1
    agreement = (parts.argmax(axis=1) == expected.argmax(axis=1))[seen].mean()
    assert agreement > 0.95
    joints, truth = small.regress(crops, parts)[0], plain.regress(crops, expected)[0]
    assert 125 * np.linalg.norm(joints - truth, axis=2).mean() < 3.0  # mm
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    assert "QuantizeLinear" in kinds


def test_export_writes_it_where_it_is_asked_for(run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    export(run, tmp_path, int8=True)
    assert logging.getLogger().level == logging.INFO  # what ONNX Runtime is silenced with does not outlast it
    kinds = {
        name: {node.op_type for node in onnx.load(tmp_path / f"{name}.onnx").graph.node}
        for name in ("segmentation", "regression")
    }
    assert "QuantizeLinear" in kinds["segmentation"]
    assert "QuantizeLinear" not in kinds["regression"]
    HandPoseEstimator(tmp_path, threads=1)


def test_a_failure_leaves_the_network_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "segmentation.onnx"
    path.write_bytes((SHIPPED / "segmentation.onnx").read_bytes())
    with pytest.raises(Exception, match="depth"):
        quantise_convolutions(path, path, [{"wrong": np.zeros((1, 1, 48, 48), np.float32)}])
    assert path.read_bytes() == (SHIPPED / "segmentation.onnx").read_bytes()
