"""Ids of agents and runs are text, whatever the source has."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest

from tasks.evidence.ids import LONGEST_ID, natural_key, quote_id, read_id, whole_number

_UUID = "6f1c2b1e-3a55-4c07-9b3b-0d4f6f1f0a01"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (1, "1"),
        (-7, "-7"),
        (1.0, "1"),
        (1.5, "1.5"),
        (1e300, "1e+300"),
        (Decimal("1.00"), "1"),
        (Decimal("1E+2"), "100"),
        (Decimal("1.50"), "1.50"),
        (Decimal("1E+999999"), "1E+999999"),
        (2**70, str(2**70)),
        ("1.0", "1.0"),
        ("007", "007"),
        (" Bot: ü/1 ", " Bot: ü/1 "),
        ("a\x00b", "a\ufffdb"),
        (UUID(_UUID), _UUID),
        (UUID(_UUID).bytes, _UUID),
        (memoryview(b"r-12"), "r-12"),
        (b"\xff\x00", "ff00"),
    ],
)
def test_an_id_is_text(value: object, found: str) -> None:
    assert read_id(value) == found


@pytest.mark.parametrize(
    "value", [None, "", "  ", "\n", b"", True, float("nan"), float("inf"), Decimal("NaN"), Decimal("-Infinity")]
)
def test_what_names_nothing_is_no_id(value: object) -> None:
    assert read_id(value) is None


def test_a_long_id_is_short_and_stays_unique() -> None:
    first, second = read_id("x" * 5000 + "1"), read_id("x" * 5000 + "2")
    assert first is not None
    assert second is not None
    assert first != second
    assert (len(first), len(second)) == (LONGEST_ID, LONGEST_ID)
    assert first.startswith("x" * 150)
    # As people name it in an option: whole, or as it is shown.
    assert read_id(first) == first
    assert read_id("x" * LONGEST_ID) == "x" * LONGEST_ID


def test_ids_are_listed_as_people_count() -> None:
    ordered = ["-10", "-9", "0", "2", "10", "007", "7a", "A", "a", "bot-2", "bot-10", "bot-10b"]
    assert sorted(["A", *ordered[:7][::-1], *ordered[8:]], key=natural_key) == ordered
    # Any text has its place, and two texts never have the same.
    texts = ["", "²", "٣", "9" * 5000, "9" * 100 + "a", "01", "1", "1 ", " 1"]
    assert len({natural_key(text) for text in texts}) == len(texts)
    assert len(sorted(texts, key=natural_key)) == len(texts)


def test_only_what_is_written_as_a_number_is_one() -> None:
    assert [whole_number(text) for text in ("0", "-1", str(2**63 - 1))] == [0, -1, 2**63 - 1]
    assert {whole_number(text) for text in ("", "-0", "+1", "01", "1.0", "1\n", "²", str(2**63), "1_0")} == {None}


def test_a_sentence_quotes_what_is_no_number() -> None:
    assert quote_id("12") == "12"
    assert quote_id("run 12", lambda text: text.replace("run", "***")) == "'*** 12'"
    assert len(quote_id("x" * 200)) < 70
