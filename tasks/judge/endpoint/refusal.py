"""What an endpoint's error means: wait, shorten, stop judging, or give up this call."""

from __future__ import annotations

import re

import openai

from tasks.judge.endpoint.stated_limits import read_stated_limits
from tasks.wire.route import describe_place

_QUOTA_CODES = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "access_terminated"}
)
_MODERATION = re.compile(
    r"moderation|moderated|\bflagged\b|content[-_ ]?(?:management[-_ ])?(?:policy|filter)|usage polic"
    r"|safety (?:system|filter|setting|polic|reason)"
    r"|(?:blocked|rejected|refused)[^.]{0,40}(?:safety|harmful|inappropriate|unsafe)"
    r"|(?:harmful|inappropriate|unsafe|sensitive|prohibited|disallowed)[^.]{0,20} content|content exists risk"
    r"|data_?inspection_?failed|responsible_?ai",
    re.IGNORECASE,
)
# Further on, an error may echo the request, and with it what agents wrote.
_MOST_READ = 1000
_DEEPEST, _MOST_PARTS = 6, 20


def message_of(error: openai.APIStatusError) -> str:
    """The endpoint's words; where it has none in the usual place, the SDK's."""
    body = error.body
    if isinstance(body, dict) and isinstance(body.get("message"), str):
        return str(body["message"])
    return error.message


def is_rate_limit(error: Exception) -> bool:
    """Whether the call was refused for now only, by a limit of calls or tokens."""
    return isinstance(error, openai.APIStatusError) and error.status_code == 429


def figures_of(error: openai.APIStatusError) -> dict[str, int]:
    """The whole numbers that the error's body names, such as ``n_ctx``."""
    body = error.body if isinstance(error.body, dict) else {}
    return {str(name): value for name, value in body.items() if type(value) is int}


def is_too_long(error: openai.APIStatusError) -> bool:
    """Whether prompt or answer are longer than the model takes, or than a minute's tokens: the next must be shorter.

    An output limit that is too large counts where it is said what is taken; otherwise none is sent.
    """
    status = error.status_code
    # llama.cpp said 500 once. Authentication, quota and an unknown model are never a matter of length.
    if status not in (400, 413, 422, 429, 500):
        return False
    stated = read_stated_limits(message_of(error), [error.body, error.code, error.type])
    if stated is None or (stated.refused == "output" and not stated.has_limit):
        return status == 413
    # "Too many tokens" as a 429 is a matter of time; a request that is larger than the limit itself is not.
    return status != 429 or "request too large" in message_of(error)[:_MOST_READ].lower()


def is_moderation(error: openai.APIStatusError) -> bool:
    """Whether what stands in this one prompt was refused, and not the caller."""
    words, keys = _strings(error.body, _DEEPEST)
    if {"reasons", "flagged_input"} & keys:
        return True
    return _MODERATION.search(" ".join(words)[:_MOST_READ]) is not None


def _strings(value: object, levels: int) -> tuple[list[str], set[str]]:
    """The texts in an error's body, whatever its shape, and the keys of its objects, ``levels`` deep."""
    if isinstance(value, str):
        return [value], set()
    inner = [*value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    words: list[str] = []
    keys = {str(key) for key in value} if isinstance(value, dict) else set()
    for part in inner[:_MOST_PARTS] if levels else ():
        found, named = _strings(part, levels - 1)
        words += found
        keys |= named
    return words, keys


def why_judging_ends(error: openai.APIStatusError) -> str:
    """Why no other call can succeed either, or ""."""
    if 300 <= error.status_code < 400:
        where = describe_place(error.response.headers.get("location", ""))
        return f"the judge's endpoint redirects{where}, which is not followed: set OPENAI_BASE_URL to the final address"
    if error.status_code in (401, 403):
        return "the judge's endpoint does not accept the key (OPENAI_API_KEY)"
    # str(): they come as anything that JSON can hold.
    if error.status_code == 402 or not _QUOTA_CODES.isdisjoint((str(error.code), str(error.type))):
        return "the judge's quota is used up"
    if error.status_code == 404:
        return "the judge's endpoint does not know this model or path (AGENT_REPORT_JUDGE_MODEL, OPENAI_BASE_URL)"
    return ""
