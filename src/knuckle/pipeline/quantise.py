"""The segmentation network with 8-bit convolutions: smaller and faster, at the same mean error.

The regression network stays in float32: its joints would err by three millimetres more (docs/deployment.md).
"""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knuckle.data.store import SampleStore
from knuckle.errors import MissingExtraError
from knuckle.synth.generate import SynthSettings
from knuckle.synth.production import generate

CALIBRATION = 256
"""Rendered crops that the ranges of the activations are taken from."""

_SEED = 91_001  # of no training and no held-out set


def calibration_crops() -> NDArray[np.float32]:
    """(256, 48, 48) in [-1, 1], rendered with noise and clutter."""
    with tempfile.TemporaryDirectory(prefix="knuckle-") as folder:
        settings = SynthSettings(coarse_share=0, empty_share=0)
        generate(f"{folder}/crops.zarr", settings, CALIBRATION, _SEED)
        return SampleStore.open(f"{folder}/crops.zarr").read("depth")


def quantise_convolutions(source: Path, target: Path, feeds: list[dict[str, NDArray[np.float32]]]) -> None:
    """Writes an ONNX network with its convolutions in 8 bits (QDQ, weights a channel); it appears whole or not at all.

    feeds: inputs by name, one batch each, for the ranges of the activations. Raises `MissingExtraError` without onnx.
    """
    try:
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise MissingExtraError("train", str(error.name)) from None

    class Feeds(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left: Iterator[dict[str, Any]] = iter(feeds)

        def get_next(self) -> dict[str, Any] | None:
            return next(self._left, None)

    with tempfile.TemporaryDirectory(prefix="knuckle-") as folder, _quiet():
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        part = target.with_suffix(".part")
        quantize_static(
            prepared,
            part,
            Feeds(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,  # weights of 7 bits: processors without VNNI add pairs of products in 16, and 8 overflow
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["Conv"],
        )
        part.replace(target)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without ONNX Runtime's advice, on the root logger, to prepare a network that has been prepared."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
