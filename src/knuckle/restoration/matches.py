"""What a patch search finds: for every pixel asked about, its nearest patches of the dictionary."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Matches:
    """The k nearest patches of Q pixels of one part map, nearest first.

    pixels (Q, 2) int32: row and column of each pixel; maps, rows, columns (Q, k) int32: the dictionary's map and the
    pixel of it on which the patch is centred; distances (Q, k) int32: Hamming distance ([N] eq. 1), weighted if the
    search weighs background, in labels.
    """

    pixels: NDArray[np.int32]
    maps: NDArray[np.int32]
    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    distances: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.pixels)
