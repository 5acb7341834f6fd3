"""Trace ids in the forms that sources hold them in."""

from __future__ import annotations

import base64

import pytest

from tasks.evidence.traces.trace_ids import is_decimal, read_trace_id

_ID = "0af7651916cd43dd8448eb211c80319c"
_SHORT = "8448eb211c80319c"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (_ID, _ID),
        (f"  {_ID}\n", _ID),
        (f'"{_ID}"', _ID),
        (_ID.upper(), _ID.upper()),
        (f"0x{_ID}", f"0x{_ID}"),
        (_SHORT, _SHORT),
        ("0af76519-16cd-43dd-8448-eb211c80319c", _ID),
        ("0AF76519-16CD-43DD-8448-EB211C80319C", _ID),
        ("{0af76519-16cd-43dd-8448-eb211c80319c}", _ID),
        ("urn:uuid:0af76519-16cd-43dd-8448-eb211c80319c", _ID),
        (f"00-{_ID}-b7ad6b7169203331-01", _ID),
        (f"01-{_ID}-b7ad6b7169203331-01-what-the-future-will-be", _ID),
        ("1-0af76519-16cd43dd8448eb211c80319c", _ID),
        ("Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1", _ID),
        ("Self=1-67891234-12456789abcdef012345678;Root=1-0af76519-16cd43dd8448eb211c80319c", _ID),
        (f"{_ID}-b7ad6b7169203331-1", _ID),
        (f"{_ID}-b7ad6b7169203331-1-05e3ac9a4f6e3b90", _ID),
        (f"{_SHORT}-b7ad6b7169203331", _SHORT),
        (f"{_ID}:b7ad6b7169203331:0:1", _ID),
        (f"{_ID}%3Ab7ad6b7169203331%3A0%3A1", _ID),
        (f"{_ID}/12345;o=1", _ID),
        (f"projects/my-project/traces/{_ID}", _ID),
        (f"http://jaeger:16686/trace/{_ID}?uiFind=b7ad6b7169203331", _ID),
        (f"|{_ID}.b7ad6b7169203331_1.", _ID),
        (base64.b64encode(bytes.fromhex(_ID)).decode(), _ID),
        (bytes.fromhex(_ID), _ID),
        (memoryview(bytes.fromhex(_ID)), _ID),
        (_SHORT.encode(), _SHORT),
        ("1234567890", "1234567890"),
        ("1234567890123456", "1234567890123456"),
    ],
)
def test_every_form_is_understood(value: object, found: str) -> None:
    assert read_trace_id(value) == found


@pytest.mark.parametrize(
    "value",
    [
        *(None, "", " ", "nope", "req_8f14e45f", "0" * 32, "f" * 33, "00000000-0000-0000-0000-000000000000", 1.5),
        *(f"00-{'0' * 32}-b7ad6b7169203331-01", f"ff-{_ID}-b7ad6b7169203331-01", f"{_ID}-nospan", "-" * 100_000),
        # Datadog's, of 64 and of 128 bits.
        *("12345678901234567", "1234567890123456789", "18446744073709551615", "9" * 39, 1234567890123456789),
    ],
)
def test_what_is_no_trace_id_is_none(value: object) -> None:
    assert read_trace_id(value) is None


@pytest.mark.parametrize(
    ("text", "decimal"),
    [
        ("1234567890123456789", True),
        ("1234567890", True),
        ("7", False),
        ("0000000000000007", False),
        ("1" * 32, False),
        ("123456789012345a", False),
    ],
)
def test_decimal_ids_are_recognized(text: str, decimal: bool) -> None:
    assert is_decimal(text) is decimal
