"""Masks of Figure 4: the opening against OpenCV's and SciPy's, the joints' masks against a plain loop."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from knuckle.anatomy import HAND21, JOINT_PARTS
from knuckle.regression.masks import joint_labels, joint_masks, opened

seeds = st.integers(0, 2**32 - 1)


def regions(seed: int, count: int = 6) -> NDArray[np.uint8]:
    """(count, 16, 13) masks: noise of every density, thin lines, blocks, and some that an opening empties."""
    rng = np.random.default_rng(seed)
    masks = (rng.random((count, 16, 13)) < rng.random((count, 1, 1))).astype(np.uint8)
    masks[0, :, ::2] = 0  # nothing is two pixels wide
    top, left, height, width = rng.integers(0, 9), rng.integers(0, 9), *rng.integers(1, 7, 2)
    masks[1] = 0
    masks[1, top : top + height, left : left + width] = 1
    return masks


@given(seeds)
def test_the_opening_is_that_of_opencv_and_scipy(seed: int) -> None:
    masks = regions(seed)
    found = opened(torch.from_numpy(masks).float()[None])[0].numpy()
    for mask, ours in zip(masks, found, strict=True):
        eroded = cv2.erode(mask, np.ones((2, 2)), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT, borderValue=0)
        plain = cv2.dilate(eroded, np.ones((2, 2)), anchor=(1, 1), borderType=cv2.BORDER_CONSTANT, borderValue=0)
        assert (plain == ndimage.binary_opening(mask, np.ones((2, 2)))).all()
        assert (ours == (plain if plain.any() else mask)).all()


def test_the_masks_reach_both_cases() -> None:
    left = [ndimage.binary_opening(mask, np.ones((2, 2))).any() for seed in range(20) for mask in regions(seed)]
    assert 0.2 < np.mean(left) < 0.95
    assert not ndimage.binary_opening(regions(0)[0], np.ones((2, 2))).any()


def plain_joint_masks(probabilities: NDArray[np.float32], size: int) -> NDArray[np.bool_]:
    """Twin for one crop (21, 48, 48): every pixel to its best label, opened, a cell is in with any of its pixels."""
    labels, step = probabilities.argmax(axis=0), probabilities.shape[1] // size
    masks = np.zeros((21, size, size), dtype=bool)
    for joint, name in enumerate(HAND21):
        for label in JOINT_PARTS[name]:
            region = ndimage.binary_opening(labels == label, np.ones((2, 2)))
            region = region if region.any() else labels == label
            for row, column in np.argwhere(region):
                masks[joint, row // step, column // step] = True
    return masks


@pytest.mark.parametrize("size", [12, 24])
def test_joint_masks_equal_a_plain_loop(size: int) -> None:
    rng = np.random.default_rng(size)
    coarse = np.kron(rng.normal(size=(3, 21, 8, 8)), np.ones((6, 6)))
    probabilities = (coarse + 0.7 * rng.normal(size=coarse.shape)).astype(np.float32)
    found = joint_masks(torch.from_numpy(probabilities), joint_labels(), size).numpy()
    for crop, masks in zip(probabilities, found, strict=True):
        assert (masks == plain_joint_masks(crop, size)).all()
    assert 0.01 < found.mean() < 0.95


def test_the_table_is_that_of_the_anatomy() -> None:
    table = joint_labels()
    assert table.shape == (21, 21)
    for row, joint in enumerate(HAND21):
        assert set(table[row].nonzero()[:, 0].tolist()) == set(JOINT_PARTS[joint])
    assert not table[:, 0].any()  # no joint lies in what is not hand
