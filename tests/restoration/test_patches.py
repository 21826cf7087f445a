"""The dictionary and its file: what is saved comes back, with its index; what does not fit together is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from knuckle.errors import DictionaryError, SettingsError
from knuckle.restoration.arrays_file import read_arrays, write_arrays
from knuckle.restoration.index import PatchIndex, learn_layout
from knuckle.restoration.patches import PatchDictionary

PATCH = 3


def random_maps(count: int, seed: int = 0) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    maps = rng.integers(0, 21, (count, 48, 48), dtype=np.uint8)
    maps[:, :10] = 0
    return maps


@pytest.fixture(scope="module")
def indexed() -> PatchDictionary:
    """A dictionary with an index."""
    maps = random_maps(3)
    layout = learn_layout(maps, PATCH, np.random.default_rng(0))
    index = PatchIndex.of(layout, [layout.encode(maps, 0, PATCH)])
    return PatchDictionary.from_maps(maps, PATCH, {"seed": 3}, index)


def refusal(path: Path) -> str:
    """The message with which a file is refused: one line that names the file."""
    with pytest.raises(DictionaryError) as caught:
        PatchDictionary.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("count", [0, 1, 7])
@pytest.mark.parametrize("verify", [True, False])
def test_a_saved_dictionary_comes_back(tmp_path: Path, count: int, verify: bool) -> None:
    dictionary = PatchDictionary.from_maps(random_maps(count), patch=9, source={"seed": 3})
    dictionary.save(tmp_path / "parts.kdict")
    loaded = PatchDictionary.load(str(tmp_path / "parts.kdict"), verify)
    np.testing.assert_array_equal(loaded.maps, dictionary.maps)
    assert (loaded.patch, loaded.source, loaded.index) == (9, {"seed": 3}, None)
    assert loaded.patches == np.count_nonzero(dictionary.maps)
    assert [path.name for path in tmp_path.iterdir()] == ["parts.kdict"]


def test_a_saved_index_comes_back(tmp_path: Path, indexed: PatchDictionary) -> None:
    assert indexed.index is not None
    indexed.save(tmp_path / "parts.kdict")
    loaded = PatchDictionary.load(tmp_path / "parts.kdict")
    assert loaded.index is not None
    np.testing.assert_array_equal(loaded.maps, indexed.maps)
    for name, array in indexed.index.arrays().items():
        np.testing.assert_array_equal(loaded.index.arrays()[name], array)
    vectors = np.random.default_rng(1).normal(0, 30, (5, indexed.index.centroids.shape[1])).astype(np.float32)
    np.testing.assert_array_equal(loaded.index.search(vectors, 4, 2), indexed.index.search(vectors, 4, 2))


def test_a_checksum_tells_dictionaries_apart(tmp_path: Path, indexed: PatchDictionary) -> None:
    assert indexed.checksum is None
    sums = []
    for name, dictionary in (
        ("one", indexed),
        ("same", indexed),
        ("without", PatchDictionary.from_maps(indexed.maps, PATCH, {"seed": 3})),
        ("wider", PatchDictionary.from_maps(indexed.maps, PATCH + 2, {"seed": 3})),
    ):
        dictionary.save(tmp_path / name)
        sums.append(PatchDictionary.load(tmp_path / name).checksum)
    assert sums[0] == sums[1]
    assert len(set(sums)) == 3
    assert (tmp_path / "one").read_bytes() == (tmp_path / "same").read_bytes()


def test_windows_are_background_beyond_the_map() -> None:
    maps = random_maps(2)
    dictionary = PatchDictionary.from_maps(maps, patch=5)
    np.testing.assert_array_equal(dictionary.window(1, 20, 20), maps[1, 18:23, 18:23])
    corner = dictionary.window(1, 47, 0)
    np.testing.assert_array_equal(corner[:3, 2:], maps[1, 45:, :3])
    assert (corner[3:] == 0).all()
    assert (corner[:, :2] == 0).all()


@settings(max_examples=40)
@given(st.data())
def test_any_flipped_bit_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, indexed: PatchDictionary, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("flip") / "parts.kdict"
    indexed.save(path)
    content = bytearray(path.read_bytes())
    used = 17 + 8 + int.from_bytes(content[17:25], "little")  # magic, length, header; then nothing, up to a page
    place = data.draw(st.one_of(st.integers(0, used - 1), st.integers(4096, len(content) - 1)))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    refusal(path)


@pytest.mark.parametrize("cut", [0, 5, 20, 300, 5000])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "parts.kdict"
    PatchDictionary.from_maps(random_maps(2)).save(path)
    path.write_bytes(path.read_bytes()[:cut])
    refusal(path)


def test_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "nothing")
    (tmp_path / "foreign").write_bytes(b"PK\x03\x04" * 2000)
    assert "not a dictionary" in refusal(tmp_path / "foreign")


@pytest.mark.parametrize("patch", [0, 4, 49, -3, 9.0])
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
    with pytest.raises(SettingsError, match="uint8"):
        PatchDictionary.from_maps(np.zeros((48, 48), dtype=np.uint8))


MAPS = random_maps(1)
FOREIGN: dict[str, tuple[dict[str, Any], dict[str, NDArray], str]] = {
    "no maps": ({"patch": 9, "grid": 3, "source": {}}, {}, "'maps'"),
    "no patch": ({"source": {}}, {"maps": MAPS}, "'patch'"),
    "another grid": ({"patch": 9, "grid": 4, "source": {}}, {"maps": MAPS}, "every 4th pixel"),
    "no source": ({"patch": 9, "grid": 3}, {"maps": MAPS}, "'source'"),
    "an even patch": ({"patch": 8, "source": {}}, {"maps": MAPS}, "odd"),
    "a patch in words": ({"patch": "9", "source": {}}, {"maps": MAPS}, "odd"),
    "smaller maps": ({"patch": 9, "grid": 3, "source": {}}, {"maps": MAPS[:, :40]}, "(1, 40, 48)"),
    "one map alone": ({"patch": 9, "grid": 3, "source": {}}, {"maps": MAPS[0]}, "(48, 48)"),
    "maps of numbers": ({"patch": 9, "grid": 3, "source": {}}, {"maps": MAPS.astype(np.int64)}, "int64"),
    "another label": ({"patch": 9, "grid": 3, "source": {}}, {"maps": MAPS + np.uint8(1)}, "label 21"),
}


@pytest.mark.parametrize(("facts", "arrays", "said"), FOREIGN.values(), ids=FOREIGN)
def test_a_whole_file_of_something_else_is_refused(
    tmp_path: Path, facts: dict[str, Any], arrays: dict[str, NDArray], said: str
) -> None:
    write_arrays(tmp_path / "parts.kdict", facts, arrays)
    assert said in refusal(tmp_path / "parts.kdict")


def with_one_more(sizes: NDArray) -> NDArray:
    return np.concatenate([sizes[:-1], sizes[-1:] + 1])


def with_one_below(sizes: NDArray) -> NDArray:
    return np.concatenate([sizes[:1] + sizes[1] + 1, [-1], sizes[2:]])


MISFITS = {
    "a list too long": ("sizes", with_one_more),
    "a negative list": ("sizes", with_one_below),
    "a list too many": ("sizes", lambda sizes: np.append(sizes, 0)),
    "a place too few": ("places", lambda places: places[1:]),
    "a place behind the last map": ("places", lambda places: np.append(places[1:], 3 * 48 * 48)),
    "a place before the first": ("places", lambda places: np.append(places[1:], -1)),
    "shorter codes": ("codes", lambda codes: codes[:, 1:]),
    "codes of another type": ("codes", lambda codes: codes.astype(np.float32)),
    "wider centroids": ("centroids", lambda centroids: np.repeat(centroids, 2, axis=1)),
    "flat weights": ("weights", lambda weights: weights[0]),
    "weights of too few cells": ("weights", lambda weights: weights[:1]),
    "weights of too few labels": ("weights", lambda weights: weights[:, :5]),
    "one weight": ("weights", lambda weights: weights[0, 0, 0]),
    "sizes in a column": ("sizes", lambda sizes: sizes[:, None]),
    "no weights": ("weights", None),
}


@pytest.mark.parametrize(("name", "change"), MISFITS.values(), ids=MISFITS)
def test_an_index_that_does_not_fit_is_refused(
    tmp_path: Path, indexed: PatchDictionary, name: str, change: Any
) -> None:
    path = tmp_path / "parts.kdict"
    indexed.save(path)
    facts, arrays, _ = read_arrays(path)
    if change is None:
        del arrays[name]
    else:
        arrays[name] = change(arrays[name])
    write_arrays(tmp_path / "other.kdict", facts, arrays)
    refusal(tmp_path / "other.kdict")


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path, indexed: PatchDictionary) -> None:
    path = tmp_path / "parts.kdict"
    indexed.save(path)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        PatchDictionary.from_maps(indexed.maps, PATCH, {"seed": object()}).save(path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
