"""Kinematics, skinning and capsule distances against plain twins: SciPy's rotations, matrices, dense sampling."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from knuckle.synth.assets import BONES
from knuckle.synth.hands import PARENTS, unit
from knuckle.synth.skinning import apply_bone, bone_transforms, deepest_overlap, segment_distance, skin

SEEDS = st.integers(0, 2**32 - 1)


def random_skeleton(rng: np.random.Generator) -> tuple[NDArray, ...]:
    """Joints (21, 3), axes (21, 3, 3), angles (21, 3), directions (21, 3), lengths and widths (21,)."""
    return (
        rng.normal(size=(BONES, 3)) * 50,
        unit(rng.normal(size=(BONES, 3, 3))),
        rng.uniform(-np.pi, np.pi, size=(BONES, 3)) * (rng.random((BONES, 3)) < 0.8),
        unit(rng.normal(size=(BONES, 3))),
        rng.uniform(0.7, 1.4, size=BONES),
        rng.uniform(0.7, 1.4, size=BONES),
    )


def plain_transforms(
    joints: NDArray, axes: NDArray, angles: NDArray, directions: NDArray, lengths: NDArray, widths: NDArray
) -> NDArray:
    """Twin of `bone_transforms`: 4×4 matrices; a child turns with its parent but is not stretched by it."""
    turns: list[Rotation] = []
    maps: list[NDArray] = []
    for bone, parent in enumerate(PARENTS):
        turn = turns[parent] if parent >= 0 else Rotation.identity()
        for axis, angle in zip(axes[bone], angles[bone], strict=True):
            turn = turn * Rotation.from_rotvec(axis * angle)
        turns.append(turn)
        along = np.outer(directions[bone], directions[bone])
        stretch = lengths[bone] * along + widths[bone] * (np.eye(3) - along)
        base = (maps[parent] @ [*joints[bone], 1])[:3] if parent >= 0 else joints[bone]
        matrix = np.eye(4)
        matrix[:3, :3] = turn.as_matrix() @ stretch
        matrix[:3, 3] = base - matrix[:3, :3] @ joints[bone]
        maps.append(matrix)
    return np.stack(maps)[:, :3]


@given(SEEDS)
def test_bone_transforms_equal_the_plain_twin(seed: int) -> None:
    joints, *rest = random_skeleton(np.random.default_rng(seed))
    found = bone_transforms(joints, PARENTS, *rest)
    np.testing.assert_allclose(found, plain_transforms(joints, *rest), atol=1e-8)


def test_no_angles_and_no_stretch_move_nothing() -> None:
    joints, axes, _, directions, _, _ = random_skeleton(np.random.default_rng(0))
    maps = bone_transforms(joints, PARENTS, axes, np.zeros((BONES, 3)), directions, np.ones(BONES), np.ones(BONES))
    np.testing.assert_allclose(maps, np.tile(np.eye(3, 4), (BONES, 1, 1)), atol=1e-9)


@given(SEEDS)
def test_bones_stay_joined(seed: int) -> None:
    joints, *rest = random_skeleton(np.random.default_rng(seed))
    maps = bone_transforms(joints, PARENTS, *rest)
    for bone in range(1, BONES):
        by_parent = apply_bone(maps, PARENTS[bone], joints[bone])
        np.testing.assert_allclose(apply_bone(maps, bone, joints[bone]), by_parent, atol=1e-8)


@given(SEEDS)
def test_skin_equals_the_weighted_sum_of_matrix_products(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vertices, maps = rng.normal(size=(30, 3)) * 80, rng.normal(size=(BONES, 3, 4))
    bones = rng.integers(BONES, size=(30, 4)).astype(np.int32)
    weights = rng.dirichlet(np.ones(4), size=30).astype(np.float32)
    weights[:5] = [1, 0, 0, 0]
    homogeneous = np.concatenate([vertices, np.ones((30, 1))], axis=1)
    plain = np.einsum("vk,vkij,vj->vi", weights.astype(float), maps[bones], homogeneous)
    np.testing.assert_allclose(skin(vertices, bones, weights, maps), plain, atol=1e-9)


def sampled_distance(p: NDArray, p_end: NDArray, q: NDArray, q_end: NDArray) -> tuple[float, float]:
    """Smallest distance of 300 × 300 points on two segments, and how far it can lie above the true one."""
    steps = np.linspace(0, 1, 300)[:, None]
    one, other = p + steps * (p_end - p), q + steps * (q_end - q)
    distance = np.linalg.norm(one[:, None] - other[None], axis=-1).min()
    return distance, (np.linalg.norm(p_end - p) + np.linalg.norm(q_end - q)) / 299 / 2


@given(SEEDS, st.sampled_from(["free", "flat", "short"]))
def test_segment_distance_equals_brute_force(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    ends = rng.normal(size=(4, 3)) * 20
    if kind == "flat":  # segments that cross in projection, or lie in one plane
        ends[:, 2] = 0
    if kind == "short":
        ends[1] = ends[0] + 0.01 * unit(rng.normal(size=3))
    distance, slack = sampled_distance(*ends)
    assert distance - slack - 1e-9 <= segment_distance(*ends) <= distance + 1e-9


@pytest.mark.parametrize(
    ("q", "q_end", "distance"),
    [
        ((0, 5, 0), (10, 5, 0), 5.0),  # parallel, side by side
        ((10, 5, 0), (0, 5, 0), 5.0),  # antiparallel
        ((13, 4, 0), (20, 4, 0), 5.0),  # parallel, one beyond the other's end
        ((-7, 0, 0), (-3, 0, 0), 3.0),  # on one line, apart
        ((5, -4, 0), (5, 4, 0), 0.0),  # crossing
        ((5, 3, -4), (5, 3, 4), 3.0),  # crossing at a distance
        ((10, 0, 0), (10, 8, 0), 0.0),  # sharing an end
    ],
)
def test_segment_distance_of_special_positions(q: tuple, q_end: tuple, distance: float) -> None:
    p, p_end = np.zeros(3), np.array([10.0, 0, 0])
    q_, q_end_ = np.array(q, dtype=float), np.array(q_end, dtype=float)
    assert segment_distance(p, p_end, q_, q_end_) == pytest.approx(distance)
    assert segment_distance(q_, q_end_, p, p_end) == pytest.approx(distance)


@given(SEEDS)
def test_deepest_overlap_equals_all_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    starts, ends = rng.normal(size=(2, 8, 3)) * 15
    radii, fingers = rng.uniform(2, 9, size=8), rng.integers(3, size=8)
    worst = 0.0
    for i in range(8):
        for j in range(8):
            if fingers[i] != fingers[j]:
                gap = segment_distance(starts[i], ends[i], starts[j], ends[j])
                worst = max(worst, radii[i] + radii[j] - gap)
    assert deepest_overlap(starts, ends, radii, fingers) == pytest.approx(worst)


def test_capsules_of_one_finger_never_overlap() -> None:
    starts = np.zeros((3, 3))
    assert deepest_overlap(starts, starts + [0, 0, 1], np.full(3, 5.0), np.array([2, 2, 2])) == 0
