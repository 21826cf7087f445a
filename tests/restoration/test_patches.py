"""The dictionary's file: what is written comes back; what is damaged, cut off or foreign is refused in one line."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knuckle.errors import DictionaryError, SettingsError
from knuckle.restoration.patches import PatchDictionary, write_dictionary


def random_maps(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    maps = rng.integers(0, 21, (count, 48, 48), dtype=np.uint8)
    maps[:, :10] = 0
    return maps


@pytest.mark.parametrize("count", [0, 1, 7])
def test_a_saved_dictionary_comes_back(tmp_path: Path, count: int) -> None:
    dictionary = PatchDictionary.from_maps(random_maps(count), patch=9, source={"seed": 3})
    dictionary.save(tmp_path / "parts.kdict")
    loaded = PatchDictionary.load(tmp_path / "parts.kdict")
    np.testing.assert_array_equal(loaded.maps, dictionary.maps)
    assert (loaded.patch, loaded.source) == (9, {"seed": 3})
    assert loaded.patches == np.count_nonzero(dictionary.maps)
    assert [path.name for path in tmp_path.iterdir()] == ["parts.kdict"]


def test_blocks_and_one_piece_write_the_same_bytes(tmp_path: Path) -> None:
    maps = random_maps(9)
    PatchDictionary.from_maps(maps).save(tmp_path / "whole")
    seen: list[int] = []
    write_dictionary(tmp_path / "blocks", iter([maps[:4], maps[4:5], maps[5:]]), 9, progress=seen.append)
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "blocks").read_bytes()
    assert seen == [4, 1, 4]


def test_windows_are_background_beyond_the_map() -> None:
    maps = random_maps(2)
    dictionary = PatchDictionary.from_maps(maps, patch=5)
    np.testing.assert_array_equal(dictionary.window(1, 20, 20), maps[1, 18:23, 18:23])
    corner = dictionary.window(1, 47, 0)
    np.testing.assert_array_equal(corner[:3, 2:], maps[1, 45:, :3])
    assert (corner[3:] == 0).all()
    assert (corner[:, :2] == 0).all()


@settings(max_examples=60)
@given(st.data())
def test_any_flipped_bit_is_noticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("flip") / "parts.kdict"
    PatchDictionary.from_maps(random_maps(2)).save(path)
    content = bytearray(path.read_bytes())
    used = 17 + 8 + int.from_bytes(content[17:25], "little")  # magic, length, header; then padding up to a page
    place = data.draw(st.one_of(st.integers(0, used - 1), st.integers(4096, len(content) - 1)))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    with pytest.raises(DictionaryError, match=r"parts\.kdict") as caught:
        PatchDictionary.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", [0, 5, 20, 300, 5000])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "parts.kdict"
    PatchDictionary.from_maps(random_maps(2)).save(path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DictionaryError, match=r"parts\.kdict"):
        PatchDictionary.load(path)


def test_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DictionaryError, match="No such file"):
        PatchDictionary.load(tmp_path / "nothing")
    (tmp_path / "foreign").write_bytes(b"PK\x03\x04" * 2000)
    with pytest.raises(DictionaryError, match="not a dictionary"):
        PatchDictionary.load(tmp_path / "foreign")


@pytest.mark.parametrize("patch", [0, 4, 49, -3])
def test_patches_without_a_centre_are_refused(patch: int) -> None:
    with pytest.raises(SettingsError, match="odd"):
        PatchDictionary.from_maps(random_maps(1), patch=patch)


def test_maps_of_another_kind_are_refused() -> None:
    with pytest.raises(SettingsError, match="label 21"):
        PatchDictionary.from_maps(np.full((1, 48, 48), 21, dtype=np.uint8))
    with pytest.raises(SettingsError, match="uint8"):
        PatchDictionary.from_maps(np.zeros((1, 48, 48), dtype=np.int64))
    with pytest.raises(SettingsError, match="uint8"):
        PatchDictionary.from_maps(np.zeros((1, 24, 24), dtype=np.uint8))


def test_a_wrong_number_of_maps_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "parts.kdict"
    PatchDictionary.from_maps(random_maps(1)).save(path)
    before = path.read_bytes()
    with pytest.raises(SettingsError, match="instead of 3"):
        write_dictionary(path, iter([random_maps(2)]), 3)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
