"""Traces in a table of spans, page by page: those of a time are listed first, then each is loaded once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Text,
    cast,
    column,
    func,
    literal,
    or_,
    select,
    table,
    text,
    try_cast,
)
from sqlalchemy.types import UserDefinedType

from tasks.errors import SourceError
from tasks.evidence.traces.conventions.catalog import MARKS, SCOPES
from tasks.evidence.traces.spans import Span
from tasks.evidence.values import write_json
from tasks.sources.spans.store import SIGNALS
from tasks.sources.sql.connection import describe, reading

# Their spans are in memory at once.
_TRACES_AT_ONCE = 50
# Partitions that are older than a trace can last are not read.
_LONGEST_TRACE = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# How the operations begin that are known by their names alone.
_NAMES = ("agent_execution_engine.", "haystack.", "tools/call ")
Row = Mapping[str, Any]


class _Timestamp(UserDefinedType[datetime]):
    """DuckDB's time with a zone."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "TIMESTAMPTZ"


@dataclass(frozen=True, slots=True)
class SignalTable:
    """A table of what was observed of traces, which need not be there; ``read`` gives the contract's signal."""

    name: str
    trace_id: str
    columns: tuple[str, ...]
    read: Callable[[Row], Mapping[str, str] | None]


@dataclass(frozen=True, slots=True)
class SpanTable:
    """A table of spans: its name, the columns of the trace's id and of the start, those that are read, and how.

    ``columns`` that are not there are left out; ``needed`` have to be. ``marked`` means that the table holds the spans
    of every service, so that traces without an agent's span are passed over.
    """

    name: str
    trace_id: str
    started: str
    columns: tuple[str, ...]
    needed: tuple[str, ...]
    read: Callable[[Iterable[Row]], list[Span]]
    marked: bool = False
    signals: SignalTable | None = None


class SpanTableStore:
    """The traces of a table of spans; it is only read."""

    def __init__(self, engine: Engine, spans: SpanTable) -> None:
        self.engine = engine
        self._spans = spans

    def check(self) -> None:
        """Return when the table is there and has the columns that are needed.

        Raises:
            SourceError: it has not, or the database cannot be read.
        """
        with reading(self.engine) as connection:
            self._columns(connection)

    def describe(self) -> str:
        """The place of the table for people, without credentials."""
        return f"{self._spans.name} in {describe(self.engine.url)}"

    def traces(self, since: datetime | None, until: datetime) -> Iterator[list[Span]]:
        """The traces that began from ``since`` (None: ever) until before ``until`` (aware), whole, the newest first.

        Raises:
            SourceError: as ``check``.
        """
        since = since or _EPOCH
        with reading(self.engine) as connection:
            columns = self._columns(connection)
            trace_ids = [row[0] for row in connection.execute(self._listing(columns, since, until))]
        for start in range(0, len(trace_ids), _TRACES_AT_ONCE):
            page = trace_ids[start : start + _TRACES_AT_ONCE]
            found = self._load(page, since, until)
            # Of rows that hold no id or time nothing is left.
            yield from (spans for trace_id in page if (spans := found.get(trace_id)))

    def fetch(self, trace_ids: Sequence[str]) -> dict[str, list[Span]]:
        """The spans of these traces, by the ids that ``traces`` gave; a trace that is not there is left out.

        Raises:
            SourceError: as ``check``.
        """
        spellings = {spelling: trace_id for trace_id in trace_ids for spelling in (trace_id, _as_uuid(trace_id))}
        found: dict[str, list[Span]] = {}
        written = list(spellings)
        for start in range(0, len(written), _TRACES_AT_ONCE):
            for key, spans in self._load(written[start : start + _TRACES_AT_ONCE]).items():
                if spans:
                    found[spellings[key]] = spans
        return found

    def close(self) -> None:
        """End the connections."""
        self.engine.dispose()

    def _load(
        self, page: Sequence[str], since: datetime | None = None, until: datetime | None = None
    ) -> dict[str, list[Span]]:
        """The spans of traces by the ids that the table has."""
        with reading(self.engine) as connection:
            there = self._columns(connection)
            named: list[ColumnElement[Any]]
            named = [column(name).label(name) for name in self._spans.columns if name in there]
            query = select(*named, self._trace_id().label("trace key")).select_from(table(self._spans.name))
            query = query.where(self._trace_id().in_(page))
            if since is not None and until is not None:
                query = query.where(*self._within(since, until + _LONGEST_TRACE))
            rows: dict[str, list[Row]] = {}
            for row in connection.execute(query).mappings():
                rows.setdefault(row["trace key"], []).append(dict(row))
            signals = self._signals(connection, page)
        return {key: _once(self._spans.read(found), signals.get(key)) for key, found in rows.items()}

    def _signals(self, connection: Connection, page: Sequence[str]) -> dict[str, list[Mapping[str, str]]]:
        """The signals of traces, by the ids that the tables have."""
        signals = self._spans.signals
        if signals is None or not self.engine.dialect.has_table(connection, signals.name):
            return {}
        there = _names(connection, signals.name)
        if signals.trace_id not in there:
            return {}
        named: list[ColumnElement[Any]] = [column(name) for name in signals.columns if name in there]
        key = cast(column(signals.trace_id), Text)
        query = select(*named, key.label("trace key")).select_from(table(signals.name)).where(key.in_(page))
        # Exports of times that meet hold those of the boundary twice.
        rows = {(row["trace key"], row.get("id")): dict(row) for row in connection.execute(query).mappings()}
        found: dict[str, list[Mapping[str, str]]] = {}
        for (trace_id, _), row in rows.items():
            if (signal := signals.read(row)) is not None:
                found.setdefault(trace_id, []).append(signal)
        return found

    def _columns(self, connection: Connection) -> set[str]:
        where = f"The source {describe(self.engine.url)}"
        if not self.engine.dialect.has_table(connection, self._spans.name):
            raise SourceError(f"{where} has no table {self._spans.name}")
        there = _names(connection, self._spans.name)
        if lacking := [name for name in self._spans.needed if name not in there]:
            raise SourceError(
                f"{where} has no column {', '.join(lacking)} in {self._spans.name}: it has {', '.join(sorted(there))}"
            )
        return there

    def _listing(self, columns: set[str], since: datetime, until: datetime) -> Any:
        began: ColumnElement[Any] = func.min(self._started())
        query = select(self._trace_id(), began).select_from(table(self._spans.name))
        # From before the window, as a trace whose beginning is there is not in it.
        query = query.where(*self._within(max(since - _LONGEST_TRACE, _EPOCH), until))
        if self._spans.marked:
            query = query.where(self._is_marked(columns))
        return query.group_by(self._trace_id()).having(began >= self._moment(since)).order_by(began.desc())

    def _trace_id(self) -> ColumnElement[Any]:
        named: ColumnElement[Any] = column(self._spans.trace_id)
        return named if self._is_clickhouse else cast(named, Text)

    def _started(self) -> ColumnElement[Any]:
        named: ColumnElement[Any] = column(self._spans.started)
        # Text in JSON and CSV, where a time without a zone is UTC.
        return named if self._is_clickhouse else try_cast(named, _Timestamp)

    def _within(self, since: datetime, until: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return self._started() >= self._moment(since), self._started() < self._moment(until)

    def _moment(self, moment: datetime) -> ColumnElement[Any]:
        written = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        if self._is_clickhouse:
            return func.toDateTime64(written, 9, "UTC")
        return cast(literal(written + "+00", Text), _Timestamp)

    def _is_marked(self, columns: set[str]) -> ColumnElement[bool]:
        attributes: ColumnElement[Any] = column("SpanAttributes")
        if self._is_clickhouse:
            marked = func.hasAny(func.mapKeys(attributes), sorted(MARKS))
        else:
            marked = func.list_has_any(func.map_keys(attributes), sorted(MARKS))
        named = [column("SpanName").like(f"{begin}%") for begin in _NAMES]
        scopes = [column("ScopeName").in_(sorted(SCOPES))] if "ScopeName" in columns else []
        return or_(marked, *named, *scopes)

    @property
    def _is_clickhouse(self) -> bool:
        return self.engine.dialect.name == "clickhousedb"


def _names(connection: Connection, name: str) -> set[str]:
    """The columns of a table."""
    return set(connection.execute(select(text("*")).select_from(table(name)).where(text("1 = 0"))).keys())


def _once(spans: Iterable[Span], signals: Sequence[Mapping[str, str]] | None) -> list[Span]:
    """Each span once: exports of times that meet hold those of the boundary twice. Of two, the one that ended later.

    ``signals`` are written to the outermost spans.
    """
    found: dict[str, Span] = {}
    for span in spans:
        known = found.get(span.span_id)
        if known is None or span.end_us > known.end_us:
            found[span.span_id] = span
    if signals:
        for span in found.values():
            if span.parent_id is None:
                span.tags = {**span.tags, SIGNALS: write_json(list(signals))}
    return list(found.values())


def _as_uuid(trace_id: str) -> str:
    """The other way that a table can have the id: 32 hex digits as a UUID."""
    if len(trace_id) != 32:
        return trace_id
    return "-".join((trace_id[:8], trace_id[8:12], trace_id[12:16], trace_id[16:20], trace_id[20:]))
