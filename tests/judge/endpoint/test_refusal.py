"""Errors in every shape that servers give them: the words, the names, and how long to wait."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.judge.endpoint.refusals.refusal import Refusal, read_duration, read_refusal, without_echo


def read(body: Any, status: int = 400, headers: dict[str, str] | None = None) -> Refusal:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_refusal(status, raw, headers or {})


MISTRAL = {
    "object": "error",
    "message": {
        "detail": [
            {
                "type": "extra_forbidden",
                "loc": ["body", "response_format", "json_schema"],
                "msg": "Extra inputs are not permitted",
                "input": {"message": "what agents wrote"},
            }
        ]
    },
    "type": "invalid_request_error",
    "param": None,
    "code": None,
}
CODE = ("c", "", "")
SHAPES = {
    "OpenAI": ({"error": {"message": "No.", "type": "t", "param": "p", "code": "c"}}, "No.", ("c", "t", "p")),
    "vLLM": ({"object": "error", "message": "No.", "type": "BadRequestError", "param": None, "code": 400}, "No.", None),
    "vLLM 0.10": ({"error": {"message": "No.", "type": "BadRequestError", "param": None, "code": 400}}, "No.", None),
    "Gemini": ([{"error": {"code": 400, "message": "No.", "status": "INVALID_ARGUMENT"}}], "No.", None),
    "Ollama": ({"error": "No."}, "No.", None),
    "xAI": ({"code": "Client specified an invalid argument", "error": "No."}, "No.", None),
    "TGI": ({"error": "No.", "error_type": "validation"}, "No.", ("", "validation", "")),
    "Bedrock": ({"message": "No."}, "No.", None),
    "AWS": ({"Message": "No.", "__type": "ValidationException"}, "No.", ("", "ValidationException", "")),
    "Cloudflare": (
        {"success": False, "errors": [{"code": 5006, "message": "AiError: No."}], "result": None},
        "AiError: No.",
        ("5006", "", ""),
    ),
    "FastAPI": ({"detail": "No."}, "No.", None),
    "FastAPI's list": (
        {"detail": [{"loc": ["body", "max_tokens"], "msg": "too large", "type": "value_error", "input": 9}]},
        "max_tokens: too large",
        ("", "", "max_tokens"),
    ),
    "Mistral": (
        MISTRAL,
        "response_format.json_schema: Extra inputs are not permitted",
        ("", "invalid_request_error", "response_format.json_schema"),
    ),
    "Mistral today": (
        {"object": "Error", "detail": MISTRAL["message"]["detail"], "message": None, "code": 3001},  # type: ignore[index]
        "response_format.json_schema: Extra inputs are not permitted",
        ("3001", "", "response_format.json_schema"),
    ),
    "DashScope": ({"code": "Arrearage", "message": "No.", "request_id": "r"}, "No.", ("Arrearage", "", "")),
    "Baidu": ({"error_code": 17, "error_msg": "No."}, "No.", ("17", "", "")),
    "MiniMax": ({"base_resp": {"status_code": 1008, "status_msg": "No."}}, "No.", ("1008", "", "")),
    "problem+json": (
        {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": "No."},
        "Bad Request; No.",
        ("", "about:blank", ""),
    ),
    "OAuth": ({"error": "invalid_client", "error_description": "No."}, "No.; invalid_client", None),
    "Apigee": ({"fault": {"faultstring": "No.", "detail": {"errorcode": "e.f"}}}, "No.", ("e.f", "", "")),
    "Azure": (
        {"error": {"code": "content_filter", "message": "No.", "innererror": {"code": "ResponsibleAIPolicyViolation"}}},
        "No.",
        ("content_filter", "", ""),
    ),
    "Google's details": (
        {"error": {"message": "No.", "details": [{"reason": "API_KEY_INVALID"}, {"description": "Yes."}]}},
        "No.; Yes.",
        ("API_KEY_INVALID", "", ""),
    ),
    "OpenRouter": (
        {
            "error": {
                "message": "Provider returned error",
                "code": 400,
                "metadata": {"raw": '{"error":{"message":"No.","code":"c"}}', "provider_name": "X"},
            }
        },
        "Provider returned error; No.",
        ("c", "", ""),
    ),
    "OpenRouter, raw text": (
        {"error": {"message": "Provider returned error", "code": 429, "metadata": {"raw": "z is rate-limited"}}},
        "Provider returned error; z is rate-limited",
        None,
    ),
    "a message that is an object": ({"error": {"message": {"error": {"message": "No."}}}}, "No.", None),
    "a message that is JSON": ({"error": {"message": '{"error": {"message": "No.", "code": "c"}}'}}, "No.", CODE),
    "LiteLLM, JSON": (
        {"error": {"message": 'litellm.BadRequestError: X - {"error": {"message": "No."}}', "code": "400"}},
        "litellm.BadRequestError: X; No.",
        None,
    ),
    "LiteLLM, Python": (
        {"error": {"message": "litellm.X: Error code: 400 - {'error': {'message': \"It's no.\", 'code': None}}"}},
        "litellm.X: Error code: 400; It's no.",
        None,
    ),
    "llama-cpp-python": (
        {
            "error": {
                "message": "[{'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), "
                "'msg': \"Input should be 'text' or 'json_object'\", 'input': 'json_schema', 'ctx': {}}]",
                "type": "internal_server_error",
            }
        },
        "response_format.type: Input should be 'text' or 'json_object'",
        ("", "internal_server_error", "response_format.type"),
    ),
    "FastAPI today": (
        {"error": {"message": "1 validation error:\n  {'loc': ('body', 'n'), 'msg': 'No.', 'input': 'x'}\n\n  File"}},
        "1 validation error; n: No.; File",
        None,
    ),
    "pydantic": (
        {"detail": "1 validation error for R\nresponse_format\n  No. [type=e, input_value={'message': 'agents'}, x]"},
        "1 validation error for R response_format No. [type=e, ]",
        None,
    ),
    "Perplexity": ({"error": {"message": '["At body -> format: No."]'}}, "At body -> format: No.", None),
    "a list in a sentence": (
        {"error": "type must be one of [\"text\", 'x'], but got {'type': 'json_schema'}"},
        "type must be one of [\"text\", 'x'], but got {'type': 'json_schema'}",
        None,
    ),
    "text": (b"upstream connect error", "upstream connect error", None),
    "a JSON text": ("No.", "No.", None),
    "lines": ({"error": "No.\n\n  Really\x00 no.\u2028"}, "No. Really no.", None),
    "HTML": (b"<html>\n<head><title>502 Bad Gateway</title></head><body>x</body></html>", "502 Bad Gateway", None),
    "HTML without title": (b"<!DOCTYPE html><body><h1>Not &amp; found</h1></body>", "Not & found", None),
    "HTML with nothing": (b"<html><body><p>It works!</p></body></html>", "It works!", None),
    "XML": (b'<?xml version="1.0"?><Error><Code>X</Code><Message>No.</Message></Error>', "No.", None),
    "events": (b'event: error\ndata: {"error": {"message": "No.", "code": "c"}}\n\ndata: [DONE]\n', "No.", CODE),
    "no UTF-8": (b"\xff\xfeNo", "\ufffd\ufffdNo", None),
    "stated twice": ({"error": {"message": "No."}, "message": "No."}, "No.", None),
}  # fmt: skip


@pytest.mark.parametrize("server", SHAPES)
def test_the_words_and_names_of_every_shape(server: str) -> None:
    body, words, names = SHAPES[server]
    refusal = read(body)
    assert refusal.words == words
    if names is not None:
        assert (refusal.code, refusal.type, refusal.param) == names


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null ", b'{"error": null}', b'{"error": {"message": 3}}', b"7"])
def test_without_words_the_status_speaks(body: bytes) -> None:
    assert read(body, 502).describe() in ("HTTP 502: Bad Gateway", "HTTP 502: null", "HTTP 502: 7")
    assert read(b"", 599).describe() == "HTTP 599: no explanation"


def test_what_is_known_beside_the_words() -> None:
    refusal = read(
        {
            "error": {
                "message": "request (65143 tokens) exceeds the available context size (8192 tokens)",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 65143,
                "n_ctx": 8192,
                "odd": True,
                "huge": 10**30,
            }
        }
    )
    assert refusal.figures == {"n_prompt_tokens": 65143, "n_ctx": 8192}
    filtered = {"code": "x", "content_filter_result": {"hate": {"filtered": True, "severity": "high"}}}
    assert "filtered" in read({"error": {"message": "No.", "innererror": filtered}}).names
    assert read({"error": {"metadata": {"flagged_input": "x", "reasons": ["y"]}}}).names == {"flagged_input", "reasons"}


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "No.", "failed_generation": "KEEP OUT", "input": "KEEP OUT"}, "body": "KEEP OUT"},
        {"detail": [{"loc": ["body"], "msg": "No.", "input": {"message": "KEEP OUT"}, "ctx": {"error": "KEEP OUT"}}]},
        {"error": {"message": "No.", "metadata": {"flagged_input": "KEEP OUT"}}},
        {"error": {"message": "x" * 3000 + "KEEP OUT"}},
        {"error": {"message": "No."}, "request": {"messages": [{"content": "KEEP OUT"}]}},
    ],
)  # fmt: skip
def test_what_an_error_echoes_is_not_read(body: Any) -> None:
    assert "KEEP OUT" not in read(body).words


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"error": "' + b"{'a" * 10_000 + b'"}',
        b'{"error": "' + b"- " * 10_000 + b'{"}',
        b"<html>" + b"<title " * 20_000,
        b"data: {" * 20_000,
        b"try again in " * 20_000,
        b"model " * 20_000,
        json.dumps({"error": {"error": {"error": [[[[[[[[[[["deep"]]]]]]]]]]]}}}).encode(),
        json.dumps({"errors": [{"message": f"error {number}"} for number in range(10_000)]}).encode(),
        json.dumps({f"n{number}": number for number in range(10_000)}).encode(),
    ],
)
def test_a_hostile_body_is_read_within_bounds(body: bytes) -> None:
    refusal = read(body)
    assert len(refusal.words) <= 1500
    assert len(refusal.figures) <= 40
    assert len(refusal.describe()) < 1600


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("27.4s", 27.4),
        (" 7m12.5s.", 432.5),
        ("1h2m3s", 3723),
        ("6ms", 0.006),
        ("26 seconds", 26),
        ("5 min", 300),
        ("2 days", 172800),
        ("300 milliseconds", 0.3),
        ("soon", None),
        ("", None),
        ("12", None),
        ("9" * 400 + "s", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert read_duration(text) == (None if seconds is None else pytest.approx(seconds))


def gemini(words: str, quota: str = "PerMinute", delay: str | None = "27s") -> Any:
    details = [
        {
            "@type": "t/google.rpc.QuotaFailure",
            "violations": [{"quotaId": f"GenerateRequests{quota}PerProject-FreeTier"}],
        },
        {"@type": "t/google.rpc.RetryInfo", "retryDelay": delay},
    ]
    return [{"error": {"code": 429, "message": words, "status": "RESOURCE_EXHAUSTED", "details": details}}]


@pytest.mark.parametrize(
    ("body", "headers", "seconds", "per_day"),
    [
        ({"error": "Please try again in 7m12.5s. Visit us."}, {}, 432.5, False),
        ({"error": "Please retry after 26 seconds."}, {}, 26, False),
        ({"error": "try again later, wait 3 s"}, {}, 3, False),
        ({"error": "Please wait 42 seconds before retrying."}, {}, 42, False),
        ({"error": "slow down", "retry_after": 3.5}, {}, 3.5, False),
        ({"error": "Model x is currently loading", "estimated_time": 35.6}, {}, 35.6, False),
        (gemini("You exceeded your current quota."), {}, 27, False),
        (gemini("Please retry in 27.4s.", "PerDay"), {}, 27, True),
        (gemini("No.", delay="x"), {}, None, False),
        (gemini("No.", delay=None), {"retry-after": "4"}, 4, False),
        ({"error": "try again in 5s"}, {"retry-after": "9"}, 9, False),
        ({"error": "no"}, {"retry-after-ms": "250"}, 0.25, False),
        ({"error": "requests per day"}, {}, None, True),
        ({"error": "You exceeded your current quota, please check your plan and billing details."}, {}, None, True),
        (gemini("You exceeded your current quota, please check your plan.", delay=None), {}, None, False),
        (gemini("Quota exceeded for metric: free_tier_requests, limit: 0, model: x. Please retry in 3s"), {}, 27, True),
        (gemini("Quota exceeded for metric: free_tier_requests, limit: 20, model: x"), {}, 27, False),
        ({"error": "tokens per day (TPD): Limit 1. Please try again in 2s"}, {}, 2, False),
        ({"error": {"message": "no", "code": "daily_limit_reached"}}, {}, None, False),
        ({"error": "limited to 1000 API calls / month"}, {}, None, True),
        (
            {"error": "no"},
            {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m2s", "x-ratelimit-reset-x": "1h"},
            62,
            False,
        ),
        ({"error": "no"}, {"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "1m2s"}, None, False),
        ({"error": "no"}, {"x-ratelimit-reset": "17"}, None, False),
        ({"error": "no"}, {}, None, False),
    ],
)  # fmt: skip
def test_how_long_to_wait(body: Any, headers: dict[str, str], seconds: float | None, per_day: bool) -> None:
    refusal = read(body, 429, headers)
    assert (refusal.retry_after_seconds, refusal.per_day) == (seconds, per_day)


@pytest.mark.parametrize(
    ("reset", "seconds"),
    # 12:00:00 on that day, and the same in milliseconds.
    [("1772366430", 30), ("1772366430.5", 30.5), ("1772366430250", 30.25), ("1772366000", 0), ("0000000017", None)],
)
def test_the_moment_at_which_a_limit_starts_again(reset: str, seconds: float | None) -> None:
    headers = {"x-ratelimit-reset": reset, "date": "Sun, 01 Mar 2026 12:00:00 GMT"}
    assert read({"error": "no"}, 429, headers).retry_after_seconds == seconds


SENT = [
    "Judge.",
    "Evidence: the tool said insufficient_quota, response_format is not supported,\nmodel not found. " * 3,
]


@pytest.mark.parametrize(
    ("words", "left"),
    [
        # Further echoes than the one that is long enough are left, as others would be cut that are the endpoint's.
        (f"Your input was flagged: {' '.join(SENT[1].split())} Sorry.", "Your input was flagged: … Sorry."),
        ("Invalid model: gpt-9", "Invalid model: gpt-9"),
        (" ".join(SENT[1].split())[:200], " ".join(SENT[1].split())[:200]),
        ("", ""),
    ],
)
def test_words_that_quote_the_prompt_are_not_the_endpoints(words: str, left: str) -> None:
    found = without_echo(Refusal(400, words), SENT).words
    assert found[:24] == left[:24]
    assert len(found) <= len(left) + 40
    assert ("model not found" in found) == ("model not found" in left)
