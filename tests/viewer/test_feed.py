"""A feed plays recordings at their pace and live sources as they come, and survives whatever a source does."""

import time
from collections.abc import Callable, Iterator

import pytest
from streams import UNPLUGGED, Camera3D, Gate, Tape, frame, number_of

from knuckle.errors import DepthError, SettingsError
from knuckle.sources import BadFrame, LiveFrame, Source
from knuckle.viewer.feed import Arrived, Feed


@pytest.fixture
def play() -> Iterator[Callable[..., Feed]]:
    feeds: list[Feed] = []

    def start(source: Source | Callable[[], Source], retry: float = 0.02) -> Feed:
        feeds.append(Feed(source if callable(source) else lambda: source, "source", retry))
        return feeds[-1]

    yield start
    for feed in feeds:
        feed.close()
        assert not feed._thread.is_alive()


def take(feed: Feed) -> Arrived:
    found = feed.take(20)
    assert found is not None
    return found


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_recording_plays_over_and_over(play: Callable[..., Feed]) -> None:
    feed = play(Tape(3, step_s=0.15))
    found = [take(feed) for _ in range(7)]
    assert [shown.index for shown in found] == [0, 1, 2, 0, 1, 2, 0]
    assert [number_of(shown.frame) for shown in found] == [0, 1, 2, 0, 1, 2, 0]
    assert feed.state.length == 3
    assert feed.state.name == "tape"


def test_a_recording_keeps_its_pace(play: Callable[..., Feed]) -> None:
    feed = play(Tape(50, step_s=0.1))
    first = take(feed)
    last = first
    while last.index < 5:
        last = take(feed)
    assert 0.4 < last.at - first.at < 1.5


def test_pause_step_and_seek(play: Callable[..., Feed]) -> None:
    feed = play(Tape(100, step_s=0.05))
    take(feed)
    feed.pause(True)
    until(lambda: feed.state.paused)
    feed.take(0.2)  # one that was on its way
    assert feed.take(0.2) is None
    feed.seek(40)
    assert take(feed).index == 40
    feed.step()
    assert take(feed).index == 41
    feed.step()
    assert take(feed).index == 42
    assert feed.take(0.15) is None
    feed.seek(1000)
    assert take(feed).index == 99
    feed.seek(-3)
    assert take(feed).index == 0
    feed.pause(False)
    assert take(feed).index == 1


def test_torn_frames_of_a_recording_are_counted_and_passed_over(play: Callable[..., Feed]) -> None:
    feed = play(Tape(4, torn=(1, 2), step_s=0.15))
    assert [take(feed).index for _ in range(3)] == [0, 3, 0]
    until(lambda: feed.state.bad >= 2)
    assert feed.state.last_bad in ("frame 1: torn", "frame 2: torn")
    assert feed.state.fault == ""


def test_what_nobody_takes_is_dropped_and_the_four_newest_stay(play: Callable[..., Feed]) -> None:
    def script() -> Iterator[LiveFrame]:
        yield from (frame(number) for number in range(10))
        gate.wait()

    gate = Gate()
    feed = play(Camera3D(script))
    until(lambda: feed.state.dropped == 6)
    assert feed.waiting == 4
    assert [take(feed).index for _ in range(4)] == [6, 7, 8, 9]
    assert feed.waiting == 0
    gate.open()


def test_a_live_source_that_is_paused_runs_on_unseen(play: Callable[..., Feed]) -> None:
    def script() -> Iterator[LiveFrame]:
        for number in range(1000):
            gate.wait()
            yield frame(number)

    gate = Gate()
    feed = play(Camera3D(script))
    gate.open()
    assert take(feed).index == 0
    feed.pause(True)
    gate.open(5)
    assert feed.take(0.1) is None
    feed.step()
    gate.open()
    assert take(feed).index == 6
    feed.pause(False)
    gate.open()
    assert take(feed).index == 7
    gate.open(1000)


@pytest.mark.parametrize("fault", [UNPLUGGED, RuntimeError("driver:\n  gone"), ZeroDivisionError()])
def test_a_source_that_raises_is_opened_again(play: Callable[..., Feed], fault: Exception) -> None:
    opened = []

    def open_it() -> Source:
        opened.append(True)

        def script() -> Iterator[LiveFrame | Exception]:
            yield frame(len(opened))
            gate.wait()
            yield fault

        return Camera3D(script)

    gate = Gate()
    feed = play(open_it, retry=0.2)
    assert number_of(take(feed).frame) == 1
    assert feed.state.fault == ""
    gate.open()
    until(lambda: feed.state.fault != "")
    assert feed.state.fault == (" ".join(str(fault).split()) or "ZeroDivisionError")
    assert number_of(take(feed).frame) == 2
    assert feed.state.fault == ""
    gate.open(1000)


def test_a_stream_that_ends_says_so(play: Callable[..., Feed]) -> None:
    feed = play(Camera3D(lambda: iter([frame(0)])), retry=60)
    take(feed)
    until(lambda: feed.state.fault == "the stream has ended")


def test_a_source_that_cannot_be_opened_is_a_fault_too(play: Callable[..., Feed]) -> None:
    def open_it() -> Source:
        raise SettingsError("nowhere: there is no such file")

    feed = play(open_it)
    until(lambda: feed.state.fault == "nowhere: there is no such file")
    assert feed.state.name == "source"
    assert feed.state.length is None


def test_bad_frames_of_a_live_source_do_not_end_it(play: Callable[..., Feed]) -> None:
    def script() -> Iterator[LiveFrame | BadFrame]:
        yield BadFrame(0.0, DepthError("torn,\nagain"))
        yield frame(1)
        gate.wait()

    gate = Gate()
    feed = play(Camera3D(script))
    assert take(feed).index == 1
    assert (feed.state.bad, feed.state.last_bad, feed.state.fault) == (1, "torn, again", "")
    gate.open()


def test_closing_gives_the_source_back(play: Callable[..., Feed]) -> None:
    tape = Tape(5)
    feed = play(tape)
    take(feed)
    feed.close()
    assert tape.closed


def test_closing_does_not_wait_for_a_sensor_that_hangs() -> None:
    def script() -> Iterator[LiveFrame]:
        gate.wait()
        yield frame(0)

    gate = Gate()
    feed = Feed(lambda: Camera3D(script), "camera")
    begun = time.monotonic()
    feed.close()
    assert time.monotonic() - begun < 5
    assert feed.take(0) is None
    gate.open()
    feed._thread.join(20)
