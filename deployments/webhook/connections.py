"""Connections: unambiguous requests, a limited number of connections, and none that only waits."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from deployments.webhook.framing import StrictConnection
from deployments.webhook.problems import ProblemError, problem_response


class PromptProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, which waits forever for a first request, and for headers that drip.

    A connection on which nothing was being answered at two looks, and no request began between them, is closed: also
    one whose request was answered, and which goes on with its body forever. Where there are too many, one that has
    kept us waiting makes room, the longest first: a signed request arrives at once, and a slow one may never be signed.
    """

    seconds_between_looks = 5.0
    # Fewer than a process has descriptors: without any left, asyncio logs a traceback for each that waits.
    most_at_once = 500
    seconds_to_send = 0.05

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.conn = StrictConnection(h11.SERVER, self.config.h11_max_incomplete_event_size or 16_384)
        self._waiting_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room, and start watching it."""
        super().connection_made(transport)
        self._waiting_since = self.loop.time()
        if len(self.connections) > 1.5 * self.most_at_once:
            self._make_room()
        elif len(self.connections) > self.most_at_once:
            # Many are accepted before anything is read of one: by then those who have sent a request are known.
            self.loop.call_later(self.seconds_to_send, self._make_room)
        self._look_later()

    @property
    def is_answering(self) -> bool:
        """Whether a request has come and has no whole answer yet."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    @property
    def is_receiving(self) -> bool:
        """Whether a request has come whose body has not, or not all of it; it may have its answer already."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and cycle.more_body

    def _make_room(self) -> None:
        while len(self.connections) > self.most_at_once:
            longest = self._longest_waiting()
            if longest not in self.connections:
                break
            # Not later: until it is noticed that its connection is lost, it would be found again.
            self.connections.discard(longest)
            longest.transport.abort()

    def _longest_waiting(self) -> PromptProtocol:
        known = [each for each in self.connections if isinstance(each, PromptProtocol)]
        receiving = [each for each in known if each.is_receiving]
        idle = [each for each in known if not each.is_answering and not each.is_receiving]
        # Of those that there are more of: a crowd of one kind makes no room at the expense of the other.
        more = idle if len(idle) > len(receiving) else receiving
        return min(more, key=lambda each: each._waiting_since, default=self)

    def on_response_complete(self) -> None:
        """It is the client's turn: a new one, unless it still owes the rest of a body."""
        if not self.is_receiving:
            self._waiting_since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer an invalid request with problem details, like all refusals, and close the connection."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = problem_response(ProblemError(400, f"{msg} The message is malformed or ambiguous."))
            headers = [*answer.raw_headers, (b"connection", b"close")]
            for event in (
                h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _look_later(self) -> None:
        self.loop.call_later(self.seconds_between_looks, self._look, self.cycle, self.is_answering)

    def _look(self, seen: RequestResponseCycle | None, was_answering: bool) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is seen and not self.is_answering and not was_answering:
            self.transport.close()
        else:
            self._look_later()
