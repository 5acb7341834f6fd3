"""A folder of OTLP files as a store of traces. The files are read twice: once for where each trace is, once for it."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from io import IOBase
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, cast

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


class _File(NamedTuple):
    """One file by its own name, and where it can be read at any place."""

    name: str
    path: Path


class OtlpStore:
    """The traces in the files that ``url`` names: a file, a folder, a glob, each local or behind fsspec. Thread-safe.

    Files of any name are read by what is in them: JSON lines, a JSON document, protobuf; also as gzip or zstd. A
    message that cannot be read is left out and named in ``warnings``, and so is a file that is removed before its
    traces are loaded. What is written later is not there: the files are looked through once.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._files: list[_File] = []
        self._copies: tempfile.TemporaryDirectory[str] | None = None
        self._index: dict[str, _Indexed] | None = None
        self._broken: dict[str, None] = {}  # as a set in order: a message can be asked for with several traces

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
        broken = list(self._broken)
        shown = "; ".join(broken[:_MOST_BROKEN]) + ("; …" if len(broken) > _MOST_BROKEN else "")
        return (f"{counted(len(broken), 'message')} of {self.describe()} cannot be read: {shown}",)

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
            yield from (found[trace_id] for trace_id in page if trace_id in found)

    def fetch(self, trace_ids: Sequence[str]) -> Mapping[str, Sequence[Span]]:
        """The spans of each of ``trace_ids`` that the files have.

        Raises:
            SourceError: as ``check``.
        """
        with self._lock:
            index = self._indexed()
        return self._load([trace_id for trace_id in trace_ids if trace_id in index])

    def close(self) -> None:
        """Remove the copies of files."""
        with self._lock:
            if self._copies is not None:
                self._copies.cleanup()
                self._copies = None

    def _indexed(self) -> Mapping[str, _Indexed]:
        if self._index is None:
            self._files, self._broken = [], {}
            self._index = self._read_index(list_files(self._url))
        return self._index

    def _read_index(self, listing: Listing) -> dict[str, _Indexed]:
        index: dict[str, _Indexed] = {}
        for path in listing.paths:
            name = Path(path).name
            with self._noting(name):
                local = self._local(listing, path)
                number = len(self._files)
                self._files.append(_File(name, local))
                with local.open("rb") as file:
                    for place in find_messages(file):
                        for trace_id, found in self._read(file, place, name).items():
                            start_us = min(span.start_us for span in found)
                            trace = index.setdefault(trace_id, _Indexed(start_us))
                            trace.start_us = min(trace.start_us, start_us)
                            trace.messages.append((number, place))
        if not index:
            raise SourceError(self._nothing(listing))
        return index

    def _read(self, file: BinaryIO, place: Place, name: str) -> dict[str, list[Span]]:
        """The spans of a message; none of one that cannot be read, which is noted."""
        try:
            return read_message(file, place)
        except MessageError as error:
            self._broken[f"{place.name} of {name}: {error}"] = None
            return {}

    @contextmanager
    def _noting(self, name: str) -> Iterator[None]:
        """What cannot be opened or read inside is noted and left out: files are removed and rotated meanwhile."""
        try:
            yield
        except OSError as error:
            self._broken[f"{name}: {scrub(error.strerror or str(error))}"] = None

    def _nothing(self, listing: Listing) -> str:
        if not listing.paths:
            return f"There is no file at {describe(self._url)}: give a folder, a file or a glob, as otlp:traces/*.json"
        what = f": {next(iter(self._broken))}" if self._broken else ""
        return (
            f"No span is in {self.describe()}{what}. What the OpenTelemetry Collector's file exporter writes is read: "
            "JSON or protobuf, also compressed"
        )

    def _local(self, listing: Listing, path: str) -> Path:
        """Where the file can be read at any place: one that is remote or compressed as a whole is copied first."""
        with cast("BinaryIO", listing.open(path)) as source:
            head = source.read(len(ZSTD))
            source.seek(0)
            compression: Literal["gzip", "zstd"] | None = None
            if head == ZSTD or head.startswith(_GZIP):
                compression = "zstd" if head == ZSTD else "gzip"
            if compression is None and listing.files is None:
                return Path(path)
            if self._copies is None:
                self._copies = tempfile.TemporaryDirectory(prefix="agent-report-")
            local = Path(self._copies.name) / str(len(self._files))
            with local.open("wb") as copy, self._noting(f"the end of {Path(path).name}"):
                shutil.copyfileobj(
                    pa.CompressedInputStream(cast("IOBase", source), compression) if compression else source, copy
                )
        return local

    def _load(self, trace_ids: Iterable[str]) -> dict[str, list[Span]]:
        """The spans of traces that are in the index, without those of which none is there any more.

        Each message is read once, and one file is open at a time.
        """
        assert self._index is not None
        wanted = dict.fromkeys(trace_ids)
        places = {place for trace_id in wanted for place in self._index[trace_id].messages}
        found: dict[str, list[Span]] = {}
        for number, of_file in groupby(sorted(places), key=itemgetter(0)):
            name, path = self._files[number]
            with self._noting(name), path.open("rb") as file:
                for _, place in of_file:
                    for trace_id, spans in self._read(file, place, name).items():
                        if trace_id in wanted:
                            found.setdefault(trace_id, []).extend(spans)
        return found
