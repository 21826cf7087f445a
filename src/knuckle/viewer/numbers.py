"""What the page says in words and numbers, as HTML."""

from collections import deque
from collections.abc import Sequence
from html import escape

import numpy as np

from knuckle.anatomy import FINGERS, HAND21
from knuckle.tracking import TrackedHand
from knuckle.viewer.cloud import JOINT_COLORS
from knuckle.viewer.feed import FeedState

SILENT_SECONDS = 2.0
"""Without a frame, after which the page says so."""

_WINDOW = 60  # frames that the medians are over
_BOX = "padding:0 .7em;line-height:1.35;font-size:.85em"
_LEVELS = ("base", "", "", "tip")


class Pace:
    """Rates and times of the last frames."""

    def __init__(self) -> None:
        self._at: deque[float] = deque(maxlen=_WINDOW)
        self._stages: deque[dict[str, float]] = deque(maxlen=_WINDOW)

    def add(self, at: float, stages_ms: dict[str, float]) -> None:
        """A frame that was shown at a time, in seconds."""
        self._at.append(at)
        self._stages.append(stages_ms)

    @property
    def fps(self) -> float:
        """Frames a second, 0 before there are two."""
        span = self._at[-1] - self._at[0] if len(self._at) > 1 else 0.0
        return (len(self._at) - 1) / span if span > 0 else 0.0

    def median_ms(self) -> dict[str, float]:
        """Of every stage, by name."""
        names = self._stages[-1] if self._stages else {}
        return {name: float(np.median([stages.get(name, 0.0) for stages in self._stages])) for name in names}


def pace_html(looked: Pace, shown: Pace) -> str:
    """Rates of the frames that were looked at and of those that were shown, and the median time of every stage from a
    frame's arrival on."""
    stages = looked.median_ms() | shown.median_ms()
    rows = "".join(_row(escape(name), ms) for name, ms in stages.items())
    return (
        f"<div data-knuckle='pace' data-fps='{looked.fps:.1f}' style='{_BOX}'>"
        f"<b>{looked.fps:.0f} frames/s</b>, {shown.fps:.0f} of them drawn"
        f"<table style='width:100%'>{rows}{_row('<b>arrived to sent</b>', sum(stages.values()))}</table></div>"
    )


def _row(name: str, ms: float) -> str:
    return f"<tr><td>{name}</td><td style='text-align:right'>{ms:.1f} ms</td></tr>"


def status_html(state: FeedState, silent_s: float, error: str, hands: int, searched: bool) -> str:
    """What is going on: a fault, silence, frames that could not be read, or how many hands there are.

    silent_s: seconds since the last frame; error: why the last frame could not be looked at, "" if it could; searched:
    whether there was a frame at all.
    """
    if state.fault:
        kind, text = "fault", f"{state.fault} - trying again"
    elif state.paused:
        kind, text = "paused", "paused"
    elif silent_s > SILENT_SECONDS:
        kind, text = "silent", f"no frame for {silent_s:.0f} s"
    elif error:
        kind, text = "error", error
    elif not searched:
        kind, text = "waiting", "waiting for the first frame"
    else:
        kind, text = "well", ("no hand", "1 hand", "2 hands")[hands]
    color = {"fault": "#c92a2a", "silent": "#c92a2a", "error": "#c92a2a"}.get(kind, "inherit")
    bad = (
        f"<br><small>{state.bad} frames could not be read; the last: {escape(state.last_bad)}</small>"
        if state.bad
        else ""
    )
    return (
        f"<div data-knuckle='status' data-kind='{kind}' style='{_BOX}'><b>{escape(state.name)}</b><br>"
        f"<span style='color:{color}'>{escape(text)}</span>{bad}</div>"
    )


def frame_html(index: int, timestamp: float, length: int | None, arrived: float) -> str:
    """Which frame is shown. Its number, and when it came (seconds of `time.time`), let a script tell how old it is when
    it is on the page."""
    of = "" if length is None else f" of {length}"
    text = f"frame {index + 1}{of}, {timestamp:.2f} s"
    data = f"data-knuckle='frame' data-frame='{index}' data-arrived-ms='{1000 * arrived:.0f}'"
    return f"<small {data} style='{_BOX}'>{text}</small>"


def confidence_html(hands: Sequence[TrackedHand]) -> str:
    """The confidence of every joint, per cent: a row a finger, base to tip."""
    return "".join(_hand_html(found) for found in hands) or "<div data-knuckle='confidence'></div>"


def _hand_html(found: TrackedHand) -> str:
    hand = found.hand
    percent = np.rint(100 * hand.confidence).astype(int)
    x, y, z = (float(value) for value in hand.center)
    rows = "".join(
        f"<tr><td>{_swatch(1 + 4 * finger)}{name}</td>"
        + "".join(_cell(percent[joint], HAND21[joint]) for joint in range(1 + 4 * finger, 5 + 4 * finger))
        + "</tr>"
        for finger, name in enumerate(FINGERS)
    )
    head = "".join(f"<th style='font-weight:normal'>{level}</th>" for level in _LEVELS)
    title = f"<b>{hand.side} hand {found.number}</b> at {x:.0f}, {y:.0f}, {z:.0f} mm, wrist {percent[0]} %"
    return (
        f"<div data-knuckle='confidence' style='{_BOX}'>{title}"
        f"<table style='width:100%;text-align:right'><tr><th></th>{head}</tr>{rows}</table></div>"
    )


def _cell(percent: int, joint: str) -> str:
    return f"<td title='{joint}' style='background:hsl({1.2 * percent:.0f},65%,80%);color:#111'>{percent}</td>"


def _swatch(joint: int) -> str:
    r, g, b = JOINT_COLORS[joint]
    return f"<span style='background:rgb({r},{g},{b});padding:0 .4em;margin-right:.4em'></span>"
