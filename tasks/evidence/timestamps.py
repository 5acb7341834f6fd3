"""Moments: dates as sources write them, read as aware UTC times.

SQLite has no type for dates, so one column can hold what a driver, a shell script and ``CURRENT_TIMESTAMP`` left
there: with and without a zone, Go's ``time.Time.String()`` with its monotonic part, numbers since the epoch.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

_TEXT = re.compile(
    r"""
    (?P<year>\d{4}) [-/] (?P<month>\d{1,2}) [-/] (?P<day>\d{1,2})
    (?: (?:\s+|T) (?P<hour>\d{1,2}) : (?P<minute>\d{2}) (?: : (?P<second>\d{2}) (?: [.,] (?P<fraction>\d+) )? )? )?
    (?: \s* (?: (?P<utc>Z|UTC|GMT) | (?P<sign>[+-]) (?P<hours>\d{2}) (?: :? (?P<minutes>\d{2}) )?
        # Go prints the zone's name, or its digits again, after the offset.
        (?: \s+ (?: [A-Z]{1,5} | [+-]\d{2,4} ) )? ) )?
    (?: \s+ m=[+-][\d.]+ )?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_PLAIN = re.compile(r"[12]\d{3}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d(?::\d\d)?)?", re.ASCII)
# PostgreSQL writes a large float with an exponent.
_NUMBER = re.compile(r"\d{9,19}(?:\.\d*)?|\d(?:\.\d+)?e\+?\d{1,2}", re.IGNORECASE)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Earlier times are no dates of runs."""
_LONGEST = 100
_FIRST_SECOND = 1e8
"""Numbers below (March 1973, as seconds) are years, compact dates or zeros rather than times since the epoch."""


def parse_moment(value: object) -> datetime | None:
    """The aware UTC time that ``value`` means, to the microsecond (a finer fraction is cut), or None.

    Text in ISO form and its relatives, a time without a zone being UTC; Go's form; numbers (or their text) since the
    epoch in seconds, milli-, micro- or nanoseconds, distinguished by their size. None for everything else, and for
    years before 1970 too: Go's zero time is the year 1, and no run of an agent is that old.
    """
    if isinstance(value, (bytes, bytearray, memoryview)):
        value = bytes(value).decode("utf-8", "replace")
    try:
        moment = _read(value)
        return moment if moment is not None and moment >= EPOCH else None
    except (ValueError, OverflowError):
        return None


def _read(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float, Decimal)):
        return _from_epoch(value)
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    if _PLAIN.fullmatch(value):
        # What most sources write, read ten times as fast.
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    text = value.strip()
    if match := _TEXT.fullmatch(text):
        return _from_parts(match)
    if _NUMBER.fullmatch(text):
        return _from_epoch(Decimal(text))
    return None


def _from_epoch(number: int | float | Decimal) -> datetime | None:
    size = float(number)
    if not math.isfinite(size) or size < _FIRST_SECOND:
        return None
    # Seconds reach this limit in the year 5138, milliseconds begin above it in 1973; likewise the other two.
    power = next((p for p, limit in ((0, 1e11), (3, 1e14), (6, 1e17)) if size < limit), 9)
    microseconds = Decimal(number) * 10**6 / 10**power
    return EPOCH + timedelta(microseconds=int(microseconds))


def _from_parts(match: re.Match[str]) -> datetime:
    parts = match.groupdict()
    zone = UTC
    if parts["sign"]:
        offset = timedelta(hours=int(parts["hours"]), minutes=int(parts["minutes"] or 0))
        zone = timezone(-offset if parts["sign"] == "-" else offset)
    moment = datetime(
        int(parts["year"]),
        int(parts["month"]),
        int(parts["day"]),
        int(parts["hour"] or 0),
        int(parts["minute"] or 0),
        int(parts["second"] or 0),
        int((parts["fraction"] or "0")[:6].ljust(6, "0")),
        tzinfo=zone,
    )
    return moment.astimezone(UTC)
