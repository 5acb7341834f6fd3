"""A judge's reply to one call, read from the body that an endpoint sent, whichever dialect it speaks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_MOST_TOKENS = 10**9
_MOST_USD = 10**6
_LONGEST_TIER = 40
# Proxies hand on the words of Mistral, Anthropic and Gemini.
_FINISH_REASONS = {
    "model_length": "length",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "safety": "content_filter",
    "prohibited_content": "content_filter",
    "recitation": "content_filter",
    "refusal": "content_filter",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for one call. Tokens are None when the endpoint did not say; ``text`` is "" without content.

    ``finish_reason`` is ``length`` or ``content_filter`` whatever the endpoint calls it; "" when it does not say.
    ``unanswered`` attempts before it were sent and may be charged, though nothing came back. ``cost_usd`` is what the
    endpoint states; few do. ``service_tier`` is the one it was answered in; "" when the endpoint does not say.
    """

    text: str
    finish_reason: str
    refusal: str
    model: str
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    latency_seconds: float
    attempts: int
    problem: str = ""
    unanswered: int = 0
    cost_usd: float | None = None
    service_tier: str = ""

    @property
    def paid(self) -> bool:
        """Whether this is a completion at all; a page of HTML is not."""
        return not self.problem


def read_reply(body: bytes, model: str, latency_seconds: float, attempts: int) -> Reply:
    """The completion in ``body``; its ``problem`` says why there is none. ``model`` is what was asked for."""
    try:
        # One byte that is no UTF-8 does not make a good answer a bad one.
        data = json.loads(body.decode(json.detect_encoding(body), "replace"))
        choice = data["choices"][0]
        message = choice["message"]
        content = _content(message.get("content"))
        refusal = message.get("refusal")
        finish_reason = choice.get("finish_reason")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        start = " ".join(body[:200].decode("utf-8", "replace").split())[:60]
        what = "HTML" if start.lower().startswith(("<!doctype", "<html")) else f"{start!r}"
        problem = f"the endpoint answered with {what}, not with a completion (is OPENAI_BASE_URL right?)"
        return unread_reply(problem, model, attempts)
    usage = data.get("usage") if isinstance(data.get("usage"), dict) else {}
    details = usage.get("prompt_tokens_details")
    said_model = data.get("model")
    return Reply(
        text=content,
        finish_reason=_finish_reason(finish_reason),
        refusal=refusal if isinstance(refusal, str) else "",
        model=said_model if isinstance(said_model, str) and said_model else model,
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_output_tokens(usage),
        cached_tokens=_count(details.get("cached_tokens")) if isinstance(details, dict) else None,
        latency_seconds=latency_seconds,
        attempts=attempts,
        cost_usd=_stated_cost(usage),
        service_tier=_service_tier(data, usage),
    )


def _output_tokens(usage: Mapping[str, Any]) -> int | None:
    """What is charged as output: xAI and Gemini leave the reasoning out of ``completion_tokens``."""
    given, made, total = (_count(usage.get(f"{name}_tokens")) for name in ("prompt", "completion", "total"))
    details = usage.get("completion_tokens_details")
    reasoned = _count(details.get("reasoning_tokens")) if isinstance(details, dict) else None
    if made is not None and reasoned is not None and reasoned > made:
        made += reasoned
    if given is None or total is None or total < given:
        return made
    return max(made or 0, total - given)


def _service_tier(data: Mapping[str, Any], usage: Mapping[str, Any]) -> str:
    """As OpenAI states it, and Groq, or in the usage, as proxies hand on Anthropic's."""
    stated = (data.get("service_tier"), usage.get("service_tier"))
    return next((tier[:_LONGEST_TIER] for tier in stated if isinstance(tier, str) and tier), "")


def _stated_cost(usage: Mapping[str, Any]) -> float | None:
    """``usage.cost`` in USD, as OpenRouter states it; None when it is missing or no amount."""
    cost = _amount(usage.get("cost"))
    if cost is None or usage.get("is_byok") is not True:
        return cost
    # With a key of one's own it is only OpenRouter's fee.
    details = usage.get("cost_details")
    upstream = _amount(details.get("upstream_inference_cost")) if isinstance(details, dict) else None
    return None if upstream is None else cost + upstream


def _amount(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST_USD:
        return None
    return float(value)


def _finish_reason(value: object) -> str:
    reason = value.lower() if isinstance(value, str) else ""
    return _FINISH_REASONS.get(reason, reason)


def _content(value: object) -> str:
    """The text of a message; some endpoints send it in parts, of which some are reasoning."""
    parts = value if isinstance(value, list) else [{"text": value}]
    texts = [part.get("text") for part in parts if isinstance(part, dict) and not _is_reasoning(part)]
    return "".join(text for text in texts if isinstance(text, str))


def _is_reasoning(part: Mapping[str, Any]) -> bool:
    kind = str(part.get("type")).lower()
    return part.get("thought") is True or any(word in kind for word in ("think", "reason", "thought"))


def unread_reply(problem: str, model: str, attempts: int) -> Reply:
    """A reply that is not a completion, and the reason."""
    return Reply("", "", "", model, None, None, None, 0.0, attempts, problem=problem)


def _count(value: object) -> int | None:
    # More than any model reads is no count, and no database takes any whole number.
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS else None
