"""No reply is read beyond its limit, encoded or not."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest

from tasks.wire.body import BodyError, LargeBodyError, decode_body

TEXT = b"evidence " * 2_000


def pieces(data: bytes, size: int = 777) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize(
    ("encoded", "encoding"),
    [
        (TEXT, ""),
        (TEXT, "Identity"),
        (gzip.compress(TEXT), "gzip"),
        (gzip.compress(TEXT[:5_000]) + gzip.compress(TEXT[5_000:]), " GZIP "),
        (gzip.compress(TEXT), "x-gzip"),
        (zlib.compress(TEXT), "deflate"),
    ],
    # gzip holds the time: as parts of names it would be another test in each process.
    ids=["plain", "identity", "gzip", "members", "x-gzip", "deflate"],
)
def test_one_encoding_is_undone(encoded: bytes, encoding: str) -> None:
    assert b"".join(decode_body(pieces(encoded), encoding, len(TEXT))) == TEXT
    with pytest.raises(LargeBodyError, match="longer than 17,999 bytes"):
        b"".join(decode_body(pieces(encoded), encoding, len(TEXT) - 1))


@pytest.mark.parametrize("encoding", ["gzip, gzip", "gzip,deflate", "br", "zstd", "gzip, identity, gzip", "\x00"])
def test_what_was_not_asked_for_is_refused_unread(encoding: str) -> None:
    def never() -> None:
        raise AssertionError("it was read")

    with pytest.raises(BodyError, match="was not asked for"):
        list(decode_body(iter(never, None), encoding, 10))  # type: ignore[arg-type]


def test_a_bomb_takes_no_more_than_the_limit() -> None:
    bomb = gzip.compress(b"\x00" * 200_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(LargeBodyError):
            list(decode_body([bomb], "gzip", 1_000_000))
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("encoded", "why"),
    [
        (b"no gzip at all", "cannot be decompressed"),
        (gzip.compress(TEXT)[:-12], "in the middle"),
        (b"", "in the middle"),
    ],
    ids=["no gzip", "cut", "empty"],
)
def test_a_body_that_is_not_what_its_encoding_promises(encoded: bytes, why: str) -> None:
    with pytest.raises(BodyError, match=why):
        list(decode_body(pieces(encoded), "gzip", 1_000_000))
