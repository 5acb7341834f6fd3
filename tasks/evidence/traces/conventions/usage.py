"""Tokens: what one LLM call took, read from the attributes and objects in which providers and frameworks report it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tasks.evidence.traces.conventions.values import dig, first_count


class Usage(NamedTuple):
    """Tokens of one or several LLM calls; None where no span has them. Cached tokens are part of the input tokens."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None

    @property
    def known(self) -> bool:
        """Whether the input or the output tokens are known."""
        return self.input_tokens is not None or self.output_tokens is not None


UNKNOWN_USAGE = Usage()

_INPUT = (
    "input_tokens", "prompt_tokens", "inputTokens", "promptTokens", "prompt_token_count", "promptTokenCount",
    "input_token_count", "prompt_eval_count",
)  # fmt: skip
_OUTPUT = (
    "output_tokens", "completion_tokens", "outputTokens", "completionTokens", "candidates_token_count",
    "candidatesTokenCount", "output_token_count", "eval_count",
)  # fmt: skip
_CACHED = (
    "cache_read_input_tokens", "cache_read_tokens", "cached_input_tokens", "cached_tokens", "cached_prompt_tokens",
    "cachedInputTokens", "cacheReadInputTokens", "cached_content_token_count", "cachedContentTokenCount",
    "cachedContentTokens", "prompt_cache_hit_tokens", "input_cached_tokens", "input_cache_read",
)  # fmt: skip
_REASONING = ("reasoning_tokens", "reasoningTokens", "thoughts_token_count", "thoughtsTokenCount", "thoughtsTokens")
_INPUT_DETAILS = ("prompt_tokens_details", "input_tokens_details", "input_token_details", "inputTokenDetails")
_OUTPUT_DETAILS = ("completion_tokens_details", "output_tokens_details", "output_token_details", "outputTokenDetails")
_CACHED_DETAILS = ("cached_tokens", "cache_read", "cacheReadTokens")
_REASONING_DETAILS = ("reasoning_tokens", "reasoning", "reasoningTokens")


def usage_of(reported: object, *, cached_apart: bool | None = None) -> Usage:
    """The tokens of a usage object as OpenAI, Anthropic, Gemini, Bedrock, LangChain or the AI SDK name its fields.

    Anything else is unknown. ``cached_apart``: whether the input leaves out what was cached, as in Anthropic's own
    objects, which are recognised where it is None.
    """
    if not isinstance(reported, dict):
        return UNKNOWN_USAGE
    cached = first_count(reported, _CACHED)
    if cached is None:
        cached = _detail(reported, _INPUT_DETAILS, _CACHED_DETAILS)
    reasoning = first_count(reported, _REASONING)
    if reasoning is None:
        reasoning = _detail(reported, _OUTPUT_DETAILS, _REASONING_DETAILS)
    given = first_count(reported, _INPUT)
    if cached_apart is None:
        cached_apart = "cache_read_input_tokens" in reported and "cache_creation_input_tokens" in reported
    if given is not None and cached_apart:
        given += (cached or 0) + (first_count(reported, ("cache_creation_input_tokens",)) or 0)
    return Usage(given, first_count(reported, _OUTPUT), cached, reasoning)


def usage_under(
    tags: Mapping[str, Any],
    given: Iterable[str],
    made: Iterable[str],
    cached: Iterable[str] = (),
    reasoning: Iterable[str] = (),
) -> Usage:
    """The tokens that the attributes under these keys hold, of each part the first that is a count."""
    return Usage(
        first_count(tags, given), first_count(tags, made), first_count(tags, cached), first_count(tags, reasoning)
    )


def sound(usage: Usage) -> Usage:
    """``usage`` without what cannot be.

    A prompt has tokens: where it has 0 and so has the answer, the call failed or the stream carried no usage, and
    nothing is known. More cached tokens than input tokens mean that the input leaves the cached ones out.
    """
    given, made, cached, reasoning = usage
    if not given:
        if not made:
            return UNKNOWN_USAGE
        if not cached:
            return Usage(None, made, None, reasoning)
    if cached is not None and given is not None and cached > given:
        return Usage(given + cached, made, cached, reasoning)
    return usage


def filled(usages: Iterable[Usage]) -> Usage:
    """Each part from the first of ``usages`` that knows it."""
    found: list[int | None] = [None, None, None, None]
    for usage in usages:
        found = [mine if mine is not None else other for mine, other in zip(found, usage, strict=True)]
        if None not in found:
            break
    return Usage(*found)


def _detail(reported: Mapping[str, Any], groups: Iterable[str], keys: Iterable[str]) -> int | None:
    for group in groups:
        inner = dig(reported, group)
        if isinstance(inner, dict) and (number := first_count(inner, keys)) is not None:
            return number
    return None
