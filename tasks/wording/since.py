"""A time as people write it: how long ago, or when."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_SPAN = re.compile(r"^\s*(\d{1,9})\s*([smhdw])\s*$")
_SPAN_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_since(value: str, until: datetime) -> datetime:
    """The time that ``since`` means: ``7d``, ``12h`` (before ``until``) or an ISO time (UTC when it has no zone).

    Raises:
        ValueError: when it is neither, naming the value.
    """
    try:
        if match := _SPAN.match(value):
            return until - timedelta(seconds=int(match[1]) * _SPAN_SECONDS[match[2]])
        moment = datetime.fromisoformat(value.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"since={value!r} is before the first year") from None
    except ValueError:
        raise ValueError(
            f"since={value!r} is neither a span such as 7d or 12h nor a time such as 2026-01-31T08:00:00Z"
        ) from None
