"""Exact nearest label patches by box sums: for each map and shift one equality map and running sums over it.

The cost is independent of the patch's area (Xiao, Liu, Nie & Dong, "Fast Exact Nearest Patch Matching for Patch-Based
Image Editing and Processing", TVCG 2011): per shift, every pixel is compared once, not once for
each patch that holds it.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from knuckle.restoration.matches import Matches

FAR = np.uint16(65535)
"""Distance of a match that was never found."""


def nearest_exact(
    maps: NDArray[np.uint8], part_map: NDArray[np.uint8], k: int, patch: int, costs: tuple[int, int]
) -> Matches:
    """The k nearest patches of every hand pixel of part_map (H, W) among all hand pixels of maps (M, H, W).

    costs: of two different labels, and of two of which one is background; whole numbers, so that sums are exact. Ties
    go to the lower map, then row, then column. A dictionary of fewer than k patches fills up with distance `FAR`.
    """
    pixels = np.argwhere(part_map > 0).astype(np.int32)
    order = np.full(part_map.shape, -1, dtype=np.int32)
    order[pixels[:, 0], pixels[:, 1]] = np.arange(len(pixels))
    threads = numba.get_num_threads()
    best = np.full((threads, len(pixels), k), FAR, dtype=np.uint16)
    where = np.zeros((threads, len(pixels), k, 3), dtype=np.int32)
    if len(pixels):
        _scan(maps, _padded(part_map, patch // 2), order, patch // 2, *costs, best, where)
    every = best.transpose(1, 0, 2).reshape(len(pixels), threads * k)
    nearest = np.argsort(every, axis=1, kind="stable")[:, :k]  # threads hold rising map indices: ties stay in order
    places = where.transpose(1, 0, 2, 3).reshape(len(pixels), threads * k, 3)
    found = np.take_along_axis(places, nearest[..., None], axis=1)
    distances = np.take_along_axis(every, nearest, axis=1).astype(np.int32)
    return Matches(pixels, found[..., 0], found[..., 1], found[..., 2], distances)


@numba.njit(cache=True)
def _padded(labels, radius):
    """Labels (H, W) with background all round, (H + 2 radius, W + 2 radius)."""
    height, width = labels.shape
    padded = np.zeros((height + 2 * radius, width + 2 * radius), dtype=np.uint8)
    padded[radius : radius + height, radius : radius + width] = labels
    return padded


@numba.njit(cache=True)
def _bounds(labels):
    """First and last row and column with a hand pixel; an empty map has its last before its first."""
    height, width = labels.shape
    top, bottom, left, right = height, -1, width, -1
    for y in range(height):
        for x in range(width):
            if labels[y, x]:
                top, bottom, left, right = min(top, y), max(bottom, y), min(left, x), max(right, x)
    return top, bottom, left, right


@numba.njit(cache=True, parallel=True)
def _scan(maps, query, order, radius, differ, background, best, where):
    """Fills best (T, Q, k) and where (T, Q, k, 3): each thread looks through a block of maps."""
    threads = best.shape[0]
    bounds = _bounds(query[radius : query.shape[0] - radius, radius : query.shape[1] - radius])
    for t in numba.prange(threads):
        first, last = t * maps.shape[0] // threads, (t + 1) * maps.shape[0] // threads
        limit = np.zeros(order.shape, dtype=np.uint16)  # a pixel's worst match so far; 0 where none is wanted
        for y in range(order.shape[0]):
            for x in range(order.shape[1]):
                if order[y, x] >= 0:
                    limit[y, x] = best[t, order[y, x], best.shape[2] - 1]
        work = np.zeros((query.shape[0] + 1, query.shape[1] + 64), dtype=np.uint8)
        sums = np.zeros((4, query.shape[1] + 64), dtype=np.uint16)
        for m in range(first, last):
            _scan_map(
                m, maps[m], query, order, bounds, radius, differ, background, limit, work, sums, best[t], where[t]
            )


@numba.njit(cache=True)
def _scan_map(m, labels, query, order, bounds, radius, differ, background, limit, work, sums, best, where):
    top, bottom, left, right = _bounds(labels)
    other = _padded(labels, radius)
    query_top, query_bottom, query_left, query_right = bounds
    for dy in range(top - query_bottom, bottom - query_top + 1):
        row, last_row = max(query_top, top - dy), min(query_bottom, bottom - dy)
        for dx in range(left - query_right, right - query_left + 1):
            column, last_column = max(query_left, left - dx), min(query_right, right - dx)
            if row <= last_row and column <= last_column:
                _scan_shift(
                    m, labels, query, other, order, row, last_row, column, last_column, dy, dx, radius,
                    differ, background, limit, work, sums, best, where,
                )  # fmt: skip


@numba.njit(cache=True)
def _scan_shift(
    m, labels, query, other, order, row, last_row, column, last_column, dy, dx, radius,
    differ, background, limit, work, sums, best, where,
):  # fmt: skip
    """Distances of all pixels in a rectangle of the query to the map's pixels at one shift."""
    side = 2 * radius + 1
    count = last_column - column + 1
    width = count + 2 * radius
    vertical = sums[0]
    vertical[:width] = 0
    for i in range(last_row - row + side):
        _compare(query[row + i, column:], other[row + dy + i, column + dx :], width, differ, background, work[i])
        if i < side - 1:
            _add(vertical, work[i], width)
            continue
        _add(vertical, work[i], width)
        distance = _window_sums(sums, width, count, side)
        y = row + i - side + 1
        if _any_below(distance, limit[y, column:], count):
            for j in range(count):
                x = column + j
                if distance[j] < limit[y, x] and labels[y + dy, x + dx]:
                    limit[y, x] = _insert(distance[j], m, y + dy, x + dx, best[order[y, x]], where[order[y, x]])
        _subtract(vertical, work[i - side + 1], width)


@numba.njit(cache=True)
def _compare(one, two, count, differ, background, cost):
    """cost[:count]: 0 where the labels agree, `background` where one of two different ones is 0, else `differ`."""
    for x in range(count):
        a, b = one[x], two[x]
        either = np.uint8(differ) if (a != 0) & (b != 0) else np.uint8(background)
        cost[x] = either if a != b else np.uint8(0)


@numba.njit(cache=True)
def _add(total, row, count):
    for x in range(count):
        total[x] = np.uint16(total[x] + row[x])


@numba.njit(cache=True)
def _subtract(total, row, count):
    for x in range(count):
        total[x] = np.uint16(total[x] - row[x])


@numba.njit(cache=True)
def _window_sums(sums, width, count, side):
    """Sums of `side` neighbours of sums[0], by doubling: powers of two first, then those that make up the side."""
    result = sums[3]
    result[:count] = 0
    power, offset, level = 1, 0, 0
    while True:
        current = sums[level]
        if side & power:
            for x in range(count):
                result[x] = np.uint16(result[x] + current[x + offset])
            offset += power
        if 2 * power > side:
            return result
        level = 1 if level == 2 else level + 1
        doubled = sums[level]
        for x in range(width - power):
            doubled[x] = np.uint16(current[x] + current[x + power])
        power *= 2


@numba.njit(cache=True)
def _any_below(distance, limit, count):
    found = False
    for x in range(count):
        found |= distance[x] < limit[x]
    return found


@numba.njit(cache=True)
def _insert(distance, m, row, column, best, where):
    """Puts a match into its place among the k of a pixel; returns the distance that the next one has to beat."""
    last = best.shape[0] - 1
    n = last
    while n > 0 and best[n - 1] > distance:
        best[n] = best[n - 1]
        where[n] = where[n - 1]
        n -= 1
    best[n] = distance
    where[n, 0], where[n, 1], where[n, 2] = m, row, column
    return best[last]
