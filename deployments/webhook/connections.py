"""Connections: so many and no more, and closed when no request has come in time."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle


class PromptProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, which waits for ever for a first request, and for headers that drip.

    A connection on which nothing was being answered at two looks, and no request began between them, is closed: also
    one whose request was answered, and which goes on with its body for ever. Where there are too many, one on which
    nothing is being answered makes room.
    """

    seconds_between_looks = 5.0
    # Fewer than a process has descriptors: without any left, asyncio logs a traceback for each that waits.
    most_at_once = 500

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room, and begin to look."""
        super().connection_made(transport)
        if len(self.connections) > self.most_at_once:
            others = (known for known in self.connections if isinstance(known, PromptProtocol) and known is not self)
            idle = next((known for known in others if not known.is_answering), self)
            # Not later: until it is noticed that its connection is lost, it would be found again.
            self.connections.discard(idle)
            idle.transport.abort()
        self._look_later()

    @property
    def is_answering(self) -> bool:
        """Whether a request has come and has no whole answer yet."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _look_later(self) -> None:
        self.loop.call_later(self.seconds_between_looks, self._look, self.cycle, self.is_answering)

    def _look(self, seen: RequestResponseCycle | None, was_answering: bool) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is seen and not self.is_answering and not was_answering:
            self.transport.close()
        else:
            self._look_later()
