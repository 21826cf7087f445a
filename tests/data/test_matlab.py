"""MATLAB's files, old and new: the same array, and what is damaged or foreign is named."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse

from knuckle.data.matlab import read_matlab
from knuckle.errors import DatasetError, MissingExtraError
from made_up import write_matlab73

VIEWS = np.arange(3 * 5 * 4 * 2, dtype=float).reshape(3, 5, 4, 2)


def write(path: Path, version: str, arrays: dict[str, Any]) -> None:
    if version == "7.3":
        write_matlab73(path, arrays)
    else:
        scipy.io.savemat(path, arrays, format=version[0], do_compression=version == "5 compressed")


@pytest.mark.parametrize("version", ["5", "5 compressed", "7.3"])
@pytest.mark.parametrize("first", [0, 1, 2])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16])
def test_axes_are_matlabs_in_every_version(tmp_path: Path, version: str, first: int, dtype: type) -> None:
    write(tmp_path / "a.mat", version, {"other": np.ones(3), "joint_uvd": VIEWS.astype(dtype)})
    found = read_matlab(tmp_path / "a.mat", "joint_uvd", first)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, VIEWS[first])


def test_matlab_4(tmp_path: Path) -> None:
    write(tmp_path / "a.mat", "4", {"x": VIEWS[0, 0]})
    np.testing.assert_array_equal(read_matlab(tmp_path / "a.mat", "x", 1), VIEWS[0, 0, 1])


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_an_array_that_is_not_there(tmp_path: Path, version: str) -> None:
    write(tmp_path / "a.mat", version, {"joint_xyz": VIEWS})
    with pytest.raises(DatasetError, match=r"a\.mat: holds no joint_uvd"):
        read_matlab(tmp_path / "a.mat", "joint_uvd", 0)


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_a_view_that_is_not_there(tmp_path: Path, version: str) -> None:
    write(tmp_path / "a.mat", version, {"x": VIEWS})
    with pytest.raises(DatasetError, match=r"a\.mat: "):
        read_matlab(tmp_path / "a.mat", "x", 3)


@pytest.mark.parametrize("array", ["text", {"field": 1.0}, scipy.sparse.eye(3).tocsc(), VIEWS * 1j])
def test_what_is_no_array_of_numbers(tmp_path: Path, array: Any) -> None:
    write(tmp_path / "a.mat", "5", {"x": array})
    with pytest.raises(DatasetError, match=r"a\.mat: x "):
        read_matlab(tmp_path / "a.mat", "x", 0)


def test_what_is_no_array_in_hdf5(tmp_path: Path) -> None:
    write(tmp_path / "a.mat", "7.3", {"x": VIEWS})
    with h5py.File(tmp_path / "a.mat", "r+") as file:
        file.create_group("group")
        file["scalar"] = 1.0
        file["words"] = np.array([b"a", b"b"])
    for name in ("group", "scalar", "words"):
        with pytest.raises(DatasetError, match=r"a\.mat: "):
            read_matlab(tmp_path / "a.mat", name, 0)


@pytest.mark.parametrize("version", ["5", "5 compressed", "7.3"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.95])
def test_a_truncated_file(tmp_path: Path, version: str, share: float) -> None:
    path = tmp_path / "a.mat"
    write(path, version, {"x": np.random.default_rng(0).normal(size=(3, 50, 36, 3))})
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DatasetError, match=r"a\.mat: damaged MATLAB file"):
        read_matlab(path, "x", 0)


@pytest.mark.parametrize("junk", [b"junk" * 500, b"MATLAB 7.3 MAT-file" * 30, b"MATLAB 5.0 MAT-file" * 30, bytes(600)])
def test_junk(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "a.mat"
    path.write_bytes(junk)
    with pytest.raises(DatasetError, match=r"a\.mat: ") as caught:
        read_matlab(path, "x", 0)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.mat", tmp_path):
        with pytest.raises(DatasetError, match="cannot read"):
            read_matlab(path, "x", 0)


@pytest.mark.parametrize(("version", "module", "blocked"), [("5", "scipy", "scipy.io"), ("7.3", "h5py", "h5py")])
def test_what_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, module: str, blocked: str
) -> None:
    write(tmp_path / "a.mat", version, {"x": VIEWS})
    monkeypatch.setitem(__import__("sys").modules, blocked, None)
    with pytest.raises(MissingExtraError, match=rf"'{module}' is not installed: run  pip install 'knuckle\[data\]'"):
        read_matlab(tmp_path / "a.mat", "x", 0)
