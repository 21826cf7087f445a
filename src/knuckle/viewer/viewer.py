"""The live page: a source, the hands in it, and a local web server that shows both."""

import contextlib
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

import viser

from knuckle.camera import Camera
from knuckle.errors import KnuckleError, SettingsError
from knuckle.sources import Source
from knuckle.viewer.cloud import panel, part_map
from knuckle.viewer.controls import Controls
from knuckle.viewer.door import Door, guarded
from knuckle.viewer.feed import RETRY_SECONDS, Arrived, Feed
from knuckle.viewer.keep import zipped
from knuckle.viewer.page import Page
from knuckle.viewer.upload_limit import UploadLimit
from knuckle.viewer.watch import Look, ViewSettings, Watcher

HOST, PORT = "127.0.0.1", 8080

_DRAW_SECONDS = 0.03
"""At least from one frame that is drawn to the next, and as much again for each frame that waits: a browser without a
GPU shares the cores, and shows about 15 a second."""

_TICK = 0.1  # s without a frame, after which the status is looked at


class Viewer:
    """Serves the page from the moment it is made until it is closed; use it in a `with` block.

    open_it: opens the source that is shown first; name: what to call it until then; host, port: where the page is; the
    next free port is taken, and is `port`. Beyond this machine, the page cannot name sources, and only who has its
    whole `address` gets in (`Door`). weights, threads: as of `HandPoseEstimator`. Raises what the estimator raises, and
    `SettingsError` for an address that cannot be served.
    """

    def __init__(
        self,
        open_it: Callable[[], Source],
        name: str,
        host: str = HOST,
        port: int = PORT,
        weights: str | Path | None = None,
        threads: int | None = None,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self.settings = ViewSettings()
        self.frames = 0
        """Looked at so far."""
        self._watcher = Watcher(weights, threads)
        self._retry = retry_seconds
        self._door, self._host = Door(host), host
        self._server = _serve(host, port, self._door)
        self.port = self._server.get_port()
        self._look: Look | None = None
        self._closed, self._drawn = False, 0.0
        self._page = Page(self._server)
        self.is_local = self._door.is_local
        self._controls = Controls(self._server, self, name, may_open=self.is_local)
        UploadLimit(self._server)
        self._feed = Feed(open_it, name, retry_seconds)
        self._thread = threading.Thread(target=self._run, name="viewer", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Viewer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the page and gives the source back."""
        self._closed = True
        self._feed.close()
        self._thread.join(timeout=5.0)
        with _silent():
            self._server.stop()

    @property
    def address(self) -> str:
        """Of the page, with the token that lets a browser in, where one is needed."""
        everywhere = self._host in ("0.0.0.0", "::")
        host = socket.gethostname() if everywhere else f"[{self._host}]" if ":" in self._host else self._host
        token = "" if self._door.token is None else f"?token={self._door.token}"
        return f"http://{host}:{self.port}/{token}"

    def play(self, open_it: Callable[[], Source], name: str) -> None:
        """Shows another source from now on."""
        before, self._feed = self._feed, Feed(open_it, name, self._retry)
        before.close()

    def pause(self, paused: bool) -> None:
        """As of `Feed`, like `step` and `seek`."""
        self._feed.pause(paused)

    def step(self) -> None:
        self._feed.step()

    def seek(self, index: int) -> None:
        self._feed.seek(index)

    @property
    def dropped(self) -> int:
        """Frames of the source that came while the one before was looked at, and were not."""
        return self._feed.state.dropped

    def camera(self) -> Camera | None:
        """Of the frame that is shown."""
        return None if self._look is None else self._look.frame.camera

    def kept(self) -> bytes | None:
        """The frame that is shown, as a ZIP; None before there is one."""
        look, settings = self._look, self.settings
        if look is None:
            return None
        hands = [found.hand for found in look.hands]
        parts = part_map(hands, look.frame.depth.shape)
        return zipped(look, panel(look.frame, hands, parts, settings.near_mm, settings.far_mm))

    def _run(self) -> None:
        feed, last = self._feed, time.monotonic()
        while not self._closed:
            if feed is not self._feed:
                feed, last, self._look = self._feed, time.monotonic(), None
                self._watcher.reset()
                self._page.forget()
            arrived = feed.take(_TICK)
            if arrived is not None:
                last = arrived.at
                self._watch(arrived, feed)
            if self._page.tell(feed.state, time.monotonic() - last):
                self._controls.follow(feed.state, 0 if self._look is None else self._look.index)

    def _watch(self, arrived: Arrived, feed: Feed) -> None:
        settings = self.settings
        try:
            self._look = self._watcher.look(arrived, settings)
        except KnuckleError as error:
            self._page.fail(" ".join(str(error).split()))
            return
        except Exception as error:  # a fault of ours: the page says so, and goes on with the next frame
            self._page.fail(f"{type(error).__name__}: {' '.join(str(error).split())}")
            return
        self.frames += 1
        self._page.count(self._look)
        # hands are followed in every frame; drawing gives way to frames that wait, but never stops
        if time.monotonic() - self._drawn > _DRAW_SECONDS * (1 + feed.waiting):
            self._page.show(self._look, settings, feed.state)
            self._drawn = time.monotonic()


def _serve(host: str, port: int, door: Door) -> viser.ViserServer:
    if not 0 <= port <= 65535:
        raise SettingsError(f"port must be 0 to 65535, got {port}")
    try:
        with socket.create_server((host, 0), family=_family(host)):
            pass
    except OSError as error:  # viser would look for a free port for ever
        raise SettingsError(f"{host}: cannot serve a page there ({error.strerror or error})") from None
    with _silent(), guarded(door):
        server = viser.ViserServer(host=host, port=port, label="knuckle", verbose=False)
    server.gui.configure_theme(show_logo=False, show_share_button=False, dark_mode=True)
    server.request_share_url = _keep_private  # type: ignore[method-assign,assignment]
    return server


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without what viser prints in its own name."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _keep_private(verbose: bool = True) -> None:
    """In place of the server's own: it would give the page to anybody, through a machine that is not the user's."""
