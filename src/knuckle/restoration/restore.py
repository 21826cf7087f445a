"""One noisy part map → one restored part map, by any of the ways that [N] Table 2 compares."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from knuckle.errors import SettingsError
from knuckle.restoration.crf import Pairwise, chosen_labels, grid_energy, minimise
from knuckle.restoration.search import BACKGROUND_WEIGHT, Mode, PatchSearch
from knuckle.restoration.vote import WINDOW, count_votes, restored, with_votes

Method = Literal["vote", "centre", "evidence", "crf-potts", "crf-overlap"]


@dataclass(frozen=True)
class RestoreSettings:
    """How a map is restored.

    method: "vote", [N] eq. 2; "centre", the nearest patch's own label alone; "evidence", the votes added to the
    network's log-probabilities; "crf-potts" and "crf-overlap", eq. 3 over k candidates. window: odd W; k: nearest
    patches of each pixel, None = `CANDIDATES`; alpha: weight of a CRF's pairwise term, None = `ALPHA`; vote_weight: of
    the votes beside the network's evidence.

    Raises `SettingsError` for a method that there is not or a number out of range.
    """

    method: Method = "vote"
    mode: Mode = "fast"
    background_weight: float = BACKGROUND_WEIGHT
    window: int = WINDOW
    k: int | None = None
    alpha: float | None = None
    vote_weight: float = 0.5

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise SettingsError(f"there is no method {self.method!r}: choose {', '.join(get_args(Method))}")
        if self.window < 1 or self.window % 2 == 0:
            raise SettingsError(f"window must be an odd number of pixels, got {self.window}")
        if self.k is not None and self.k < 1:
            raise SettingsError(f"k must be at least 1, got {self.k}")
        if not (self.vote_weight >= 0 and (self.alpha is None or self.alpha >= 0)):
            raise SettingsError(f"alpha {self.alpha} and vote_weight {self.vote_weight} must not be negative")


CANDIDATES: dict[Method, int] = {"vote": 1, "centre": 1, "evidence": 5, "crf-potts": 10, "crf-overlap": 10}
"""Nearest patches of each pixel: as in [N]; for evidence, which is not in it, more did better."""

ALPHA: dict[Pairwise, float] = {"potts": 10.0, "overlap": 0.1}
"""Weight of each pairwise term that did best on target-dev of the sensor-gap benchmark (docs/restoration.md)."""


def restore(
    search: PatchSearch,
    settings: RestoreSettings,
    part_map: NDArray[np.uint8],
    probabilities: NDArray[np.float32] | None = None,
) -> NDArray[np.uint8]:
    """The restored labels (48, 48) of part_map (48, 48); what is not hand stays so.

    probabilities (21, 48, 48): the network's, for "evidence". Raises `SettingsError` where they are missing.
    """
    method = settings.method
    matches = search.nearest(part_map, settings.k or CANDIDATES[method])
    maps = search.dictionary.maps
    if method in ("crf-potts", "crf-overlap"):
        pairwise: Pairwise = "potts" if method == "crf-potts" else "overlap"
        energy = grid_energy(maps, matches, part_map.shape, pairwise, search.dictionary.patch)
        alpha = ALPHA[pairwise] * search.costs[0] if settings.alpha is None else settings.alpha
        return chosen_labels(part_map, maps, matches, minimise(energy, alpha))
    votes = count_votes(maps, matches, part_map.shape, 1 if method == "centre" else settings.window)
    if method != "evidence":
        return restored(part_map, votes)
    if probabilities is None:
        raise SettingsError("the method evidence needs the network's probabilities, not labels alone")
    evidence = with_votes(probabilities, votes, settings.vote_weight)
    return np.where(part_map > 0, evidence[1:].argmax(axis=0) + 1, 0).astype(np.uint8)
