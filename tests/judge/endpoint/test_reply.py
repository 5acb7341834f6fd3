"""What a reply states beside its text: who answered, why the answer ended, and that it is no completion at all."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deployments.demo.judge import completion
from tasks.judge.endpoint.reply import Reply, read_reply


def read(body: Any) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_reply(raw, "gpt-5.4-mini", 1.0, 1)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, ""),
        (7, ""),
        ({"text": "x"}, "x"),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "ab"),
        ([{"type": "thinking", "thinking": []}, {"type": "text", "text": "b"}, "c", None, {"text": 3}], "b"),
        ([{"type": "thinking", "text": "a"}, {"type": "reasoning_text", "text": "a"}, {"text": "b"}], "b"),
        ([{"thought": True, "text": "a"}, {"thought": False, "text": "b"}], "b"),
    ],
)
def test_content_of_any_type(content: Any, text: str) -> None:
    reply = completion("x")
    reply["choices"][0]["message"]["content"] = content
    assert read(reply).text == text


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"<!DOCTYPE html><html>Log in</html>", "answered with HTML, not with a completion"),
        (b"  <html>", "answered with HTML"),
        (b"Welcome", "answered with 'Welcome'"),
        (b"null", "answered with 'null'"),
        (b"[]", "not with a completion"),
        (b'"text"', "not with a completion"),
        (b"{}", "not with a completion"),
        (b'{"choices": {}}', "not with a completion"),
        (b'{"choices": [null]}', "not with a completion"),
        (b'{"choices": [{"message": null}]}', "not with a completion"),
        (b'{"choices": [{"message": "text"}]}', "not with a completion"),
        (b"\xff\xfe\x00\x01", "not with a completion"),
        (b'{"a":' * 50_000, "not with a completion"),
        (b'{"choices": [' + b"9" * 6000, "not with a completion"),
    ],
)
def test_a_reply_that_is_no_completion_is_a_problem_and_not_paid(body: bytes, problem: str) -> None:
    reply = read(body)
    assert problem in reply.problem
    assert len(reply.problem) < 200
    assert not reply.paid
    assert (reply.text, reply.prompt_tokens) == ("", None)


@pytest.mark.parametrize("usage", [None, "many", {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}])
def test_tokens_that_were_not_counted_are_unknown_and_the_answer_is_paid(usage: Any) -> None:
    reply = read(completion("{}", usage=usage))
    assert (reply.prompt_tokens, reply.completion_tokens, reply.paid) == (None, None, True)


def test_a_model_is_named_in_one_line() -> None:
    reply = read(completion("{}", model=" m\x00\n" + "x" * 500))
    assert reply.model.startswith("mx")
    assert len(reply.model) <= 200


@pytest.mark.parametrize("model", [None, "", 3, ["m"]])
def test_a_judge_that_names_no_model_is_the_one_that_was_asked(model: Any) -> None:
    assert read(completion("x") | {"model": model}).model == "gpt-5.4-mini"


@pytest.mark.parametrize(
    ("reason", "read_as"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("MAX_TOKENS", "length"),
        ("model_length", "length"),
        ("content_filter", "content_filter"),
        ("SAFETY", "content_filter"),
        ("refusal", "content_filter"),
        (None, ""),
        (["length"], ""),
        (3, ""),
    ],
)
def test_why_an_answer_ended_has_one_name(reason: Any, read_as: str) -> None:
    assert read(completion("x", finish_reason=reason)).finish_reason == read_as
