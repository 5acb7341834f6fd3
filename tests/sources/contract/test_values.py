"""Durations, flags and tags, of whatever type they are."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from tasks.sources.contract.values import read_document, read_flag, read_given, read_seconds, read_tags


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (2, 2),
        ("2.5", 2.5),
        (Decimal("0.25"), 0.25),
        (timedelta(minutes=1, milliseconds=500), 60.5),
        ("00:01:30", 90),
        ("1 day, 00:00:01", 86401),
        ("PT1M30.5S", 90.5),
        ("P1DT1S", 86401),
        (0, 0),
        (-1, None),
        (timedelta(seconds=-1), None),
        ("-00:01:30", None),
        ("12:ab", None),
        ("P" * 100, None),
        ("soon", None),
        (True, None),
        (None, None),
    ],
)
def test_seconds(value: object, seconds: float | None) -> None:
    assert read_seconds(value) == seconds


@pytest.mark.parametrize(
    ("value", "flag"),
    [
        (True, True),
        (1, True),
        (1.0, True),
        ("PASS", True),
        (b"\x01", True),
        (False, False),
        (0, False),
        ("failed", False),
        (b"\x00", False),
        (0.7, None),
        ("maybe", None),
        ("", None),
        (None, None),
    ],
)
def test_flags(value: object, flag: bool | None) -> None:
    assert read_flag(value) is flag


def test_what_is_given_is_not_blank() -> None:
    assert [read_given(value) for value in (" a ", " ", "null", None, {"k": 1})] == [" a ", None, None, None, '{"k":1}']


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        (["a", "b", "a", None], ("a", "b")),
        ('["a", 1]', ("a", "1")),
        ("a, b,,", ("a", "b")),
        ("[broken", ("[broken",)),
        ({"a": 1}, ('{"a":1}',)),
        ("", ()),
        (None, ()),
        (["x" * 300], ("x" * 200,)),
    ],
)
def test_tags(value: object, tags: tuple[str, ...]) -> None:
    assert read_tags(value) == tags


def test_tags_are_bounded() -> None:
    assert len(read_tags([str(number) for number in range(1000)])) == 100


def test_json_is_written_in_one_way() -> None:
    values = ('{"a": [1, "ö"]}', {"a": [1, "ö"]}, "[broken", "[" * 9_999, " text ", "null")
    assert [read_document(value) for value in values] == ['{"a":[1,"ö"]}'] * 2 + [
        "[broken",
        "[" * 9_999,
        " text ",
        None,
    ]
