"""Bodies: bounded while they arrive, whatever is announced; JSON that means one thing only."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.requests import Request

from deployments.webhook.body import MAX_BODY_BYTES, BodyReader, check_content_type, parse_object
from deployments.webhook.problems import ProblemError


def _request(receive: Callable[[], Awaitable[Any]], **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "headers": raw}, receive)


def _chunks(*parts: bytes, seconds: float = 0) -> tuple[Callable[[], Awaitable[Any]], list[int]]:
    """What receives ``parts`` one by one, and how many bytes were asked for."""
    taken: list[int] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(seconds)
        part = parts[len(taken)]
        taken.append(len(part))
        return {"type": "http.request", "body": part, "more_body": len(taken) < len(parts)}

    return receive, taken


async def _refused(call: Awaitable[Any]) -> int:
    with pytest.raises(ProblemError) as caught:
        await call
    return caught.value.status


def test_a_body_of_the_greatest_length_is_read() -> None:
    receive, _ = _chunks(b"x" * 65_000, b"y" * (MAX_BODY_BYTES - 65_000))
    assert len(asyncio.run(BodyReader().read(_request(receive)))) == MAX_BODY_BYTES == 64 * 1024


@pytest.mark.parametrize("announced", [{}, {"content_length": "10"}, {"transfer_encoding": "chunked"}])
def test_no_more_is_read_than_may_be_whatever_is_announced(announced: dict[str, str]) -> None:
    receive, taken = _chunks(*[b"x" * 16_384] * 200)
    assert asyncio.run(_refused(BodyReader().read(_request(receive, **announced)))) == 413
    assert sum(taken) <= MAX_BODY_BYTES + 16_384


@pytest.mark.parametrize("announced", ["65537", "9" * 500, "-1", "1.5", "x"])
def test_a_body_that_is_announced_as_too_long_is_not_read(announced: str) -> None:
    receive, taken = _chunks(b"{}")
    assert asyncio.run(_refused(BodyReader().read(_request(receive, content_length=announced)))) == 413
    assert not taken


def test_a_body_that_drips_is_given_up() -> None:
    receive, _ = _chunks(*[b"x"] * 1000, seconds=0.05)
    assert asyncio.run(_refused(BodyReader(seconds=0.3).read(_request(receive)))) == 408


def test_where_too_many_arrive_at_once_the_slowest_makes_room() -> None:
    async def several() -> list[int | bytes]:
        reader = BodyReader(seconds=3600, at_once=2)
        never = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await never.wait()
            return {"type": "http.disconnect"}

        ended: list[int | bytes] = []
        slow = [asyncio.create_task(_refused(reader.read(_request(receive)))) for _ in range(2)]
        await asyncio.sleep(0)
        quick, _ = _chunks(b"{}")
        ended.append(await reader.read(_request(quick)))
        # The first of the slow ones was waiting longest; the second had room again when the quick one was done.
        ended.append(await slow[0])
        assert not slow[1].done()
        quick, _ = _chunks(b"[]")
        ended.append(await reader.read(_request(quick)))
        assert not slow[1].done()
        never.set()
        ended.append(await slow[1])
        return ended

    assert asyncio.run(several()) == [b"{}", 408, b"[]", 400]


def test_a_body_that_breaks_off_is_400() -> None:
    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    assert asyncio.run(_refused(BodyReader().read(_request(receive)))) == 400


@pytest.mark.parametrize(
    "given", ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"']
)
def test_json_is_taken(given: str) -> None:
    check_content_type(_request(_chunks()[0], content_type=given))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content_type": "text/plain"},
        {"content_type": "application/x-www-form-urlencoded"},
        {"content_type": "application/json; charset=utf-16"},
        {"content_type": "application/jsonp"},
        {"content_type": "application/json", "content_encoding": "gzip"},
    ],
)
def test_nothing_else_is(headers: dict[str, str]) -> None:
    with pytest.raises(ProblemError) as caught:
        check_content_type(_request(_chunks()[0], **headers))
    assert caught.value.status == 415


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"5",
        b"{",
        b"{} {}",
        b"\xef\xbb\xbf{}",
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "\\u0062": 2}}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e400}',
        b'{"a": "\xff"}',
        b'{"a": "\\u0000"}',
        b'{"\\u0000": 1}',
        b'{"a": "\\ud800"}',
        b'{"a": ' + b"1" * 5000 + b"}",
        b'{"a":' * 17 + b"1" + b"}" * 17,
        b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"a":' * 10_000,
    ],
    ids=lambda body: body[:16].decode("latin-1"),
)
def test_what_is_no_plain_json_object_is_400(body: bytes) -> None:
    with pytest.raises(ProblemError) as caught:
        parse_object(body)
    assert caught.value.status == 400
    assert len(caught.value.detail) < 300


def test_what_is_one_is_read() -> None:
    value = {"a": {"b": [1, 2.5, None, True, "ü\n😀"]}, "c": {}}
    assert parse_object(json.dumps(value).encode()) == value
    assert parse_object(b'{"a":' * 15 + b"1" + b"}" * 15)
