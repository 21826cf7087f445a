"""Signals that stop a training: the first is noted, the second acts, and everything is as before afterwards."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from knuckle.training.stop import STOPPING, TrainingStopped, noting_signals


class Acted(Exception):  # noqa: N818
    pass


@pytest.fixture(params=STOPPING)
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal, which raises `Acted` where nothing else handles it."""

    def act(*_: object) -> None:
        raise Acted

    before = signal.signal(request.param, act)
    yield request.param
    signal.signal(request.param, before)


def test_the_first_signal_is_noted_and_the_second_acts(number: signal.Signals) -> None:
    with noting_signals() as noted:
        assert noted() == 0
        os.kill(os.getpid(), number)
        assert noted() == number
        with pytest.raises(Acted):
            os.kill(os.getpid(), number)


def test_afterwards_signals_act_as_before(number: signal.Signals) -> None:
    with noting_signals():
        pass
    with pytest.raises(Acted):
        os.kill(os.getpid(), number)


def test_after_an_error_too(number: signal.Signals) -> None:
    with pytest.raises(KeyError), noting_signals():
        raise KeyError
    with pytest.raises(Acted):
        os.kill(os.getpid(), number)


def test_in_another_thread_nothing_is_noted(number: signal.Signals) -> None:
    """Python lets only the main thread handle signals."""
    seen = []

    def work() -> None:
        with noting_signals() as noted:
            seen.append(noted())

    handler = signal.getsignal(number)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [0]
    assert signal.getsignal(number) is handler


def test_a_stop_says_where_and_what_next() -> None:
    stopped = TrainingStopped(signal.SIGTERM, Path("run"), 12, 300)
    assert str(stopped) == "run: stopped by SIGTERM after step 12 of 300: the same command goes on from there"
    assert stopped.exit_code == 0
    assert TrainingStopped(signal.SIGINT, Path("run"), 1, 2).exit_code == 130
    assert isinstance(stopped, KeyboardInterrupt)  # whoever catches errors does not take it for one
