"""Distances from surfaces against plain ones, and the gestures that are held by contact."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from knuckle.anatomy import POSE_MAX, POSE_MIN
from knuckle.synth.contact import CONTACTS, REACH_MM, Contact, HandSkin, search, signed_gap
from knuckle.synth.distance import signed_distances
from knuckle.synth.hands import HandModel
from knuckle.synth.prior import PROTOTYPES

_CORNERS = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
_SIDES = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]  # turned outward
BOX = np.array([[a, b, c] for a, b, c, _ in _SIDES] + [[a, c, d] for a, _, c, d in _SIDES])  # (12, 3) faces

points_3d = st.lists(st.tuples(*[st.floats(-30, 30)] * 3), min_size=1, max_size=20).map(np.array)
sizes = st.tuples(*[st.floats(1, 20)] * 3).map(np.array)


def box(size: NDArray) -> NDArray:
    """Triangles (12, 3, 3) of a box from the origin to `size`."""
    return (_CORNERS * size)[BOX]


def box_distance(points: NDArray, size: NDArray) -> NDArray:
    """Signed distance (N,) of points from the same box, by its formula."""
    q = np.abs(points - size / 2) - size / 2
    return np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(axis=1), 0)


@settings(max_examples=200)
@given(points_3d, sizes)
def test_distances_from_a_box(points: NDArray, size: NDArray) -> None:
    expected = box_distance(points, size)
    found = signed_distances(points, box(size), 100.0)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-9)
    clear = np.abs(expected) > 1e-6  # on the surface itself either sign is right
    np.testing.assert_array_equal(np.sign(found[clear]), np.sign(expected[clear]))


@given(points_3d, sizes, st.floats(0.5, 30))
def test_far_points_are_at_the_reach(points: NDArray, size: NDArray, reach: float) -> None:
    expected = box_distance(points, size)
    found = signed_distances(points, box(size), reach)
    near = np.abs(expected) < reach - 1e-9
    np.testing.assert_allclose(found[~near & (expected > 0)], reach)
    np.testing.assert_allclose(np.abs(found[near]), np.abs(expected[near]), atol=1e-9)


def plain_distance(p: NDArray, triangle: NDArray) -> float:
    """Distance of a point from a triangle: from its plane if the foot lies inside, else from the nearest edge."""
    a, b, c = triangle
    normal = np.cross(b - a, c - a)
    normal = normal / np.linalg.norm(normal)
    foot = p - (p - a) @ normal * normal
    if all(np.cross(v - u, foot - u) @ normal >= 0 for u, v in ((a, b), (b, c), (c, a))):
        return float(abs((p - a) @ normal))
    return min(
        float(np.linalg.norm(p - u - np.clip((p - u) @ (v - u) / ((v - u) @ (v - u)), 0, 1) * (v - u)))
        for u, v in ((a, b), (b, c), (c, a))
    )


@given(st.integers(0, 2**32 - 1))
def test_distance_from_a_triangle_is_the_plain_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    triangle, points = rng.normal(size=(3, 3)) * 5, rng.normal(size=(8, 3)) * 8
    expected = [plain_distance(p, triangle) for p in points]
    np.testing.assert_allclose(np.abs(signed_distances(points, triangle[None], 1000.0)), expected, atol=1e-9)


def test_an_open_surface_still_has_an_inside() -> None:
    """A finger cut off from its hand is a tube without an end: a box without its lid behaves alike, away from there."""
    lidless = np.delete(box(np.array([10.0, 10.0, 40.0])), [5, 11], axis=0)
    points = np.array([[5.0, 5.0, 5.0], [5.0, 5.0, 38.0], [5.0, 5.0, -2.0], [12.0, 5.0, 5.0], [5.0, 5.0, 48.0]])
    found = signed_distances(points, lidless, 20.0)
    np.testing.assert_allclose(found, [-5.0, -5.0, 2.0, 2.0, np.hypot(5, 8)])


@pytest.fixture(scope="module")
def skins() -> dict[str, HandSkin]:
    return {name: HandSkin(HandModel.load(name)) for name in ("makehuman", "soma")}


def test_pads_and_backs_are_where_they_are_named(model: HandModel) -> None:
    """At rest the pads of the fingers look to the palm's side, and lie on the far part of the last phalanx."""
    hand = HandSkin(model)
    for tip in (8, 12, 16, 20):
        pad, back = (hand.vertices[hand.patch(side, (tip,)).vertices].mean(axis=0) for side in ("pad", "back"))
        assert (pad - back) @ model.palmar > 4
        assert (pad - model.asset.joints[tip]) @ model.directions[tip] > 4
    assert not set(hand.patch("pad", (8,)).faces[:, 0]) - set(hand.patch("all", (8,)).vertices)


def test_the_gap_is_symmetric_and_signed(skins: dict[str, HandSkin]) -> None:
    hand = skins["soma"]
    index, middle = hand.patch("all", (7, 8)), hand.patch("all", (11, 12))
    apart = signed_gap(hand.vertices, index, middle)
    assert 1 < apart == signed_gap(hand.vertices, middle, index)
    pushed = hand.vertices.copy()
    pushed[index.vertices] += (hand.vertices[middle.vertices].mean(axis=0) - pushed[index.vertices].mean(axis=0)) * 0.8
    assert -REACH_MM <= signed_gap(pushed, index, middle) < -2


@pytest.mark.parametrize("gesture", CONTACTS)
@pytest.mark.parametrize("name", ["makehuman", "soma"])
def test_stored_gestures_touch(skins: dict[str, HandSkin], name: str, gesture: str) -> None:
    """What should touch is less than 2 mm apart on both hands, and nothing is deeper than 2 mm in something else."""
    hand = skins[name]
    points = hand.posed(PROTOTYPES[gesture])
    assert max(hand.gaps(points, CONTACTS[gesture])) <= 2.0
    assert hand.overlap(points) <= 2.0


@pytest.mark.parametrize("gesture", PROTOTYPES)
def test_neighbouring_fingers_press_but_do_not_pass(skins: dict[str, HandSkin], gesture: str) -> None:
    for hand in skins.values():
        assert hand.pressed(hand.posed(PROTOTYPES[gesture])) <= 4.0


def test_the_search_brings_together_what_should_touch(skins: dict[str, HandSkin]) -> None:
    hand, contact = skins["soma"], Contact(CONTACTS["pinch"].touches, ("thumb_ip", "index_pip"))
    start = PROTOTYPES["pinch"].copy()
    start[9] -= 12  # index pip
    found = search([hand], start, contact, 25, np.random.default_rng(0))
    before, after = (max(hand.gaps(hand.posed(pose), contact)) for pose in (start, found))
    assert after < before - 1
    assert (found >= POSE_MIN).all()
    assert (found <= POSE_MAX).all()
    np.testing.assert_array_equal(np.delete(found, [6, 9]), np.delete(start, [6, 9]))
