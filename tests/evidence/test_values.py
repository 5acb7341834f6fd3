from __future__ import annotations

from decimal import Decimal

import pytest

from tasks.evidence.values import quote_value, read_filled, read_float, read_int, read_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("", ""),
        ("a", "a"),
        (b"caf\xc3\xa9", "café"),
        (b"\xff", "\ufffd"),
        ("a\x00b", "a\ufffdb"),
        ("\ud800", "?"),
        ({"a": [1]}, '{"a":[1]}'),
        (12, "12"),
        (Decimal("1.50"), "1.50"),
    ],
)
def test_text_of_any_value(value: object, text: str | None) -> None:
    assert read_text(value) == text


def test_blank_text_is_not_filled() -> None:
    assert read_filled("  \n") is None
    assert read_filled(" x ") == "x"


@pytest.mark.parametrize(
    ("value", "number"),
    [(0, 0.0), ("2.5", 2.5), (Decimal("1.25"), 1.25), (b"3", 3.0), (1e6, 1e6), (" 4 ", 4.0)],
)
def test_numbers_also_as_text(value: object, number: float) -> None:
    assert read_float(value) == number


@pytest.mark.parametrize(
    "value",
    [None, "", "fast", -0.5, "-1", float("nan"), float("inf"), "NaN", "1_000", True, "1e999999999", [], 10**400],
)
def test_nonsense_is_no_number(value: object) -> None:
    assert read_float(value) is None
    assert read_int(value) is None


def test_whole_numbers() -> None:
    assert read_int("12.0") == 12
    assert read_int(2**63 - 1) == 2**63 - 1
    assert read_int(2**63) is None
    assert read_int(1.5) is None


def test_a_long_value_is_clipped_for_messages() -> None:
    assert quote_value("x" * 500) == repr("x" * 60 + "…")
