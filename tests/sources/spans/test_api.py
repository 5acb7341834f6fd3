"""Requests to a store's API: what comes back, what is tried again, and what an error shows."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from tasks.errors import LargeAnswerError, SourceError
from tasks.sources.spans.api import StoreApi

ApiOf = Callable[..., StoreApi]


def test_an_object_comes_back_and_the_base_path_is_kept(api_of: ApiOf) -> None:
    asked: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"data": 1})

    assert api_of(handler).get("/v1/things", [("id", "a"), ("id", "b")]) == {"data": 1}
    assert asked[0].url.path == "/base/v1/things"
    assert asked[0].url.query == b"id=a&id=b"
    assert asked[0].headers["authorization"].startswith("Basic ")


def test_a_search_by_body_is_a_post(api_of: ApiOf) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert (request.method, request.headers["content-type"]) == ("POST", "application/json")
        return httpx.Response(200, content=request.content)

    assert api_of(handler).post("/search", {"max": 2}) == {"max": 2}


def test_a_busy_store_is_asked_again(api_of: ApiOf) -> None:
    answers = [httpx.Response(503), httpx.Response(429), httpx.Response(200, json={"ok": True})]
    assert api_of(lambda _: answers.pop(0)).get("/x") == {"ok": True}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (httpx.Response(401, json={"message": "bad key s3cret-word"}), "credentials refused"),
        (httpx.Response(400, json={"detail": "no such filter"}), "no such filter"),
        (httpx.Response(200, text="<html>"), "is the base path of the URL right?"),
        (httpx.Response(200, json=[1]), "answered no JSON"),
        (httpx.Response(302, headers={"location": "https://login.example/"}), "AGENT_REPORT_SOURCE_URL"),
    ],
)
def test_an_error_gives_the_reason_and_no_secret(api_of: ApiOf, answer: httpx.Response, reason: str) -> None:
    with pytest.raises(SourceError, match=reason.replace("?", r"\?")) as error:
        api_of(lambda _: answer).get("/x")
    assert "s3cret" not in str(error.value)


def test_a_server_that_is_not_there_is_named_with_the_setting(api_of: ApiOf) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(SourceError, match=r"no connection to http://store:1234/base \(AGENT_REPORT_SOURCE_URL\)"):
        api_of(handler).get("/x")


def test_a_path_that_is_not_there_is_none_to_find(api_of: ApiOf) -> None:
    for answer in (
        httpx.Response(404, json={"error": "no"}),
        httpx.Response(404, text="404 page"),
        httpx.Response(405),
    ):
        assert api_of(lambda _, answer=answer: answer).find("/x") is None


def test_an_answer_that_is_too_long_is_not_read(api_of: ApiOf) -> None:
    api = api_of(lambda _: httpx.Response(200, json={"data": "x" * 100}), max_response_bytes=50)
    with pytest.raises(LargeAnswerError, match="larger than"):
        api.get("/x")
