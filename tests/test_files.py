"""Files appear whole or not at all."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knuckle.errors import DatasetError, SettingsError
from knuckle.files import write_whole


@given(st.binary() | st.text())
def test_what_is_written_is_there(tmp_path_factory: pytest.TempPathFactory, data: bytes | str) -> None:
    path = tmp_path_factory.mktemp("files") / "new" / "folders" / "a b ü.txt"
    write_whole(path, b"before")
    write_whole(path, data)
    assert path.read_bytes() == (data if isinstance(data, bytes) else data.encode("utf-8", "backslashreplace"))
    assert list(path.parent.iterdir()) == [path]


def test_names_that_utf8_has_not_are_escaped(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.txt", "caf\udce9.png")
    assert (tmp_path / "a.txt").read_bytes() == rb"caf\udce9.png"


@pytest.mark.parametrize("place", ["folder", "file/a.txt", "file/deep/a.txt", "x" * 300])
@pytest.mark.parametrize("error", [SettingsError, DatasetError])
def test_what_cannot_be_written_is_named_and_leaves_nothing(
    tmp_path: Path, place: str, error: type[SettingsError]
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"before")
    with pytest.raises(error, match="cannot write") as caught:
        write_whole(tmp_path / place, "data", error)
    assert str(caught.value).startswith(f"{tmp_path / place}: ")
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]
    assert (tmp_path / "file").read_bytes() == b"before"


def test_a_write_cut_short_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_short(partial: Path, _: Path) -> None:
        assert partial.parent == tmp_path  # beside it, where a rename is one step
        raise KeyboardInterrupt

    write_whole(tmp_path / "a.txt", "before")
    monkeypatch.setattr(Path, "replace", cut_short)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a.txt", "after")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "before"


@pytest.mark.parametrize("name", ["", ".", "/"])
def test_a_path_without_a_name_is_refused(name: str) -> None:
    with pytest.raises(DatasetError, match="give the name of a file"):
        write_whole(name, b"x", DatasetError)
