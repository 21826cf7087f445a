"""What a browser that keeps to no rule may send."""

import asyncio
from collections.abc import Iterator

import pytest
from streams import Tape
from viser import _messages

from knuckle.viewer import Viewer, upload_limit
from knuckle.viewer.upload import MAX_BYTES


class Sender:
    """Sends messages to a viewer's upload button as a browser would."""

    def __init__(self, viewer: Viewer) -> None:
        self._gui = viewer._server.gui
        handles = self._gui._gui_input_handle_from_uuid.items()
        self._button = next(uuid for uuid, handle in handles if "Upload" in str(getattr(handle, "label", "")))

    def begin(self, name: str, size: int, parts: int) -> None:
        self._send(_messages.FileTransferStartUpload(self._button, name, "a.npy", "", parts, size))

    def part(self, name: str, number: int, content: bytes) -> None:
        self._send(_messages.FileTransferPart(self._button, name, number, content))

    def on_their_way(self) -> set[str]:
        return set(self._gui._current_file_upload_states)

    def _send(self, message: _messages.Message) -> None:
        asyncio.run(self._gui._websock_interface._handle_incoming_message(0, message))


@pytest.fixture
def sender() -> Iterator[Sender]:
    with Viewer(lambda: Tape(1000), "tape", port=0, threads=1) as viewer:
        yield Sender(viewer)


def test_what_is_announced_as_too_large_is_not_taken(sender: Sender) -> None:
    sender.begin("large", MAX_BYTES + 1, 2)
    sender.begin("many", 1000, 1_000_000)
    sender.begin("fits", MAX_BYTES, 2)
    assert sender.on_their_way() == {"fits"}


def test_what_grows_beyond_its_announcement_is_dropped(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_limit, "MAX_BYTES", 1000)
    sender.begin("liar", 10, 100)
    sender.part("liar", 0, bytes(600))
    assert sender.on_their_way() == {"liar"}
    sender.part("liar", 1, bytes(600))
    assert not sender.on_their_way()
    sender.part("liar", 2, bytes(600))
    assert not sender.on_their_way()


def test_few_are_on_their_way_at_once(sender: Sender) -> None:
    for number in range(6):
        sender.begin(str(number), 10, 2)
    assert sender.on_their_way() == {"0", "1", "2", "3"}
