"""What a call used, in the words of whichever endpoint answered it: tokens and cost, unknown where it gives none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_MOST_TOKENS = 10**9
_MOST_USD = 10**6
# OpenAI's chat completions; its other API, and Anthropic's.
_PROMPT = ("prompt_tokens", "input_tokens")
_COMPLETION = ("completion_tokens", "output_tokens")
_PROMPT_DETAILS = ("prompt_tokens_details", "input_tokens_details")
_COMPLETION_DETAILS = ("completion_tokens_details", "output_tokens_details")
# DeepSeek, Moonshot, Anthropic.
_CACHED = ("prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens")
# xAI's unit of cost.
_TICKS_PER_USD = 10**10


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call, None where the endpoint gave no count; ``cached`` are those of ``prompt`` read from a cache.

    ``cost_usd`` is what the endpoint states; few do. ``reasoning`` is the part of ``completion`` that was reasoning,
    ``read`` the prompt with all that came from a cache, whether ``prompt`` holds that or not.
    """

    prompt: int | None = None
    completion: int | None = None
    cached: int | None = None
    cost_usd: float | None = None
    reasoning: int | None = field(default=None, compare=False)
    read: int | None = field(default=None, compare=False)


def read_usage(usage: object) -> Usage:
    """The usage in the ``usage`` of a reply."""
    if not isinstance(usage, Mapping):
        return Usage()
    # There is no prompt of no tokens: some count none, and report 0.
    prompt = _first(usage, _PROMPT)
    cached = next(_cached(usage), None)
    if prompt is not None and "prompt_tokens" not in usage and "input_tokens_details" not in usage:
        # Anthropic counts what it read from its cache, or wrote to it, beside the input.
        prompt += sum(_count(usage.get(f"cache_{how}_input_tokens")) or 0 for how in ("read", "creation"))
    prompt = prompt or None
    read = prompt
    if cached is not None and prompt is not None and cached > prompt:
        read, cached = prompt + cached, None
    return Usage(prompt, _completion(usage, prompt), cached, _stated_cost(usage), _reasoning(usage), read)


def _cached(usage: Mapping[str, Any]) -> Iterator[int]:
    for name in _PROMPT_DETAILS:
        details = usage.get(name)
        if isinstance(details, Mapping) and (count := _count(details.get("cached_tokens"))) is not None:
            yield count
    if (count := _first(usage, _CACHED)) is not None:
        yield count


def _completion(usage: Mapping[str, Any], given: int | None) -> int | None:
    """What is charged as output: xAI and Gemini leave the reasoning out of ``completion_tokens``."""
    made, total = _first(usage, _COMPLETION), _count(usage.get("total_tokens"))
    reasoned = _reasoning(usage)
    if made is not None and reasoned is not None and reasoned > made:
        made += reasoned
    if given is None or total is None or total < given:
        return made
    return max(made or 0, total - given)


def _reasoning(usage: Mapping[str, Any]) -> int | None:
    details = next((usage[name] for name in _COMPLETION_DETAILS if isinstance(usage.get(name), Mapping)), usage)
    return _count(details.get("reasoning_tokens"))


def _stated_cost(usage: Mapping[str, Any]) -> float | None:
    """``usage.cost`` in USD, as OpenRouter states it; None when it is missing or no amount."""
    cost = usage.get("cost")
    # Perplexity states it in parts, DeepInfra under another name.
    cost = _amount(cost.get("total_cost") if isinstance(cost, Mapping) else cost)
    if cost is None:
        cost = _amount(usage.get("estimated_cost"))
    if cost is None and (ticks := _count(usage.get("cost_in_usd_ticks"), _MOST_USD * _TICKS_PER_USD)) is not None:
        cost = ticks / _TICKS_PER_USD
    if cost is None or usage.get("is_byok") is not True:
        return cost
    # With a key of one's own it is only OpenRouter's fee.
    details = usage.get("cost_details")
    upstream = _amount(details.get("upstream_inference_cost")) if isinstance(details, Mapping) else None
    return None if upstream is None else cost + upstream


def _first(usage: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    return next((count for name in names if (count := _count(usage.get(name))) is not None), None)


def _amount(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST_USD:
        return None
    return float(value)


def _count(value: object, most: int = _MOST_TOKENS) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    # More than any model reads is no count, and no database takes any whole number.
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most else None
