"""Arrays out of MATLAB files of both kinds: version 5 to 7, and 7.3, which is HDF5 (h5py)."""

import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knuckle.data.matlab5 import read_version5
from knuckle.errors import DatasetError, MissingExtraError

_HDF5_IN_MATLAB = b"MATLAB 7.3"

_MAX_BYTES = 1 << 28  # of an array, and of a chunk of one: NYU's largest takes 188 MB


def read_matlab(path: Path, name: str, first: int) -> NDArray[np.float64]:
    """Array `name` of a file, its first axis at index `first` alone: of four views of a dataset only one is needed.

    Axes are MATLAB's, whichever version wrote the file. Raises `DatasetError` if the file or the array is missing,
    damaged, or no array of numbers, `MissingExtraError` without h5py.
    """
    try:
        with path.open("rb") as file:
            is_hdf5 = file.read(len(_HDF5_IN_MATLAB)) == _HDF5_IN_MATLAB
    except OSError as error:
        raise DatasetError(f"{path}: cannot read ({error.strerror})") from None
    array = (_from_hdf5 if is_hdf5 else _from_version5)(path, name, first)
    if array.dtype.kind not in "uif":
        raise DatasetError(f"{path}: {name} holds {array.dtype}, not numbers: download it again")
    return array.astype(np.float64, copy=False)


def _from_version5(path: Path, name: str, first: int) -> NDArray:
    try:
        with path.open("rb") as file:
            found = read_version5(file, name)
    except (OSError, ValueError, zlib.error) as error:
        raise _damaged(path, error) from None
    if found is None:
        raise DatasetError(f"{path}: holds no {name}: is it the dataset's own file?")
    return _at(path, found, name, first)


def _from_hdf5(path: Path, name: str, first: int) -> NDArray:
    try:
        import h5py
    except ImportError:
        raise MissingExtraError("data", "h5py") from None
    try:
        with h5py.File(path, "r") as file:
            if name not in file:
                raise DatasetError(f"{path}: holds no {name}: is it the dataset's own file?")
            _refuse_elsewhere(file, name)
            _check_size(file[name])
            # HDF5 has the axes in reverse order
            return np.asarray(file[name][..., first]).T
    except DatasetError:
        raise
    except Exception as error:  # damaged files fail in many ways
        raise _damaged(path, error) from None


def _refuse_elsewhere(file: Any, name: str) -> None:
    """An array of HDF5 may lie in any other file, which is not this one's to name."""
    import h5py

    found = file.get(name, getlink=True)
    if not isinstance(found, h5py.HardLink) or not isinstance(file[name], h5py.Dataset):
        raise ValueError(f"{name} is no array of this file")
    if file[name].external or file[name].is_virtual:
        raise ValueError(f"{name} lies in another file")


def _check_size(array: Any) -> None:
    """What it says of its size, before anything is unpacked."""
    for shape in (array.shape or (), array.chunks or ()):
        if math.prod(shape) * array.dtype.itemsize > _MAX_BYTES:
            raise ValueError(f"it says {shape} of {array.dtype}, more than any dataset's joints")


def _at(path: Path, array: NDArray, name: str, first: int) -> NDArray:
    if array.ndim == 0 or first >= len(array):
        raise DatasetError(f"{path}: {name} has shape {array.shape}: is it the dataset's own file?")
    return array[first]


def _damaged(path: Path, error: Exception) -> DatasetError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return DatasetError(f"{path}: damaged MATLAB file ({reason}): copy or download it again")
