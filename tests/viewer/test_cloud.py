"""Points, bones and pictures of a look, against what a plain loop makes of it."""

from dataclasses import replace

import numpy as np
import pytest

from knuckle import Camera, Hand, HandPoseEstimator, read_depth
from knuckle.anatomy import BONES, HAND21
from knuckle.cli.inference import FRAMES
from knuckle.draw import PALETTE
from knuckle.sources import LiveFrame
from knuckle.viewer.cloud import (
    BONE_COLORS,
    HAND_EVERY,
    JOINT_COLORS,
    PANEL_WIDTH,
    POINTS_EVERY,
    bones,
    dots,
    joint_colors,
    panel,
    part_map,
    point_cloud,
)


@pytest.fixture(scope="module")
def seen() -> tuple[LiveFrame, Hand]:
    camera = Camera.load(FRAMES / "camera.json")
    depth = read_depth(FRAMES / "1-open.png", camera.depth_unit_mm)
    hand = HandPoseEstimator()(depth, camera)
    assert hand is not None
    return LiveFrame(0.0, depth, camera), hand


def test_points_lie_where_the_camera_measured_them(seen: tuple[LiveFrame, Hand]) -> None:
    frame, hand = seen
    points, colors = point_cloud(frame, hand.parts, 150, 1500)
    expected = {}
    for every, is_hand in ((POINTS_EVERY, False), (HAND_EVERY, True)):
        for y in range(0, 480, every):
            for x in range(0, 640, every):
                z, part = frame.depth[y, x], hand.parts[y, x]
                if z > 0 and (part > 0) == is_hand:
                    xyz = frame.camera.back_project(np.array([[x, y]]), np.array([z]))[0] / 1000
                    expected[tuple(xyz.round(5))] = part
    assert len(points) == len(expected)
    found = {tuple(point.astype(float).round(5)): color for point, color in zip(points, colors, strict=True)}
    for place, part in expected.items():
        near = min(found, key=lambda other: np.abs(np.subtract(other, place)).sum()) if place not in found else place
        assert np.abs(np.subtract(near, place)).max() < 2e-5
        color = found[near]
        assert np.array_equal(color, PALETTE[part]) if part else color[0] == color[1] == color[2]


def test_nearer_is_lighter(seen: tuple[LiveFrame, Hand]) -> None:
    frame, _ = seen
    points, colors = point_cloud(frame, np.zeros_like(frame.depth, dtype=np.uint8), 150, 1500)
    order = np.argsort(points[:, 2])
    assert (np.diff(colors[order, 0].astype(int)) <= 0).all()
    assert colors[:, 0].min() < colors[:, 0].max()


def test_a_large_frame_gives_no_more_points(seen: tuple[LiveFrame, Hand]) -> None:
    frame, _ = seen
    camera = frame.camera
    large = LiveFrame(
        0.0, np.kron(frame.depth, np.ones((2, 2), np.float32)), replace(camera, width=1280, height=960, fx=950, fy=950)
    )
    nothing = np.zeros(large.depth.shape, np.uint8)
    assert len(point_cloud(large, nothing, 150, 1500)[0]) < 1.1 * len(
        point_cloud(frame, np.zeros((480, 640), np.uint8), 150, 1500)[0]
    )


def test_bones_and_dots_are_the_joints_in_metres(seen: tuple[LiveFrame, Hand]) -> None:
    _, hand = seen
    for (start, end), bone in zip(BONES, bones(hand), strict=True):
        np.testing.assert_allclose(bone, hand.joints[[start, end]] / 1000, atol=1e-6)
    np.testing.assert_allclose(dots(hand)[:, 0], hand.joints / 1000, atol=1e-6)
    assert np.linalg.norm(np.diff(dots(hand), axis=1), axis=2).max() < 2e-4


def test_colours_tell_fingers_and_doubt(seen: tuple[LiveFrame, Hand]) -> None:
    _, hand = seen
    sure = joint_colors(replace(hand, confidence=np.ones(21, np.float32)))
    unsure = joint_colors(replace(hand, confidence=np.zeros(21, np.float32)))
    np.testing.assert_array_equal(sure[:, 0], JOINT_COLORS)
    assert (unsure == unsure[0, 0]).all()
    assert len(np.unique(JOINT_COLORS, axis=0)) == 6
    for (_, end), color in zip(BONES, BONE_COLORS, strict=True):
        assert (color == JOINT_COLORS[end]).all(), HAND21[end]


def test_two_hands_share_a_part_map(seen: tuple[LiveFrame, Hand]) -> None:
    _, hand = seen
    other = replace(hand, parts=np.roll(hand.parts, 300, axis=1))
    together = part_map([hand, other], hand.parts.shape)
    assert np.array_equal(together > 0, (hand.parts > 0) | (other.parts > 0))
    assert not part_map([], (3, 4)).any()


@pytest.mark.parametrize("width", [640, 641, 1280, 100])
def test_the_panel_is_two_images_side_by_side(seen: tuple[LiveFrame, Hand], width: int) -> None:
    frame, hand = seen
    depth = np.resize(frame.depth, (48, width))
    shown = LiveFrame(0.0, depth, replace(frame.camera, width=width, height=48))
    parts = np.zeros(depth.shape, np.uint8)
    parts[10:20, : width // 2] = 7
    picture = panel(shown, [hand], parts, 150, 1500)
    assert picture.shape[1] % 2 == 0
    assert picture.shape[1] // 2 <= PANEL_WIDTH
    left, right = np.hsplit(picture, 2)
    assert (np.abs(right.astype(int) - PALETTE[7]).max(axis=2) < 30).any()
    assert not np.array_equal(left, right)
