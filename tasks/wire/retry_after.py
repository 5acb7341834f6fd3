"""How long a server asks to be left alone: the Retry-After header (RFC 9110), and OpenAI's in milliseconds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_NUMBER = re.compile(r"\s*(\d{1,15}(?:\.\d{1,15})?)\s*(ms|s|sec|seconds)?\s*", re.IGNORECASE)


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by ``headers`` (names in lower case, or of any case in httpx's); None if they name none."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    if (seconds := _number(value)) is not None:
        return seconds
    until = _date(value)
    if until is None:
        return None
    return seconds_until(until.timestamp(), headers)


def seconds_until(moment: float, headers: Mapping[str, str]) -> float:
    """Seconds from when the response was sent, by its Date header or else now, to ``moment`` (since 1970); at least 0.

    The server's clock can differ from ours.
    """
    sent = _date(headers.get("date")) or datetime.now(UTC)
    return max(0.0, moment - sent.timestamp())


def _number(value: str | None) -> float | None:
    match = _NUMBER.fullmatch(value[:60]) if value else None
    if match is None:
        return None
    return float(match[1]) / 1000 if (match[2] or "").lower() == "ms" else float(match[1])


def _date(value: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value or "")
    except (TypeError, ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
