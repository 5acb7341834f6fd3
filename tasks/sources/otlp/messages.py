"""The messages of an OTLP file: where each stands in it, and the spans that one holds.

A file has JSON lines, one JSON document, or (the exporter's ``format: proto`` and ``compression: zstd``) messages each
behind its length, four bytes, big endian:
https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/exporter/fileexporter
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import orjson
import pyarrow as pa
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from tasks.evidence.traces.spans import Span, parse_v3
from tasks.sources.otlp.names import has_old_names, rename_fields

ZSTD = b"\x28\xb5\x2f\xfd"
# The Collector sends some megabytes at most.
MAX_MESSAGE_BYTES = 256 * 1024 * 1024
_LENGTH_BYTES = 4
_JSON = (b"{", b"[")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Place(NamedTuple):
    """Where a message stands in its file, in bytes, what a person calls the place (``line 7``, ``message 3``), and
    whether it is behind its length, so that it may be protobuf."""

    offset: int
    length: int
    name: str
    is_framed: bool = False


class MessageError(ValueError):
    """It is none: neither JSON nor protobuf, or longer than is read."""


def find_messages(file: BinaryIO) -> Iterator[Place]:
    """The places of the messages of ``file``, which is seekable; an empty file has none.

    A last message that is not whole is given too: the Collector may be writing it.
    """
    file.seek(0)
    head = file.read(4096).removeprefix(_BYTE_ORDER_MARK).lstrip()
    if not head:
        return
    if not head.startswith(_JSON):
        yield from _framed(file)
    elif _is_one_document(file):
        size = file.seek(0, 2)
        yield Place(0, size, "the document")
    else:
        yield from _lines(file)


def _lines(file: BinaryIO) -> Iterator[Place]:
    file.seek(0)
    offset = 0
    for number, line in enumerate(file, 1):
        if line.strip():
            yield Place(offset, len(line), f"line {number}")
        offset += len(line)


def _is_one_document(file: BinaryIO) -> bool:
    """Whether the first line is no JSON by itself: a document that is indented, or an array."""
    file.seek(0)
    first = next((line.removeprefix(_BYTE_ORDER_MARK).strip() for line in file if line.strip()), b"")
    return first.startswith(b"[") or first in (b"{", b"") or not first.endswith(b"}")


def _framed(file: BinaryIO) -> Iterator[Place]:
    size = file.seek(0, 2)
    offset = number = 0
    while offset + _LENGTH_BYTES <= size:
        file.seek(offset)
        length = int.from_bytes(file.read(_LENGTH_BYTES), "big")
        number += 1
        offset += _LENGTH_BYTES
        yield Place(offset, length, f"message {number}", is_framed=True)
        offset += length


def read_message(file: BinaryIO, place: Place) -> dict[str, list[Span]]:
    """The spans by trace id of the message there; of metrics and logs none.

    Raises:
        MessageError: it cannot be read.
    """
    if file.seek(0, 2) < place.offset + place.length:
        raise MessageError("it ends in the middle, or is no OTLP")
    if place.length > MAX_MESSAGE_BYTES:
        raise MessageError(f"it has {place.length:,} bytes, more than {MAX_MESSAGE_BYTES:,}")
    file.seek(place.offset)
    raw = file.read(place.length)
    if raw.startswith(ZSTD):
        try:
            raw = pa.CompressedInputStream(pa.BufferReader(raw), "zstd").read(MAX_MESSAGE_BYTES)
        except OSError as error:
            raise MessageError("its compression is broken") from error
    if place.is_framed and not raw.startswith(_JSON):
        return parse_v3([_decoded(raw)])
    return parse_v3(_requests(raw))


def _decoded(raw: bytes) -> dict[str, Any]:
    try:
        # An ExportTraceServiceRequest has the same fields.
        found: dict[str, Any] = MessageToDict(TracesData.FromString(raw))
        return found
    except DecodeError as error:
        raise MessageError("it is neither JSON nor protobuf") from error


def _requests(raw: bytes) -> list[dict[str, Any]]:
    """The export requests in JSON, by the names of OTLP."""
    try:
        parsed = orjson.loads(raw.removeprefix(_BYTE_ORDER_MARK))
    except orjson.JSONDecodeError as error:
        raise MessageError("it is no JSON") from error
    if has_old_names(raw):
        rename_fields(parsed)
    requests = parsed if isinstance(parsed, list) else [parsed]
    return [request for request in requests if isinstance(request, dict)]
