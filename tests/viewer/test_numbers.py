"""What the page says: the right thing first, and nothing that a browser would run."""

from dataclasses import replace

import numpy as np
import pytest

from knuckle import Hand
from knuckle.tracking import TrackedHand
from knuckle.viewer.feed import FeedState
from knuckle.viewer.numbers import Pace, confidence_html, frame_html, pace_html, status_html

WELL = FeedState("synthetic")


def kind(text: str) -> str:
    return text.split("data-kind='")[1].split("'")[0]


@pytest.mark.parametrize(
    ("state", "silent", "error", "searched", "expected", "words"),
    [
        (WELL, 0.1, "", True, "well", "1 hand"),
        (WELL, 0.1, "", False, "waiting", "waiting for the first frame"),
        (WELL, 3.2, "", True, "silent", "no frame for 3 s"),
        (WELL, 0.1, "another size", True, "error", "another size"),
        (replace(WELL, paused=True), 60.0, "another size", True, "paused", "paused"),
        (replace(WELL, fault="unplugged", paused=True), 60.0, "", True, "fault", "unplugged - trying again"),
        (replace(WELL, bad=3, last_bad="torn"), 0.1, "", True, "well", "3 frames could not be read; the last: torn"),
    ],
)
def test_status(state: FeedState, silent: float, error: str, searched: bool, expected: str, words: str) -> None:
    text = status_html(state, silent, error, 1, searched)
    assert kind(text) == expected
    assert words in text
    assert "synthetic" in text


@pytest.mark.parametrize(("hands", "words"), [(0, "no hand"), (1, "1 hand"), (2, "2 hands")])
def test_status_counts_hands(hands: int, words: str) -> None:
    assert f">{words}<" in status_html(WELL, 0.1, "", hands, True)


def test_names_and_messages_are_no_markup() -> None:
    evil = "<img src=x onerror=alert(1)>"
    state = FeedState(evil, fault=evil, bad=1, last_bad=evil)
    for text in (status_html(state, 0, "", 0, True), status_html(FeedState("a"), 0, evil, 0, True)):
        assert "<img" not in text
        assert "&lt;img" in text


def test_rates_and_medians() -> None:
    looked, shown = Pace(), Pace()
    assert looked.fps == 0
    for number in range(200):
        looked.add(number / 40, {"parts": 2.0 if number % 5 else 90.0, "<b>": 1.0})
        shown.add(number / 20, {"draw": 4.0})
    assert looked.fps == pytest.approx(40)
    assert looked.median_ms() == {"parts": 2.0, "<b>": 1.0}
    text = pace_html(looked, shown)
    assert "40 frames/s</b>, 20 of them drawn" in text
    assert "data-fps='40.0'" in text
    assert "<b>arrived to sent</b></td><td style='text-align:right'>7.0 ms" in text
    assert "&lt;b&gt;" in text


def test_the_frame_s_number_counts_from_one_for_people_and_from_zero_for_scripts() -> None:
    assert "data-frame='4' data-arrived-ms='17000500'" in frame_html(4, 1.25, None, 17000.5)
    assert ">frame 5, 1.25 s<" in frame_html(4, 1.25, None, 17000.5)
    assert ">frame 5 of 9, 1.25 s<" in frame_html(4, 1.25, 9, 17000.5)


def test_confidence_of_every_joint_stands_in_the_row_of_its_finger() -> None:
    hand = Hand(
        joints=np.zeros((21, 3), np.float32),
        pixels=np.zeros((21, 2), np.float32),
        parts=np.zeros((4, 4), np.uint8),
        confidence=np.arange(21, dtype=np.float32) / 25,
        center=np.array([1.0, -2.0, 503.4], np.float32),
        side="left",
    )
    text = confidence_html([TrackedHand(hand, 12, 3)])
    assert "<b>left hand 12</b> at 1, -2, 503 mm, wrist 0 %" in text
    rows = text.split("<tr>")[2:]
    for finger, name in enumerate(("thumb", "index", "middle", "ring", "pinky")):
        assert name in rows[finger]
        for joint in range(1 + 4 * finger, 5 + 4 * finger):
            assert f">{4 * joint}</td>" in rows[finger]
    assert confidence_html([]).count("<tr>") == 0
