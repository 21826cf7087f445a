"""Who may see the page: on this machine its own browsers, from elsewhere who was told the token."""

import http
import ipaddress
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

import websockets.asyncio.server
from websockets.datastructures import Headers, MultipleValuesError
from websockets.http11 import Request, Response

from knuckle.viewer.fewer_frames import with_script

_serving = threading.Lock()


class Door:
    """Lets a request of the page or of its web socket in, or answers in its place.

    host: what the page is bound to. Beyond this machine, `token` has to stand in the first address that a browser asks
    for, which then keeps it in a cookie. On this machine there is none; but no page of another site gets in, neither by
    its own name for this machine (DNS rebinding) nor by a web socket, which browsers open across sites.
    """

    def __init__(self, host: str) -> None:
        self.is_local = is_local(host)
        self.token = None if self.is_local else secrets.token_urlsafe(16)

    def answer(self, request: Request) -> Response | None:
        """None: it may come in."""
        try:
            asked = urlsplit(f"//{request.headers.get('Host', '')}")
            cookie = f"knuckle-{asked.port or 80}"  # cookies know no ports, and a machine may have several viewers
            origin, query = urlsplit(request.headers.get("Origin", "")), parse_qs(urlsplit(request.path).query)
            kept = SimpleCookie("; ".join(request.headers.get_all("Cookie"))).get(cookie)
        except (ValueError, CookieError, MultipleValuesError):
            return _refusal(http.HTTPStatus.BAD_REQUEST, "That is no request of a browser.")
        if self.is_local and not is_local(asked.hostname or ""):
            return _refusal(http.HTTPStatus.FORBIDDEN, "This page is for the machine that it runs on.")
        if "Origin" in request.headers and origin.netloc != asked.netloc:
            return _refusal(http.HTTPStatus.FORBIDDEN, "Another site's page may not use this one.")
        if self.token is None or (kept is not None and self._is(kept.value)):
            return None
        if self._is(query.get("token", [""])[0]):
            keep = f"{cookie}={self.token}; Path=/; HttpOnly; SameSite=Lax"
            return _response(http.HTTPStatus.SEE_OTHER, "", {"Location": "/", "Set-Cookie": keep})
        return _refusal(http.HTTPStatus.UNAUTHORIZED, "Open the whole address that  knuckle view  printed.")

    def _is(self, said: str) -> bool:
        return secrets.compare_digest(said.encode("utf-8", "replace"), (self.token or "").encode())


def is_local(host: str) -> bool:
    """Whether only this machine can reach what is bound to a host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def guarded(door: Door) -> Iterator[None]:
    """Puts a door before the server that viser starts meanwhile, and a script (`fewer_frames`) into the page that it
    serves: it has no means of its own to turn somebody away, or to draw less.

    Raises `RuntimeError` if viser has started none, so that a page never stands open unnoticed.
    """
    genuine = websockets.asyncio.server.serve
    guards = 0

    def serve(*arguments: Any, process_request: Callable[[Any, Request], Any], **options: Any) -> Any:
        nonlocal guards
        guards += 1

        def asked(connection: Any, request: Request) -> Any:
            encodings = ", ".join(request.headers.get_all("Accept-Encoding"))
            if encodings:
                del request.headers["Accept-Encoding"]  # the page is changed before it is compressed
            return door.answer(request) or with_script(process_request(connection, request), "gzip" in encodings)

        return genuine(*arguments, process_request=asked, **options)

    with _serving:
        websockets.asyncio.server.serve = serve  # type: ignore[assignment,misc]
        try:
            yield
        finally:
            websockets.asyncio.server.serve = genuine  # type: ignore[misc]
    if not guards:
        raise RuntimeError("this version of viser serves its page in another way: it would stand open to everybody")


def _refusal(status: http.HTTPStatus, reason: str) -> Response:
    return _response(status, f"{reason}\n", {})


def _response(status: http.HTTPStatus, text: str, more: dict[str, str]) -> Response:
    body = text.encode()
    headers = Headers({"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body)), **more})
    return Response(status.value, status.phrase, headers, body)
