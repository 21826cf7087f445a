"""Hands from frame to frame: the last place gives the next, joints are smoothed, what is lost is searched again."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from knuckle.camera import Camera
from knuckle.crop import CUBE_MM
from knuckle.errors import SettingsError
from knuckle.estimator import SAME_HAND_MM, Hand, HandPoseEstimator
from knuckle.locate import hand_center, largest_region
from knuckle.smoothing import OneEuroFilter, OneEuroSettings

MAX_HANDS = 2

_SIDE_FRAMES = 7
"""Looks at both sides that settle which hand it is, by majority."""
_SIDE_AGAIN = 30
"""Frames until the next look at both; where that one disagrees, both are looked at until the majority agrees."""
_SEARCH_EVERY = 5
"""Frames between searches for a second hand while one is followed: a search costs as much as a frame."""
_MAX_STEP_MM = 60.0
"""Farthest that the next place is put ahead of the last: at 30 frames/s a hand of 2 m/s."""
_ASTRAY_MM = 40.0
"""Distance of the hand's middle from the cube's, beyond which the cube is moved and the frame looked at again: some of
the hand may lie outside."""


@dataclass(frozen=True)
class TrackingSettings:
    """What is followed, and how.

    hands: 1 or 2, followed at once; side: "right", "left" or "auto", of each hand by itself; cube_mm: edge of the cube
    about a hand; smoothing: None leaves the joints as they are.
    """

    hands: int = 1
    side: str = "auto"
    cube_mm: float = CUBE_MM
    smoothing: OneEuroSettings | None = field(default_factory=OneEuroSettings)

    def __post_init__(self) -> None:
        if self.hands not in range(1, MAX_HANDS + 1):
            raise SettingsError(f"hands must be 1 to {MAX_HANDS}, got {self.hands!r}")


@dataclass(frozen=True, eq=False)
class TrackedHand:
    """number: stays the same while the hand is followed; frames: how long that is."""

    hand: Hand
    number: int
    frames: int


class HandTracker:
    """Follows the hands in the frames of one camera, in the order of their times."""

    def __init__(self, estimator: HandPoseEstimator, settings: TrackingSettings | None = None) -> None:
        self.settings = settings or TrackingSettings()
        self._estimator = estimator
        self._tracks: list[_Track] = []
        self._begun = 0
        self._since_search = 0

    def __call__(self, depth: NDArray[np.float32], camera: Camera, timestamp: float) -> list[TrackedHand]:
        """Depth frame (H, W) mm and its time in seconds → the hands in it, the one that is followed longest first.

        Raises what the estimator raises for a frame that is none; the hands are then followed on with the next one.
        """
        followed = [track for track in self._tracks if track.follow(self._ask(depth, camera), depth, camera, timestamp)]
        self._tracks = _apart(followed)
        self._since_search += 1
        missing = self.settings.hands - len(self._tracks)
        if missing and (not self._tracks or self._since_search >= _SEARCH_EVERY):
            self._since_search = 0
            self._begin(depth, camera, timestamp, missing)
        return [TrackedHand(track.shown, track.number, track.frames) for track in self._tracks]

    def reset(self) -> None:
        """Forgets all hands: the next frame is searched."""
        self._tracks = []

    def _ask(self, depth: NDArray[np.float32], camera: Camera) -> "_Ask":
        def ask(center: NDArray[np.float64], side: str) -> Hand | None:
            return self._estimator(depth, camera, center=center, side=side, cube_mm=self.settings.cube_mm)

        return ask

    def _begin(self, depth: NDArray[np.float32], camera: Camera, timestamp: float, count: int) -> None:
        known = [track.middle for track in self._tracks]
        settings = self.settings
        for hand in self._estimator.find(
            depth, camera, count=count, beside=known, side=settings.side, cube_mm=settings.cube_mm
        ):
            self._begun += 1
            smooth = None if settings.smoothing is None else OneEuroFilter(settings.smoothing)
            track = _Track(self._begun, settings.side, smooth)
            track.take(hand, visible_middle(hand, depth, camera), settings.side == "auto", camera, timestamp)
            self._tracks.append(track)


_Ask = Callable[[NDArray[np.float64], str], Hand | None]


class _Track:
    """One hand that is followed."""

    def __init__(self, number: int, side: str, smooth: OneEuroFilter | None) -> None:
        self.number, self.frames = number, 0
        self._asked_side, self._smooth = side, smooth
        self._votes: deque[str] = deque(maxlen=_SIDE_FRAMES)
        self._last: tuple[float, NDArray[np.float64]] | None = None  # time s, middle mm
        self._speed = np.zeros(3)  # mm/s
        self.shown: Hand

    @property
    def middle(self) -> NDArray[np.float64]:
        """(3,) mm: of the hand that was seen last."""
        assert self._last is not None
        return self._last[1]

    def follow(self, ask: _Ask, depth: NDArray[np.float32], camera: Camera, timestamp: float) -> bool:
        """Looks where the hand should be now; whether it is there."""
        side = self._side()
        hand = ask(self._expected(timestamp), side)
        if hand is None:
            return False
        middle = visible_middle(hand, depth, camera)
        if np.linalg.norm(middle - hand.center) > _ASTRAY_MM:
            nearer = ask(middle, side)
            if nearer is not None:
                hand, middle = nearer, visible_middle(nearer, depth, camera)
        self.take(hand, middle, side == "auto", camera, timestamp)
        return True

    def take(self, hand: Hand, middle: NDArray[np.float64], both_sides: bool, camera: Camera, timestamp: float) -> None:
        """Notes what was seen, its visible middle (3,) mm, and whether both sides were tried."""
        if self._last is not None and timestamp > self._last[0]:
            self._speed = (middle - self._last[1]) / (timestamp - self._last[0])
        self._last = timestamp, middle
        if both_sides:
            self._votes.append(hand.side)
        self.frames += 1
        self.shown = hand if self._smooth is None else _moved(hand, self._smooth(hand.joints, timestamp), camera)

    def _expected(self, timestamp: float) -> NDArray[np.float64]:
        """Where the hand should be at a time, if it goes on as it went."""
        assert self._last is not None
        ahead = self._speed * max(0.0, timestamp - self._last[0])
        length = float(np.linalg.norm(ahead))
        return self._last[1] + ahead * min(1.0, _MAX_STEP_MM / max(length, 1e-9))

    def _side(self) -> str:
        """The side to try: both at first and now and then, else the one that most frames showed."""
        if self._asked_side != "auto" or len(self._votes) < _SIDE_FRAMES or self.frames % _SIDE_AGAIN == 0:
            return self._asked_side
        likely = Counter(self._votes).most_common(1)[0][0]
        return likely if self._votes[-1] == likely else "auto"


def visible_middle(hand: Hand, depth: NDArray[np.float32], camera: Camera) -> NDArray[np.float64]:
    """(3,) mm: the middle of the hand's surface as a frame shows it, which is where its cube should have been."""
    left, top, width, height = cv2.boundingRect(hand.parts)  # the rest of the frame need not be looked through
    if width == 0:
        return hand.center.astype(np.float64)
    rows, columns = np.nonzero(largest_region(hand.parts[top : top + height, left : left + width] > 0))
    rows, columns = rows + top, columns + left
    return hand_center(camera.back_project(np.stack([columns, rows], axis=1), depth[rows, columns]))


def _moved(hand: Hand, joints: NDArray[np.float64], camera: Camera) -> Hand:
    """The same hand with its joints (21, 3) mm elsewhere."""
    return replace(hand, joints=joints.astype(np.float32), pixels=camera.project(joints).astype(np.float32))


def _apart(tracks: list[_Track]) -> list[_Track]:
    """Without those that have come to follow another's hand: the older one keeps it."""
    kept: list[_Track] = []
    for track in tracks:
        if all(np.linalg.norm(track.middle - other.middle) >= SAME_HAND_MM for other in kept):
            kept.append(track)
    return kept
