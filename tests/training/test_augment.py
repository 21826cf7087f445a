"""Augmentation: what is measured gets noise, pixels are lost, and nothing is made up."""

import torch
from torch import Tensor

from knuckle.training.augment import augment


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def crops(count: int = 200) -> Tensor:
    """(N, 1, 48, 48): random depth with a third of the pixels unmeasured (+1) and some clamped at the front (-1)."""
    depth = torch.rand(count, 1, 48, 48, generator=generator(9)) * 1.9 - 0.95
    kind = torch.rand(depth.shape, generator=generator(10))
    return depth.masked_fill(kind < 0.33, 1.0).masked_fill(kind > 0.95, -1.0)


def test_values_stay_in_range() -> None:
    for seed in range(3):
        found = augment(crops(), generator(seed))
        assert found.shape == crops().shape
        assert found.dtype == torch.float32
        assert found.min() >= -1
        assert found.max() <= 1


def test_what_is_not_measured_stays_so() -> None:
    depth = crops()
    found = augment(depth, generator())
    assert (found[depth == 1] == 1).all()
    front = found[depth == -1]
    assert ((front == -1) | (front == 1)).all()


def test_what_is_measured_gets_noise_or_is_lost() -> None:
    depth = crops()
    found = augment(depth, generator())
    measured = depth.abs() < 1
    lost = measured & (found == 1)
    assert 0.002 < lost.float().sum() / measured.float().sum() < 0.1
    error = (found - depth)[measured & ~lost]
    assert 0.003 < error.std() < 0.02  # 0.4 to 2.5 mm
    assert error.mean().abs() < 1e-3
    assert (error != 0).float().mean() > 0.99


def test_noise_alone_never_makes_a_hole() -> None:
    """Depth just inside the cube's back stays measured, unless the pixel is lost."""
    back = torch.full((300, 1, 48, 48), 0.998)
    assert (augment(back, generator()) == 1).float().mean() < 0.05


def test_some_crops_lose_a_side() -> None:
    """About a tenth lie across the frame's border: up to 16 rows or columns at one side are empty."""
    count = 2000
    found = augment(torch.zeros(count, 1, 48, 48), generator())[:, 0] == 1
    strips = torch.stack([found[:, 0].all(1), found[:, -1].all(1), found[:, :, 0].all(1), found[:, :, -1].all(1)], 1)
    assert 0.07 < strips.any(dim=1).float().mean() < 0.12
    assert strips.sum(dim=1).max() == 1
    assert (strips.float().mean(dim=0) > 0.01).all()  # every side in turn
    cut = found[strips.any(dim=1)]
    widths = torch.maximum(cut.all(dim=2).sum(dim=1), cut.all(dim=1).sum(dim=1))
    assert widths.max() == 16
    assert widths.float().mean() > 5
    assert not found[:, 17:31, 17:31].flatten(1).float().mean(dim=1).max() > 0.15


def test_it_depends_on_the_generator_alone() -> None:
    assert torch.equal(augment(crops(), generator(1)), augment(crops(), generator(1)))
    assert not torch.equal(augment(crops(), generator(1)), augment(crops(), generator(2)))
    continuing = generator(1)
    assert not torch.equal(augment(crops(), continuing), augment(crops(), continuing))  # new in every epoch


def test_the_crops_themselves_are_not_written_to() -> None:
    depth = crops()
    augment(depth, generator())
    assert torch.equal(depth, crops())
