"""NumPy's own files, read without NumPy's trust in them."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from knuckle.errors import DatasetError
from knuckle.numpy_files import map_npy, read_npz

ARRAYS = st.sampled_from(["f8", ">f4", "f2", "u1", "<u2", ">i4", "i8", "?", "c8"]).flatmap(
    lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, min_side=0, max_side=5))
)


def npy(descr: str = "<f4", shape: str = "(2, 3)", body: bytes = bytes(24), order: str = "False") -> bytes:
    """A .npy whose header says this."""
    header = f"{{'descr': {descr!r}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + body


def npz(content: bytes, name: str = "x.npy", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        archive.writestr(name, content)
    return data.getvalue()


@given(array=ARRAYS, columns=st.booleans())
def test_what_numpy_writes(tmp_path_factory: pytest.TempPathFactory, array: NDArray, columns: bool) -> None:
    folder = tmp_path_factory.getbasetemp()
    array = np.asfortranarray(array) if columns else array
    np.save(folder / "a.npy", array)
    np.savez(folder / "a.npz", x=array, y=array[..., :1] if array.ndim else array)
    np.savez_compressed(folder / "b.npz", x=array)
    arrays = read_npz(folder / "a.npz", DatasetError)
    assert list(arrays) == ["x", "y"]
    for found in (map_npy(folder / "a.npy", DatasetError), arrays["x"], read_npz(folder / "b.npz", DatasetError)["x"]):
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found, array)


def test_only_what_is_wanted_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.ones(3), y=np.array([print], dtype=object))
    assert list(read_npz(tmp_path / "a.npz", DatasetError, ("x", "z"))) == ["x"]
    with pytest.raises(DatasetError, match="not numbers"):
        read_npz(tmp_path / "a.npz", DatasetError)


DAMAGED = {
    "terabytes": (npy(shape=f"({1 << 40},)"), "truncated|bytes, not"),
    "more than an integer holds": (npy(shape=f"({10**30}, 2)"), "impossible"),
    "overflowing": (npy(shape=f"({1 << 33}, {1 << 33})"), "impossible"),
    "negative": (npy(shape="(-1, -6)"), "impossible"),
    "unfinished": (npy(shape="(2, 3"), "header"),
    "a list": (npy(shape="[2, 3]"), "header"),
    "objects": (npy(descr="|O"), "not numbers"),
    "text": (npy(descr="<U1"), "not numbers"),
    "records": (npy(descr="<f4,<f4", shape="(3,)"), "not numbers"),
    "truncated": (npy(body=bytes(20)), "truncated|bytes, not"),
    "no header": (b"\x93NUMPY\x01\x00", "header"),
    "nothing": (b"", "header"),
    "no array": (b"no array", "header"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_arrays(tmp_path: Path, name: str) -> None:
    data, words = DAMAGED[name]
    (tmp_path / "a.npy").write_bytes(data)
    (tmp_path / "a.npz").write_bytes(npz(data))
    with pytest.raises(DatasetError, match=rf"a\.npy: .*({words})"):
        map_npy(tmp_path / "a.npy", DatasetError)
    with pytest.raises(DatasetError, match=rf"a\.npz: .*({words})"):
        read_npz(tmp_path / "a.npz", DatasetError)


def test_damaged_archives(tmp_path: Path) -> None:
    whole = npz(npy())
    flipped = bytearray(whole)
    flipped[whole.index(b"x.npy") + 40] ^= 4
    at = whole.index(b"PK\x01\x02") + 8
    encrypted = whole[:at] + b"\x01" + whole[at + 1 :]
    longer = npz(npy() + b"more")
    for data in (whole[:-5], whole[10:], bytes(flipped), encrypted, longer, b"PK\x03\x04", b""):
        (tmp_path / "a.npz").write_bytes(data)
        with pytest.raises(DatasetError, match=r"a\.npz: ") as caught:
            read_npz(tmp_path / "a.npz", DatasetError)
        assert "\n" not in str(caught.value)
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(DatasetError, match="cannot read"):
            read_npz(path, DatasetError)
        with pytest.raises(DatasetError, match="cannot read"):
            map_npy(path, DatasetError)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_packing_that_numpy_does_not_use(tmp_path: Path, method: int) -> None:
    """These unpack a kilobyte to a gigabyte."""
    (tmp_path / "a.npz").write_bytes(npz(npy(), method=method))
    with pytest.raises(DatasetError, match="packed in a way"):
        read_npz(tmp_path / "a.npz", DatasetError)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 600 << 20
    (tmp_path / "a.npz").write_bytes(npz(npy("|u1", f"({size},)", bytes(size))))
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    with pytest.raises(DatasetError, match="600 MiB when unpacked, too much for"):
        read_npz(tmp_path / "a.npz", DatasetError)


def test_names_go_nowhere(tmp_path: Path) -> None:
    """Members are read, never written: a name is only a name."""
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "a.npz").write_bytes(npz(npy(), "../../outside.npy"))
    assert list(read_npz(tmp_path / "inside" / "a.npz", DatasetError)) == ["../../outside"]
    assert [path.name for path in tmp_path.rglob("*")] == ["inside", "a.npz"]
