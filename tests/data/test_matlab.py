"""MATLAB's files, old and new: the same array, and what is damaged or foreign is named."""

import struct
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from knuckle.data.matlab import read_matlab
from knuckle.data.matlab5 import read_version5
from knuckle.errors import DatasetError, MissingExtraError
from made_up import mark_as_matlab73, write_matlab73

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


def test_matlab_4_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.mat", "4", {"x": VIEWS[0, 0]})
    with pytest.raises(DatasetError, match="not of version 5 to 7"):
        read_matlab(tmp_path / "a.mat", "x", 1)


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
    with pytest.raises(DatasetError, match=r"a\.mat: .*x does not hold real numbers"):
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


@pytest.mark.parametrize("inside", [b"", b"\x0e", struct.pack("<I", 13)])
def test_a_packed_element_that_is_no_array(tmp_path: Path, inside: bytes) -> None:
    packed = zlib.compress(inside)
    header = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    (tmp_path / "a.mat").write_bytes(header + struct.pack("<II", 15, len(packed)) + packed)
    with pytest.raises(DatasetError, match=r"a\.mat: damaged MATLAB file \(a packed element is no array"):
        read_matlab(tmp_path / "a.mat", "x", 0)


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.mat", tmp_path):
        with pytest.raises(DatasetError, match="cannot read"):
            read_matlab(path, "x", 0)


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.mat", "7.3", {"x": VIEWS})
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(MissingExtraError, match=r"'h5py' is not installed: run  pip install 'knuckle\[data\]'"):
        read_matlab(tmp_path / "a.mat", "x", 0)


@given(data=st.data(), packed=st.booleans())
def test_matlab_5_is_read_as_scipy_reads_it(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, packed: bool
) -> None:
    kind = data.draw(st.sampled_from(["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]))
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=5, max_side=6))
    array = data.draw(hnp.arrays(kind, shape))
    path = tmp_path_factory.getbasetemp() / "random.mat"
    scipy.io.savemat(path, {"before": "text", "x": array, "after": array}, do_compression=packed)
    with path.open("rb") as file:
        found = read_version5(file, "x")
    assert found is not None
    expected = scipy.io.loadmat(path)["x"]
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def packed_array(shape: tuple[int, ...], stored: int, length: int, body: bytes = b"") -> bytes:
    """A version 5 file whose array x says this of itself."""
    sides = struct.pack(f"<II{len(shape)}i", 5, 4 * len(shape), *shape)
    parts = [struct.pack("<IIII", 6, 8, 6, 0), sides + bytes(-len(sides) % 8), struct.pack("<HH4s", 1, 1, b"x")]
    array = b"".join([*parts, struct.pack("<II", stored, length), body])
    data = zlib.compress(struct.pack("<II", 14, len(array)) + array)
    return b"MATLAB 5.0".ljust(124) + b"\x00\x01IM" + struct.pack("<II", 15, len(data)) + data


@pytest.mark.parametrize(
    ("shape", "stored", "length", "words"),
    [
        ((1 << 30, 1 << 30), 9, 0, "more than any dataset"),  # SciPy asks for the memory
        ((3, -5), 9, 0, "damaged"),
        ((2, 2), 9, 24, "damaged"),
        ((2, 2), 14, 32, "damaged"),  # numbers in the type of an array: SciPy's code ends the process
        ((2, 2), 99, 32, "damaged"),
        ((4000, 4000), 9, 128_000_000, "truncated"),
    ],
)
def test_an_array_that_is_not_what_it_says(
    tmp_path: Path, shape: tuple[int, ...], stored: int, length: int, words: str
) -> None:
    (tmp_path / "a.mat").write_bytes(packed_array(shape, stored, length))
    with pytest.raises(DatasetError, match=rf"a\.mat: damaged MATLAB file \(.*{words}"):
        read_matlab(tmp_path / "a.mat", "x", 0)


def test_hdf5_says_its_size_before_it_is_unpacked(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        file.create_dataset("x", (1 << 20, 1 << 20, 1), "f8", chunks=(1024, 1024, 1), compression="gzip")
    mark_as_matlab73(tmp_path / "a.mat")
    with pytest.raises(DatasetError, match="more than any dataset"):
        read_matlab(tmp_path / "a.mat", "x", 0)


@pytest.mark.parametrize("kind", ["external link", "soft link", "external storage", "virtual"])
def test_hdf5_cannot_point_to_another_file(tmp_path: Path, kind: str) -> None:
    write(tmp_path / "other.mat", "7.3", {"x": VIEWS})
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        if kind.endswith("link"):
            file["x"] = h5py.ExternalLink("other.mat", "x") if kind == "external link" else h5py.SoftLink("/x")
        elif kind == "virtual":
            layout = h5py.VirtualLayout((2, 4, 5, 3), "f8")
            layout[...] = h5py.VirtualSource(str(tmp_path / "other.mat"), "x", (2, 4, 5, 3))
            file.create_virtual_dataset("x", layout)
        else:
            file.create_dataset("x", (2, 3), "f8", external=[(str(tmp_path / "other.mat"), 0, 48)])
    mark_as_matlab73(tmp_path / "a.mat")
    with pytest.raises(DatasetError, match=r"a\.mat: "):
        read_matlab(tmp_path / "a.mat", "x", 0)
