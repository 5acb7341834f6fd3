"""Prefect's events of task runs, held back while a report needs the CPU time for its judge calls.

What becomes of a task run is told to the server in events, three for each: with a hundred agents a tenth and more of a
report's time, on a server that serves this process alone and that nobody looks at meanwhile. They are sent in their
order when the judge is all that is waited for, or when the report has ended.
"""

from __future__ import annotations

import asyncio
from abc import ABCMeta
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prefect.events.clients import PrefectEventsClient
from prefect.events.schemas.events import Event
from prefect.events.worker import EventsWorker

_LOOK_SECONDS = 0.05

_holds: set[object] = set()


class _Known(ABCMeta):
    """Makes a class pass for Prefect's own client: Prefect drops the events of any that is not on its list of them."""

    def __eq__(cls, other: object) -> bool:
        return cls is other or other is PrefectEventsClient

    # Not that class's: the worker of the one is not to be the worker of the other.
    __hash__ = ABCMeta.__hash__


class HeldEventsClient(PrefectEventsClient, metaclass=_Known):
    """Prefect's own client, which sends nothing while a report holds the events back; what waits is in its queue."""

    async def _emit(self, event: Event) -> None:
        while _holds:
            await asyncio.sleep(_LOOK_SECONDS)
        await super()._emit(event)


@contextmanager
def events_can_wait() -> Iterator[None]:
    """While the block runs, ``events_held`` holds: the server is this process's own."""
    EventsWorker.set_client_override(HeldEventsClient)
    try:
        yield
    finally:
        EventsWorker.set_client_override(None)


@contextmanager
def events_held() -> Iterator[Callable[[], None]]:
    """Hold Prefect's events back until what this gives is called, at the latest until the block ends.

    It does so within ``events_can_wait`` alone: on a server that others look at, nothing is held.
    """
    hold = object()
    _holds.add(hold)
    try:
        yield lambda: _holds.discard(hold)
    finally:
        _holds.discard(hold)
