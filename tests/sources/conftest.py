"""APIs of stores for tests, whose servers are functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tasks.sources.spans.api import StoreApi


@pytest.fixture
def api_of() -> Iterator[Callable[..., StoreApi]]:
    """A ``StoreApi`` whose server is a function of the request; it does not sleep."""
    opened: list[StoreApi] = []

    def make(handler: Callable[[httpx.Request], httpx.Response], **options: Any) -> StoreApi:
        http = httpx.Client(transport=httpx.MockTransport(handler), base_url="http://user:s3cret-word@store:1234/base")
        opened.append(StoreApi(http, sleep=lambda _: None, **options))
        return opened[-1]

    yield make
    for api in opened:
        api.close()
