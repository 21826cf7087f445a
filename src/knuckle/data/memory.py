"""The arrays that training needs, in memory."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knuckle.crop import SIZE, from_crop, to_crop
from knuckle.data.store import SHARD, SampleStore

_ARRAYS = ("depth", "parts", "joints", "center", "cube_mm")


@dataclass(frozen=True, eq=False)
class TrainingData:
    """depth (N, 48, 48) float16 in [-1, 1], parts (N, 48, 48) uint8, joints (N, 21, 3) float32 in crop coordinates.

    float16 halves the memory and rounds depth by at most 0.06 mm in a cube of 250 mm. Joints are NaN without a hand;
    center (N, 3) mm and cube_mm (N,) lead back to millimetres. Crop coordinates: `CropBox.to_crop`. parts_known: False
    for real frames, whose part maps are empty because nobody knows the parts.
    """

    depth: NDArray[np.float16]
    parts: NDArray[np.uint8]
    joints: NDArray[np.float32]
    center: NDArray[np.float32]
    cube_mm: NDArray[np.float32]
    parts_known: bool = True

    @classmethod
    def load(cls, *paths: str | Path) -> "TrainingData":
        """Reads whole stores, one after the other. Raises `StoreError` for one that is missing or incomplete."""
        stores = [SampleStore.open(path) for path in paths]
        count = sum(len(store) for store in stores)
        data = cls(
            depth=np.empty((count, SIZE, SIZE), dtype=np.float16),
            parts=np.empty((count, SIZE, SIZE), dtype=np.uint8),
            joints=np.empty((count, 21, 3), dtype=np.float32),
            center=np.empty((count, 3), dtype=np.float32),
            cube_mm=np.empty(count, dtype=np.float32),
            parts_known=all(store.attributes.get("parts_known", True) for store in stores),
        )
        at = 0
        for store in stores:
            for start in range(0, len(store), SHARD):  # float32 depth of a whole store would be twice what is kept
                at += data._fill(at, store, start, min(start + SHARD, len(store)))
        return data

    def __len__(self) -> int:
        return len(self.depth)

    def __getitem__(self, rows: slice) -> "TrainingData":
        """Some of the samples, as views of the same memory."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _ARRAYS})

    @property
    def has_hand(self) -> NDArray[np.bool_]:
        """(N,) whether all 21 joints are known."""
        return np.asarray(np.isfinite(self.joints).all(axis=(1, 2)))

    def joints_mm(self) -> NDArray[np.float64]:
        """Joints (N, 21, 3) mm, camera axes."""
        return self.to_mm(self.joints)

    def to_mm(self, places: NDArray[np.float32]) -> NDArray[np.float64]:
        """Crop coordinates (N, J, 3) in these samples' crops → mm, camera axes."""
        return from_crop(places, self.center, self.cube_mm)

    def _fill(self, at: int, store: SampleStore, start: int, stop: int) -> int:
        """Copies rows start:stop of a store to `at`; returns their number."""
        rows = slice(at, at + stop - start)
        center, cube = store.read("center", start, stop), store.read("cube_mm", start, stop)
        self.depth[rows] = store.read("depth", start, stop)
        self.parts[rows] = store.read("parts", start, stop)
        self.joints[rows] = to_crop(store.read("joints", start, stop), center, cube)
        self.center[rows], self.cube_mm[rows] = center, cube
        return stop - start
