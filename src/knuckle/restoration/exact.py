"""Exact nearest label patches by box sums, for 64 maps of the dictionary at once.

For each shift of a map against the query, every pair of pixels is compared once and running sums give the distance of
all patches, so the cost does not depend on the patch's area (Xiao, Liu, Nie & Dong, "Fast Exact Nearest Patch Matching
for Patch-Based Image Editing and Processing", TVCG 2011). Two things make that fast here. Maps lie side by side in the
last axis, so that each step is one or two vector instructions for 64 maps. And what is summed is not the distance but
how much two patches have in common, which is zero wherever one of them is background:

    distance = background · (hand pixels of one patch + hand pixels of the other) - common

Per pair of hand pixels, 2 · background - differ is in common, and differ more if the labels agree; so only the
rectangle where the two hands' bounding boxes overlap has to be looked at.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from knuckle.compiled import njit
from knuckle.restoration.matches import NOT_FOUND, Matches, bounds, hand_pixels, insert, key_of

LANES = 64
_UNUSED = 16_000  # "hand pixels" of a place that is no patch's centre: more than any patch can have in common
_UNLIMITED = 30_000  # distance above all others; with 16-bit sums the costs must stay below


def nearest_exact(
    maps: NDArray[np.uint8], part_map: NDArray[np.uint8], k: int, patch: int, costs: tuple[int, int]
) -> Matches:
    """The k nearest patches of every hand pixel of part_map (H, W) among all hand pixels of maps (M, H, W).

    costs: of two different labels, and of two of which one is background; whole numbers, at most 16,000 / patch² so
    that sums stay within 16 bits. Ties go to the lower map, then row, then column. A dictionary of fewer than k patches
    fills up with distance `FAR`.
    """
    pixels, order = hand_pixels(part_map)
    threads = numba.get_num_threads()
    best = np.full((threads, len(pixels), k), NOT_FOUND)
    if len(pixels) and len(maps):
        boxes = bounds(maps)
        _scan(maps, _alike(boxes), boxes, part_map, bounds(part_map[None])[0], order, patch // 2, *costs, best)
    keys = np.sort(best.transpose(1, 0, 2).reshape(len(pixels), threads * k), axis=1)[:, :k]
    return Matches.of_keys(pixels, keys)


def _alike(boxes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Map indices, those with like bounding boxes together: 64 at once are searched where any of them has a hand."""
    top, bottom, left, right = boxes.T // 2
    return np.lexsort((right, left, bottom, top))


@njit(parallel=True)
def _scan(maps, sequence, boxes, query, query_box, order, radius, differ, background, best):
    """Fills best (T, Q, k): each thread looks through every T-th block of 64 maps."""
    width = query.shape[1]
    threads = best.shape[0]
    around = background * _counts_around(query, radius)
    blocks = -(-sequence.shape[0] // LANES)
    for t in numba.prange(threads):
        labels = np.zeros((maps.shape[1], maps.shape[2], LANES), dtype=np.uint8)
        hands = np.zeros((maps.shape[1], maps.shape[2], LANES), dtype=np.int16)
        vertical = np.zeros((width, LANES), dtype=np.int16)
        common = np.zeros(LANES, dtype=np.int16)
        least = (around - _UNLIMITED).astype(np.int16)  # what a patch must have in common to be no worse than the kth
        for block in range(t, blocks, threads):
            picks = sequence[block * LANES : (block + 1) * LANES]
            _fill(maps, picks, radius, background, labels, hands)
            box = _union(boxes, picks)
            _scan_block(
                labels, hands, box, picks, query, query_box, order, around, radius, differ, background,
                vertical, common, least, best[t],
            )  # fmt: skip


@njit()
def _counts_around(labels, radius):
    """(H, W) how many hand pixels the patch about each pixel has."""
    height, width = labels.shape
    integral = np.zeros((height + 1, width + 1), dtype=np.int64)
    for y in range(height):
        run = 0
        for x in range(width):
            run += labels[y, x] != 0
            integral[y + 1, x + 1] = integral[y, x + 1] + run
    counts = np.zeros((height, width), dtype=np.int64)
    for y in range(height):
        top, bottom = max(0, y - radius), min(height, y + radius + 1)
        for x in range(width):
            left, right = max(0, x - radius), min(width, x + radius + 1)
            counts[y, x] = integral[bottom, right] - integral[top, right] - integral[bottom, left] + integral[top, left]
    return counts


@njit()
def _fill(maps, picks, radius, background, labels, hands):
    """labels, hands (H, W, 64) of up to 64 maps: hands is what each patch's hand pixels weigh."""
    labels[:] = 0
    hands[:] = _UNUSED
    for lane in range(picks.shape[0]):
        one = maps[picks[lane]]
        counts = _counts_around(one, radius)
        for y in range(one.shape[0]):
            for x in range(one.shape[1]):
                if one[y, x]:
                    labels[y, x, lane] = one[y, x]
                    hands[y, x, lane] = background * counts[y, x]


@njit()
def _union(boxes, picks):
    top, bottom, left, right = boxes[picks[0]]
    for pick in picks:
        top, bottom = min(top, boxes[pick, 0]), max(bottom, boxes[pick, 1])
        left, right = min(left, boxes[pick, 2]), max(right, boxes[pick, 3])
    return top, bottom, left, right


@njit()
def _scan_block(
    labels, hands, box, picks, query, query_box, order, around, radius, differ, background,
    vertical, common, least, best,
):  # fmt: skip
    """All shifts of 64 maps. vertical (W, 64): column sums; common (64,): the patch's sum; both are work space."""
    top, bottom, left, right = box
    query_top, query_bottom, query_left, query_right = query_box
    both, agree = np.int16(2 * background - differ), np.int16(differ)
    for dy in range(top - query_bottom, bottom - query_top + 1):
        first, last = max(query_top, top - dy), min(query_bottom, bottom - dy)
        for dx in range(left - query_right, right - query_left + 1):
            start, stop = max(query_left, left - dx), min(query_right, right - dx) + 1
            if first > last or start >= stop:
                continue
            vertical[:] = 0
            for y in range(first, min(first + radius, last + 1)):
                _add_row(query, labels, y, dy, dx, start, stop, both, agree, vertical)
            for y in range(first, last + 1):
                if y + radius <= last:
                    _add_row(query, labels, y + radius, dy, dx, start, stop, both, agree, vertical)
                if y - radius - 1 >= first:
                    _add_row(query, labels, y - radius - 1, dy, dx, start, stop, -both, -agree, vertical)
                _start_sums(vertical, start, stop, radius, common)
                for x in range(start, stop):
                    _slide_sums(vertical, x, start, stop, radius, common)
                    if order[y, x] < 0:
                        continue
                    enough = least[y, x]
                    if _any_reaches(common, hands, y + dy, x + dx, enough):
                        worst = _take(
                            labels, hands, picks, common, y, x, dy, dx, around[y, x], enough, best[order[y, x]]
                        )
                        least[y, x] = np.int16(around[y, x] - worst)


# The next three are written into their caller: calling them for every column costs a third more time.


@njit(inline="always")
def _start_sums(vertical, start, stop, radius, common):
    """common: what the first column's patch has in common, but for its last column."""
    common[:] = 0
    for x in range(start, min(start + radius, stop)):
        for n in range(LANES):
            common[n] += vertical[x, n]


@njit(inline="always")
def _slide_sums(vertical, x, start, stop, radius, common):
    """Moves the patch on to column x."""
    if x + radius < stop:
        for n in range(LANES):
            common[n] += vertical[x + radius, n]
    if x - radius - 1 >= start:
        for n in range(LANES):
            common[n] -= vertical[x - radius - 1, n]


@njit(inline="always")
def _any_reaches(common, hands, v, u, enough):
    found = False
    for n in range(LANES):
        found |= np.int16(common[n] - hands[v, u, n]) >= enough
    return found


@njit()
def _add_row(query, labels, y, dy, dx, start, stop, both, agree, vertical):
    """Adds to the column sums what one row of the query and of the maps has in common."""
    nothing = np.int16(0)
    for x in range(start, stop):
        label = query[y, x]
        if label:
            for n in range(LANES):
                other = labels[y + dy, x + dx, n]
                same = np.int16(agree) if other == label else nothing
                vertical[x, n] += (np.int16(both) if other != 0 else nothing) + same


@njit()
def _take(labels, hands, picks, common, y, x, dy, dx, around, enough, keys):
    """Enters those of 64 maps that are near enough into the k best of a pixel; returns the distance to beat."""
    worst = around - np.int64(enough)
    for n in range(LANES):
        if common[n] - hands[y + dy, x + dx, n] >= around - worst and labels[y + dy, x + dx, n]:
            distance = around + hands[y + dy, x + dx, n] - common[n]
            worst = min(insert(key_of(distance, picks[n], y + dy, x + dx), keys), _UNLIMITED)
    return worst
