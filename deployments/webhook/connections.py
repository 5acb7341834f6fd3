"""Connections that wait for nothing: closed when no request has come in time."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle


class PromptProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, which waits for ever for a first request, and for headers that drip.

    A connection on which nothing was being answered at two looks, and no request began between them, is closed.
    """

    seconds_between_looks = 5.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look."""
        super().connection_made(transport)
        self._look_later()

    def _look_later(self) -> None:
        self.loop.call_later(self.seconds_between_looks, self._look, self.cycle)

    def _look(self, seen: RequestResponseCycle | None) -> None:
        if self.transport.is_closing():
            return
        answering = seen is not None and not seen.response_complete
        if self.cycle is seen and not answering:
            self.transport.close()
        else:
            self._look_later()
