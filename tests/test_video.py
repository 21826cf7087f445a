"""Videos that appear when they are finished, and what their pictures show."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from knuckle.draw import PALETTE, depth_image
from knuckle.errors import SettingsError
from knuckle.estimator import Hand
from knuckle.video import VideoFile, panels


def picture(level: int, height: int = 48, width: int = 64) -> np.ndarray:
    return np.full((height, width, 3), level, dtype=np.uint8)


def read(path: Path) -> list[np.ndarray]:
    """Pictures of a video, RGB."""
    capture, found = cv2.VideoCapture(str(path)), []
    while (got := capture.read())[0]:
        found.append(got[1][..., ::-1])
    return found


def write(path: Path, factors: list[int]) -> None:
    """A video of pictures that are so many times as high; 0 fails."""
    with VideoFile(path) as video:
        for factor in factors:
            video.write(picture(128 // factor, 48 * factor))


def a_hand() -> tuple[np.ndarray, Hand]:
    depth = np.full((60, 80), 1500, dtype=np.float32)
    depth[20:40, 30:50] = 600
    parts = np.where(depth < 1000, 1, 0).astype(np.uint8)
    pixels = np.stack([np.linspace(32, 48, 21), np.linspace(22, 38, 21)], axis=1).astype(np.float32)
    joints = np.zeros((21, 3), dtype=np.float32)
    return depth, Hand(joints, pixels, parts, np.ones(21, np.float32), np.array([0, 0, 600], np.float32), "right")


def test_pictures_come_back_in_order(tmp_path: Path) -> None:
    red = picture(0)
    red[..., 0] = 200
    with VideoFile(tmp_path / "a.mp4", fps=25) as video:
        for one in (picture(10), picture(128), red):
            video.write(one)
    found = read(tmp_path / "a.mp4")
    colors = [shown.mean(axis=(0, 1)) for shown in found]
    np.testing.assert_allclose(colors, [[10] * 3, [128] * 3, [200, 0, 0]], atol=8)  # as near as the codec keeps them
    assert cv2.VideoCapture(str(tmp_path / "a.mp4")).get(cv2.CAP_PROP_FPS) == 25


def test_odd_sizes_lose_a_line(tmp_path: Path) -> None:
    with VideoFile(tmp_path / "a.mp4") as video:
        video.write(picture(90, 49, 65))
    assert read(tmp_path / "a.mp4")[0].shape == (48, 64, 3)


def test_a_failed_video_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"earlier")
    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "a.mp4", [1, 0])
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.mp4", b"earlier")]


def test_what_cannot_be_a_video_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"must end in \.mp4"):
        VideoFile(tmp_path / "a.avi")
    with pytest.raises(SettingsError, match="fps"):
        VideoFile(tmp_path / "a.mp4", fps=0)
    with pytest.raises(SettingsError, match="no such folder"), VideoFile(tmp_path / "none" / "a.mp4") as video:
        video.write(picture(1))
    with pytest.raises(SettingsError, match="and one of"):
        write(tmp_path / "a.mp4", [1, 2])
    assert list(tmp_path.iterdir()) == []


def test_panels_show_depth_parts_and_skeleton() -> None:
    depth, hand = a_hand()
    shown = panels(depth, [hand])
    assert shown.shape == (60, 240, 3)
    grey, parts, bones = shown[:, :80], shown[:, 80:160], shown[:, 160:]
    np.testing.assert_array_equal(grey, depth_image(depth, 350, 850))
    assert np.abs(parts[30, 40].astype(int) - PALETTE[1]).max() < 30
    assert (parts[10, 10] < 60).all()
    changed = (bones != grey).any(axis=2)
    assert changed[22:38, 32:48].any()
    assert not changed[:10].any()


def test_panels_without_a_hand_are_three_times_the_depth() -> None:
    depth, _ = a_hand()
    shown = panels(depth, [])
    np.testing.assert_array_equal(shown[:, :80], depth_image(depth))
    np.testing.assert_array_equal(shown[:, 160:], depth_image(depth))
