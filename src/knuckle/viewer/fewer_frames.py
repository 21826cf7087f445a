"""A script in the page that spares browsers without a GPU: viser's own page has no such setting."""

import gzip
from functools import lru_cache
from importlib import resources

from websockets.datastructures import Headers
from websockets.http11 import Response

_HEAD = b"<head>"


def with_script(response: Response | None) -> Response | None:
    """The answer to a browser's request; a page gets the script `fewer_frames.js` ahead of its own."""
    if response is None or not response.headers.get("Content-Type", "").startswith("text/html"):
        return response
    zipped = response.headers.get("Content-Encoding") == "gzip"
    body = _with_script(bytes(response.body or b""), zipped)
    headers = Headers(response.headers.raw_items())
    del headers["Content-Length"]
    headers["Content-Length"] = str(len(body))
    return Response(response.status_code, response.reason_phrase, headers, body)


@lru_cache(maxsize=4)  # viser keeps its page, too
def _with_script(body: bytes, zipped: bool) -> bytes:
    page = gzip.decompress(body) if zipped else body
    script = resources.files("knuckle.viewer").joinpath("fewer_frames.js").read_bytes()
    page = page.replace(_HEAD, _HEAD + b"<script>" + script + b"</script>", 1)
    return gzip.compress(page) if zipped else page
