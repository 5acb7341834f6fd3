"""The body of a reply within a limit of bytes, also once it is decoded."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

_GZIP_OR_ZLIB = 47
ENCODINGS = ("", "identity", "gzip", "x-gzip", "deflate")


class BodyError(Exception):
    """A body that cannot be read."""


class EncodingError(BodyError):
    """The body is encoded in a way that was not asked for."""


class LargeBodyError(BodyError):
    """The body, or what it decodes to, is too large."""


def decode_body(chunks: Iterable[bytes], encoding: str, most_bytes: int) -> Iterator[bytes]:
    """The body in ``chunks``, decoded. ``encoding`` is the header Content-Encoding: nothing, gzip or deflate.

    A kilobyte of gzip within gzip is a gigabyte: so at most one encoding is undone, and never beyond the limit.

    Raises:
        BodyError: more than ``most_bytes``, another or a second encoding, or what cannot be decoded.
    """
    encoding = encoding.strip().lower()
    if encoding not in ENCODINGS:
        raise EncodingError(f"the reply is encoded as {encoding[:40]!r}, which was not asked for")
    size = 0
    for chunk in chunks if encoding in ("", "identity") else _inflate(chunks, most_bytes):
        size += len(chunk)
        if size > most_bytes:
            raise LargeBodyError(f"the reply is longer than {most_bytes:,} bytes")
        yield chunk


def _inflate(chunks: Iterable[bytes], most_bytes: int) -> Iterator[bytes]:
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        for chunk in chunks:
            data = chunk
            while data:
                # One byte more than is allowed is enough to know.
                yield inflater.decompress(data, most_bytes + 1)
                data = inflater.unconsumed_tail
                if inflater.eof and inflater.unused_data:
                    data, inflater = inflater.unused_data, zlib.decompressobj(_GZIP_OR_ZLIB)
                elif inflater.eof:
                    data = b""
        yield inflater.flush()
    except zlib.error as error:
        raise BodyError("the reply cannot be decompressed") from error
    if not inflater.eof:
        raise BodyError("the reply ends in the middle of its compressed data")
