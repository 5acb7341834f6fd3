"""Retry-After in each of its forms, and in none of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from tasks.wire.retry_after import retry_after_seconds

SENT = "Sun, 01 Mar 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": " 0.25 "}, 0.25),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": "20s"}, 20),
        ({"Retry-After": "50ms"}, 0.05),
        ({"Retry-After": "999999999999"}, 999999999999),
        ({"Retry-After-Ms": "150", "Retry-After": "20"}, 0.15),
        ({"Retry-After-Ms": "soon", "Retry-After": "20"}, 20),
        ({"Retry-After": "Sun, 01 Mar 2026 12:00:09 GMT", "Date": SENT}, 9),
        ({"Retry-After": "Sun, 01 Mar 2026 12:00:09 -0000", "Date": SENT}, 9),
        ({"Retry-After": "Sun, 01 Mar 2026 11:00:00 GMT", "Date": SENT}, 0),
        ({"Retry-After": "Mon, 01 Jan 0001 00:00:00 +2359", "Date": SENT}, 0),
        ({}, None),
    ],
)
def test_seconds_milliseconds_and_dates_are_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(httpx.Headers(headers)) == seconds


@pytest.mark.parametrize("date", [None, "yesterday"])
def test_without_a_usable_date_our_own_clock_counts(date: str | None) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    headers = {"Retry-After": format_datetime(until, usegmt=True)} | ({"Date": date} if date else {})
    seconds = retry_after_seconds(httpx.Headers(headers))
    assert seconds is not None
    assert 3000 < seconds <= 3600


@pytest.mark.parametrize(
    "value",
    [
        "",
        "-5",
        "soon",
        "NaN",
        "1e3",
        "9" * 400,
        "Fri, 31 Dec 99999999999999999999 23:59:59 GMT",
        "Fri, 31 Feb 2026 25:61:61 GMT",
    ],
)
def test_what_is_neither_a_number_nor_a_date_is_none(value: str) -> None:
    assert retry_after_seconds(httpx.Headers({"Retry-After": value})) is None
