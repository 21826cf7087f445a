"""What the page shows of a frame: hands under the controls' settings, and times that add up."""

import time

import numpy as np
import pytest
from streams import CAMERA, frame

from knuckle import Camera, HandPoseEstimator, read_depth
from knuckle.cli.inference import FRAMES
from knuckle.errors import CameraError, SettingsError
from knuckle.sources import LiveFrame
from knuckle.viewer.feed import Arrived
from knuckle.viewer.watch import RANGE_MM, ViewSettings, Watcher


@pytest.fixture(scope="module")
def watcher() -> Watcher:
    return Watcher(threads=1)


@pytest.fixture(scope="module")
def open_hand() -> LiveFrame:
    camera = Camera.load(FRAMES / "camera.json")
    return LiveFrame(0.0, read_depth(FRAMES / "1-open.png", camera.depth_unit_mm), camera)


def arrived(shown: LiveFrame) -> Arrived:
    return Arrived(shown, 7, time.monotonic())


def test_the_hand_is_the_estimator_s(watcher: Watcher, open_hand: LiveFrame) -> None:
    watcher.reset()
    look = watcher.look(arrived(open_hand), ViewSettings())
    found = HandPoseEstimator()(look.frame.depth, look.frame.camera)
    assert found is not None
    np.testing.assert_allclose(look.hands[0].hand.joints, found.joints, atol=1e-3)
    assert look.index == 7


def test_stages_add_up_to_the_time_since_arrival(watcher: Watcher, open_hand: LiveFrame) -> None:
    came = arrived(open_hand)
    time.sleep(0.02)
    look = watcher.look(came, ViewSettings())
    spent = 1000 * (time.monotonic() - came.at)
    assert list(look.stages_ms) == ["wait", "parts", "joints", "locate, crop, track"]
    assert min(look.stages_ms.values()) > 0
    assert look.stages_ms["wait"] >= 20
    assert spent - 5 < sum(look.stages_ms.values()) <= spent


def test_only_the_depth_range_is_measured(watcher: Watcher) -> None:
    steps = np.tile(np.arange(150, 790, 10, dtype=np.float32), (48, 1))
    look = watcher.look(arrived(LiveFrame(0.0, steps, CAMERA)), ViewSettings(near_mm=200, far_mm=400))
    np.testing.assert_array_equal(look.frame.depth, np.where((steps >= 200) & (steps <= 400), steps, 0))


def test_a_hand_outside_of_the_range_is_not_found(watcher: Watcher, open_hand: LiveFrame) -> None:
    watcher.reset()
    assert watcher.look(arrived(open_hand), ViewSettings()).hands
    assert not watcher.look(arrived(open_hand), ViewSettings(near_mm=1200, far_mm=1400)).hands
    assert watcher.look(arrived(open_hand), ViewSettings()).hands


def test_settings_may_change_between_frames(watcher: Watcher, open_hand: LiveFrame) -> None:
    watcher.reset()
    for side in ("left", "right"):
        look = watcher.look(arrived(open_hand), ViewSettings(side=side))
        assert [found.hand.side for found in look.hands] == [side]


def test_a_covered_sensor_shows_no_hand(watcher: Watcher, open_hand: LiveFrame) -> None:
    covered = LiveFrame(0.0, np.zeros_like(open_hand.depth), open_hand.camera)
    assert watcher.look(arrived(covered), ViewSettings()).hands == []


@pytest.mark.parametrize("depth", [frame(0).depth[:-1], np.zeros((7, 64), np.float32)])
def test_a_frame_of_another_size_is_refused_and_the_next_one_is_looked_at(
    watcher: Watcher, open_hand: LiveFrame, depth: np.ndarray
) -> None:
    with pytest.raises(CameraError):
        watcher.look(arrived(LiveFrame(0.0, depth, CAMERA)), ViewSettings())
    assert watcher.look(arrived(open_hand), ViewSettings()).hands


def test_a_camera_of_another_size_may_follow(watcher: Watcher, open_hand: LiveFrame) -> None:
    watcher.look(arrived(open_hand), ViewSettings())
    small = watcher.look(arrived(frame(3)), ViewSettings())
    assert small.frame.depth.shape == (48, 64)
    assert watcher.look(arrived(open_hand), ViewSettings()).hands


@pytest.mark.parametrize(("near", "far"), [(500, 500), (600, 500), (RANGE_MM[0] - 1, 500), (500, RANGE_MM[1] + 1)])
def test_impossible_ranges_are_refused(near: float, far: float) -> None:
    with pytest.raises(SettingsError, match="near_mm, far_mm"):
        ViewSettings(near_mm=near, far_mm=far)
