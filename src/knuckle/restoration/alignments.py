"""Maps of the dictionary laid over the query at a shift: one pass gives the distances of all its pixels at once.

The paper's search compares patch with patch. But the patches of one map at one shift overlap almost wholly, so the
distance of the next costs nearly nothing by running sums; and if a map fits at one pixel, it is likely to fit around it
too. That is propagation (PatchMatch, Barnes et al. 2009) over the whole hand in one step.
"""

import numpy as np
from numpy.typing import NDArray

from knuckle.compiled import njit
from knuckle.restoration.matches import DISTANCE_AT, insert, key_of

_VECTOR = 32  # rows are padded to a multiple of it, so that no loop has a remainder


def code_alignments(maps: NDArray[np.int64], shifts: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.int64]:
    """One number for each alignment: maps (N,), and shifts (N, 2), rows and columns from the query to the map.

    shape (H, W): of the maps; both shifts must be within it.
    """
    height, width = shape
    return (maps * (2 * height) + shifts[:, 0] + height) * (2 * width) + shifts[:, 1] + width


@njit()
def score_alignments(maps, alignments, query, query_box, order, radius, differ, background, best):
    """Enters what alignments have to offer into the k best of every pixel.

    maps (M, H, W) uint8; alignments (N,) by `code_alignments`, fastest if those of a map are together; query (H, W)
    uint8; query_box: its first and last row and column with a hand; order (H, W): number of each hand pixel, or -1;
    differ, background: costs; best (Q, k) int64: keys, changed in place.
    """
    height, width = query.shape
    side = 2 * radius + 1
    top, bottom, left, right = query_box
    rows, columns = bottom - top + 1, right - left + 1
    wide = (columns + 2 * radius + _VECTOR - 1) // _VECTOR * _VECTOR
    asked = np.zeros((rows + 2 * radius, wide), dtype=np.uint8)
    asked[radius : radius + rows, radius : radius + columns] = query[top : bottom + 1, left : right + 1]
    margin = 2 * max(width, wide)
    laid = np.zeros((height + 1, width + 2 * margin), dtype=np.uint8)  # row 0 stays empty: what is beyond the map
    costs = np.zeros((rows + 2 * radius, wide), dtype=np.uint8)
    column_sums = np.zeros(wide, dtype=np.uint16)
    work = np.zeros((4, rows * wide + _VECTOR), dtype=np.uint16)
    limits = _limits(order, best, query_box, wide)
    laid_map = -1
    for alignment in alignments:
        dx = alignment % (2 * width) - width
        dy = alignment // (2 * width) % (2 * height) - height
        m = alignment // (4 * width * height)
        if m != laid_map:
            _lay(maps[m], laid, margin)
            laid_map = m
        _compare(asked, laid, top - radius + dy, margin + left - radius + dx, differ, background, costs)
        _sum_columns(costs, side, column_sums, work[0])
        distances = _sum_rows(work, rows * wide, side)
        for y in range(rows):
            if _any_below(distances[y * wide : (y + 1) * wide], limits[y]):
                line = distances[y * wide : y * wide + columns]
                _take(line, maps[m], m, top + y, left, dy, dx, order[top + y], best, limits[y])


@njit()
def _limits(order, best, query_box, wide):
    """(rows, wide) the distance below which each pixel's next match must be; 0 where none is wanted."""
    top, bottom, left, right = query_box
    limits = np.zeros((bottom - top + 1, wide), dtype=np.uint16)
    for y in range(top, bottom + 1):
        for x in range(left, right + 1):
            if order[y, x] >= 0:
                limits[y - top, x - left] = _as_limit(best[order[y, x]])
    return limits


@njit()
def _as_limit(keys):
    return np.uint16(min((keys[-1] >> DISTANCE_AT) + 1, 65_535))  # + 1: of equal ones the lower map counts


@njit()
def _lay(labels, laid, margin):
    for y in range(labels.shape[0]):
        laid[y + 1, margin : margin + labels.shape[1]] = labels[y]


@njit()
def _compare(asked, laid, first_row, first_column, differ, background, costs):
    """costs: 0 where the labels agree, `background` where one of two different ones is 0, else `differ`."""
    for y in range(asked.shape[0]):
        row = first_row + y + 1
        others = laid[row if 0 < row < laid.shape[0] else 0, first_column : first_column + asked.shape[1]]
        one, cost = asked[y], costs[y]
        for x in range(one.shape[0]):
            a, b = one[x], others[x]
            either = np.uint8(differ) if (a != 0) & (b != 0) else np.uint8(background)
            cost[x] = either if a != b else np.uint8(0)


@njit()
def _sum_columns(costs, side, total, out):
    """Sums over `side` rows, (rows · wide,)."""
    wide = costs.shape[1]
    total[:] = 0
    for y in range(side - 1):
        _add(total, costs[y])
    for y in range(costs.shape[0] - side + 1):
        first = costs[y]
        _add(total, costs[y + side - 1])
        line = out[y * wide : (y + 1) * wide]
        for x in range(wide):
            line[x] = total[x]
            total[x] -= first[x]


@njit()
def _sum_rows(work, count, side):
    """Sums of `side` neighbours of work[0, :count], by doubling: powers of two first, then those that make up side."""
    result = work[3, :count]
    result[:] = 0
    power, offset, level = 1, 0, 0
    while True:
        if side & power:
            _add(result, work[level, offset : offset + count])
            offset += power
        power *= 2
        if power > side:
            return result
        following = 1 if level == 2 else level + 1
        _double(work[level], work[level, power // 2 :], work[following])
        level = following


@njit()
def _add(total, other):
    for x in range(total.shape[0]):
        total[x] += other[x]


@njit()
def _double(sums, shifted, out):
    """Not in place: where `out` might be `sums`, the compiler would not use vectors."""
    for x in range(shifted.shape[0]):
        out[x] = sums[x] + shifted[x]


@njit()
def _any_below(distances, limits):
    found = False
    for x in range(distances.shape[0]):
        found |= distances[x] < limits[x]
    return found


@njit()
def _take(distances, labels, m, y, left, dy, dx, order, best, limits):
    row = y + dy
    if not 0 <= row < labels.shape[0]:
        return
    for x in range(distances.shape[0]):
        column = left + x + dx
        if distances[x] < limits[x] and 0 <= column < labels.shape[1] and labels[row, column]:
            keys = best[order[left + x]]
            insert(key_of(distances[x], m, row, column), keys)
            limits[x] = _as_limit(keys)
