"""Uploads that are too large are dropped before they are in memory, not after."""

import viser
from viser import _messages

from knuckle.viewer.upload import MAX_BYTES

_MOST_AT_ONCE = 4
_MOST_PARTS = 4096  # which viser keeps by number, whatever their size

TOO_LARGE = f"a depth image has at most {MAX_BYTES >> 20} MiB, and {_MOST_AT_ONCE} may be on their way at once"


class UploadLimit:
    """Watches what browsers send to a server's upload buttons. viser itself takes files of any size into memory."""

    def __init__(self, server: viser.ViserServer) -> None:
        self._server = server
        self._uploads = server.gui._current_file_upload_states
        messages = server.gui._websock_interface  # whose handlers of a message are called one after the other
        messages.register_handler(_messages.FileTransferStartUpload, self._begun)
        messages.register_handler(_messages.FileTransferPart, self._went_on)

    def _begun(self, client: int, message: _messages.FileTransferStartUpload) -> None:
        is_large = message.size_bytes > MAX_BYTES or message.part_count > _MOST_PARTS
        if is_large or len(self._uploads) > _MOST_AT_ONCE:
            self._drop(client, message.transfer_uuid)

    def _went_on(self, client: int, message: _messages.FileTransferPart) -> None:
        upload = self._uploads.get(message.transfer_uuid)
        if upload is not None and upload["transferred_bytes"] > MAX_BYTES:  # more than was announced
            self._drop(client, message.transfer_uuid)

    def _drop(self, client: int, upload: str) -> None:
        self._uploads.pop(upload, None)
        handle = self._server.get_clients().get(client)
        if handle is not None:
            handle.add_notification("That does not work", TOO_LARGE, color="red", auto_close_seconds=8.0)
