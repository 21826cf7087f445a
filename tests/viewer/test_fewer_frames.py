"""The script that goes into the page: into pages alone, whatever their encoding, with the right length."""

import gzip

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Response

from knuckle.viewer.fewer_frames import with_script

PAGE = b"<!doctype html><html><head><title>hand</title></head><body><head></body></html>"


def answer(body: bytes, kind: str = "text/html; charset=utf-8") -> Response:
    headers = {"Content-Type": kind, "Content-Encoding": "identity", "Content-Length": str(len(body)), "A": "b"}
    return Response(200, "OK", Headers(headers), body)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_page_gets_the_script_ahead_of_its_own(zipped: bool) -> None:
    found = with_script(answer(PAGE), zipped)
    assert found is not None
    assert found.body is not None
    text = gzip.decompress(found.body) if zipped else found.body
    before, script, after = text.partition(b"<script>")[0], b"requestAnimationFrame", text.partition(b"</script>")[2]
    assert before + after == PAGE
    assert before == b"<!doctype html><html><head>"
    assert script in text
    assert found.headers.get_all("Content-Length") == [str(len(found.body))]
    assert found.headers.get_all("Content-Encoding") == ["gzip" if zipped else "identity"]
    assert (found.status_code, found.headers["A"]) == (200, "b")


@pytest.mark.parametrize("kind", ["application/javascript", "image/png"])
def test_what_is_no_page_stays_as_it_is(kind: str) -> None:
    response = answer(PAGE, kind)
    assert with_script(response) is response


def test_nothing_stays_nothing() -> None:
    assert with_script(None) is None
