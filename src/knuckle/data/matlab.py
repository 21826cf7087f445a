"""Arrays out of MATLAB files of both kinds: up to version 7 (SciPy) and 7.3, which is HDF5 (h5py)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knuckle.errors import DatasetError, MissingExtraError

_HDF5_IN_MATLAB = b"MATLAB 7.3"


def read_matlab(path: Path, name: str, first: int) -> NDArray[np.float64]:
    """Array `name` of a file, its first axis at index `first` alone: of four views of a dataset only one is needed.

    Axes are MATLAB's, whichever version wrote the file. Raises `DatasetError` if the file or the array is missing,
    damaged, or no array of numbers, `MissingExtraError` without SciPy or h5py.
    """
    try:
        with path.open("rb") as file:
            is_hdf5 = file.read(len(_HDF5_IN_MATLAB)) == _HDF5_IN_MATLAB
    except OSError as error:
        raise DatasetError(f"{path}: cannot read ({error.strerror})") from None
    array = (_from_hdf5 if is_hdf5 else _from_scipy)(path, name, first)
    if array.dtype.kind not in "uif":
        raise DatasetError(f"{path}: {name} holds {array.dtype}, not numbers: download it again")
    return array.astype(np.float64, copy=False)


def _from_scipy(path: Path, name: str, first: int) -> NDArray:
    try:
        from scipy.io import loadmat
    except ImportError:
        raise MissingExtraError("data", "scipy") from None
    try:
        found = loadmat(path, variable_names=[name])
    except Exception as error:  # damaged files fail in many ways
        raise _damaged(path, error) from None
    if name not in found:
        raise DatasetError(f"{path}: holds no {name}: is it the dataset's own file?")
    return _at(path, np.asarray(found[name]), name, first)


def _from_hdf5(path: Path, name: str, first: int) -> NDArray:
    try:
        import h5py
    except ImportError:
        raise MissingExtraError("data", "h5py") from None
    try:
        with h5py.File(path, "r") as file:
            if name not in file:
                raise DatasetError(f"{path}: holds no {name}: is it the dataset's own file?")
            # HDF5 has the axes in reverse order
            return np.asarray(file[name][..., first]).T
    except DatasetError:
        raise
    except Exception as error:  # damaged files fail in many ways
        raise _damaged(path, error) from None


def _at(path: Path, array: NDArray, name: str, first: int) -> NDArray:
    if array.ndim == 0 or first >= len(array):
        raise DatasetError(f"{path}: {name} has shape {array.shape}: is it the dataset's own file?")
    return array[first]


def _damaged(path: Path, error: Exception) -> DatasetError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return DatasetError(f"{path}: damaged MATLAB file ({reason}): copy or download it again")
