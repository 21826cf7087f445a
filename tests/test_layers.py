"""Shared building blocks: local contrast normalisation against plain loops, the trunk's and the input's forms."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from knuckle.camera import Camera
from knuckle.crop import CropBox
from knuckle.layers import CONTRAST_KERNEL, DepthInput, LocalContrastNorm, Trunk, cell_centers


def plain_contrast_norm(image: NDArray, kernel: int) -> NDArray:
    """Twin of `LocalContrastNorm` for one image (H, W)."""
    height, width = image.shape
    half = kernel // 2

    def window(array: NDArray, y: int, x: int) -> NDArray:
        return array[max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1]

    centred, deviation = np.zeros(image.shape), np.zeros(image.shape)
    for y in range(height):
        for x in range(width):
            centred[y, x] = image[y, x] - window(image, y, x).mean()
    for y in range(height):
        for x in range(width):
            deviation[y, x] = np.sqrt((window(centred, y, x) ** 2).mean())
    return centred / np.maximum(deviation, deviation.mean())


@pytest.mark.parametrize(("size", "kernel"), [((48, 48), CONTRAST_KERNEL), ((13, 20), 9), ((9, 9), 3)])
def test_contrast_norm_equals_the_plain_loop(size: tuple[int, int], kernel: int) -> None:
    rng = np.random.default_rng(0)
    images = np.stack([rng.uniform(-1, 1, size), np.where(rng.random(size) < 0.5, 1.0, rng.normal(size=size) * 0.05)])
    found = LocalContrastNorm(kernel)(torch.from_numpy(images)[:, None])[:, 0].numpy()
    for image, normalised in zip(images, found, strict=True):
        np.testing.assert_allclose(normalised, plain_contrast_norm(image, kernel), atol=1e-9)


@pytest.mark.parametrize("value", [-1.0, 0.0, 0.37, 1.0])
def test_a_constant_image_has_no_contrast_and_finite_gradients(value: float) -> None:
    image = torch.full((2, 1, 48, 48), value, requires_grad=True)
    normalised = LocalContrastNorm()(image)
    torch.testing.assert_close(normalised, torch.zeros_like(normalised), atol=0.01, rtol=0)  # rounding
    (normalised**2 + normalised).sum().backward()
    assert image.grad is not None
    assert image.grad.isfinite().all()


def test_contrast_norm_does_not_see_an_offset() -> None:
    image = torch.rand(1, 1, 48, 48, dtype=torch.float64)
    torch.testing.assert_close(LocalContrastNorm()(image + 5), LocalContrastNorm()(image))
    torch.testing.assert_close(LocalContrastNorm()(image * 3), LocalContrastNorm()(image))


@pytest.mark.parametrize(("contrast", "channels"), [(False, 4), (True, 8)])
def test_depth_input_puts_2x2_pixels_into_channels(contrast: bool, channels: int) -> None:
    depth = torch.rand(2, 1, 48, 48)
    module = DepthInput(contrast)
    image = module(depth)
    assert module.channels == channels
    assert image.shape == (2, channels, 24, 24)
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
        torch.testing.assert_close(image[:, 2 * dy + dx], depth[:, 0, dy::2, dx::2])


def test_the_trunk_keeps_the_size_and_sees_the_whole_crop() -> None:
    trunk = Trunk(4, (8, 10, 12))
    image = torch.rand(1, 4, 24, 24, requires_grad=True)
    features = trunk(image)
    assert features.shape == (1, 8, 24, 24)
    features[0, :, 12, 12].sum().backward()
    assert image.grad is not None
    assert (image.grad != 0).any(dim=1).float().mean() > 0.9


def test_the_trunk_normalises_each_image_alone() -> None:
    trunk = Trunk(4, (8, 10, 12)).train()
    images = torch.rand(3, 4, 24, 24)
    torch.testing.assert_close(trunk(images)[1:2], trunk(images[1:2]), atol=1e-5, rtol=1e-4)


def test_cell_centers_are_where_the_crop_sees_them() -> None:
    """The mean of the four pixels' places in the crop."""
    box = CropBox(np.array([30.0, -20.0, 500.0]), Camera(480, 500, 320, 240, 640, 480))
    points = box.to_crop(box.points(np.zeros((48, 48), dtype=np.float32)))[..., :2]  # (48, 48, 2)
    means = points.reshape(24, 2, 24, 2, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(cell_centers().numpy(), means.transpose(2, 0, 1), atol=1e-6)
