"""Pickles that ask for the memory, or for more than arrays."""

import pickle
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from knuckle.synth.mano_pickle import read_pickle, to_array

ARRAYS = st.sampled_from(["f8", "f4", ">f8", "i8", "u4", "<i2", "u1", "?"]).flatmap(
    lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, min_side=0, max_side=4))
)


@given(array=ARRAYS, protocol=st.integers(2, 4), columns=st.booleans())
def test_arrays_are_numpy_s(array: NDArray, protocol: int, columns: bool) -> None:
    array = np.asfortranarray(array) if columns else array
    np.testing.assert_array_equal(to_array(read_pickle(pickle.dumps(array, protocol))), array.astype(np.float64))


@pytest.mark.parametrize("kind", [scipy.sparse.csc_matrix, scipy.sparse.csr_matrix])
def test_matrices_are_scipy_s(kind: Any) -> None:
    dense = np.arange(12.0).reshape(3, 4) % 3
    np.testing.assert_array_equal(to_array(read_pickle(pickle.dumps(kind(dense), 2))), dense)


class Reduced:
    """Pickled as a call with arguments, and a state."""

    def __init__(self, *reduced: Any) -> None:
        self.reduced = reduced

    def __reduce__(self) -> tuple:
        return self.reduced


RECONSTRUCT = np.zeros(1).__reduce__()[0]
EMPTY = (np.ndarray, (0,), b"b")


NUMBER = np.dtype("f8")


def an_array(shape: Any, kind: Any = NUMBER, data: Any = bytes(8)) -> Reduced:
    return Reduced(RECONSTRUCT, EMPTY, (1, shape, kind, False, data))


def a_matrix(**state: Any) -> Reduced:
    whole = scipy.sparse.csr_matrix(np.eye(2)).__dict__
    return Reduced(scipy.sparse.csr_matrix, (), {**whole, **state})


NESTED: list[Any] = [1.0]
for _ in range(8):
    NESTED = [NESTED] * 1000


@pytest.mark.parametrize(
    "value",
    [
        an_array((1 << 40,)),
        an_array((-1,)),
        an_array((2,)),
        an_array("shape"),
        an_array((1,), np.dtype("O"), ["object"]),
        an_array((1,), np.dtype("M8[s]")),
        an_array((1,), np.dtype("f8,f8"), bytes(16)),
        an_array((1,), "f8"),
        an_array((1,), np.dtype("f8"), 1 << 40),
        Reduced(RECONSTRUCT, (np.ndarray, (1 << 40,), b"b")),
        a_matrix(_shape=(1 << 40, 1 << 40)),
        a_matrix(_shape=(1, 2)),
        a_matrix(indptr=np.array([0, 1 << 40])),
        a_matrix(indptr=np.array([2, 0])),
        a_matrix(indices=np.array([0, 9])),
        NESTED,
        [1.0, 2.0],
        "text",
        None,
    ],
)
def test_what_is_no_array(value: Any) -> None:
    """In particular it is not built, or filled up with zeros: these lists hold 10**24 numbers."""
    held = read_pickle(pickle.dumps(value, 2))
    with pytest.raises((ValueError, KeyError, TypeError, IndexError, AttributeError)):
        to_array(held)


def test_a_choice_of_itself_ends() -> None:
    data = b"\x80\x02cchumpy.ch\nSelect\n)\x81q\x00}(X\x01\x00\x00\x00ah\x00X\x04\x00\x00\x00idxsh\x00ub."
    with pytest.raises(TypeError, match="no array"):
        to_array(read_pickle(data))


def test_a_number_in_the_file_is_no_size_of_memory() -> None:
    assert read_pickle(b"\x80\x02K\x01r\xff\xff\xff\x7f.") == 1  # remembered under this number
    for cut in (
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x0fabc.",
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x0fabc.",
    ):
        with pytest.raises((EOFError, IndexError, pickle.UnpicklingError)):
            read_pickle(cut)
    with pytest.raises(pickle.UnpicklingError, match="a bytearray, which no hand needs"):
        read_pickle(b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x0fabc.")


@pytest.mark.parametrize(
    "call",
    [
        Reduced(np.ndarray, ((1 << 40,),)),
        Reduced(list, ((1, 2),)),
        Reduced(np.zeros, (1 << 40,)),
        Reduced(eval, ("1",)),
    ],
)
def test_nothing_is_called(call: Reduced) -> None:
    with pytest.raises((pickle.UnpicklingError, TypeError)):
        read_pickle(pickle.dumps(call, 2))
