"""A dictionary built from stores: what it holds, and that a build killed at any moment goes on to the same bytes."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from numpy.typing import NDArray

from knuckle.anatomy import LABELS
from knuckle.data.store import SampleStore
from knuckle.errors import DictionaryError, SettingsError, StoreError
from knuckle.pipeline import dictionary as building
from knuckle.pipeline.dictionary import build_dictionary
from knuckle.restoration.index import GRID, PatchIndex, learn_layout
from knuckle.restoration.patches import PatchDictionary
from knuckle.restoration.search import PatchSearch

PATCH = 3
BLOCK = 5  # maps: a build of this test has several blocks, the last one shorter
PROJECTED = [("projection", 0, 12), ("projection", 12, 12)]


def part_maps(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Maps (count, 48, 48) with one block of hand each, in squares of equal labels."""
    rng = np.random.default_rng(seed)
    maps = np.zeros((count, 48, 48), dtype=np.uint8)
    for part_map in maps:
        top, left = rng.integers(0, 37, 2)
        squares = rng.integers(1, len(LABELS), (4, 4), dtype=np.uint8)
        part_map[top : top + 12, left : left + 12] = np.kron(squares, np.ones((3, 3), dtype=np.uint8))
    return maps


def write_store(path: Path, parts: NDArray[np.uint8], seed: int = 0, shard: int = 4) -> Path:
    """A store of samples with these part maps and anything else in it."""
    count, rng = len(parts), np.random.default_rng(seed)
    rows = {
        "depth": np.where(parts > 0, rng.uniform(-0.5, 0.5, parts.shape), 1).astype(np.float32),
        "parts": parts,
        "joints": rng.normal(size=(count, 21, 3)).astype(np.float32),
        "joints14": rng.normal(size=(count, 14, 3)).astype(np.float32),
        "center": rng.normal(size=(count, 3)).astype(np.float32),
        "cube_mm": np.full(count, 250, dtype=np.float32),
        "camera": np.tile(np.float32([500, 500, 319.5, 239.5, 640, 480]), (count, 1)),
        "side": rng.integers(2, size=count, dtype=np.uint8),
        "seed": rng.integers(1000, size=(count, 2)),
    }
    store = SampleStore.create(path, count, {"recipe": {"hand": "blocks"}, "seed": seed}, shard)
    for number in store.missing_shards():
        indices = store.shard_range(number)
        store.write_shard(number, {name: values[indices.start : indices.stop] for name, values in rows.items()})
    return path


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "_BLOCK", BLOCK)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two stores, of seven and of five maps."""
    folder = tmp_path_factory.mktemp("stores")
    return [write_store(folder / f"{seed}.zarr", part_maps(count, seed), seed) for seed, count in ((0, 7), (1, 5))]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, stores: list[Path]) -> bytes:
    """The file as a build writes it that nothing interrupts."""
    out = tmp_path_factory.mktemp("undisturbed") / "parts.kdict"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(building, "_BLOCK", BLOCK)
        build_dictionary(stores, out, PATCH)
    return out.read_bytes()


def refused(kind: type[Exception], order: Callable[[], Any]) -> str:
    """The message of an order that must be refused in one line."""
    with pytest.raises(kind) as caught:
        order()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_maps_of_all_stores_are_in_it_in_order(tmp_path: Path, stores: list[Path]) -> None:
    told: list[tuple[str, int, int]] = []
    made = build_dictionary(
        [str(stores[0]), stores[1]], tmp_path / "parts.kdict", PATCH, None, lambda *at: told.append(at)
    )
    maps = np.concatenate([part_maps(7, 0), part_maps(5, 1)])
    np.testing.assert_array_equal(made.maps, maps)
    assert (made.patch, made.patches) == (PATCH, np.count_nonzero(maps))
    assert made.source == {
        "maps": 12,
        "stores": [
            {"recipe": {"hand": "blocks"}, "seed": 0, "count": 7},
            {"recipe": {"hand": "blocks"}, "seed": 1, "count": 5},
        ],
    }
    assert told == [("maps", 7, 12), ("maps", 5, 12), *PROJECTED, ("index", 5, 12), ("index", 5, 12), ("index", 2, 12)]
    assert [path.name for path in tmp_path.iterdir()] == ["parts.kdict"]


def test_the_index_is_that_of_all_maps_in_one_piece(tmp_path: Path, stores: list[Path]) -> None:
    index = build_dictionary(stores, tmp_path / "parts.kdict", PATCH).index
    assert index is not None
    maps = np.concatenate([part_maps(7, 0), part_maps(5, 1)])
    layout = learn_layout(maps, PATCH, np.random.default_rng(0))
    for name, array in PatchIndex.of(layout, [layout.encode(maps, 0, PATCH)]).arrays().items():
        np.testing.assert_array_equal(index.arrays()[name], array)
    on_grid = np.argwhere(maps)
    on_grid = on_grid[(on_grid[:, 1:] % GRID == GRID // 2).all(axis=1)]
    np.testing.assert_array_equal(np.sort(index.places), on_grid @ [48 * 48, 48, 1])


def test_a_fast_search_finds_the_maps_themselves(tmp_path: Path, stores: list[Path]) -> None:
    made = build_dictionary(stores, tmp_path / "parts.kdict", PATCH)
    assert PatchDictionary.load(tmp_path / "parts.kdict").checksum == made.checksum
    for part_map in made.maps:
        assert (PatchSearch(made, "fast").nearest(part_map).distances == 0).all()


@pytest.mark.parametrize("count", [1, 6, 7, 8, 12])
def test_a_count_takes_the_first_maps(tmp_path: Path, stores: list[Path], count: int) -> None:
    made = build_dictionary(stores, tmp_path / "parts.kdict", PATCH, count)
    np.testing.assert_array_equal(made.maps, np.concatenate([part_maps(7, 0), part_maps(5, 1)])[:count])
    assert made.source["maps"] == count


def test_a_large_store_is_copied_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "_BLOCK", 4096)
    maps = np.zeros((1030, 48, 48), dtype=np.uint8)
    maps[1021:1028] = part_maps(7)
    store = write_store(tmp_path / "large.zarr", maps, shard=1024)
    told: list[tuple[str, int, int]] = []
    made = build_dictionary([store], tmp_path / "parts.kdict", PATCH, 1029, lambda *at: told.append(at))
    np.testing.assert_array_equal(made.maps, maps[:1029])
    projected = [("projection", 0, 1029), ("projection", 1029, 1029)]
    assert told == [("maps", 1024, 1029), ("maps", 5, 1029), *projected, ("index", 1029, 1029)]


def test_where_stores_lie_changes_nothing(tmp_path: Path, stores: list[Path], undisturbed: bytes) -> None:
    copies = [
        write_store(tmp_path / f"elsewhere-{seed}.zarr", part_maps(count, seed), seed, shard=16)
        for seed, count in ((0, 7), (1, 5))
    ]
    build_dictionary(copies, tmp_path / "parts.kdict", PATCH)
    assert (tmp_path / "parts.kdict").read_bytes() == undisturbed


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


def killed_at(moment: int, after: bool, monkeypatch: pytest.MonkeyPatch, build: Callable[[], Any]) -> bool:
    """Runs a build until a file gets its name for the n-th time, and ends it before or after; False if it got through.

    Between two such moments a build adds nothing but to unfinished files, which bear another name.
    """
    replace, count = Path.replace, 0

    def counting_replace(path: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        if count == moment and not after:
            path.write_bytes(path.read_bytes()[:-7])  # it was not yet written to its end
            raise Killed
        done = replace(path, target)
        if count == moment:
            raise Killed
        return done

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", counting_replace)
        try:
            build()
        except Killed:
            return True
    return False


MOMENTS = ("settings", "maps", "layout", "block 0", "block 1", "block 2", "dictionary")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("moment", range(1, len(MOMENTS) + 1), ids=MOMENTS)
def test_a_build_killed_at_any_step_goes_on_to_the_same_bytes(
    tmp_path: Path,
    stores: list[Path],
    undisturbed: bytes,
    monkeypatch: pytest.MonkeyPatch,
    moment: int,
    after: bool,
) -> None:
    out = tmp_path / "parts.kdict"
    assert killed_at(moment, after, monkeypatch, lambda: build_dictionary(stores, out, PATCH))
    assert out.exists() == (moment == len(MOMENTS) and after)
    assert (tmp_path / "parts.kdict.building").is_dir()
    build_dictionary(stores, out, PATCH)
    assert out.read_bytes() == undisturbed
    assert [path.name for path in tmp_path.iterdir()] == ["parts.kdict"]


def test_a_build_that_is_killed_again_and_again_comes_to_an_end(
    tmp_path: Path, stores: list[Path], undisturbed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run gets one step further: what is finished is not done again."""
    out = tmp_path / "parts.kdict"
    kills = 0
    while killed_at(1, True, monkeypatch, lambda: build_dictionary(stores, out, PATCH)):
        kills += 1
        assert kills <= len(MOMENTS)
        if out.exists():
            break  # and its folder is still there
    assert kills == len(MOMENTS)
    build_dictionary(stores, out, PATCH)
    assert out.read_bytes() == undisturbed
    assert [path.name for path in tmp_path.iterdir()] == ["parts.kdict"]


@pytest.mark.parametrize("nth", range(4), ids=["layout", "block 0", "block 1", "block 2"])
def test_a_half_written_step_is_not_taken_for_a_whole_one(
    tmp_path: Path, stores: list[Path], undisturbed: bytes, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    out = tmp_path / "parts.kdict"
    save, count = np.savez, iter(range(4))

    def torn_save(file: BinaryIO, **arrays: NDArray) -> None:
        save(file, **arrays)
        if next(count) == nth:
            file.truncate(file.tell() // 2)
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(np, "savez", torn_save)
        with pytest.raises(Killed):
            build_dictionary(stores, out, PATCH)
    build_dictionary(stores, out, PATCH)
    assert out.read_bytes() == undisturbed


def test_finished_steps_are_not_done_again(
    tmp_path: Path, stores: list[Path], undisturbed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "parts.kdict"

    def interrupt(step: str, *_: int) -> None:
        if step == "index":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_dictionary(stores, out, PATCH, None, interrupt)
    monkeypatch.setattr(building, "learn_layout", None)  # calling it would fail
    told: list[str] = []
    build_dictionary(stores, out, PATCH, None, lambda step, done, total: told.append(step))
    assert told == ["projection"] * 2 + ["index"] * 3
    assert out.read_bytes() == undisturbed


PROGRAM = f"""
import os, signal, sys
from pathlib import Path
from knuckle.pipeline import dictionary
dictionary._BLOCK = {BLOCK}
at = iter(sys.argv[3].split())
def progress(step, done, total):
    if step == next(at):
        return
    os.kill(os.getpid(), signal.SIGKILL)
dictionary.build_dictionary(sys.argv[4:], Path(sys.argv[1]), int(sys.argv[2]), None, progress)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_process_leaves_what_another_one_completes(
    tmp_path: Path, stores: list[Path], undisturbed: bytes
) -> None:
    out = tmp_path / "parts.kdict"
    steps = "maps maps index killed"
    order = [sys.executable, "-c", PROGRAM, str(out), str(PATCH), steps, *map(str, stores)]
    assert subprocess.run(order, check=False).returncode == -signal.SIGKILL
    assert not out.exists()
    build_dictionary(stores, out, PATCH)
    assert out.read_bytes() == undisturbed
    assert [path.name for path in tmp_path.iterdir()] == ["parts.kdict"]


def interrupted(stores: list[Path], out: Path, patch: int = PATCH, count: int | None = None) -> None:
    """Leaves the beginnings of a build."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_dictionary(stores, out, patch, count, interrupt)


def test_the_beginnings_of_another_dictionary_are_refused(
    tmp_path: Path, stores: list[Path], undisturbed: bytes
) -> None:
    out = tmp_path / "parts.kdict"
    interrupted(stores, out)
    others: list[Callable[[], Any]] = [
        lambda: build_dictionary(stores, out, PATCH + 2),
        lambda: build_dictionary(stores, out, PATCH, 11),
        lambda: build_dictionary(stores[:1], out, PATCH),
        lambda: build_dictionary(stores[::-1], out, PATCH),
    ]
    for other in others:
        message = refused(DictionaryError, other)
        assert str(out) in message
        assert "another dictionary: remove it" in message
    build_dictionary(stores, out, PATCH)
    assert out.read_bytes() == undisturbed


def test_an_old_file_stays_until_the_new_one_is_whole(
    tmp_path: Path, stores: list[Path], undisturbed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "parts.kdict"
    build_dictionary(stores[:1], out, PATCH)
    before = out.read_bytes()
    build = lambda: build_dictionary(stores, out, PATCH)
    assert killed_at(len(MOMENTS), False, monkeypatch, build)
    assert out.read_bytes() == before
    build()
    assert out.read_bytes() == undisturbed


def test_missing_folders_are_made(tmp_path: Path, stores: list[Path], undisturbed: bytes) -> None:
    build_dictionary(stores, tmp_path / "new" / "folder" / "parts.kdict", PATCH)
    assert (tmp_path / "new" / "folder" / "parts.kdict").read_bytes() == undisturbed


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, stores: list[Path]) -> None:
    (tmp_path / "notes.txt").write_text("not a folder")
    assert str(tmp_path) in refused(
        DictionaryError, lambda: build_dictionary(stores, tmp_path / "notes.txt" / "parts.kdict", PATCH)
    )
    (tmp_path / "folder").mkdir()
    told: list[Any] = []
    order = lambda: build_dictionary(stores, tmp_path / "folder", PATCH, None, lambda *at: told.append(at))
    assert "is a folder" in refused(DictionaryError, order)
    assert not told  # at once, not after the whole build
    (tmp_path / "parts.kdict.building").write_text("not a folder either")
    assert "cannot write" in refused(DictionaryError, lambda: build_dictionary(stores, tmp_path / "parts.kdict", PATCH))


@pytest.mark.parametrize("patch", [0, 2, 49, -1])
def test_a_patch_without_a_centre_is_refused(tmp_path: Path, stores: list[Path], patch: int) -> None:
    assert "odd" in refused(SettingsError, lambda: build_dictionary(stores, tmp_path / "parts.kdict", patch))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [0, -1, 13])
def test_a_count_that_the_stores_do_not_have_is_refused(tmp_path: Path, stores: list[Path], count: int) -> None:
    message = refused(SettingsError, lambda: build_dictionary(stores, tmp_path / "parts.kdict", PATCH, count))
    assert f"there are 12 maps in the stores: take between 1 and all of them, not {count}" in message
    assert list(tmp_path.iterdir()) == []


def test_no_store_is_refused(tmp_path: Path) -> None:
    refused(SettingsError, lambda: build_dictionary([], tmp_path / "parts.kdict", PATCH))


def test_maps_without_a_hand_are_refused(tmp_path: Path) -> None:
    store = write_store(tmp_path / "empty.zarr", np.zeros((5, 48, 48), dtype=np.uint8))
    message = refused(SettingsError, lambda: build_dictionary([store], tmp_path / "parts.kdict", PATCH))
    assert "no hand pixel" in message
    assert not (tmp_path / "parts.kdict").exists()


def test_one_hand_pixel_is_enough(tmp_path: Path) -> None:
    """Even one that is not on the index's grid."""
    parts = np.zeros((3, 48, 48), dtype=np.uint8)
    parts[:, 0, 0] = 3
    made = build_dictionary([write_store(tmp_path / "dots.zarr", parts)], tmp_path / "parts.kdict", PATCH)
    assert made.patches == 3
    assert (PatchSearch(made, "exact").nearest(parts[0]).distances == 0).all()


@pytest.mark.parametrize("fault", ["no hand", "label 21", "not whole"])
def test_a_refused_build_does_not_stand_in_the_way(
    tmp_path: Path, stores: list[Path], undisturbed: bytes, fault: str
) -> None:
    parts, bad = part_maps(4), tmp_path / "bad.zarr"
    if fault == "not whole":
        SampleStore.create(bad, 4, {}, 4)
    else:
        parts[0, 24, 24] = 21
        write_store(bad, parts if fault == "label 21" else parts * 0)
    with pytest.raises((SettingsError, StoreError)):
        build_dictionary([bad], tmp_path / "parts.kdict", PATCH)
    build_dictionary(stores, tmp_path / "parts.kdict", PATCH)
    assert (tmp_path / "parts.kdict").read_bytes() == undisturbed


def test_a_store_that_is_missing_or_not_whole_is_refused(tmp_path: Path, stores: list[Path]) -> None:
    out = tmp_path / "parts.kdict"
    missing = refused(StoreError, lambda: build_dictionary([stores[0], tmp_path / "none.zarr"], out, PATCH))
    assert "none.zarr" in missing
    assert list(tmp_path.iterdir()) == []
    SampleStore.create(tmp_path / "half.zarr", 6, {}, 4)
    half = refused(StoreError, lambda: build_dictionary([stores[0], tmp_path / "half.zarr"], out, PATCH))
    assert "half.zarr" in half
    assert not out.exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, stores: list[Path]) -> None:
    folder = tmp_path / "parts.kdict.building"
    folder.mkdir()
    (folder / "thesis.txt").write_text("not yours")
    assert "something else" in refused(
        DictionaryError, lambda: build_dictionary(stores, tmp_path / "parts.kdict", PATCH)
    )
    assert (folder / "thesis.txt").read_text() == "not yours"


@pytest.mark.parametrize("removed", range(1, 6))
def test_a_build_killed_while_it_tidies_up_leaves_nothing_to_another(
    tmp_path: Path, stores: list[Path], undisturbed: bytes, monkeypatch: pytest.MonkeyPatch, removed: int
) -> None:
    out, left = tmp_path / "parts.kdict", removed
    unlink = Path.unlink

    def killed(path: Path, missing_ok: bool = False) -> None:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        unlink(path, missing_ok)

    other = write_store(tmp_path / "other.zarr", part_maps(12, 5), 5)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            build_dictionary([other], out, PATCH)
    with pytest.raises(DictionaryError, match="another dictionary"):
        build_dictionary(stores, out, PATCH)
    build_dictionary([other], out, PATCH)  # goes on, and tidies up
    build_dictionary(stores, out, PATCH)
    assert out.read_bytes() == undisturbed
