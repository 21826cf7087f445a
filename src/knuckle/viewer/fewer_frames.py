"""A script in the page that spares browsers without a GPU: viser's own page has no such setting."""

import gzip
from functools import lru_cache
from importlib import resources

from websockets.datastructures import Headers
from websockets.http11 import Response

_HEAD = b"<head>"


def with_script(response: Response | None, zipped: bool = False) -> Response | None:
    """An answer to a browser's request, not compressed: a page gets the script `fewer_frames.js` ahead of its own.

    zipped: compress the page then. Everything else stays as it is.
    """
    if response is None or not response.headers.get("Content-Type", "").startswith("text/html"):
        return response
    body = _with_script(bytes(response.body or b""), zipped)
    changed = {"Content-Length": str(len(body)), "Content-Encoding": "gzip" if zipped else "identity"}
    kept = [(name, value) for name, value in response.headers.raw_items() if name not in changed]
    return Response(response.status_code, response.reason_phrase, Headers([*kept, *changed.items()]), body)


@lru_cache(maxsize=4)  # viser keeps its page, too
def _with_script(page: bytes, zipped: bool) -> bytes:
    script = resources.files("knuckle.viewer").joinpath("fewer_frames.js").read_bytes()
    page = page.replace(_HEAD, _HEAD + b"<script>" + script + b"</script>", 1)
    return gzip.compress(page) if zipped else page
