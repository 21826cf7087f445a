"""The arrays of a Python 2 pickle, without running any of it.

A pickle is a program: it calls what it names, with what it says. Here it may name a handful of things, and none of them
is called: each becomes an object of this file that takes what a pickled array, matrix or chumpy object takes. So an
array is as large as the bytes that are there, and nothing of the file's making reaches compiled code.
"""

import io
import math
import pickle
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

_MOST_NUMBERS = 1 << 24
"""Of a matrix written out: MANO's largest has 12,448."""

_DEEPEST = 8  # arrays that are chosen from others, one in the other

_PYTHON2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}


def read_pickle(data: bytes) -> Any:
    """What a pickle holds: dicts, lists, numbers and text; whatever else was in it is for `to_array`.

    Raises many kinds of exception for a damaged one, and `pickle.UnpicklingError` for one that names what no array
    needs.
    """
    return _ArraysOnly(io.BytesIO(data), encoding="latin1").load()


def to_array(value: Any, depth: int = 0) -> NDArray[np.float64]:
    """The array of real numbers that something in a pickle stood for: NumPy's, SciPy's or chumpy's.

    Raises `ValueError`, `KeyError`, `TypeError` or `IndexError` if it is none.
    """
    if isinstance(value, _Array):
        return value.numbers().astype(np.float64)
    if not isinstance(value, _StandIn) or depth > _DEEPEST:
        raise TypeError(f"a {type(value).__name__} is no array")
    state = value.state
    if "indptr" in state:
        return _matrix(state, by_columns=value.name == "csc_matrix")
    if "idxs" in state:  # chumpy's Select: some elements of another array
        chosen = to_array(state["a"], depth + 1).ravel()[to_array(state["idxs"]).astype(np.int64)]
        return np.asarray(chosen).reshape(_sides(state["preferred_shape"]))
    return to_array(state["x"], depth + 1)


def _matrix(state: dict[str, Any], by_columns: bool) -> NDArray[np.float64]:
    """A sparse matrix, written out."""
    ends, indices, numbers = (to_array(state[name]) for name in ("indptr", "indices", "data"))
    counts = np.diff(ends).astype(np.int64)
    if ends.ndim != 1 or not ends.size or counts.min(initial=0) < 0 or counts.sum() != numbers.size:
        raise ValueError("a sparse matrix does not fit together")
    matrix = np.zeros(_sides(state["_shape"] if "_shape" in state else state["shape"]))
    along, across = np.repeat(np.arange(len(counts)), counts), indices.astype(np.int64)
    np.add.at(matrix, (across, along) if by_columns else (along, across), numbers)
    return matrix


def _sides(shape: Any) -> tuple[int, ...]:
    sides = tuple(int(side) for side in shape)
    if min(sides, default=0) < 0 or math.prod(sides) > _MOST_NUMBERS:
        raise ValueError(f"an array of shape {sides}")
    return sides


class _Callable:
    """In place of a function: `call` says what comes of it."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)


class _Named:
    """In place of a class that is only an argument."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Array:
    """In place of an array, and of its type: keeps what NumPy pickled."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = ()

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def numbers(self) -> NDArray[Any]:
        """Raises `ValueError` unless the bytes are as many as its shape and type say, and of numbers."""
        _, shape, kind, by_columns, data = self.state
        kind = kind.as_type()
        data = data.encode("latin1") if isinstance(data, str) else data
        if not isinstance(data, bytes | bytearray):
            raise ValueError("an array whose numbers are no bytes")
        flat = np.frombuffer(data, kind)
        sides = _sides(shape)
        if flat.size != math.prod(sides):
            raise ValueError(f"an array of {flat.size} numbers and shape {sides}")
        return flat.reshape(sides, order="F" if by_columns else "C")

    def as_type(self) -> np.dtype[Any]:
        """As a type: its name is the first argument, its byte order the second thing of its state."""
        order: Any = self.state[1] if self.state else "="
        kind = np.dtype(str(self.arguments[0])).newbyteorder("=" if order == "|" else order)
        if kind.kind not in "biuf":
            raise ValueError(f"an array of {kind}, not of numbers")
        return kind


class _StandIn:
    """In place of a chumpy object or a SciPy matrix: keeps its state, and no part of its behaviour."""

    name = ""

    def __new__(cls, *arguments: Any) -> "_StandIn":
        return super().__new__(cls)

    def __init__(self, *arguments: Any) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {}


def _refuse_bytearray(_: Any) -> None:
    raise pickle.UnpicklingError("it wants to load a bytearray, which no hand needs")


class _ArraysOnly(pickle._Unpickler):
    """Python's own unpickler in Python: the compiled one asks for as much memory as a number in the file says.

    In Python that happens for arrays of bytes alone, which no file of MANO's age has.
    """

    dispatch: ClassVar[dict[int, Any]] = {**pickle._Unpickler.dispatch, pickle.BYTEARRAY8[0]: _refuse_bytearray}

    def find_class(self, module: str, name: str) -> Any:
        """The few globals that arrays are made of; raises `UnpicklingError` naming any other."""
        module = _PYTHON2.get(module, module)
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return _Callable(lambda *arguments: _Array())
        if (module, name) == ("numpy", "dtype"):
            return _Callable(_Array)
        if (module, name) in (("numpy", "ndarray"), ("builtins", "object")):
            return _Named(name)
        if (module, name) == ("copyreg", "_reconstructor"):
            return _Callable(_instance)
        if (module, name) == ("builtins", "set"):
            return _Callable(lambda *arguments: None)
        if (module, name) == ("builtins", "bytes"):  # Python 3's way to write no bytes at all
            return _Callable(lambda: b"")
        if (module, name) == ("_codecs", "encode"):
            return _Callable(lambda text, encoding: text.encode("latin1"))
        is_matrix = module.startswith("scipy.sparse.") and name in ("csc_matrix", "csr_matrix")
        if is_matrix or module.split(".")[0] == "chumpy":
            return type("StandIn", (_StandIn,), {"name": name})
        raise pickle.UnpicklingError(f"it wants to load {module}.{name}, which no hand needs")


def _instance(kind: Any, *_: Any) -> _StandIn:
    if not (isinstance(kind, type) and issubclass(kind, _StandIn)):
        raise pickle.UnpicklingError("it makes an object of what is no class")
    return kind()
