"""Reading a MANO file without running it.

MANO is a Python 2 pickle of NumPy arrays, SciPy matrices and chumpy objects. A pickle can run any code when it is read,
so of this one only the arrays are: see `_ArraysOnly`.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knuckle.errors import SettingsError

REMEDY = "give the MANO_RIGHT.pkl of mano.is.tue.mpg.de"
"""What to do about a file that is none."""

_PARENTS = [0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14]  # of MANO's joints 1..15
_PYTHON2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}


def read(path: Path) -> dict[str, NDArray]:
    """The arrays of a MANO file, in its units (metres): v_template (V, 3), shapedirs (V, 3, K), J_regressor (16, V),
    weights (V, 16), f (F, 3).

    Raises `SettingsError` if the file cannot be read, would run anything, or does not hold a MANO hand.
    """
    return _checked(_unpickle(path), path)


def _unpickle(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            model = _ArraysOnly(file, encoding="latin1").load()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror}): {REMEDY}") from None
    except Exception as error:  # a damaged pickle fails in every way there is
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SettingsError(f"{path} is not a MANO file ({reason}): {REMEDY}") from None
    if not isinstance(model, dict):
        raise SettingsError(f"{path} is not a MANO file (it holds a {type(model).__name__}): {REMEDY}")
    return model


def _checked(model: dict[str, Any], path: Path) -> dict[str, NDArray]:
    """The arrays of a MANO file, all there and of shapes that fit together."""
    try:
        arrays = {key: _dense(model[key]) for key in ("v_template", "shapedirs", "J_regressor", "weights")}
        faces, parents = _dense(model["f"]).astype(np.int64), _dense(model["kintree_table"]).astype(np.int64)[0, 1:]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise SettingsError(f"{path} is not a MANO hand ({type(error).__name__}: {error}): {REMEDY}") from None
    count, shapes = len(arrays["v_template"]), arrays["shapedirs"].shape
    forms = {
        "v_template": (count, 3),
        "shapedirs": (count, 3, shapes[-1]),
        "J_regressor": (16, count),
        "weights": (count, 16),
    }
    wrong = [key for key, form in forms.items() if arrays[key].shape != form or not np.isfinite(arrays[key]).all()]
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.min() < 0 or faces.max() >= count:
        wrong.append("f")
    if parents.tolist() != _PARENTS:
        wrong.append("kintree_table")
    if not wrong and (arrays["weights"].min() < 0 or np.abs(arrays["weights"].sum(axis=1) - 1).max() > 1e-3):
        wrong.append("weights")
    if wrong:
        raise SettingsError(f"{path} is not a MANO hand (unexpected {', '.join(wrong)}): {REMEDY}")
    return {**arrays, "f": faces}


def _dense(value: Any) -> NDArray:
    """A plain array out of what the pickle held."""
    return np.asarray(value.array() if isinstance(value, _StandIn) else value, dtype=float)


class _StandIn:
    """Takes the state of a chumpy object or a SciPy matrix, and no part of its behaviour."""

    def array(self) -> NDArray:
        """The array that the object stood for."""
        state = self.__dict__
        if "indptr" in state:
            return self._matrix()
        if "idxs" in state:  # chumpy's Select: some elements of another array
            return np.asarray(_dense(state["a"]).ravel()[np.asarray(state["idxs"])]).reshape(state["preferred_shape"])
        return _dense(state["x"])

    def _matrix(self) -> NDArray:
        state = self.__dict__
        matrix = np.zeros(state["_shape"] if "_shape" in state else state["shape"])
        along = np.repeat(np.arange(len(state["indptr"]) - 1), np.diff(state["indptr"]))
        places = (state["indices"], along) if isinstance(self, _Columns) else (along, state["indices"])
        np.add.at(matrix, places, state["data"])
        return matrix


class _Columns(_StandIn):
    """In place of a matrix stored by columns."""


class _Latin1:
    """In place of `codecs.encode`, with which Python 3 writes bytes into an old pickle."""

    __slots__ = ()

    def __call__(self, text: str, encoding: str) -> bytes:
        return text.encode("latin1")


class _ArraysOnly(pickle.Unpickler):
    """Reads a pickle of arrays; refuses every function and class that is not needed for that.

    What chumpy and SciPy would construct becomes a `_StandIn`, so neither is needed, nor trusted.
    """

    def find_class(self, module: str, name: str) -> Any:
        """The few globals that arrays are made of; raises `UnpicklingError` naming any other."""
        module = _PYTHON2.get(module, module)
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name in ("_reconstruct", "scalar"):
            return super().find_class("numpy._core.multiarray", name)
        if (module, name) in (
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("copyreg", "_reconstructor"),
            ("builtins", "object"),
        ):
            return super().find_class(module, name)
        if module == "builtins" and name in ("set", "list", "dict", "tuple"):
            return super().find_class(module, name)
        if (module, name) == ("_codecs", "encode"):
            return _Latin1()
        if module.split(".")[0] == "chumpy":
            return type(name, (_StandIn,), {})
        if module.startswith("scipy.sparse.") and name in ("csc_matrix", "csr_matrix"):
            return type(name, (_Columns if name == "csc_matrix" else _StandIn,), {})
        raise pickle.UnpicklingError(f"it wants to load {module}.{name}, which no hand needs")
