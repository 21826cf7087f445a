"""The file of arrays: what is written comes back; what is damaged, cut off, foreign or hostile is refused in a line."""

import hashlib
import json
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from numpy.typing import NDArray

from knuckle.errors import DictionaryError
from knuckle.restoration.arrays_file import read_arrays, write_arrays

MAGIC = b"\x89KNUCKLE-PATCHES\n"
PAGE = 4096
FACTS = {"patch": 27, "source": {"seed": 3}}
ARRAYS = {
    "maps": np.arange(5000, dtype=np.uint8).reshape(50, 100) % 21,
    "none": np.zeros((0, 4), dtype=np.int64),
    "weights": np.linspace(-1, 1, 1024, dtype=np.float32),  # one page to the byte
    "places": np.arange(7, dtype=np.int64),
}


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % PAGE)


def laid_out(text: bytes, body: bytes = b"") -> bytes:
    """A file with any header and body."""
    return padded(MAGIC + len(text).to_bytes(8, "little") + text) + body


def signed(header: Any, body: bytes = b"") -> bytes:
    """A file whose checksum is right, whatever the header says."""
    unsigned = laid_out(json.dumps({**header, "sha256": "0" * 64}).encode(), body)
    return laid_out(json.dumps({**header, "sha256": hashlib.sha256(unsigned).hexdigest()}).encode(), body)


def header_of(arrays: Any, version: Any = 1, facts: Any = None) -> dict[str, Any]:
    return {"version": version, "facts": facts or {}, "arrays": arrays, "sha256": ""}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "parts.kdict"


def refusal(path: Path, verify: bool = True) -> str:
    """The message with which a file is refused: one line that names the file."""
    with pytest.raises(DictionaryError) as caught:
        read_arrays(path, verify)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def assert_same(found: dict[str, NDArray], expected: dict[str, NDArray]) -> None:
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found[name], array)


def test_the_layout_is_header_then_arrays_each_padded_to_a_page(path: Path) -> None:
    write_arrays(path, FACTS, ARRAYS)
    header = {"version": 1, "facts": FACTS, "arrays": {n: [a.dtype.name, a.shape] for n, a in ARRAYS.items()}}
    assert path.read_bytes() == signed(header, b"".join(padded(array.tobytes()) for array in ARRAYS.values()))


array_sets = st.dictionaries(
    st.text(min_size=1, max_size=5),
    arrays_of.arrays(
        st.sampled_from([np.uint8, np.int64, np.float32]),
        arrays_of.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=6),
    ),
    max_size=4,
)
facts_sets = st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=5), max_size=3)


@settings(max_examples=50)
@given(array_sets, facts_sets, st.booleans())
def test_what_is_written_comes_back(
    tmp_path_factory: pytest.TempPathFactory, arrays: dict[str, NDArray], facts: dict[str, Any], verify: bool
) -> None:
    path = tmp_path_factory.mktemp("arrays") / "parts.kdict"
    write_arrays(path, facts, arrays)
    found_facts, found, checksum = read_arrays(path, verify)
    assert found_facts == facts
    assert_same(found, arrays)
    assert len(checksum) == 64
    assert [file.name for file in path.parent.iterdir()] == ["parts.kdict"]


def test_arrays_are_mapped_and_cannot_be_written_to(path: Path) -> None:
    write_arrays(path, FACTS, ARRAYS)
    _, found, _ = read_arrays(path)
    assert isinstance(found["maps"], np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        found["maps"][0, 0] = 1


def test_arrays_that_are_not_contiguous_are_written_in_reading_order(path: Path) -> None:
    turned = {"maps": ARRAYS["maps"].T, "places": ARRAYS["places"][::-2]}
    write_arrays(path, FACTS, turned)
    assert_same(read_arrays(path)[1], turned)


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_arrays(tmp_path / name, FACTS, ARRAYS)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@settings(max_examples=80)
@given(st.data())
def test_any_flipped_bit_is_noticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("flip") / "parts.kdict"
    write_arrays(path, FACTS, ARRAYS)
    content = bytearray(path.read_bytes())
    used = 17 + 8 + int.from_bytes(content[17:25], "little")  # magic, length, header; then nothing, up to a page
    place = data.draw(st.one_of(st.integers(0, used - 1), st.integers(PAGE, len(content) - 1)))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    refusal(path)


@settings(max_examples=30)
@given(st.data(), st.booleans())
def test_a_file_that_was_cut_off_or_grew_is_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, verify: bool
) -> None:
    path = tmp_path_factory.mktemp("cut") / "parts.kdict"
    write_arrays(path, FACTS, ARRAYS)
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    refusal(path, verify)
    path.write_bytes(content + b"\0" * data.draw(st.integers(1, 2 * PAGE)))
    refusal(path, verify)


def test_unverified_reading_does_not_look_at_the_content(path: Path) -> None:
    write_arrays(path, FACTS, ARRAYS)
    content = bytearray(path.read_bytes())
    content[PAGE] ^= 1
    path.write_bytes(content)
    assert "checksum" in refusal(path)
    assert read_arrays(path, verify=False)[1]["maps"][0, 0] == ARRAYS["maps"][0, 0] ^ 1


def test_missing_and_foreign_files_are_refused(path: Path, tmp_path: Path) -> None:
    assert "No such file" in refusal(path)
    assert "directory" in refusal(tmp_path)
    for content in (b"", b"PK\x03\x04" * 2000, MAGIC[:-1] + b"!" * 100):
        path.write_bytes(content)
        assert "not a dictionary" in refusal(path)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_a_file_of_another_version_is_refused(path: Path, version: object) -> None:
    path.write_bytes(signed(header_of({}, version)))
    assert f"is of version {version}, not 1" in refusal(path)
    path.write_bytes(signed(header_of({})))
    assert read_arrays(path)[:2] == ({}, {})


HEADERS = {
    "nothing": b"",
    "not JSON": b"version 1",
    "not text": b"\xff\xfe\x00",
    "a number": b"1",
    "a list": b"[1, 2]",
    "nothing in it": b"{}",
    "nested": b"[" * 1_000_000,
    "a number too long to read": b'{"version": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("text", HEADERS.values(), ids=HEADERS)
def test_a_header_that_is_no_header_is_refused(path: Path, text: bytes) -> None:
    path.write_bytes(laid_out(text))
    assert "build it anew" in refusal(path)


@pytest.mark.parametrize("length", [PAGE, 1 << 40, (1 << 64) - 1])
def test_a_length_beyond_the_file_is_refused(path: Path, length: int) -> None:
    write_arrays(path, FACTS, ARRAYS)
    content = path.read_bytes()
    path.write_bytes(content[:17] + length.to_bytes(8, "little") + content[25:])
    tracemalloc.start()
    try:
        refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 26
    finally:
        tracemalloc.stop()


ENTRIES = {
    "huge": ["uint8", [1 << 50]],
    "huger than an address": ["float32", [10**30]],
    "huge by its product": ["int64", [1 << 21, 1 << 21, 1 << 21]],
    "huge but for an empty axis": ["uint8", [0, 10**30]],
    "huge by the product of the others": ["uint8", [0, 1 << 31, 1 << 31, 4]],
    "too many axes": ["uint8", [0] * 70],
    "too many axes of one": ["uint8", [1] * 70],
    "a truth for a number": ["uint8", [True, PAGE]],
    "negative": ["uint8", [-1, PAGE]],
    "two negative": ["uint8", [-1, -PAGE]],
    "a broken number of pixels": ["uint8", [0.5]],
    "a side in words": ["uint8", ["48"]],
    "a side that is none": ["uint8", [None]],
    "no shape": ["uint8", None],
    "one number for a shape": ["uint8", 48],
    "objects": ["object", [4]],
    "structured": ["uint8,uint8", [4]],
    "a type that is a list": [["uint8"], [4]],
    "no type": [None, [4]],
    "too little": ["uint8"],
    "too much": ["uint8", [4], 0],
    "not a pair": 5,
}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
@pytest.mark.parametrize("verify", [True, False])
def test_impossible_arrays_are_refused_before_any_memory_is_taken(path: Path, entry: Any, verify: bool) -> None:
    path.write_bytes(signed(header_of({"maps": entry}), bytes(PAGE)))
    tracemalloc.start()
    try:
        refusal(path, verify)
        assert tracemalloc.get_traced_memory()[1] < 1 << 26
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "header",
    [
        header_of(["uint8", [4]]),
        header_of(None),
        header_of({}) | {"facts": [1]},
        header_of({}) | {"more": 1},
        {"version": 1, "facts": {}},
    ],
)
def test_an_incomplete_header_is_refused(path: Path, header: dict[str, Any]) -> None:
    path.write_bytes(signed(header))
    assert "build it anew" in refusal(path)


def test_facts_that_are_not_json_leave_the_old_file(path: Path) -> None:
    write_arrays(path, FACTS, ARRAYS)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_arrays(path, {"source": {1, 2}}, ARRAYS)
    assert path.read_bytes() == before
    assert len(list(path.parent.iterdir())) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there are no limits on a file's size")
def test_a_full_disk_leaves_the_old_file(path: Path) -> None:
    import resource

    write_arrays(path, FACTS, ARRAYS)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before), limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write_arrays(path, FACTS, {**ARRAYS, "maps": np.zeros(len(before), dtype=np.uint8)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    write_arrays(path, FACTS, {"places": ARRAYS["places"]})  # over what the failed one left behind
    assert_same(read_arrays(path)[1], {"places": ARRAYS["places"]})
    assert len(list(path.parent.iterdir())) == 1
