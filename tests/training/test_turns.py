"""Turns and zooms of a frame: depth, part maps and joints go together, and nothing is made up."""

import math

import pytest
import torch
from torch import Tensor

from knuckle.training.augment import Turn, Turns


def turn(degrees: float, size: float = 1.0, count: int = 1) -> Turn:
    return Turn(torch.full((count,), math.radians(degrees)), torch.full((count,), size))


def bump(x: float, y: float, z: float) -> tuple[Tensor, Tensor, Tensor]:
    """A disc of 11 px about a place in the crop: its depth, its map as part 5, and the place (1, 1, 3)."""
    steps = (torch.arange(48) + 0.5) / 24 - 1
    disc = ((steps - x).square() + (steps[:, None] - y).square()).sqrt() < 5.5 / 24
    parts = torch.zeros(1, 21, 48, 48)
    parts[0, 5], parts[0, 0] = disc, ~disc
    return torch.where(disc, z, 1.0)[None, None], parts, torch.tensor([[[x, y, z]]])


def middle_of(mask: Tensor) -> Tensor:
    """(x, y) in crop coordinates of the pixels of a mask (48, 48)."""
    rows, columns = mask.nonzero().double().unbind(1)
    return torch.stack([columns.mean() + 0.5, rows.mean() + 0.5]) / 24 - 1


@pytest.mark.parametrize("degrees", [0, 30, 90, -75, 180])
@pytest.mark.parametrize("size", [1.0, 0.8, 1.25])
@pytest.mark.parametrize("place", [(0.4, -0.2, 0.3), (-0.1, 0.5, -0.6), (0.0, 0.0, 0.1)])
def test_depth_parts_and_joints_stay_together(degrees: float, size: float, place: tuple[float, float, float]) -> None:
    depth, parts, joints = bump(*place)
    change = turn(degrees, size)
    found, labels, moved = change.depth(depth)[0, 0], change.image(parts)[0], change.joints(joints)[0, 0]
    assert torch.equal(labels[5] == 1, found < 1)
    torch.testing.assert_close(middle_of(found < 1).float(), moved[:2], atol=0.6 / 24, rtol=0)
    assert found[found < 1] == pytest.approx(float(moved[2]), abs=1e-5)
    assert (found < 1).sum().item() == pytest.approx(int((depth < 1).sum()) * size**2, rel=0.2)


def test_a_quarter_turn_takes_right_to_down() -> None:
    joints = torch.tensor([[[1.0, 0.0, 0.5], [0.0, 1.0, -0.5]]])
    expected = torch.tensor([[[0.0, 1.0, 0.5], [-1.0, 0.0, -0.5]]])
    torch.testing.assert_close(turn(90).joints(joints), expected)
    torch.testing.assert_close(turn(90, 0.5).joints(joints), expected / 2)


def test_no_turn_and_no_zoom_change_nothing() -> None:
    rng = torch.Generator().manual_seed(0)
    depth = torch.rand(3, 1, 48, 48, generator=rng) * 1.9 - 0.95
    depth[depth > 0.7] = 1.0
    parts = torch.rand(3, 21, 48, 48, generator=rng)
    joints = torch.rand(3, 21, 3, generator=rng)
    same = turn(0, count=3)
    torch.testing.assert_close(same.depth(depth), depth, atol=1e-6, rtol=0)
    assert torch.equal(same.depth(depth) == 1, depth == 1)
    assert torch.equal(same.image(parts), parts)
    assert torch.equal(same.joints(joints), joints)


def test_nothing_measured_stays_nothing_and_nothing_measured_is_lost_to_it() -> None:
    change = Turns(180, 0.3).draw(50, torch.Generator().manual_seed(1), torch.device("cpu"))
    assert (change.depth(torch.ones(50, 1, 48, 48)) == 1).all()
    back = torch.full((50, 1, 48, 48), 0.95)  # zoomed, it would be behind the cube: there it stays measured
    inner = change.depth(back)[:, 0, 18:30, 18:30]
    assert (inner < 1).all()
    assert change.depth(back).min() >= 0.95 * 0.7 - 1e-5
    front = change.depth(torch.full((50, 1, 48, 48), -1.0))
    assert front.min() == -1


def test_what_comes_in_from_outside_measures_nothing() -> None:
    found = turn(45).depth(torch.zeros(1, 1, 48, 48))[0, 0]
    assert (found[[0, 0, -1, -1], [0, -1, 0, -1]] == 1).all()
    assert (found[16:32, 16:32] == 0).all()
    assert (turn(0, 0.5).depth(torch.zeros(1, 1, 48, 48)) < 1).sum() == 24 * 24


def test_mixed_precision_moves_no_pixel() -> None:
    images = torch.rand(8, 1, 48, 48)
    change = Turns(30, 0.1).draw(8, torch.Generator().manual_seed(1), torch.device("cpu"))
    with torch.autocast("cpu", torch.bfloat16):
        found = change.image(images)
    assert torch.equal(found, change.image(images))


def test_turns_are_drawn_from_their_range_and_the_generator_alone() -> None:
    def drawn(turns: Turns, seed: int = 0) -> Turn:
        return turns.draw(4000, torch.Generator().manual_seed(seed), torch.device("cpu"))

    some = drawn(Turns(30, 0.1))
    assert some.angle.abs().max().item() == pytest.approx(math.radians(30), rel=0.01)
    assert some.angle.mean().abs() < 0.02
    assert (some.size.min().item(), some.size.max().item()) == pytest.approx((0.9, 1.1), abs=0.001)
    assert torch.equal(some.angle, drawn(Turns(30, 0.1)).angle)
    assert not torch.equal(some.angle, drawn(Turns(30, 0.1), 1).angle)
    none = drawn(Turns(0, 0))
    assert (none.angle == 0).all()
    assert (none.size == 1).all()
