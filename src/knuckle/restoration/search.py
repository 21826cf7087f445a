"""One way to ask a dictionary for its nearest patches, whatever finds them."""

from fractions import Fraction
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from knuckle.anatomy import LABELS
from knuckle.crop import SIZE
from knuckle.errors import DictionaryError, SettingsError
from knuckle.restoration.exact import nearest_exact
from knuckle.restoration.fast import Effort, nearest_fast
from knuckle.restoration.flann import FlannTrees
from knuckle.restoration.matches import Matches
from knuckle.restoration.patches import PatchDictionary

Mode = Literal["fast", "exact", "flann", "torch"]

BACKGROUND_WEIGHT = 1.0
"""What an unlike label weighs in the distance where one of the two is background; 1 is the plain Hamming distance."""

_LARGEST_SUM = 16_000  # of costs over a patch, for searches in 16 bits
_LARGEST_COST = 9  # so that a tenth's rounding is small, and sums of 27 × 27 fit


class PatchSearch:
    """A search of a dictionary.

    mode: "fast" (an index, then exact distances; needs a dictionary with an index), "exact" (all patches, on all
    cores), "flann" (the paper's KD-trees, the benchmark's baseline) or "torch" (exact, on `device`). background_weight
    0..1: see `BACKGROUND_WEIGHT`; kept as a fraction of small whole numbers, `costs`, so that distances are exact.
    effort: of a fast search, whose index knows plain Hamming distance: with a background_weight far below 1 it misses
    more (docs/restoration.md).

    Raises `SettingsError` for an unknown mode or a weight out of range, `DictionaryError` if an index is needed and
    missing.
    """

    def __init__(
        self,
        dictionary: PatchDictionary,
        mode: Mode = "fast",
        background_weight: float = BACKGROUND_WEIGHT,
        effort: Effort | None = None,
        device: str = "cpu",
    ) -> None:
        if mode not in get_args(Mode):
            raise SettingsError(f"there is no search mode {mode!r}: choose {', '.join(get_args(Mode))}")
        if mode == "fast" and dictionary.index is None:
            raise DictionaryError("the dictionary has no index for a fast search: build it with one, or search exact")
        self.dictionary, self.mode = dictionary, mode
        self.costs = costs_for(background_weight, dictionary.patch)
        self._effort, self._device = effort or Effort(), device
        self.flann = FlannTrees(dictionary.maps, dictionary.patch) if mode == "flann" else None

    def nearest(self, part_map: NDArray[np.uint8], k: int = 1) -> Matches:
        """The k nearest patches ([N] eq. 1) of every hand pixel of part_map (48, 48) uint8.

        Their distances are in labels times costs[0]; where there are, or a search finds, fewer than k, the rest has map
        -1. "fast" and "flann" run on one core. Raises `SettingsError` for a map of another form or k < 1.
        """
        if part_map.shape != (SIZE, SIZE) or part_map.dtype != np.uint8:
            raise SettingsError(f"a part map must be ({SIZE}, {SIZE}) uint8, got {part_map.shape} {part_map.dtype}")
        if part_map.max() >= len(LABELS):
            raise SettingsError(f"the part map holds the label {part_map.max()}: labels are 0..{len(LABELS) - 1}")
        if k < 1:
            raise SettingsError(f"k must be at least 1, got {k}")
        maps, patch = self.dictionary.maps, self.dictionary.patch
        if self.flann is not None:
            return self.flann.nearest(part_map, k, self.costs)
        if self.mode == "fast":
            assert self.dictionary.index is not None
            return nearest_fast(maps, self.dictionary.index, part_map, k, patch, self.costs, self._effort)
        if self.mode == "torch":
            from knuckle.restoration.exact_torch import nearest_torch  # torch takes a second to import

            return nearest_torch(maps, part_map, k, patch, self.costs, self._device)
        return nearest_exact(maps, part_map, k, patch, self.costs)


def costs_for(background_weight: float, patch: int) -> tuple[int, int]:
    """Whole-number costs of two unlike labels, and of two of which one is background, nearly in that proportion."""
    if not 0 <= background_weight <= 1:
        raise SettingsError(f"background_weight must be between 0 and 1, got {background_weight!r}")
    largest = min(_LARGEST_COST, _LARGEST_SUM // patch**2)
    ratio = Fraction(background_weight).limit_denominator(largest)
    if background_weight and not ratio:
        raise SettingsError(f"background_weight must be 0 or at least 1/{largest}, got {background_weight!r}")
    return ratio.denominator, ratio.numerator
