"""One noisy part map → one restored part map, by any of the ways that [N] Table 2 compares."""

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from knuckle.errors import SettingsError
from knuckle.restoration.crf import Pairwise, chosen_labels, grid_energy, minimise
from knuckle.restoration.patches import PatchDictionary
from knuckle.restoration.search import BACKGROUND_WEIGHT, PatchSearch, costs_for
from knuckle.restoration.vote import WINDOW, check_window, count_votes, restored, with_votes

Method = Literal["vote", "centre", "evidence", "crf-potts", "crf-overlap"]
Mode = Literal["fast", "exact"]

CANDIDATES: dict[Method, int] = {"vote": 1, "centre": 1, "evidence": 5, "crf-potts": 10, "crf-overlap": 10}
"""Nearest patches of each pixel: as in [N]; for evidence, which is not in it, more did better."""

ALPHA: dict[Pairwise, float] = {"potts": 10.0, "overlap": 0.1}
"""Weight of each pairwise term that did best on target-dev of the sensor-gap benchmark (docs/restoration.md)."""

_MOST = 1000  # nearest patches of a pixel


@dataclass(frozen=True)
class RestoreSettings:
    """How a map is restored.

    method: "vote", [N] eq. 2; "centre", the nearest patch's own label alone; "evidence", the votes added to the
    network's log-probabilities; "crf-potts" and "crf-overlap", eq. 3 over k candidates. mode and background_weight: of
    the search, see `PatchSearch`. window: odd W, None = 17, or the patch if that is smaller; k: nearest patches of each
    pixel, None = `CANDIDATES`; alpha: weight of a CRF's pairwise term beside distances in labels, None = `ALPHA`;
    vote_weight: of the votes beside the network's evidence.

    Raises `SettingsError` for an unknown method or mode, or a number out of range.
    """

    method: Method = "vote"
    mode: Mode = "fast"
    background_weight: float = BACKGROUND_WEIGHT
    window: int | None = None
    k: int | None = None
    alpha: float | None = None
    vote_weight: float = 0.5

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise SettingsError(f"there is no method {self.method!r}: choose {', '.join(get_args(Method))}")
        if self.mode not in get_args(Mode):
            raise SettingsError(f"there is no search mode {self.mode!r}: choose {', '.join(get_args(Mode))}")
        if self.window is not None:
            check_window(self.window)
        if self.k is not None and not 1 <= self.k <= _MOST:
            raise SettingsError(f"k must be between 1 and {_MOST}, got {self.k}")
        for name, value in (("alpha", self.alpha), ("vote_weight", self.vote_weight)):
            if value is not None and not 0 <= value < math.inf:
                raise SettingsError(f"{name} must be a number of at least 0, got {value}")

    def resolved(self, patch: int) -> "RestoreSettings":
        """With numbers for all that is None, for patches of side `patch`.

        Raises `SettingsError` for a window that is larger than the patches, or a background_weight out of range.
        """
        costs_for(self.background_weight, patch)
        window = min(WINDOW, patch) if self.window is None else self.window
        if window > patch:
            raise SettingsError(f"window {window} is larger than the dictionary's patches of {patch} px: take less")
        alpha = self.alpha
        if alpha is None and self.method.startswith("crf-"):
            alpha = ALPHA[_pairwise(self.method)]
        return replace(self, window=window, k=self.k or CANDIDATES[self.method], alpha=alpha)


def restore(
    dictionary: PatchDictionary,
    settings: RestoreSettings,
    part_map: NDArray[np.uint8],
    probabilities: NDArray[np.float32] | None = None,
) -> NDArray[np.uint8]:
    """The restored labels (48, 48) of part_map (48, 48); what is not hand stays so.

    probabilities (21, 48, 48): the network's, for "evidence". Raises `SettingsError` where they are missing, and what
    `RestoreSettings.resolved` and `PatchSearch` raise.
    """
    settings = settings.resolved(dictionary.patch)
    assert settings.k is not None
    assert settings.window is not None
    search = PatchSearch(dictionary, settings.mode, settings.background_weight)
    matches = search.nearest(part_map, settings.k)
    if settings.alpha is not None and settings.method.startswith("crf-"):
        energy = grid_energy(dictionary.maps, matches, part_map.shape, _pairwise(settings.method), dictionary.patch)
        choice = minimise(energy, settings.alpha * search.costs[0])  # distances are in labels times that cost
        return chosen_labels(part_map, dictionary.maps, matches, choice)
    window = 1 if settings.method == "centre" else settings.window
    votes = count_votes(dictionary.maps, matches, part_map.shape, window)
    if settings.method != "evidence":
        return restored(part_map, votes)
    if probabilities is None:
        raise SettingsError("the method evidence needs the network's probabilities, not labels alone")
    evidence = with_votes(probabilities, votes, settings.vote_weight)
    return np.where(part_map > 0, evidence[1:].argmax(axis=0) + 1, 0).astype(np.uint8)


def _pairwise(method: Method) -> Pairwise:
    return "potts" if method == "crf-potts" else "overlap"
