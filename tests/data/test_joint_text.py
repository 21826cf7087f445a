"""Joints as text: what is written is read, and a file that would move frames against their labels is refused."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from knuckle.data.joint_text import JointText, read_joint_text, read_lines, write_joint_text
from knuckle.errors import DatasetError

NUMBERS = st.one_of(st.floats(-1e6, 1e6), st.just(np.nan))
FRAMES = hnp.arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 4), st.just(3)), elements=NUMBERS)

TWO = "1 2 3 4 5 6\n7 8 9 10 11 12\n"


def written(path: Path, data: bytes | str) -> Path:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def refused(path: Path, joints: int, *said: str) -> None:
    """The file ends in one line that names it and says all this."""
    with pytest.raises(DatasetError) as caught:
        read_joint_text(path, joints)
    message = str(caught.value)
    assert message.startswith(f"{path}: ".replace("\0", " "))
    assert "\n" not in message
    for part in said:
        assert part in message


@given(FRAMES, st.sampled_from(["a.txt", "a.txt.gz"]), st.booleans())
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, values: NDArray[np.float64], name: str, named: bool
) -> None:
    path = tmp_path_factory.mktemp("text") / name
    names = tuple(f"seq/image_{index}.png" for index in range(len(values))) if named else None
    write_joint_text(path, values, names)
    assert (path.read_bytes()[:2] == b"\x1f\x8b") == (path.suffix == ".gz")
    found = read_joint_text(path, values.shape[1])
    assert found.names == names
    assert found.values.dtype == np.float64
    np.testing.assert_allclose(found.values, values, atol=0.5001e-3)
    assert [file.name for file in path.parent.iterdir()] == [name]  # nothing temporary is left


def test_the_same_values_are_the_same_gzip_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, now in (("a.gz", 1e9), ("b.gz", 1.5e9)):
        monkeypatch.setattr("time.time", lambda now=now: now)
        write_joint_text(tmp_path / name, np.ones((2, 3, 3)))
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


@pytest.mark.parametrize(
    "text",
    [
        TWO,
        TWO.replace(" ", "\t"),
        TWO.replace(" ", ","),
        TWO.replace(" ", ", "),
        TWO.replace("\n", "\r\n"),
        TWO.replace("\n", " \n"),
        TWO.rstrip(),
        TWO + "\n \n\n",
        "\ufeff" + TWO,
        TWO.replace("7", "7e0"),
        gzip.compress(TWO.encode(), mtime=0),
        b"".join(gzip.compress(part.encode(), mtime=0) for part in (TWO[:12], TWO[12:])),  # as `cat a.gz b.gz`
    ],
)
def test_forms_of_the_same_numbers(tmp_path: Path, text: Any) -> None:
    found = read_joint_text(written(tmp_path / "joints", text), 2)  # what it is tells the content, not the name
    assert found.values.tolist() == [[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 12]]]
    assert found.names is None


@pytest.mark.parametrize("text", ["a/1.png 1 2 3\nb.png nan nan nan\n", "a/1.png\t1\t2\t3\nb.png,nan,NaN,nan"])
def test_a_line_may_begin_with_the_name_of_its_image(tmp_path: Path, text: str) -> None:
    found = read_joint_text(written(tmp_path / "a.txt", text), 1)
    assert found.names == ("a/1.png", "b.png")
    np.testing.assert_array_equal(found.values, [[[1, 2, 3]], [[np.nan] * 3]])


def test_other_numbers_of_joints_are_taken_by_their_indices(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", TWO)
    assert read_joint_text(path, 1, {2: [1]}).values.tolist() == [[[4, 5, 6]], [[10, 11, 12]]]
    with pytest.raises(DatasetError, match="has 6 numbers, not 3 or 9 "):
        read_joint_text(path, 1, {3: [1]})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no frame"),
        ("\n\n", "holds no frame"),
        ("1 2 3\n\n4 5 6\n", "line 2 is empty"),
        ("\n1 2 3\n", "line 1 is empty"),
        ("1 2 3\n \t \n4 5 6\n", "line 2 is empty"),
        ("1 2 3\n,,\n4 5 6\n", "line 2 is empty"),
        (",,\n4 5 6\n", "line 1 is empty"),
        ("a 1 2 3\n,\nc 4 5 6\n", "line 2 is empty"),
        ("a 1 2 3\nb\nc 4 5 6\n", "line 2 is a word without numbers"),
        ("hello\nworld\n", "line 1 is a word without numbers"),
        ("1 2 3\n4 5\n", "line 2 has 2 numbers, not 3"),
        ("1 2 3\n4 5 6 7\n", "line 2 has 4 numbers, not 3"),
        ("1 2 3 4\n", "line 1 has 4 numbers, not 3 (three for each of 1 joints)"),
        ("1 2 3 4 5 6\n", "line 1 has 6 numbers, not 3"),
        ("a 1 2\n", "line 1 has 2 numbers, not 3"),
        ("1 2 3\n4 five 6\n", "line 2: 'five' is not a number"),
        ("1 2 3\n4 5 6\n7 8 9px\n", "line 3: '9px' is not a number"),
        ("1 2 3\nb 4 5 6\n", "line 2: 'b' is not a number"),
        ("1 2 3\n# 5 6\n", "line 2: '#' is not a number"),
        ("1 2 3\n1 2 " + "x" * 999, "line 2: '" + "x" * 40 + "'"),
        (b"\x00\xff\xfe\x80" * 40, "not a text file"),
        (b"\x1f\x8b\x08\x00", "cannot read"),
        (b"\x1f\x8bnothing of the kind", "cannot read"),
        (gzip.compress(TWO.encode() * 99, mtime=0)[:-30], "cannot read"),
        (gzip.compress(TWO.encode(), mtime=0)[:-8] + b"12345678", "cannot read"),
        (gzip.compress(TWO.encode(), mtime=0)[:10] + b"\xff" * 40, "cannot read"),  # no stream of zlib's
    ],
)
def test_bad_files(tmp_path: Path, text: Any, said: str) -> None:
    refused(written(tmp_path / "joints Größe 1.txt", text), 1, said)


@pytest.mark.parametrize("name", ["nowhere.txt", ".", "with\0null"])
def test_files_that_cannot_be_opened(tmp_path: Path, name: str) -> None:
    refused(tmp_path / name, 1, "cannot read")


def test_a_gzip_of_endless_zeros_is_not_unpacked(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gz", gzip.compress(b"0 " * (12 << 20)))
    refused(path, 1, r"more than 16 MiB of text, too much for a file of joints: unpack it first")


@pytest.mark.parametrize("end", ["\n", "\r"])
def test_text_that_would_fill_the_memory_with_lines(tmp_path: Path, end: str) -> None:
    refused(written(tmp_path / "a.txt", "0" + end * 4_000_001), 1, "more than 4,000,000 lines")


def test_a_line_without_an_end(tmp_path: Path) -> None:
    refused(written(tmp_path / "a.txt", "0 " * 40_000), 1, "a line of more than 65,536 characters")


def read_or_refuse(path: Path) -> JointText | None:
    """Anything but joints or a `DatasetError` that names the file is a failure."""
    refusal = ""
    try:
        return read_joint_text(path, 1)
    except DatasetError as error:
        refusal = str(error)
    assert refusal.startswith(f"{path}: ")
    assert "\n" not in refusal
    return None


@given(st.binary(max_size=200), st.booleans())
def test_random_bytes_are_numbers_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, packed: bool
) -> None:
    path = written(tmp_path_factory.getbasetemp() / "random.txt", gzip.compress(data) if packed else data)
    found = read_or_refuse(path)
    assert found is None or found.values.shape == (len(read_lines(path)), 1, 3)


@given(st.lists(st.sampled_from(["1 2 3", "a 1 2 3", "b", "nan nan nan", "", ",", "1,2,3", "\t", "x y z", "4"])))
def test_a_file_that_is_read_has_a_row_for_every_line(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    text = "\n".join(lines)
    found = read_or_refuse(written(tmp_path_factory.getbasetemp() / "lines.txt", text))
    assert found is None or len(found.values) == len(text.rstrip().split("\n"))
    assert found is None or found.names is None or len(found.names) == len(found.values)


def test_what_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(DatasetError, match="folder: cannot write"):
        write_joint_text(tmp_path / "folder", np.ones((1, 1, 3)))
    with pytest.raises(ValueError, match="zip"):
        write_joint_text(tmp_path / "a.txt", np.ones((2, 1, 3)), ["one"])
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("name", ["two words.png", "1.5", "nan", "a,b.png", "", " a.png"])
def test_a_name_that_would_be_read_otherwise_is_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match="cannot be an image's name"):
        write_joint_text(tmp_path / "a.txt", np.zeros((1, 2, 3)), [name])
    assert not (tmp_path / "a.txt").exists()


def test_any_line_ends_are_line_ends(tmp_path: Path) -> None:
    for number, end in enumerate(("\n", "\r\n", "\r")):
        (tmp_path / f"{number}.txt").write_bytes(end.join(["1 2 3", "4 5 6", ""]).encode())
        found = read_joint_text(tmp_path / f"{number}.txt", 1).values[:, 0].tolist()
        assert found == [[1, 2, 3], [4, 5, 6]]
