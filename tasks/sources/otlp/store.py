"""A folder of OTLP files as a store of traces. The files are read twice: once for where each trace is, once for it."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from io import IOBase
from pathlib import Path
from typing import BinaryIO, Literal, cast

import pyarrow as pa

from tasks.errors import SourceError, scrub
from tasks.evidence.traces.spans import Span
from tasks.sources.files.places import Listing, describe, list_files
from tasks.sources.otlp.messages import ZSTD, MessageError, Place, find_messages, read_message
from tasks.wording.counts import counted

_GZIP = b"\x1f\x8b"
# Their spans are in memory at once.
_TRACES_AT_ONCE = 200
_MOST_BROKEN = 3


@dataclass(slots=True)
class _Indexed:
    """One trace: when its first span starts, and the messages that hold its spans."""

    start_us: int
    messages: list[tuple[int, Place]] = field(default_factory=list)


class OtlpStore:
    """The traces in the files that ``url`` names: a file, a folder, a glob, each local or behind fsspec. Thread-safe.

    Files of any name are read by what is in them: JSON lines, a JSON document, protobuf; also as gzip or zstd. A
    message that cannot be read is left out and named in ``warnings``. What is written later is not there: the files are
    looked through once.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._closing = ExitStack()
        self._files: list[BinaryIO] = []
        self._index: dict[str, _Indexed] | None = None
        self._broken: list[str] = []

    def check(self) -> None:
        """Return when there are files that hold spans.

        Raises:
            SourceError: there are no files, they cannot be read, or none of them holds a span.
        """
        with self._lock:
            self._indexed()

    def describe(self) -> str:
        """The place for messages, without credentials."""
        return f"the OTLP files {describe(self._url)}"

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence on what could not be read, none when all was."""
        if not self._broken:
            return ()
        shown = "; ".join(self._broken[:_MOST_BROKEN]) + ("; …" if len(self._broken) > _MOST_BROKEN else "")
        return (f"{counted(len(self._broken), 'message')} of {self.describe()} cannot be read: {shown}",)

    def traces(self, since: datetime | None, until: datetime) -> Iterator[Sequence[Span]]:
        """The traces that began from ``since`` (None: ever) until before ``until``, both aware, the newest first.

        Raises:
            SourceError: as ``check``.
        """
        first = 0.0 if since is None else since.timestamp() * 1_000_000
        last = until.timestamp() * 1_000_000
        with self._lock:
            index = self._indexed()
        chosen = [trace_id for trace_id, trace in index.items() if first <= trace.start_us < last]
        chosen.sort(key=lambda trace_id: -index[trace_id].start_us)
        for start in range(0, len(chosen), _TRACES_AT_ONCE):
            page = chosen[start : start + _TRACES_AT_ONCE]
            found = self._load(page)
            yield from (found[trace_id] for trace_id in page)

    def fetch(self, trace_ids: Sequence[str]) -> Mapping[str, Sequence[Span]]:
        """The spans of each of ``trace_ids`` that the files have.

        Raises:
            SourceError: as ``check``.
        """
        with self._lock:
            index = self._indexed()
        return self._load([trace_id for trace_id in trace_ids if trace_id in index])

    def close(self) -> None:
        """Close the files."""
        self._closing.close()

    def _indexed(self) -> Mapping[str, _Indexed]:
        if self._index is None:
            try:
                self._index = self._read_index(list_files(self._url))
            except OSError as error:
                reason = scrub(error.strerror or str(error))
                raise SourceError(f"The source {describe(self._url)} cannot be read: {reason}") from None
        return self._index

    def _read_index(self, listing: Listing) -> dict[str, _Indexed]:
        index: dict[str, _Indexed] = {}
        for path in listing.paths:
            file = self._open(listing, path)
            number = len(self._files)
            self._files.append(file)
            for place in find_messages(file):
                try:
                    spans = read_message(file, place)
                except MessageError as error:
                    self._broken.append(f"{place.name} of {Path(path).name}: {error}")
                    continue
                for trace_id, found in spans.items():
                    start_us = min(span.start_us for span in found)
                    trace = index.setdefault(trace_id, _Indexed(start_us))
                    trace.start_us = min(trace.start_us, start_us)
                    trace.messages.append((number, place))
        if not index:
            raise SourceError(self._nothing(listing))
        return index

    def _nothing(self, listing: Listing) -> str:
        if not listing.paths:
            return f"There is no file at {describe(self._url)}: give a folder, a file or a glob, as otlp:traces/*.json"
        what = f": {self._broken[0]}" if self._broken else ""
        return (
            f"No span is in {self.describe()}{what}. What the OpenTelemetry Collector's file exporter writes is read: "
            "JSON or protobuf, also compressed"
        )

    def _open(self, listing: Listing, path: str) -> BinaryIO:
        """The file for reading at any place: one that is remote or compressed as a whole is copied first."""
        source = cast("BinaryIO", listing.open(path))
        self._closing.callback(source.close)
        head = source.read(len(ZSTD))
        source.seek(0)
        compression: Literal["gzip", "zstd"] | None = None
        if head == ZSTD or head.startswith(_GZIP):
            compression = "zstd" if head == ZSTD else "gzip"
        if compression is None and listing.files is None:
            return source
        copy = self._closing.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - closed with the store
        try:
            shutil.copyfileobj(
                pa.CompressedInputStream(cast("IOBase", source), compression) if compression else source, copy
            )
        except OSError as error:
            self._broken.append(f"the end of {Path(path).name}: {scrub(str(error))}")
        return cast("BinaryIO", copy)

    def _load(self, trace_ids: Iterable[str]) -> dict[str, list[Span]]:
        """The spans of traces that are in the index; each message is read once."""
        assert self._index is not None
        wanted: dict[str, list[Span]] = {trace_id: [] for trace_id in trace_ids}
        places = {place for trace_id in wanted for place in self._index[trace_id].messages}
        with self._lock:
            for number, place in sorted(places):
                for trace_id, spans in read_message(self._files[number], place).items():
                    if trace_id in wanted:
                        wanted[trace_id] += spans
        return wanted
