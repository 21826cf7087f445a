"""The two shipped networks, run by ONNX Runtime: crop → part probabilities, and crop + probabilities → joints."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knuckle.anatomy import HAND21, LABELS
from knuckle.crop import SIZE
from knuckle.errors import SettingsError, WeightsError
from knuckle.files import write_whole

SHIPPED = Path(__file__).parent / "weights"
"""Folder of the networks that come with the package."""

SUMS = "SHA256SUMS"
"""Checksums of a folder's networks, for `sha256sum --check` too: a flipped bit gives other joints, not an error."""

_DEPTH = (1, SIZE, SIZE)
_PROBABILITIES = (len(LABELS), SIZE, SIZE)
_SPREAD = (len(HAND21),)
_JOINTS = (len(HAND21), 3)

Shapes = Mapping[str, tuple[int, ...]]


class Network:
    """One ONNX file of knuckle's, `role` "segmentation" or "regression", on the CPU.

    inputs and outputs: the shape of each by name, without the leading N. threads: CPU threads, None = all cores.

    Raises `WeightsError`, naming the file and the remedy, if it is missing, damaged, or a network of another kind.
    """

    def __init__(self, path: Path, role: str, inputs: Shapes, outputs: Shapes, threads: int | None = None) -> None:
        self._session = _open_session(path, threads)
        found = self._session.get_modelmeta().custom_metadata_map.get("knuckle")
        if found != role:
            what = f"a {found} network" if found else "not one of knuckle's networks"
            raise WeightsError(f"{path}: {what}, a {role} network is needed: use a file that `knuckle export` wrote")
        _check_ports(path, self._session.get_inputs(), inputs)
        _check_ports(path, self._session.get_outputs(), outputs)
        self._path, self._outputs = path, list(outputs)

    def run(self, **inputs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Arrays (N, ...) by name → the outputs (N, ...), in the order of `outputs`.

        Raises `WeightsError` if the file is damaged in a way that shows only now.
        """
        feed = {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in inputs.items()}
        try:
            return self._session.run(self._outputs, feed)
        except Exception as error:  # ONNX Runtime has a dozen classes for this, without a common base
            raise WeightsError(
                f"{self._path}: cannot be run ({_reason(error)}): reinstall or export it again"
            ) from None


def load_segmentation(folder: Path, threads: int | None = None) -> Network:
    """`segmentation.onnx` of a folder. Raises `WeightsError` as `Network` does."""
    inputs, outputs = {"depth": _DEPTH}, {"probabilities": _PROBABILITIES}
    return Network(folder / "segmentation.onnx", "segmentation", inputs, outputs, threads)


def load_regression(folder: Path, threads: int | None = None) -> Network:
    """`regression.onnx` of a folder. Raises `WeightsError` as `Network` does."""
    inputs, outputs = {"depth": _DEPTH, "probabilities": _PROBABILITIES}, {"joints": _JOINTS, "spread": _SPREAD}
    return Network(folder / "regression.onnx", "regression", inputs, outputs, threads)


def write_sums(folder: Path) -> None:
    """Notes the checksums of a folder's networks beside them. Raises `WeightsError` if that cannot be written."""
    files = sorted(folder.glob("*.onnx"))
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    write_whole(folder / SUMS, "".join(lines), WeightsError)


def _check_sum(path: Path, data: bytes) -> None:
    """Raises `WeightsError` unless the file is what `SHA256SUMS` beside it says, if that names it."""
    try:
        lines = (path.parent / SUMS).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # networks from elsewhere have none
        return
    noted = [line.split()[0] for line in lines if line.split()[1:] == [path.name]]
    if noted and hashlib.sha256(data).hexdigest() not in noted:
        raise WeightsError(
            f"{path}: damaged, or not the file that {SUMS} beside it was made for: reinstall knuckle or export it again"
        )


def _open_session(path: Path, threads: int | None) -> Any:
    import onnxruntime  # here, because `import knuckle` has to be light

    if threads is not None and (not isinstance(threads, int) or isinstance(threads, bool) or threads < 1):
        raise SettingsError(f"threads must be a whole number of CPU threads, 1 or more, or None, got {threads!r}")
    try:
        data = path.read_bytes()  # bytes, so that a file cannot name other files to be read with it
    except OSError as error:
        raise WeightsError(
            f"{path}: cannot read the network ({error.strerror}): reinstall knuckle, or give the folder that "
            "`knuckle export` wrote"
        ) from None
    _check_sum(path, data)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    # Two sessions whose idle threads spin take the cores from each other: a frame costs twice the time on 2 cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    try:
        # Its fallback would print to stdout, and try the same again.
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:  # ONNX Runtime has a dozen classes for this, without a common base
        raise WeightsError(
            f"{path}: not a readable ONNX network ({_reason(error)}): reinstall or export it again"
        ) from None


def _check_ports(path: Path, found: Sequence[Any], wanted: Shapes) -> None:
    """Raises `WeightsError` unless the inputs or outputs of a session have these names and shapes, for any N."""
    shapes = {port.name: tuple(port.shape) for port in found}
    fits = set(shapes) == set(wanted) and all(
        shapes[name][1:] == shape and not isinstance(shapes[name][0], int) for name, shape in wanted.items()
    )
    if not fits:
        raise WeightsError(
            f"{path}: it has {_words(shapes)} where {_words({name: ('N', *shape) for name, shape in wanted.items()})} "
            "is needed: export it again with this version of knuckle"
        )


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _words(shapes: Mapping[str, tuple[object, ...]]) -> str:
    return ", ".join(f"{name} ({', '.join(map(str, shape))})" for name, shape in shapes.items())
