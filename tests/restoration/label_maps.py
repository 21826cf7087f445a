"""Part maps for the tests of the patch searches, and what a search must find in them, written out plainly."""

import functools

import numpy as np
from numpy.typing import NDArray

from knuckle.restoration.matches import Matches


def blob_map(rng: np.random.Generator, size: int, labels: int, largest: int | None = None) -> NDArray[np.uint8]:
    """A map with hand pixels in a random rectangle (at the border, or none), in patches of equal labels.

    largest: side that the rectangle stays below, by default the map's.
    """
    part_map = np.zeros((size, size), dtype=np.uint8)
    top, left = rng.integers(0, size, 2)
    bottom, right = top + rng.integers(0, largest or size), left + rng.integers(0, largest or size)
    coarse = rng.integers(0, labels, (size // 3 + 1, size // 3 + 1)).astype(np.uint8)
    fine = np.kron(coarse, np.ones((3, 3), dtype=np.uint8))[:size, :size]
    part_map[top:bottom, left:right] = fine[top:bottom, left:right]
    return part_map


def drawn_hand(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A (48, 48) map of something like a hand: a round palm, and fingers of segments, as thick lines."""
    rows, columns = np.mgrid[:48, :48]
    part_map = np.zeros((48, 48), dtype=np.uint8)
    palm = rng.uniform(18, 30, 2)
    turn = rng.uniform(-0.6, 0.6)
    for finger, segments in enumerate((3, 4, 4, 4, 4)):
        angle = turn + 0.45 * (finger - 2) + rng.normal(0, 0.1)
        direction = np.array([-np.cos(angle), np.sin(angle)])
        length = rng.uniform(1.5, 4.5)
        for segment in range(segments):
            middle = palm + direction * (5 + length * (segment + 0.5))
            along = (rows - middle[0]) * direction[0] + (columns - middle[1]) * direction[1]
            across = (rows - middle[0]) * direction[1] - (columns - middle[1]) * direction[0]
            label = 2 + segment if finger == 0 else 1 + 4 * finger + segment
            part_map[(np.abs(along) <= length / 2 + 0.3) & (np.abs(across) <= 1.8)] = label
    part_map[np.hypot(rows - palm[0], columns - palm[1]) <= 5.5] = 1
    return part_map


def drawn_hands(count: int, seed: int) -> NDArray[np.uint8]:
    """(count, 48, 48)"""
    rng = np.random.default_rng(seed)
    return np.stack([drawn_hand(rng) for _ in range(count)])


@functools.cache
def rendered_hands(count: int) -> NDArray[np.uint8]:
    """Part maps (count, 48, 48) of clean rendered hands."""
    from knuckle.synth.generate import SynthSettings, generate_samples
    from knuckle.synth.hands import HandModel

    settings = SynthSettings(hand="soma", sensor="clean", clutter=False, empty_share=0)
    return generate_samples(HandModel.load("soma"), settings, 11, range(count))["parts"]


def noisy(part_map: NDArray[np.uint8], rng: np.random.Generator, blobs: int = 8) -> NDArray[np.uint8]:
    """As a network errs: round blobs of hand pixels with another label, among them none."""
    rows, columns = np.indices(part_map.shape)
    wrong = part_map.copy()
    pixels = np.argwhere(part_map > 0)
    for y, x in pixels[rng.integers(0, len(pixels), blobs if len(pixels) else 0)]:
        blob = np.hypot(rows - y, columns - x) <= rng.uniform(1, 3)
        wrong[blob & (part_map > 0)] = rng.integers(0, 21)
    return wrong


def windows(labels: NDArray, patch: int) -> NDArray:
    """The patches (N, P, P) about all hand pixels of one map, in reading order."""
    padded = np.pad(labels, patch // 2)
    cut = [padded[y : y + patch, x : x + patch] for y, x in np.argwhere(labels > 0)]
    return np.array(cut, dtype=labels.dtype).reshape(-1, patch, patch)


def cost_between(one: NDArray, others: NDArray, costs: tuple[int, int]) -> NDArray[np.int64]:
    """Distances of a patch (P, P) to others (..., P, P)."""
    unlike = one != others
    with_background = unlike & ((one == 0) | (others == 0))
    return costs[0] * (unlike & ~with_background).sum((-2, -1)) + costs[1] * with_background.sum((-2, -1))


def every_distance(maps: NDArray, part_map: NDArray, patch: int, costs: tuple[int, int]) -> tuple[NDArray, NDArray]:
    """Distances (Q, N) of all pairs of patches, and where each of the N lies (N, 3); both in reading order."""
    known = np.concatenate([windows(labels, patch) for labels in maps])
    asked = windows(part_map, patch)
    distances = np.array([cost_between(one, known, costs) for one in asked], dtype=np.int64)
    return distances.reshape(len(asked), len(known)), np.argwhere(maps > 0)


def true_distances(
    maps: NDArray, part_map: NDArray, matches: Matches, patch: int, costs: tuple[int, int]
) -> NDArray[np.int64]:
    """(Q, k) the distance of each match's patch, cut out of its map; -1 where there is no match."""
    padded = np.pad(maps, ((0, 0), (patch // 2,) * 2, (patch // 2,) * 2))
    distances = np.full(matches.maps.shape, -1, dtype=np.int64)
    for q, one in enumerate(windows(part_map, patch)):
        for n in np.flatnonzero(matches.maps[q] >= 0):
            m, y, x = matches.maps[q, n], matches.rows[q, n], matches.columns[q, n]
            distances[q, n] = cost_between(one, padded[m, y : y + patch, x : x + patch], costs)
    return distances


def assert_same(found: Matches, expected: Matches) -> None:
    """Equal to the bit."""
    for name in ("pixels", "distances", "maps", "rows", "columns"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


def assert_true(maps: NDArray, part_map: NDArray, matches: Matches, patch: int, costs: tuple[int, int]) -> None:
    """Every match is a patch of the dictionary at the distance that it states, nearest first, and none comes twice."""
    np.testing.assert_array_equal(matches.pixels, np.argwhere(part_map > 0))
    held = matches.maps >= 0
    expected = true_distances(maps, part_map, matches, patch, costs)
    np.testing.assert_array_equal(matches.distances[held], expected[held])
    assert (maps[matches.maps[held], matches.rows[held], matches.columns[held]] > 0).all()
    for q in range(len(matches)):
        places = list(zip(matches.maps[q], matches.rows[q], matches.columns[q], strict=True))[: held[q].sum()]
        assert len(set(places)) == len(places)
        assert sorted(zip(matches.distances[q], places, strict=False)) == list(
            zip(matches.distances[q], places, strict=False)
        )
