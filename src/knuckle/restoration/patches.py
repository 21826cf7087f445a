"""The dictionary of label patches: part maps, whose overlapping windows are the patches ([N] §3.2).

A map of 48×48 labels takes 2.3 KB and holds hundreds of patches, one centred on each hand pixel; they are windows into
the map and are never stored one by one. Beyond its map a patch is background.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knuckle.anatomy import LABELS
from knuckle.crop import SIZE
from knuckle.errors import DictionaryError, SettingsError

PATCH = 27
"""Default side P of a patch, px ([N] §5)."""

_MAGIC = b"\x89KNUCKLE-PATCHES\n"
_VERSION = 1
_HEADER = {"version", "maps", "patch", "source", "sha256"}
_ALIGNMENT = 4096  # a page, so that the maps can be mapped into memory
_BLOCK = 1 << 24  # bytes read at once for the checksum


@dataclass(frozen=True, eq=False)
class PatchDictionary:
    """maps (M, 48, 48) uint8, labels 0..20; patch: odd side P; source: what the maps came from (JSON)."""

    maps: NDArray[np.uint8]
    patch: int
    source: dict[str, Any]

    @classmethod
    def from_maps(
        cls, maps: NDArray[np.uint8], patch: int = PATCH, source: dict[str, Any] | None = None
    ) -> "PatchDictionary":
        """The dictionary of maps (M, 48, 48). Raises `SettingsError` for an even patch or a map of other labels."""
        _check_patch(patch)
        if maps.ndim != 3 or maps.shape[1:] != (SIZE, SIZE) or maps.dtype != np.uint8:
            raise SettingsError(f"maps must be (M, {SIZE}, {SIZE}) uint8, got {maps.shape} {maps.dtype}")
        if maps.size and maps.max() >= len(LABELS):
            raise SettingsError(f"maps hold the label {maps.max()}: labels are 0..{len(LABELS) - 1}")
        return cls(maps, patch, source or {})

    @property
    def patches(self) -> int:
        """How many patches there are: the hand pixels of all maps."""
        return int(sum(np.count_nonzero(self.maps[i : i + 4096]) for i in range(0, len(self.maps), 4096)))

    def window(self, index: int, row: int, column: int) -> NDArray[np.uint8]:
        """The patch (P, P) of map `index` about a pixel."""
        radius = self.patch // 2
        padded = np.pad(self.maps[index], radius)
        return padded[row : row + self.patch, column : column + self.patch]

    def save(self, path: str | Path) -> None:
        """Writes one file; a killed run leaves the old file or none."""
        write_dictionary(path, [self.maps], len(self.maps), self.patch, self.source)

    @classmethod
    def load(cls, path: str | Path, verify: bool = True) -> "PatchDictionary":
        """Maps a file into memory. Raises `DictionaryError` if it is foreign, damaged or of another version.

        verify: read it once through and compare the checksum (0.1 s for 100 MB).
        """
        header, start = _read_header(Path(path))
        count = header["maps"]
        expected = start + count * SIZE * SIZE
        size = Path(path).stat().st_size
        if size != expected:
            raise DictionaryError(f"{path}: has {size} bytes instead of {expected}: it was cut off; build it anew")
        if verify and _checksum(Path(path), header, start) != header["sha256"]:
            raise DictionaryError(f"{path}: its checksum is wrong: the file is damaged; build it anew")
        maps = np.memmap(path, dtype=np.uint8, mode="r", offset=start, shape=(count, SIZE, SIZE))
        return cls(maps, header["patch"], header["source"])


def write_dictionary(
    path: str | Path,
    blocks: Iterable[NDArray[np.uint8]],
    count: int,
    patch: int = PATCH,
    source: dict[str, Any] | None = None,
    progress: Callable[[int], None] = lambda maps: None,
) -> None:
    """Writes `count` maps that come in blocks (B, 48, 48), so that they need not fit in memory.

    progress is called with the number of maps written. Raises `SettingsError` for an even patch or if the blocks hold
    another number of maps.
    """
    _check_patch(patch)
    path = Path(path)
    part = path.with_name(path.name + ".part")
    header = {"version": _VERSION, "maps": count, "patch": patch, "source": source or {}, "sha256": "0" * 64}
    digest, written = hashlib.sha256(_header_bytes(header)), 0
    with part.open("wb") as file:
        file.write(_header_bytes(header))
        for block in blocks:
            data = np.ascontiguousarray(block).tobytes()
            file.write(data)
            digest.update(data)
            written += len(block)
            progress(len(block))
        file.seek(0)
        file.write(_header_bytes({**header, "sha256": digest.hexdigest()}))
    if written != count:
        part.unlink()
        raise SettingsError(f"{path}: {written} maps came instead of {count}")
    part.replace(path)


def _check_patch(patch: int) -> None:
    if not 1 <= patch <= SIZE or patch % 2 == 0:
        raise SettingsError(f"patch must be an odd number of pixels up to {SIZE}, got {patch}")


def _header_bytes(header: dict[str, Any]) -> bytes:
    text = json.dumps(header, sort_keys=True).encode()
    start = len(_MAGIC) + 8 + len(text)
    padding = -start % _ALIGNMENT
    return _MAGIC + len(text).to_bytes(8, "little") + text + b"\0" * padding


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The header and where the maps start."""
    try:
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise DictionaryError(
                    f"{path}: not a dictionary of label patches: build one with  knuckle dictionary build"
                )
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, _BLOCK)))
            if header["version"] != _VERSION:
                raise DictionaryError(f"{path}: is of version {header['version']}, not {_VERSION}: build it anew")
            _check_patch(header["patch"])
            if set(header) != _HEADER or header["maps"] < 0:
                raise ValueError("its header is incomplete")
    except (OSError, TypeError, KeyError, ValueError) as error:
        if isinstance(error, DictionaryError):
            raise
        raise DictionaryError(f"{path}: cannot read the dictionary ({error}): build it anew") from None
    start = len(_MAGIC) + 8 + length
    return header, start + -start % _ALIGNMENT


def _checksum(path: Path, header: dict[str, Any], start: int) -> str:
    """SHA-256 of the header, its own checksum zeroed, and of the maps."""
    digest = hashlib.sha256(_header_bytes({**header, "sha256": "0" * 64}))
    with path.open("rb") as file:
        file.seek(start)
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
