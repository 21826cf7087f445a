"""Barycentres against a plain twin, and which of two maps the gate prefers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from knuckle.anatomy import HAND21, LABELS
from knuckle.errors import SettingsError
from knuckle.restoration.gate import REGIONS, Region, accept, barycentres

TIP = Region(HAND21.index("index_tip"), (LABELS.index("index_tip"),))


def pixel_grid(count: int, size: int) -> NDArray[np.float64]:
    """Points (count, size, size, 2): each pixel's own row and column."""
    return np.broadcast_to(np.stack(np.indices((size, size)), axis=-1).astype(float), (count, size, size, 2))


def mean_by_hand(parts: NDArray, region: Region) -> NDArray[np.float64] | None:
    size = len(parts)
    pixels = []
    for y, x in np.ndindex(size, size):
        if parts[y, x] not in region.labels:
            continue
        around = [(y + dy, x + dx) for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0))]
        beside = {parts[p] for p in around if 0 <= p[0] < size and 0 <= p[1] < size}
        if not region.border or any(label in beside for label in region.labels if label != parts[y, x]):
            pixels.append((y, x))
    return np.mean(pixels, axis=0) if pixels else None


@given(st.integers(0, 2**32 - 1))
def test_barycentres_are_the_means_of_their_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = rng.choice([0, 1, 5, 6, 8], size=(3, 7, 7)).astype(np.uint8)
    found = barycentres(parts, pixel_grid(3, 7))
    for n, r in np.ndindex(3, len(REGIONS)):
        expected = mean_by_hand(parts[n], REGIONS[r])
        if expected is None:
            assert np.isnan(found[n, r]).all()
        else:
            np.testing.assert_allclose(found[n, r], expected)


def test_every_region_names_its_own_joint() -> None:
    assert len({region.joint for region in REGIONS}) == len(REGIONS)
    for region in REGIONS:
        finger = HAND21[region.joint].split("_")[0]
        assert all(LABELS[label].startswith((finger, "palm")) for label in region.labels)
        assert region.border == (len(region.labels) == 2)


def tip_at(column: int, size: int = 9) -> NDArray[np.uint8]:
    parts = np.zeros((1, size, size), dtype=np.uint8)
    parts[0, 4, column] = TIP.labels[0]
    return parts


def joints_at(row: float, column: float) -> NDArray[np.float64]:
    joints = np.full((1, 21, 2), np.nan)
    joints[0, TIP.joint] = row, column
    return joints


@pytest.mark.parametrize(("restored_column", "better"), [(4, True), (5, True), (7, False), (8, False)])
def test_the_map_whose_part_is_nearer_to_the_joint_wins(restored_column: int, better: bool) -> None:
    """The prediction is three pixels off; one that is off as far is no better."""
    found = accept(tip_at(1), tip_at(restored_column), pixel_grid(1, 9), joints_at(4, 4))
    assert found.tolist() == [better]


def test_a_part_that_only_one_map_has_does_not_count() -> None:
    palm = np.zeros((1, 9, 9), dtype=np.uint8)
    for predicted, restored in ((palm, tip_at(4)), (tip_at(1), palm), (palm, palm)):
        assert not accept(predicted, restored, pixel_grid(1, 9), joints_at(4, 4))[0]


def test_unknown_joints_do_not_count() -> None:
    assert not accept(tip_at(1), tip_at(4), pixel_grid(1, 9), np.full((1, 21, 2), np.nan))[0]


@given(st.integers(0, 2**32 - 1))
def test_a_map_is_never_better_than_itself_and_only_one_of_two_wins(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = (rng.integers(0, len(LABELS), (4, 12, 12)).astype(np.uint8) for _ in range(2))
    joints, points = rng.uniform(0, 12, (4, 21, 2)), pixel_grid(4, 12)
    assert not accept(one, one, points, joints).any()
    assert not (accept(one, other, points, joints) & accept(other, one, points, joints)).any()


def test_points_of_another_size_are_refused() -> None:
    with pytest.raises(SettingsError, match="do not fit"):
        barycentres(np.zeros((1, 5, 5), dtype=np.uint8), pixel_grid(1, 6))
