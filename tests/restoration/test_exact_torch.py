"""The same exact search by convolutions: equal to box sums to the bit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from label_maps import assert_same, blob_map, drawn_hands, noisy

from knuckle.restoration import exact_torch
from knuckle.restoration.exact import nearest_exact
from knuckle.restoration.exact_torch import nearest_torch

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


@pytest.mark.parametrize("device", DEVICES)
@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    patch=st.sampled_from([1, 3, 5, 7, 13]),
    k=st.integers(1, 4),
    costs=st.sampled_from([(1, 1), (7, 2), (1, 0)]),
)
def test_small_maps_are_searched_exactly(device: str, seed: int, patch: int, k: int, costs: tuple[int, int]) -> None:
    """Maps need not be square, nor hold a hand, nor as many patches as are asked for."""
    rng = np.random.default_rng(seed)
    maps = np.stack([blob_map(rng, 13, 21)[:9] for _ in range(rng.integers(1, 5))])
    part_map = blob_map(rng, 13, 21)[:9]
    found = nearest_torch(maps, part_map, k, patch, costs, device)
    assert_same(found, nearest_exact(maps, part_map, k, patch, costs))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("patch", [27, 47])
def test_full_size_is_searched_exactly(device: str, patch: int) -> None:
    maps = drawn_hands(4, seed=3)
    part_map = noisy(maps[2], np.random.default_rng(0))
    part_map[np.indices(part_map.shape).sum(axis=0) % 5 > 0] = 0  # fewer to ask for
    found = nearest_torch(maps, part_map, 5, patch, (7, 2), device)
    assert_same(found, nearest_exact(maps, part_map, 5, patch, (7, 2)))


def test_a_dictionary_in_several_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that does not fit into memory at once; maps keep their numbers, and ties their order."""
    rng = np.random.default_rng(1)
    maps = np.stack([blob_map(rng, 12, 3) for _ in range(4)])[[0, 1, 2, 3, 1, 0, 2]]
    part_map = np.ones((12, 12), dtype=np.uint8)
    monkeypatch.setattr(exact_torch, "_AT_ONCE", 2 * part_map.size**2)
    assert_same(nearest_torch(maps, part_map, 5, 3, (2, 1)), nearest_exact(maps, part_map, 5, 3, (2, 1)))


def test_a_map_without_a_hand_has_no_matches() -> None:
    maps = drawn_hands(1, seed=0)
    assert nearest_torch(maps, maps[0] * 0, 3, 5, (1, 1)).distances.shape == (0, 3)
    assert (nearest_torch(maps * 0, maps[0], 3, 5, (1, 1)).maps == -1).all()
    assert (nearest_torch(maps[:0], maps[0], 3, 5, (1, 1)).maps == -1).all()
