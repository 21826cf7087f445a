"""Stores of part maps → a dictionary of label patches with its index, in steps that a killed run does not lose."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knuckle.data.shards import package_version
from knuckle.data.store import SampleStore
from knuckle.errors import DictionaryError, SettingsError, StoreError
from knuckle.files import reason_of
from knuckle.lock import only_writer
from knuckle.restoration.index import DIMENSIONS, GRID, Encoded, IndexLayout, PatchIndex, learn_layout
from knuckle.restoration.patches import PATCH, PatchDictionary, check_maps, check_patch

_MADE_BY = {"grid": GRID, "dimensions": DIMENSIONS}
_NOTE = "settings.json"
_BLOCK = 8192  # maps encoded, and lost by a killed run, at once: about a second

Progress = Callable[[str, int, int], None]
"""Called with the name of the step, maps just done and maps in all."""


def build_dictionary(
    stores: Sequence[str | Path],
    out: Path,
    patch: int = PATCH,
    count: int | None = None,
    progress: Progress = lambda step, done, total: None,
) -> PatchDictionary:
    """Writes the part maps of stores, and an index of their patches, to one file; returns it opened.

    count: only the first maps, None = all. What is finished of a long build lies in a folder beside `out`, from which
    the same call goes on after a kill, to the same bytes; it is removed at the end.

    Raises `SettingsError` for an even patch, a count that the stores do not have, or maps without a hand; `StoreError`
    for a store that is not whole; `DictionaryError` if `out` cannot be written, or another build was begun or is
    at work there.
    """
    check_patch(patch)
    opened = [SampleStore.open(store) for store in stores]
    held = sum(len(store) for store in opened)
    total = held if count is None else count
    if not 0 < total <= held:
        raise SettingsError(f"there are {held} maps in the stores: take between 1 and all of them, not {count}")
    if out.is_dir():
        raise DictionaryError(f"{out}: is a folder: give the file to write")
    with only_writer(out, DictionaryError):
        _build(opened, out, patch, total, progress)
    return PatchDictionary.load(out)


def _build(stores: list[SampleStore], out: Path, patch: int, total: int, progress: Progress) -> None:
    source = {"maps": total, "stores": [_origin(store) for store in stores]}
    folder = out.with_name(out.name + ".building")
    try:
        _begin(folder, {"patch": patch, **source, **_MADE_BY, "knuckle": package_version()})
        maps = _gather(stores, total, folder / "maps.npy", progress)
        layout = _layout(maps, patch, folder, progress)
        blocks = [_encoded(maps, start, patch, layout, folder, progress) for start in range(0, total, _BLOCK)]
        PatchDictionary.from_maps(maps, patch, source, PatchIndex.of(layout, blocks)).save(out)
        _discard(folder)
    except (SettingsError, StoreError):  # of the maps: nothing in the folder is of use
        _discard(folder)
        raise
    except OSError as error:
        raise DictionaryError(f"{out}: cannot write the dictionary ({reason_of(error)})") from None


def _origin(store: SampleStore) -> dict[str, Any]:
    """What a store's samples were made by; not where it lies, which changes nothing."""
    return {key: value for key, value in store.attributes.items() if key not in ("layout", "shard")}


def _begin(folder: Path, settings: dict[str, Any]) -> None:
    """Makes the folder of a build, or finds it; raises `DictionaryError` if it holds another one."""
    folder.mkdir(parents=True, exist_ok=True)
    note, text = folder / _NOTE, json.dumps({**settings, "block": _BLOCK}, sort_keys=True)
    if not note.exists():
        if {path.name for path in folder.iterdir()} - {"settings.part"}:
            raise DictionaryError(f"{folder}: holds something else: remove it, or choose another --out")
        part = folder / "settings.part"
        part.write_text(text, encoding="utf-8")
        part.replace(note)
    if note.read_text(encoding="utf-8") != text:
        raise DictionaryError(
            f"{folder}: holds the beginnings of another dictionary: remove it, or choose another --out"
        )


def _discard(folder: Path) -> None:
    """Removes what a build kept; its note last, so that a kill leaves nothing that another build would take up."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name == _NOTE):
        path.unlink()
    folder.rmdir()


def _gather(stores: list[SampleStore], total: int, path: Path, progress: Progress) -> NDArray[np.uint8]:
    """The part maps (M, 48, 48), copied to one file and mapped into memory."""
    if not path.exists():
        part, empty = path.with_suffix(".part"), True
        header = {"descr": "|u1", "fortran_order": False, "shape": (total, *stores[0].read("parts", 0, 1).shape[1:])}
        with part.open("wb") as file:  # not through a mapping: writing to one on a full disk kills the process
            np.lib.format.write_array_header_1_0(file, header)
            for block in _blocks(stores, total):
                file.write(block.tobytes())
                empty &= not block.any()
                progress("maps", len(block), total)
        if empty:
            raise SettingsError("the part maps have no hand pixel: a dictionary needs labelled hands")
        part.replace(path)
    return np.load(path, mmap_mode="r")


def _blocks(stores: list[SampleStore], total: int) -> Iterator[NDArray[np.uint8]]:
    """The first part maps of the stores, some at a time."""
    left = total
    for store in stores:
        count = min(len(store), left)
        left -= count
        for start in range(0, count, 1024):
            block = store.read("parts", start, min(start + 1024, count))
            check_maps(block)
            yield block


def _layout(maps: NDArray[np.uint8], patch: int, folder: Path, progress: Progress) -> IndexLayout:
    path = folder / "layout.npz"
    progress("projection", 0, len(maps))
    if not path.exists():
        layout = learn_layout(maps, patch, np.random.default_rng(0))
        _save(path, weights=layout.weights, centroids=layout.centroids)
    progress("projection", len(maps), len(maps))
    with np.load(path) as kept:
        return IndexLayout(kept["weights"], kept["centroids"])


def _encoded(
    maps: NDArray[np.uint8], start: int, patch: int, layout: IndexLayout, folder: Path, progress: Progress
) -> Encoded:
    path = folder / f"block-{start // _BLOCK:06}.npz"
    block = maps[start : start + _BLOCK]
    if not path.exists():
        made = layout.encode(np.ascontiguousarray(block), start, patch)
        _save(path, codes=made.codes, places=made.places, lists=made.lists)
    progress("index", len(block), len(maps))
    with np.load(path) as kept:
        return Encoded(kept["codes"], kept["places"], kept["lists"])


def _save(path: Path, **arrays: NDArray) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    part.replace(path)
