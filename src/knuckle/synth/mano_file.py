"""Reading a MANO file without running it.

MANO is a Python 2 pickle of NumPy arrays, SciPy matrices and chumpy objects. A pickle can run any code when it is read,
so of this one only the arrays are: see `mano_pickle`.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knuckle.errors import SettingsError
from knuckle.synth.mano_pickle import read_pickle, to_array

REMEDY = "give the MANO_RIGHT.pkl of mano.is.tue.mpg.de"
"""What to do about a file that is none."""

_PARENTS = [0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14]  # of MANO's joints 1..15


def read(path: Path) -> dict[str, NDArray]:
    """The arrays of a MANO file, in its units (metres): v_template (V, 3), shapedirs (V, 3, K), J_regressor (16, V),
    weights (V, 16), f (F, 3).

    Raises `SettingsError` if the file cannot be read, would run anything, or does not hold a MANO hand.
    """
    return _checked(_unpickle(path), path)


def _unpickle(path: Path) -> dict[str, Any]:
    try:
        model = read_pickle(path.read_bytes())
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
        with np.errstate(all="ignore"):  # numbers that are none become faces that are none
            arrays = {key: to_array(model[key]) for key in ("v_template", "shapedirs", "J_regressor", "weights")}
            faces, tree = (to_array(model[key]).astype(np.int64) for key in ("f", "kintree_table"))
        if arrays["v_template"].ndim != 2 or arrays["shapedirs"].ndim != 3 or tree.ndim != 2 or not len(tree):
            raise ValueError("an array has another number of axes")
    except Exception as error:  # what stands in for an array may hold anything
        raise SettingsError(f"{path} is not a MANO hand ({type(error).__name__}: {error}): {REMEDY}") from None
    count, shapes = len(arrays["v_template"]), arrays["shapedirs"].shape
    forms = {
        "v_template": (count, 3),
        "shapedirs": (count, 3, shapes[-1]),
        "J_regressor": (16, count),
        "weights": (count, 16),
    }
    wrong = [key for key, form in forms.items() if arrays[key].shape != form or not np.isfinite(arrays[key]).all()]
    if faces.ndim != 2 or faces.shape[1] != 3 or not faces.size or faces.min() < 0 or faces.max() >= count:
        wrong.append("f")
    if tree[0, 1:].tolist() != _PARENTS:
        wrong.append("kintree_table")
    if not wrong and (arrays["weights"].min() < 0 or np.abs(arrays["weights"].sum(axis=1) - 1).max() > 1e-3):
        wrong.append("weights")
    if wrong:
        raise SettingsError(f"{path} is not a MANO hand (unexpected {', '.join(wrong)}): {REMEDY}")
    return {**arrays, "f": faces}
