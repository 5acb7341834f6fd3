"""What the body of a reply holds, in every shape that servers send; and what does not pass for a completion."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployments.demo.judge import SimulatedJudge
from deployments.demo.loopback import Response
from tasks.judge.endpoint.client import JudgeClient
from tasks.judge.endpoint.completion import read_completion
from tasks.judge.endpoint.refusals.stated import read_stated_refusal
from tasks.judge.endpoint.stop_signal import StopSignal

Serve = Callable[..., SimulatedJudge]
MakeClient = Callable[..., JudgeClient]

FIXTURES = Path(__file__).parents[2] / "fixtures"
CASES: list[dict[str, Any]] = json.loads((FIXTURES / "completions.json").read_text(encoding="utf-8"))


def encoded(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_every_body_of_the_table_is_read_or_is_none(case: dict[str, Any]) -> None:
    if "text" not in case:
        with pytest.raises(ValueError, match=r".") as caught:
            read_completion(encoded(case["body"]))
        assert not isinstance(caught.value, json.JSONDecodeError) or case["body"]
        return
    found = read_completion(encoded(case["body"]))
    assert found.text == case["text"]
    for name in ("finish_reason", "model", "usage"):
        if name in case:
            assert getattr(found, name) == case[name]
    if case.get("reasoned"):
        assert found.reasoned


@pytest.mark.parametrize(
    "text", ["data: " * 50_000, "data: {" * 50_000, "data: {}\n" * 50_000, ":\n" * 100_000, '{"choices":' * 50_000]
)
def test_a_hostile_body_is_no_completion(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_completion(text.encode())


def test_a_stream_that_was_not_asked_for_is_a_reply(serve: Serve, make_client: MakeClient) -> None:
    [body] = [case["body"] for case in CASES if case["name"] == "a stream"]
    server = serve(Response(body=body.encode(), content_type="text/event-stream"))
    reply = make_client(server.base_url).complete([], {}, deadline=time.monotonic() + 20, stop=StopSignal())
    assert (reply.text, reply.finish_reason) == ('{"criteria": {"accuracy": {"score": 8}}}', "stop")
    assert (reply.model, reply.prompt_tokens, reply.completion_tokens) == ("m-1", 9, 4)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_what_is_a_completion_is_no_refusal(case: dict[str, Any]) -> None:
    assert "text" not in case or read_stated_refusal(encoded(case["body"]), {}) is None
