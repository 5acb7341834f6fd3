from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from tasks.evidence.timestamps import parse_moment

NOON = datetime(2026, 1, 2, 15, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-02 15:04:05",
        "2026-01-02T15:04:05",
        "2026-01-02T15:04:05Z",
        "2026-01-02t15:04:05z",
        "2026-01-02 15:04:05+00",
        "2026-01-02 15:04:05 UTC",
        "2026-01-02T16:04:05+01:00",
        "2026-01-02 20:34:05+0530",
        "2026-01-02 07:04:05-08",
        "2026/01/02 15:04:05",
        "  2026-1-2 15:04:05  ",
        "2026-01-02 15:04:05 +0000 UTC",
        "2026-01-02 15:04:05 +0000 UTC m=+0.01",
        "2026-01-02 17:04:05 +0200 CEST m=+81.204417301",
        "2026-01-02 12:04:05 -0300 -03",
        "1767366245",
        "1767366245000",
        1767366245,
        1767366245.0,
        1767366245000,
        1767366245000000,
        1767366245000000000,
        Decimal("1767366245"),
        b"2026-01-02 15:04:05",
        datetime(2026, 1, 2, 15, 4, 5),  # noqa: DTZ001
        datetime(2026, 1, 2, 17, 4, 5, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_the_same_moment_in_every_way_of_writing_it(text: object) -> None:
    assert parse_moment(text) == NOON


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2026-01-02 15:04:05.9", 900000),
        ("2026-01-02 15:04:05.999999999 +0000 UTC m=+0.01", 999999),
        ("2026-01-02 15:04:05,123", 123000),
        ("1767366245.5", 500000),
        (1767366245123456789, 123456),
    ],
)
def test_fractions_are_kept_to_the_microsecond(text: object, microsecond: int) -> None:
    assert parse_moment(text) == NOON.replace(microsecond=microsecond)


@pytest.mark.parametrize("value", ["2026-01-02", date(2026, 1, 2), "2026-01-02 00:00"])
def test_a_date_alone_is_its_midnight(value: object) -> None:
    assert parse_moment(value) == datetime(2026, 1, 2, tzinfo=UTC)


def test_the_result_is_in_utc() -> None:
    found = parse_moment("2026-01-02T16:04:05+01:00")
    assert found is not None
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "soon",
        "2026-13-40 99:99:99",
        "2026-01-02 15:04:05 CEST",
        "2026-01-02 15:04:05 rest",
        "0001-01-01 00:00:00 +0000 UTC",
        "9999-12-31 23:59:59-23:59",
        "0001-01-01 00:00:00+14:00",
        "infinity",
        "20260102",
        "0",
        0,
        -5,
        True,
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        10**30,
        "9" * 20,
        "9" * 500,
        b"\xff\xfe",
        [2026],
    ],
)
def test_what_is_no_moment_reads_as_none(value: object) -> None:
    assert parse_moment(value) is None
