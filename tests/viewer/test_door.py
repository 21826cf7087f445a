"""Who gets in: asked of the door alone, and through a real server."""

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import viser
import websockets.asyncio.server
from hypothesis import given
from hypothesis import strategies as st
from streams import Tape
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.http11 import Request
from websockets.sync.client import connect

from knuckle.viewer import Viewer
from knuckle.viewer.door import Door, guarded, is_local


def status(door: Door, path: str = "/", host: str = "127.0.0.1:8080", **headers: str) -> int:
    """What a request is answered; 200 where it comes in."""
    answer = door.answer(Request(path, Headers({"Host": host, **headers})))
    return 200 if answer is None else answer.status_code


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False), ("example", False)],
)
def test_what_counts_as_this_machine(host: str, local: bool) -> None:
    assert is_local(host) == local
    assert (Door(host).token is None) == local


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "localhost"])
def test_on_this_machine_its_own_browsers_come_in(host: str) -> None:
    assert status(Door("127.0.0.1"), host=host) == 200
    assert status(Door("127.0.0.1"), host=host, Origin=f"http://{host}", Upgrade="websocket") == 200


def test_on_this_machine_pages_of_other_sites_do_not() -> None:
    door = Door("127.0.0.1")
    assert status(door, host="rebound.example:8080") == 403
    assert status(door, host="") == 403
    assert status(door, Origin="http://example.com", Upgrade="websocket") == 403
    assert status(door, Origin="http://127.0.0.1:9999", Upgrade="websocket") == 403
    assert status(door, Origin="null", Upgrade="websocket") == 403


def test_from_elsewhere_the_token_is_needed_once() -> None:
    door, host = Door("0.0.0.0"), "hands.example:8080"
    assert status(door, host=host) == 401
    assert status(door, "/?token=wrong", host=host) == 401
    assert status(door, "/?token=", host=host) == 401
    answer = door.answer(Request(f"/?token={door.token}", Headers({"Host": host})))
    assert answer is not None
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    cookie, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Lax"} <= set(attributes)
    assert status(door, host=host, Cookie=f"other=1; {cookie}", Upgrade="websocket", Origin=f"http://{host}") == 200
    assert status(door, host=host, Cookie=cookie, Upgrade="websocket", Origin="http://example.com") == 403
    assert status(door, host="hands.example:8081", Cookie=cookie) == 401  # another viewer's
    assert status(Door("0.0.0.0"), host=host, Cookie=cookie) == 401  # a viewer that was started anew


_text = st.text(st.characters(min_codepoint=32, max_codepoint=126))


@given(_text, _text, _text, _text)
def test_nothing_else_comes_in_or_raises(path: str, host: str, origin: str, cookie: str) -> None:
    assert status(Door("0.0.0.0"), path, host, Origin=origin, Cookie=cookie) in {400, 401, 403}


@pytest.fixture
def view() -> Iterator[Callable[[str], Viewer]]:
    viewers: list[Viewer] = []

    def start(host: str) -> Viewer:
        viewers.append(Viewer(lambda: Tape(1000), "tape", host=host, port=0, threads=1))
        return viewers[-1]

    yield start
    for viewer in viewers:
        viewer.close()


def fetched(viewer: Viewer, path: str, **headers: str) -> int:
    """Status of a request over HTTP."""
    asked = urllib.request.Request(f"http://127.0.0.1:{viewer.port}{path}", headers=headers)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def connected(viewer: Viewer, **headers: str) -> int:
    """Status of a web socket; 101 where it comes in."""
    try:
        with connect(
            f"ws://127.0.0.1:{viewer.port}",
            subprotocols=[f"viser-v{viser.__version__}"],  # type: ignore[list-item]
            additional_headers=headers,
            proxy=None,
        ) as socket:
            socket.recv(timeout=30)
            return 101
    except InvalidStatus as error:
        return error.response.status_code


def test_a_page_beyond_this_machine_is_shut(view: Callable[[str], Viewer]) -> None:
    viewer = view("0.0.0.0")
    token = viewer.address.split("token=")[1]
    cookie = f"knuckle-{viewer.port}={token}"
    assert fetched(viewer, "/") == fetched(viewer, "/index.html") == connected(viewer) == 401
    assert fetched(viewer, "/", Cookie=cookie) == 200
    assert connected(viewer, Cookie=cookie) == 101


def test_a_page_of_this_machine_is_shut_to_other_sites(view: Callable[[str], Viewer]) -> None:
    viewer = view("127.0.0.1")
    assert "token" not in viewer.address
    assert fetched(viewer, "/") == 200
    assert connected(viewer) == 101
    assert connected(viewer, Origin="http://example.com") == 403
    assert fetched(viewer, "/", Host="rebound.example") == 403


@pytest.mark.parametrize(
    "path", ["/../viewer.py", "/%2e%2e/%2e%2e/pyproject.toml", "//etc/passwd", "/..%5c..%5csetup.py"]
)
def test_no_address_reaches_other_files(view: Callable[[str], Viewer], path: str) -> None:
    assert fetched(view("127.0.0.1"), path) in {400, 404}


def test_a_server_that_cannot_be_guarded_is_not_left_open() -> None:
    genuine: Any = websockets.asyncio.server.serve
    with pytest.raises(RuntimeError, match="open to everybody"), guarded(Door("127.0.0.1")):
        pass
    assert websockets.asyncio.server.serve is genuine
