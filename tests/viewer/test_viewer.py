"""The viewer without a browser: what its loop survives, and what it gives back."""

import time
from collections.abc import Callable, Iterator

import pytest
from streams import Tape, number_of

from knuckle.errors import DepthError, SettingsError, WeightsError
from knuckle.sources import Source
from knuckle.viewer import Viewer
from knuckle.viewer.feed import Arrived
from knuckle.viewer.watch import Look, ViewSettings


@pytest.fixture
def view() -> Iterator[Callable[[Callable[[], Source]], Viewer]]:
    viewers: list[Viewer] = []

    def start(open_it: Callable[[], Source]) -> Viewer:
        viewers.append(Viewer(open_it, "tape", port=0, threads=1))
        return viewers[-1]

    yield start
    for viewer in viewers:
        viewer.close()


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("fault", [DepthError("no\nframe"), ZeroDivisionError("ours")])
def test_a_frame_that_cannot_be_looked_at_is_told_and_passed_over(
    view: Callable[..., Viewer], fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = view(lambda: Tape(1000))
    until(lambda: viewer.frames > 0)
    look = viewer._watcher.look
    failed, told = [], []

    def fails_once(arrived: Arrived, settings: ViewSettings) -> Look:
        if not failed:
            failed.append(True)
            raise fault
        return look(arrived, settings)

    monkeypatch.setattr(viewer._page, "fail", told.append)
    monkeypatch.setattr(viewer._watcher, "look", fails_once)
    until(lambda: bool(told))
    before = viewer.frames
    until(lambda: viewer.frames > before + 2)
    assert told == ["no frame" if isinstance(fault, DepthError) else "ZeroDivisionError: ours"]


def test_another_source_may_be_played_and_the_first_is_given_back(view: Callable[..., Viewer]) -> None:
    first, second = Tape(1000), Tape(7, step_s=0.02)
    viewer = view(lambda: first)
    until(lambda: viewer.frames > 0)
    viewer.play(lambda: second, "second")
    until(lambda: first.closed)
    until(lambda: viewer._feed.state.length == 7)
    until(lambda: viewer._look is not None and viewer._look.index < 7)
    viewer.close()
    assert second.closed


def test_it_is_followed_by_what_a_person_asks_for(view: Callable[..., Viewer]) -> None:
    viewer = view(lambda: Tape(1000))
    assert viewer.kept() is None or viewer.frames > 0
    viewer.pause(True)
    viewer.seek(500)
    until(lambda: viewer._look is not None and number_of(viewer._look.whole) == 500)
    viewer.step()
    until(lambda: viewer._look is not None and number_of(viewer._look.whole) == 501)
    camera, kept = viewer.camera(), viewer.kept()
    assert camera is not None
    assert camera.width == 64
    assert kept is not None
    assert kept[:2] == b"PK"


def test_what_cannot_be_shown_is_refused_before_anything_is_served() -> None:
    with pytest.raises(WeightsError):
        Viewer(lambda: Tape(1), "tape", weights="nowhere", port=0)
    with pytest.raises(SettingsError, match="port must be"):
        Viewer(lambda: Tape(1), "tape", port=-1)
