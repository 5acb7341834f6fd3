"""An endpoint's refusal: its status, its words, and when it may be asked again."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from tasks.judge.endpoint.refusals.error_body import ErrorBody, read_error_body
from tasks.wire.retry_after import retry_after_seconds, seconds_until

# "try again in 7m12.5s", "Please retry in 27.4s", "retry after 26 seconds", "wait 42 seconds".
_AGAIN = re.compile(
    r"(?:try|retry|retrying)(?: again| the request)? (?:in|after)|(?:wait|waiting)(?: for| about| at least)?"
    r"|retry[-_ ]after[:=]?",
    re.IGNORECASE,
)
_PART = re.compile(r"[\s\"'(]{0,3}(\d{1,9}(?:\.\d{1,9})?)\s?(ms|millis|s|m|h|d)(?:[a-z]{0,11})", re.IGNORECASE)
_UNITS = {"ms": 0.001, "millis": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PER_DAY = re.compile(
    r"per[-_ ]day|\b(?:daily|[rt]pd)\b|/ ?(?:day|month)\b|per[-_ ]month|\bmonthly\b|byday\b", re.IGNORECASE
)
_SPENT = re.compile(r"exceeded your current quota, please check your plan", re.IGNORECASE)
_NO_QUOTA = re.compile(r"quota exceeded[^,]{0,200}, limit: 0\b", re.IGNORECASE)
_RESETS = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
)
_EPOCH_SECONDS, _EPOCH_MILLISECONDS = 10**9, 10**12
# What follows one of these can be an echo, if it is as long and stands in what was sent. Shorter texts are also found
# where an agent met the same error.
_QUOTING = re.compile(r"[:'\"`(\[{=>\N{LEFT DOUBLE QUOTATION MARK}]\s{0,3}")
_SHORTEST_ECHO = 60
_STEP = 20


@dataclass(frozen=True, slots=True)
class Refusal:
    """What an endpoint answered instead of a completion.

    ``status`` is that of HTTP; of a 200 whose body is an error it is the status that the body states or means
    (``within_200``). ``words`` are the endpoint's, one bounded line, "" when it has none. ``code``, ``type`` and
    ``param`` are what it names first, ``names`` all its codes and types in lower case. ``figures`` are the whole
    numbers in it by name, such as ``n_ctx``. ``retry_after_seconds`` is how long to wait, by its headers, its fields or
    its words; ``per_day`` that a limit of a day or longer is used up, or that there is none of it at all, so that
    waiting is of no use. ``location`` is where a redirect leads.
    """

    status: int
    words: str = ""
    code: str = ""
    type: str = ""
    param: str = ""
    names: frozenset[str] = frozenset()
    figures: Mapping[str, int] = field(default_factory=dict)
    retry_after_seconds: float | None = None
    per_day: bool = False
    within_200: bool = False
    location: str = ""

    def describe(self) -> str:
        """One line for people: status and words. It may hold a key that the endpoint echoes."""
        where = " within HTTP 200" if self.within_200 else ""
        return f"HTTP {self.status}{where}: {self.words or self.code or self.type or _phrase(self.status)}"


def read_refusal(status: int, body: bytes, headers: Mapping[str, str], *, within_200: bool = False) -> Refusal:
    """The refusal in a reply; ``headers`` are of any case in httpx's, else in lower case."""
    return as_refusal(status, read_error_body(body), headers, within_200=within_200)


def as_refusal(status: int, found: ErrorBody, headers: Mapping[str, str], *, within_200: bool = False) -> Refusal:
    """``found`` as the refusal of a reply with this status and these headers."""
    seconds = _retry_seconds(found, headers)
    return Refusal(
        status=status,
        words=found.words,
        code=found.code,
        type=found.type,
        param=found.param,
        names=frozenset(found.names),
        figures=dict(found.figures),
        retry_after_seconds=seconds,
        per_day=_is_per_day(found, seconds),
        within_200=within_200,
        location=headers.get("location", ""),
    )


def without_echo(refusal: Refusal, sent: Sequence[str]) -> Refusal:
    """``refusal`` without the passages in its words that quote ``sent``: they are agents' words, not the endpoint's.

    Words that stand in ``sent`` from their beginning are kept: an agent met the same error before.
    """
    words, place, parts = refusal.words, 0, []
    texts = [" ".join(text.split()) for text in sent] if len(words) > _SHORTEST_ECHO else []
    if any(words[:_SHORTEST_ECHO] in text for text in texts):
        return refusal
    for match in _QUOTING.finditer(words):
        start = match.end()
        end = max((_end_of_echo(words, start, text) for text in texts), default=start)
        if start >= place and end > start:
            parts.append(words[place:start])
            place = end
    return replace(refusal, words="\N{HORIZONTAL ELLIPSIS}".join([*parts, words[place:]])) if parts else refusal


def _end_of_echo(words: str, start: int, text: str) -> int:
    """Where the passage of ``words`` ends that begins at ``start`` and stands in ``text``; ``start`` when none does."""
    end = start + _SHORTEST_ECHO
    if end > len(words) or words[start:end] not in text:
        return start
    while end < len(words) and words[start : end + _STEP] in text:
        end = min(len(words), end + _STEP)
    return end


def _is_per_day(found: ErrorBody, seconds: float | None) -> bool:
    if found.per_day or _NO_QUOTA.search(found.words):
        return True
    if seconds is not None:
        return False
    # Google uses the same words for a minute's quota as OpenAI for an empty account.
    spent = _SPENT.search(found.words) is not None and "resource_exhausted" not in found.names
    return spent or _PER_DAY.search(" ".join((found.words, *found.names))) is not None


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no explanation"


def _retry_seconds(found: ErrorBody, headers: Mapping[str, str]) -> float | None:
    """The header decides, then the fields and the words, then when the limits start again."""
    for seconds in (retry_after_seconds(headers), found.retry_seconds, _stated_seconds(found.words)):
        if seconds is not None:
            return seconds
    waits = [read_duration(headers.get(reset, "")) for left, reset in _RESETS if headers.get(left, "").strip() == "0"]
    known = [wait for wait in waits if wait is not None]
    if known:
        return max(known)
    return _until_reset(headers)


def _stated_seconds(words: str) -> float | None:
    """How long the words ask to wait."""
    for match in _AGAIN.finditer(words):
        if (seconds := read_duration(words[match.end() : match.end() + 60])) is not None:
            return seconds
    return None


def read_duration(text: str) -> float | None:
    """Seconds of "27.4s", "7m12.5s", "6ms", "26 seconds"; None where ``text`` begins otherwise."""
    total, place = 0.0, 0
    while match := _PART.match(text, place):
        total += float(match[1]) * _UNITS[match[2].lower()]
        place = match.end()
    return total if place and math.isfinite(total) else None


def _until_reset(headers: Mapping[str, str]) -> float | None:
    """Seconds until a moment that is given in seconds or milliseconds since 1970; a plain number is ambiguous."""
    value = headers.get("x-ratelimit-reset", "")
    if not re.fullmatch(r"\d{10,13}(\.\d{1,9})?", value.strip()):
        return None
    moment = float(value)
    if moment >= _EPOCH_MILLISECONDS:
        moment /= 1000
    return seconds_until(moment, headers) if moment >= _EPOCH_SECONDS else None
