"""Prefect's API while a flow runs."""

from __future__ import annotations

import time

from prefect.client.orchestration import get_client

_PAUSE_SECONDS = 0.5


def api_answers(*, within_seconds: float) -> bool:
    """Whether the API is healthy now, or becomes so within this time; returns as soon as it is."""
    deadline = time.monotonic() + within_seconds
    with get_client(sync_client=True) as client:
        while client.api_healthcheck() is not None:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE_SECONDS)
    return True
