"""Where one request ends and the next begins: only requests that leave no doubt about that are read.

A proxy in front may read a doubtful one in another way, and then what it took for a body is served as a request that it
never saw (request smuggling). h11 reads several such forms leniently, as RFC 9112 allows for old clients.
"""

from __future__ import annotations

import re
from typing import Any

import h11

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n)")
_FOLDED = re.compile(rb"\n[ \t]")
_LENGTH = re.compile(rb"[0-9]{1,15}")


class StrictConnection(h11.Connection):
    """h11's connection, which refuses with 400 (and then closes) in addition:

    both Content-Length and Transfer-Encoding, either of them twice or as a list, Transfer-Encoding in HTTP/1.0; lines
    that end in a bare LF or CR, and lines that are folded, in headers; trailers after the last chunk.
    """

    def next_event(self) -> Any:
        """As h11 does.

        Raises:
            h11.RemoteProtocolError: invalid or ambiguous input.
        """
        before = self.trailing_data[0]
        if self.their_state is h11.IDLE:
            self._check_head(before)
        event = super().next_event()
        if isinstance(event, h11.EndOfMessage):
            read = before[: len(before) - len(self.trailing_data[0])]
            if list(event.headers) or (read and not read.endswith(b"\r\n")):
                self._refuse("trailers after the last chunk, or a line that does not end in CR LF")
        return event

    def _check_head(self, received: bytes) -> None:
        if received[:1] == b"\n" or (end := _HEAD_END.search(received)) is None:
            return
        head = received[: end.end()]
        if _BARE.search(head):
            self._refuse("a line that does not end in CR LF")
        if _FOLDED.search(head):
            self._refuse("a folded header")
        fields = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
        lengths = [value.strip(b" \t") for name, _, value in fields if name.strip().lower() == b"content-length"]
        codings = [value for name, _, value in fields if name.strip().lower() == b"transfer-encoding"]
        if len(lengths) + len(codings) > 1:
            self._refuse("more than one length of the body")
        if lengths and not _LENGTH.fullmatch(lengths[0]):
            self._refuse("a Content-Length that is no number")
        if codings and head.partition(b"\r\n")[0].endswith(b"HTTP/1.0"):
            self._refuse("Transfer-Encoding in HTTP/1.0")

    def _refuse(self, why: str) -> None:
        raise h11.RemoteProtocolError(why)
