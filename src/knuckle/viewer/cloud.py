"""A look as geometry and as a picture: points coloured by part, bones, joints, depth and part map side by side."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from knuckle.anatomy import BONES, HAND21, JOINT_FINGER
from knuckle.camera import Camera
from knuckle.draw import FINGER_COLORS, PALETTE, WRIST_COLOR, Image, depth_image, overlay_parts, skeleton
from knuckle.estimator import Hand
from knuckle.sources import LiveFrame

PANEL_WIDTH = 320
"""Of each of the two images, px at most."""

POINTS_EVERY, HAND_EVERY = 4, 3  # px between the points of a frame 640 px wide, and of hands in it

_REFERENCE_WIDTH = 640
_DOT_M = 1e-4
_NEAR_GREY, _FAR_GREY = 190.0, 70.0
_UNSURE = np.array([200, 30, 30])  # RGB of a joint that is surely not there

JOINT_COLORS: Image = np.array(
    [WRIST_COLOR if JOINT_FINGER[joint] < 0 else FINGER_COLORS[JOINT_FINGER[joint]] for joint in range(len(HAND21))],
    dtype=np.uint8,
)
"""(21, 3) RGB."""

BONE_COLORS: Image = np.array([[JOINT_COLORS[end], JOINT_COLORS[end]] for _, end in BONES], dtype=np.uint8)
"""(20, 2, 3) RGB of both ends of every bone: its finger's."""


def part_map(hands: Sequence[Hand], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """(H, W) labels of all hands together."""
    parts = np.zeros(shape, dtype=np.uint8)
    for hand in hands:
        np.maximum(parts, hand.parts, out=parts)
    return parts


def point_cloud(
    frame: LiveFrame, parts: NDArray[np.uint8], near_mm: float, far_mm: float
) -> tuple[NDArray[np.float32], Image]:
    """Points (N, 3) in metres, camera axes, and their colours (N, 3): a hand's by part, the rest in greys by depth.

    Hands are shown in more detail than what is about them.
    """
    scale = max(1, round(frame.camera.width / _REFERENCE_WIDTH))
    coarse, fine = POINTS_EVERY * scale, HAND_EVERY * scale
    rows, columns, z, labels = _sampled(frame.depth, parts, coarse, hand=False)
    hand = _sampled(frame.depth, parts, fine, hand=True)
    rows, columns = np.concatenate([rows, hand[0]]), np.concatenate([columns, hand[1]])
    z, labels = np.concatenate([z, hand[2]]), np.concatenate([labels, hand[3]])
    rays_x, rays_y = _rays(frame.camera)
    points = np.stack([rays_x[columns] * z, rays_y[rows] * z, z], axis=1) / np.float32(1000)
    grey = np.interp(z, [near_mm, far_mm], [_NEAR_GREY, _FAR_GREY]).astype(np.uint8)
    colors = np.where(labels[:, None] > 0, PALETTE[labels], grey[:, None])
    return points.astype(np.float32), colors.astype(np.uint8)


def bones(hand: Hand) -> NDArray[np.float32]:
    """(20, 2, 3) metres: both ends of every bone."""
    return (hand.joints[np.array(BONES)] / 1000).astype(np.float32)


def dots(hand: Hand) -> NDArray[np.float32]:
    """(21, 2, 3) metres: the joints as lines too short to be seen but for their width."""
    ends = np.repeat(hand.joints[:, None] / 1000, 2, axis=1)
    ends[:, 1, 0] += _DOT_M
    return ends.astype(np.float32)


def joint_colors(hand: Hand) -> Image:
    """(21, 2, 3) of `dots`: a joint's own colour where it is surely there, red where it is surely not."""
    sure = hand.confidence[:, None]
    return np.repeat((JOINT_COLORS * sure + _UNSURE * (1 - sure)).astype(np.uint8)[:, None], 2, axis=1)


def panel(frame: LiveFrame, hands: Sequence[Hand], parts: NDArray[np.uint8], near_mm: float, far_mm: float) -> Image:
    """Depth with the skeletons, and beside it the part map, each at most `PANEL_WIDTH` px wide."""
    step = -(-frame.depth.shape[1] // PANEL_WIDTH)
    grey = depth_image(np.ascontiguousarray(frame.depth[::step, ::step]), near_mm, far_mm)
    pose = grey
    for hand in hands:
        pose = skeleton(pose, hand.pixels / step, hand.confidence)
    return np.hstack([pose, overlay_parts(grey // 2, np.ascontiguousarray(parts[::step, ::step]), alpha=0.9)])


def _sampled(
    depth: NDArray[np.float32], parts: NDArray[np.uint8], every: int, hand: bool
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32], NDArray[np.uint8]]:
    """Rows, columns, depths and labels of what is measured on every so many-th pixel: of hands, or of all else."""
    z, labels = depth[::every, ::every], parts[::every, ::every]
    rows, columns = np.nonzero((z > 0) & ((labels > 0) == hand))
    return rows * every, columns * every, z[rows, columns], labels[rows, columns]


@lru_cache(maxsize=4)
def _rays(camera: Camera) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """x / z of every column and y / z of every row."""
    return (
        ((np.arange(camera.width) - camera.cx) / camera.fx).astype(np.float32),
        ((np.arange(camera.height) - camera.cy) / camera.fy).astype(np.float32),
    )
