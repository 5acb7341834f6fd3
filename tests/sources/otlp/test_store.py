"""OTLP files: every form that the Collector's file exporter writes gives the same spans."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tasks.errors import SourceError
from tasks.evidence.traces.spans import Span
from tasks.sources.otlp.store import OtlpStore

_BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
_END = _BEGAN + timedelta(days=1)


def _span(trace: int, span: int, parent: int = 0, minute: int = 0) -> dict[str, Any]:
    start = int((_BEGAN + timedelta(minutes=minute)).timestamp()) * 10**9
    return {
        "traceId": f"{trace:032x}",
        "spanId": f"{span:016x}",
        **({"parentSpanId": f"{parent:016x}"} if parent else {}),
        "name": f"span {span}",
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + 10**9),
        "attributes": [{"key": "gen_ai.agent.name", "value": {"stringValue": "bot"}}],
        "status": {"code": 2, "message": "no"} if span == 3 else {},
    }


def _request(*spans: dict[str, Any]) -> dict[str, Any]:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "x"}, "spans": list(spans)}]}]}


# The spans of trace 1 are in two requests; that of trace 2 began later.
_REQUESTS = [_request(_span(1, 1), _span(2, 3, minute=5)), _request(_span(1, 2, parent=1, minute=1))]


def _lines(requests: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(request).encode() + b"\n" for request in requests)


def _proto(request: dict[str, Any]) -> bytes:
    encoded = json.loads(json.dumps(request))
    for resource in encoded["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for name in ("traceId", "spanId", "parentSpanId"):
                    if name in span:
                        # Bytes are base64 in protobuf's own JSON.
                        span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    return ParseDict(encoded, ExportTraceServiceRequest()).SerializeToString()


def _framed(messages: Iterable[bytes]) -> bytes:
    return b"".join(len(message).to_bytes(4, "big") + message for message in messages)


def _zstd(data: bytes) -> bytes:
    return pa.Codec("zstd").compress(data, asbytes=True)


def _old(text: bytes) -> bytes:
    return text.replace(b"scopeSpans", b"instrumentationLibrarySpans").replace(b'"scope"', b'"instrumentationLibrary"')


def _snake(text: bytes) -> bytes:
    for old, new in {
        b"resourceSpans": b"resource_spans",
        b"scopeSpans": b"scope_spans",
        b"traceId": b"trace_id",
        b"parentSpanId": b"parent_span_id",
        b"spanId": b"span_id",
        b"startTimeUnixNano": b"start_time_unix_nano",
        b"endTimeUnixNano": b"end_time_unix_nano",
        b"stringValue": b"string_value",
    }.items():
        text = text.replace(old, new)
    return text


FORMS: dict[str, dict[str, bytes]] = {
    "lines": {"traces.json": _lines(_REQUESTS)},
    "rotated": {"traces-1.json": _lines(_REQUESTS[:1]), "traces.json": _lines(_REQUESTS[1:])},
    "documents": {f"{at}.json": json.dumps(request, indent=1).encode() for at, request in enumerate(_REQUESTS)},
    "array": {"traces.json": json.dumps(_REQUESTS).encode()},
    "byte order mark": {"traces.json": b"\xef\xbb\xbf" + _lines(_REQUESTS)},
    "gzip": {"traces.json.gz": gzip.compress(_lines(_REQUESTS))},
    "zstd": {"traces.json.zst": _zstd(_lines(_REQUESTS))},
    "zstd by message": {"traces.json": _framed(_zstd(json.dumps(each).encode()) for each in _REQUESTS)},
    "protobuf": {"traces.pb": _framed(map(_proto, _REQUESTS))},
    "protobuf, zstd by message": {"traces.pb": _framed(_zstd(_proto(each)) for each in _REQUESTS)},
    "before OTLP 1.0": {"traces.json": _old(_lines(_REQUESTS))},
    "fields' own names": {"traces.json": _snake(_lines(_REQUESTS))},
    "logs between": {"traces.json": _lines([_REQUESTS[0], {"resourceLogs": []}, _REQUESTS[1]])},
}

Write = Callable[[dict[str, bytes]], OtlpStore]


@pytest.fixture
def write(tmp_path: Path) -> Iterable[Write]:
    """Writes files to a folder; its store."""
    stores = []

    def make(files: dict[str, bytes]) -> OtlpStore:
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
        stores.append(OtlpStore(str(tmp_path)))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def _open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def _spans(traces: Iterable[Sequence[Span]]) -> list[list[str]]:
    return [sorted(span.operation for span in trace) for trace in traces]


@pytest.mark.parametrize("form", list(FORMS))
def test_every_form_gives_whole_traces_newest_first(form: str, write: Write) -> None:
    store = write(FORMS[form])
    newest, oldest = store.traces(None, _END)
    assert _spans([newest, oldest]) == [["span 3"], ["span 1", "span 2"]]
    assert newest[0].error
    root, child = sorted(oldest, key=lambda span: span.operation)
    assert (root.parent_id, child.parent_id) == (None, root.span_id)
    assert (root.service, root.tags["gen_ai.agent.name"]) == ("shop", "bot")
    assert root.end_us - root.start_us == 1_000_000
    assert store.warnings == ()


def test_a_window_takes_the_traces_that_began_in_it(write: Write) -> None:
    store = write(FORMS["lines"])
    assert _spans(store.traces(_BEGAN + timedelta(minutes=5), _END)) == [["span 3"]]
    assert _spans(store.traces(None, _BEGAN + timedelta(minutes=5))) == [["span 1", "span 2"]]
    assert list(store.traces(_END, _END)) == []


def test_traces_are_fetched_by_id(write: Write) -> None:
    store = write(FORMS["protobuf"])
    found = store.fetch([f"{2:032x}", f"{9:032x}"])
    assert {trace_id: len(spans) for trace_id, spans in found.items()} == {f"{2:032x}": 1}


def test_what_cannot_be_read_is_named_and_costs_nothing_else(write: Write) -> None:
    half = _framed([_proto(_REQUESTS[1])])[:-5]
    store = write({"a.json": _lines(_REQUESTS) + b'{"resourceSpans": [{\n', "b.pb": half, "c.md": b"# Notes\n"})
    assert _spans(store.traces(None, _END)) == [["span 3"], ["span 1", "span 2"]]
    (warning,) = store.warnings
    assert warning.startswith("3 messages of the OTLP files ")
    assert "line 3 of a.json: it is no JSON" in warning
    assert "message 1 of b.pb: it ends in the middle" in warning


def test_json_under_old_names_as_deep_as_it_can_be_is_read_without_overflow(write: Write) -> None:
    deep = b'{"resource_spans": ' + b"[" * 1_000 + b"]" * 1_000 + b"}\n"
    assert len(list(write({"traces.json": deep + _lines(_REQUESTS)}).traces(None, _END))) == 2


def test_a_file_that_goes_between_the_two_readings_is_named_and_costs_nothing_else(
    write: Write, tmp_path: Path
) -> None:
    store = write(FORMS["rotated"] | {"cut.json": _lines([_request(_span(4, 4, minute=9))])})
    store.check()
    (tmp_path / "traces-1.json").unlink()
    (tmp_path / "cut.json").write_bytes(b"")
    with (tmp_path / "traces.json").open("ab") as file:
        file.write(_lines([_request(_span(5, 5))]))
    assert _spans(store.traces(None, _END)) == [["span 2"]]
    (warning,) = store.warnings
    assert "line 1 of cut.json: it ends in the middle" in warning
    assert "traces-1.json: No such file or directory" in warning


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_no_file_stays_open(pack: Callable[[bytes], bytes], write: Write) -> None:
    store = write({f"{at}.json": pack(_lines([_request(_span(at, at, minute=at))])) for at in range(1, 40)})
    before = _open_files()
    assert len(list(store.traces(None, _END))) == 39
    assert _open_files() - before < 5


def test_a_file_that_cannot_be_read_at_first_is_there_later(write: Write, tmp_path: Path) -> None:
    store = write({"a.txt": b"hello world"})
    for _ in range(2):
        with pytest.raises(SourceError, match="message 1 of a"):
            store.check()
    (tmp_path / "traces.json").write_bytes(_lines(_REQUESTS))
    store.check()
    assert [warning.partition(" of ")[0] for warning in store.warnings] == ["1 message"]


def test_many_traces_in_one_file_are_read_in_pages(write: Write) -> None:
    store = write({"traces.json": _lines(_request(_span(at, 1, minute=at)) for at in range(1, 452))})
    traces = list(store.traces(None, _BEGAN + timedelta(days=9)))
    assert [int(trace[0].trace_id, 16) for trace in traces] == list(range(451, 0, -1))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "There is no file at "),
        ({"a.json": b"{}"}, "No span is in the OTLP files "),
        ({"a.txt": b"hello world"}, "message 1 of a.txt: it ends in the middle, or is no OTLP. What the "),
    ],
)
def test_a_source_without_spans_is_an_error(files: dict[str, bytes], message: str, write: Write) -> None:
    with pytest.raises(SourceError) as raised:
        write(files).check()
    assert message in str(raised.value)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere does not exist"):
        OtlpStore(str(tmp_path / "nowhere")).check()
