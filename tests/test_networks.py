"""Damage to the networks' files: a flipped bit gives other joints without an error, so their checksums are compared."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from knuckle.errors import WeightsError
from knuckle.networks import SHIPPED, SUMS, load_regression, load_segmentation, write_sums
from onnx_stand_ins import write_stand_ins


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_the_shipped_networks_are_those_of_their_checksums() -> None:
    text = (SHIPPED / SUMS).read_text(encoding="utf-8")
    assert [line.split()[1] for line in text.splitlines()] == ["regression.onnx", "segmentation.onnx"]
    load_segmentation(SHIPPED)
    load_regression(SHIPPED)


@pytest.mark.parametrize("at", [1_000_000, 2_000_000, 3_000_000])
def test_a_flipped_bit_among_the_weights_is_noticed(tmp_path: Path, at: int) -> None:
    for name in ("segmentation.onnx", SUMS):
        shutil.copy(SHIPPED / name, tmp_path)
    flip(tmp_path / "segmentation.onnx", at)
    with pytest.raises(WeightsError, match=rf"^{tmp_path}/segmentation.onnx: damaged, .*export it again$"):
        load_segmentation(tmp_path)


def test_networks_in_each_others_place_are_noticed(tmp_path: Path) -> None:
    write_stand_ins(tmp_path)
    write_sums(tmp_path)
    load_regression(tmp_path)
    write_stand_ins(tmp_path / "other", spread=0.2)
    shutil.copy(tmp_path / "other" / "regression.onnx", tmp_path)
    with pytest.raises(WeightsError, match=r"regression\.onnx: damaged, or not the file"):
        load_regression(tmp_path)


def test_damage_that_shows_in_use_alone_is_named(tmp_path: Path) -> None:
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])
        for name, shape in (("depth", [1, 48, 48]), ("probabilities", [21, 48, 48]))
    ]
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [2], [2, 3]),
        helper.make_tensor("shape", TensorProto.INT64, [4], [-1, 21, 1, 1]),  # of one number a crop
        helper.make_tensor("zero", TensorProto.FLOAT, [1, 21, 48, 48], np.zeros(21 * 48 * 48)),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["depth", "axes"], ["mean"], keepdims=0),
        helper.make_node("Reshape", ["mean", "shape"], ["column"]),
        helper.make_node("Add", ["column", "zero"], ["probabilities"]),
    ]
    graph = helper.make_graph(nodes, "segmentation", ports[:1], ports[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {"knuckle": "segmentation"})
    onnx.save(model, tmp_path / "segmentation.onnx")
    network = load_segmentation(tmp_path)
    with pytest.raises(WeightsError) as caught:
        network.run(depth=np.zeros((1, 1, 48, 48), np.float32))
    assert str(caught.value).startswith(f"{tmp_path}/segmentation.onnx: cannot be run (")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["", "half a line", "abc  other.onnx\n", "\0\xff\n\n"])
def test_networks_that_no_checksum_names_are_opened(tmp_path: Path, text: str) -> None:
    write_stand_ins(tmp_path)
    (tmp_path / SUMS).write_text(text, encoding="latin-1")
    load_segmentation(tmp_path)
    (tmp_path / SUMS).unlink()
    load_segmentation(tmp_path)
