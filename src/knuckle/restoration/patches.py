"""The dictionary of label patches: part maps, whose overlapping windows are the patches ([N] §3.2).

A map of 48×48 labels takes 2.3 KB and holds hundreds of patches, one centred on each hand pixel; they are windows into
the map and are never stored one by one. Beyond its map a patch is background.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knuckle.anatomy import LABELS
from knuckle.crop import SIZE
from knuckle.errors import DictionaryError, SettingsError
from knuckle.restoration.arrays_file import read_arrays, write_arrays
from knuckle.restoration.index import GRID, PatchIndex

PATCH = 27
"""Default side P of a patch, px ([N] §5)."""


@dataclass(frozen=True, eq=False)
class PatchDictionary:
    """maps (M, 48, 48) uint8, labels 0..20; patch: odd side P; source: what the maps came from (JSON).

    index: what a fast search needs; checksum: of the file that it came from.
    """

    maps: NDArray[np.uint8]
    patch: int
    source: dict[str, Any]
    index: PatchIndex | None = None
    checksum: str | None = None

    @classmethod
    def from_maps(
        cls,
        maps: NDArray[np.uint8],
        patch: int = PATCH,
        source: dict[str, Any] | None = None,
        index: PatchIndex | None = None,
    ) -> "PatchDictionary":
        """The dictionary of maps (M, 48, 48). Raises `SettingsError` for an even patch or a map of other labels."""
        check_patch(patch)
        check_maps(maps)
        return cls(maps, patch, source or {}, index)

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
        arrays = {"maps": self.maps, **({} if self.index is None else self.index.arrays())}
        facts = {"patch": self.patch, "grid": GRID, "source": self.source}
        write_arrays(Path(path), facts, arrays)

    @classmethod
    def load(cls, path: str | Path, verify: bool = True) -> "PatchDictionary":
        """Maps a file into memory. Raises `DictionaryError` if it is foreign, damaged or of another version.

        verify: read it once through and compare the checksum (0.5 s for 450 MB).
        """
        facts, arrays, checksum = read_arrays(Path(path), verify)
        try:
            check_patch(facts["patch"])
            maps = arrays.pop("maps")
            check_maps(maps if verify else maps[:0])
            if facts["grid"] != GRID:
                raise ValueError(f"its index is of every {facts['grid']}th pixel")
            index = PatchIndex.from_arrays(arrays, facts["patch"], maps.size, verify) if arrays else None
            return cls(maps, facts["patch"], facts["source"], index, checksum)
        except (KeyError, TypeError, ValueError) as error:
            raise DictionaryError(f"{path}: not a dictionary of this version ({error}): build it anew") from None


def check_maps(maps: NDArray[np.uint8]) -> None:
    """Raises `SettingsError` unless these are part maps (M, 48, 48) of labels 0..20."""
    if maps.ndim != 3 or maps.shape[1:] != (SIZE, SIZE) or maps.dtype != np.uint8:
        raise SettingsError(f"maps must be (M, {SIZE}, {SIZE}) uint8, got {maps.shape} {maps.dtype}")
    if maps.size and maps.max() >= len(LABELS):
        raise SettingsError(f"maps hold the label {maps.max()}: labels are 0..{len(LABELS) - 1}")


def check_patch(patch: int) -> None:
    """Raises `SettingsError` unless a patch of this side has a centre and is no larger than a map."""
    if not isinstance(patch, int | np.integer) or not 1 <= patch <= SIZE or patch % 2 == 0:
        raise SettingsError(f"patch must be an odd number of pixels up to {SIZE - 1}, got {patch}")
