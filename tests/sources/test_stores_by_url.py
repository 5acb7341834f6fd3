"""Each store of traces by its URL, on a real server."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import httpx
import pytest

from tasks.errors import SourceError
from tasks.sources.opening import STORES, SourceSettings, open_source


@pytest.mark.parametrize("kind", STORES)
def test_credentials_are_sent_and_not_shown(kind: str, loopback_url_of: Callable[..., str]) -> None:
    asked: list[httpx.Request] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(401, json={"message": "not with s3cret-word or s3cret-token"})

    url = f"{kind}+http://me:s3cret-word@{loopback_url_of(refuse)}/base"
    with (
        closing(open_source(url, SourceSettings(headers={"X-Scope-OrgID": "s3cret-token"}))) as source,
        pytest.raises(SourceError, match="credentials refused") as error,
    ):
        source.check()
    assert "s3cret" not in str(error.value)
    assert asked[0].url.path.startswith("/base/")
    assert asked[0].headers["authorization"].startswith("Basic ")
    assert asked[0].headers["x-scope-orgid"] == "s3cret-token"
