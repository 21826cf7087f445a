"""Hands followed through frames: on small networks whose answers are known, and on rendered hands with the shipped."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from knuckle.camera import Camera
from knuckle.errors import DepthError, SettingsError
from knuckle.estimator import Hand, HandPoseEstimator
from knuckle.locate import hand_center, largest_region
from knuckle.smoothing import OneEuroFilter
from knuckle.tracking import HandTracker, TrackingSettings, visible_middle
from onnx_stand_ins import CAMERA, hand_frame, write_stand_ins

PLAIN = TrackingSettings(smoothing=None, side="right")
NOTHING = np.full((480, 640), 5000, dtype=np.float32)  # a wall out of reach


class Asked(HandPoseEstimator):
    """Counts searches and looks at a given place, and notes the sides that were tried."""

    searches = 0
    sides: list[str]

    def __call__(self, *arguments: Any, **options: Any) -> Hand | None:
        self.sides.append(options["side"])
        return super().__call__(*arguments, **options)

    def find(self, *arguments: Any, **options: Any) -> list[Hand]:
        self.searches += 1
        return super().find(*arguments, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stand_ins(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def estimator(folder: Path) -> Asked:
    asked = Asked(folder, threads=1)
    asked.sides = []
    return asked


def moving(speed_mm: float, frames: int, side: str = "right") -> Iterator[np.ndarray]:
    """A hand that goes to the right by so much a frame."""
    for frame in range(frames):
        yield hand_frame(side, x=-100 + speed_mm * frame)


def test_a_moving_hand_is_followed_without_searching(estimator: Asked) -> None:
    tracker = HandTracker(estimator, PLAIN)
    for frame, depth in enumerate(moving(40, 8)):  # 1.2 m/s
        (found,) = tracker(depth, CAMERA, frame / 30)
        assert (found.number, found.frames) == (1, frame + 1)
        middle = visible_middle(found.hand, depth, CAMERA)
        assert np.abs(middle - [-100 + 40 * frame + 0, 0, 600]).max() < 20
    assert estimator.searches == 1


def test_the_next_cube_is_put_ahead_of_a_moving_hand(estimator: Asked) -> None:
    tracker = HandTracker(estimator, PLAIN)
    for frame, depth in enumerate(moving(40, 5)):
        (found,) = tracker(depth, CAMERA, frame / 30)
    assert np.abs(found.hand.center - visible_middle(found.hand, depth, CAMERA)).max() < 5


@pytest.mark.parametrize("times", [[5.0] * 4, [5.0, 4.0, 3.0, 2.0], [1e9, 0.0, 1e9, 0.0]])
def test_a_clock_that_stands_or_goes_back_loses_no_hand(estimator: Asked, times: list[float]) -> None:
    tracker = HandTracker(estimator, TrackingSettings(side="right"))
    for number, (depth, time) in enumerate(zip(moving(10, 4), times, strict=True), start=1):
        (found,) = tracker(depth, CAMERA, time)
        assert (found.number, found.frames) == (1, number)
        assert np.isfinite(found.hand.joints).all()


def test_a_lost_hand_is_searched_and_comes_back_as_another(estimator: Asked) -> None:
    tracker = HandTracker(estimator, PLAIN)
    (first,) = tracker(hand_frame(), CAMERA, 0.0)
    assert tracker(NOTHING, CAMERA, 0.1) == []
    assert tracker(NOTHING, CAMERA, 0.2) == []
    (again,) = tracker(hand_frame(x=200), CAMERA, 0.3)
    assert (again.number, again.frames) == (first.number + 1, 1)


def test_a_hand_that_jumps_is_found_in_the_same_frame(estimator: Asked) -> None:
    tracker = HandTracker(estimator, PLAIN)
    tracker(hand_frame(x=-200), CAMERA, 0.0)
    (found,) = tracker(hand_frame(x=200), CAMERA, 0.03)
    assert found.number == 2
    assert found.hand.center[0] > 100


def test_a_hand_that_left_the_middle_is_looked_at_again(estimator: Asked) -> None:
    tracker = HandTracker(estimator, PLAIN)
    tracker(hand_frame(x=-35), CAMERA, 0.0)
    (found,) = tracker(hand_frame(x=25), CAMERA, 0.03)
    assert (found.number, found.frames) == (1, 2)
    assert np.abs(found.hand.center - visible_middle(found.hand, hand_frame(x=25), CAMERA)).max() < 5
    assert len(estimator.sides) == 2


def test_two_hands_each_with_its_number_and_side(estimator: Asked) -> None:
    tracker = HandTracker(estimator, TrackingSettings(hands=2, smoothing=None))
    for frame in range(12):
        apart = 150 + 3 * frame
        right, left = hand_frame("right", x=apart), hand_frame("left", x=-apart)
        hands = tracker(np.maximum(right, left), CAMERA, frame / 30)
        assert len(hands) == 2
        assert {hand.number: np.sign(hand.hand.center[0]) for hand in hands} in ({1: 1, 2: -1}, {1: -1, 2: 1})
    assert {np.sign(hand.hand.center[0]): hand.hand.side for hand in hands} == {1: "right", -1: "left"}


def test_a_second_hand_is_seen_soon_after_it_comes(estimator: Asked) -> None:
    tracker = HandTracker(estimator, TrackingSettings(hands=2, smoothing=None, side="right"))
    tracker(hand_frame(x=-150), CAMERA, 0.0)
    both = np.maximum(hand_frame(x=-150), hand_frame(x=150))
    counts = [len(tracker(both, CAMERA, frame / 30)) for frame in range(1, 7)]
    assert counts[-1] == 2
    assert estimator.searches <= 4  # not with every frame


def test_two_tracks_never_follow_one_hand(estimator: Asked) -> None:
    tracker = HandTracker(estimator, TrackingSettings(hands=2, smoothing=None, side="right"))
    tracker(np.maximum(hand_frame(x=-60), hand_frame(x=110)), CAMERA, 0.0)
    for frame in range(1, 8):
        hands = tracker(hand_frame(x=0), CAMERA, frame / 30)
        assert len(hands) <= 1


def test_a_side_is_settled_and_looked_at_again(estimator: Asked) -> None:
    tracker = HandTracker(estimator, TrackingSettings(smoothing=None))
    for frame in range(40):
        (found,) = tracker(hand_frame("left"), CAMERA, frame / 30)
    assert found.hand.side == "left"
    assert estimator.sides.count("auto") == 7  # six after the search, and one after 30 frames
    assert set(estimator.sides) == {"auto", "left"}


def test_joints_are_smoothed_as_the_filter_does(estimator: Asked) -> None:
    plain, smooth = HandTracker(estimator, PLAIN), HandTracker(estimator, TrackingSettings(side="right"))
    expected = OneEuroFilter()
    for frame, depth in enumerate(moving(10, 6)):
        (raw,), (shown,) = plain(depth, CAMERA, frame / 30), smooth(depth, CAMERA, frame / 30)
        joints = expected(raw.hand.joints, frame / 30)
        np.testing.assert_allclose(shown.hand.joints, joints, atol=0.05)
        np.testing.assert_allclose(shown.hand.pixels, CAMERA.project(joints), atol=0.1)
    assert np.abs(raw.hand.joints - shown.hand.joints).max() > 1


def test_a_bad_frame_is_refused_and_the_hand_followed_on(estimator: Asked) -> None:
    tracker = HandTracker(estimator, PLAIN)
    tracker(hand_frame(), CAMERA, 0.0)
    with pytest.raises(DepthError):
        tracker(np.full((480, 640), np.nan, dtype=np.float32), CAMERA, 0.03)
    (found,) = tracker(hand_frame(), CAMERA, 0.06)
    assert (found.number, found.frames) == (1, 2)


def test_forgetting_begins_anew(estimator: Asked) -> None:
    tracker = HandTracker(estimator, PLAIN)
    tracker(hand_frame(), CAMERA, 0.0)
    tracker.reset()
    (found,) = tracker(hand_frame(), CAMERA, 0.03)
    assert found.number == 2


@pytest.mark.parametrize("hands", [0, 3, True + 1.5])
def test_impossible_numbers_of_hands_are_refused(hands: Any) -> None:
    with pytest.raises(SettingsError, match="hands must be 1 to 2"):
        TrackingSettings(hands=hands)


def test_several_hands_are_found_apart_from_those_known(estimator: Asked) -> None:
    both = np.maximum(hand_frame(x=-150), hand_frame(x=150))
    hands = estimator.find(both, CAMERA, side="right")
    assert sorted(np.sign(hand.center[0]) for hand in hands) == [-1, 1]
    known = [hand.center for hand in hands if hand.center[0] < 0]
    (other,) = estimator.find(both, CAMERA, beside=known, side="right")
    assert other.center[0] > 0
    assert len(estimator.find(both, CAMERA, count=1, side="right")) == 1


def test_a_hand_without_visible_parts_keeps_its_centre() -> None:
    camera = Camera(480, 480, 320, 240, 640, 480)
    joints = np.zeros((21, 3), dtype=np.float32)
    nothing = np.zeros((480, 640), dtype=np.uint8)
    center = np.array([1, 2, 600], dtype=np.float32)
    hand = Hand(joints, joints[:, :2], nothing, np.ones(21, dtype=np.float32), center, "right")
    np.testing.assert_array_equal(visible_middle(hand, np.zeros((480, 640), dtype=np.float32), camera), center)


def test_a_wrong_side_is_put_right(estimator: Asked) -> None:
    tracker = HandTracker(estimator, TrackingSettings(smoothing=None))
    for frame in range(10):
        (found,) = tracker(hand_frame("right"), CAMERA, frame / 30)
    assert found.hand.side == "right"
    for frame in range(10, 50):
        (found,) = tracker(hand_frame("left"), CAMERA, frame / 30)
    assert (found.number, found.hand.side) == (1, "left")


def test_a_second_hand_that_is_not_there_is_seldom_searched(estimator: Asked) -> None:
    tracker = HandTracker(estimator, TrackingSettings(hands=2, smoothing=None, side="right"))
    for frame in range(11):
        tracker(hand_frame(), CAMERA, frame / 30)
    assert estimator.searches == 3


def test_the_middle_is_that_of_the_largest_region_of_the_whole_frame() -> None:
    rng = np.random.default_rng(0)
    parts = np.zeros((480, 640), dtype=np.uint8)
    parts[100:180, 300:350] = rng.integers(1, 21, (80, 50))
    parts[5:8, 600:620] = 3  # a speck elsewhere
    depth = np.where(parts > 0, rng.uniform(500, 600, parts.shape), 2000).astype(np.float32)
    joints = np.zeros((21, 3), dtype=np.float32)
    hand = Hand(joints, joints[:, :2], parts, np.ones(21, np.float32), np.zeros(3, np.float32), "right")
    rows, columns = np.nonzero(largest_region(parts > 0))
    expected = hand_center(CAMERA.back_project(np.stack([columns, rows], axis=1), depth[rows, columns]))
    np.testing.assert_array_equal(visible_middle(hand, depth, CAMERA), expected)
