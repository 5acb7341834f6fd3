"""What a source is before there is a mapping: its tables and columns, and what they probably hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import Engine

from deployments.init.mapping.proposal import Proposal, propose
from deployments.init.place import Place
from deployments.init.tables import Table, count_values, read_table, read_tables
from tasks.errors import SourceError
from tasks.redaction.redactor import Redactor
from tasks.settings import Settings
from tasks.sources.contract.mapping import SourceMapping
from tasks.sources.files.places import describe
from tasks.sources.sql.connection import reading

_MAPPING_HINT = "Write a mapping (docs/guide/own-tables.md) and name it in AGENT_REPORT_SOURCE_MAPPING"
_JAEGER_ANSWER = {"data", "total", "limit", "offset", "errors"}
_JAEGER_HINT = "It is an answer of Jaeger's API: read Jaeger itself, as `agent-report init jaeger+http://host:16686`"
_FILE_TABLES = ("runs", "agents", "steps", "signals")


def _as_is(text: str) -> str:
    return text


@dataclass(frozen=True, slots=True)
class Look:
    """A source as it was found. ``shown`` names it without credentials; ``proposal`` is None where none is needed, and
    ``known`` explains why; ``preset`` is for AGENT_REPORT_SOURCE_PRESET, ``redact`` for the values that are shown."""

    shown: str
    tables: Sequence[Table] = ()
    proposal: Proposal | None = None
    known: str = ""
    preset: str = ""
    redact: Callable[[str], str] = field(default=_as_is)


def look_at(place: Place, settings: Settings) -> Look:
    """What ``place`` holds; it is only read.

    Raises:
        RefusedError: it cannot be opened.
        SourceError: it cannot be read, or none of its tables looks like runs.
    """
    if place.kind == "sql":
        return _look_at_database(place, settings)
    if place.kind == "files":
        return _look_at_files(place, settings)
    return Look(describe(place.url), known="agents and runs are read from the spans")


def _look_at_database(place: Place, settings: Settings) -> Look:
    from tasks.sources.span_tables.clickhouse import is_clickhouse
    from tasks.sources.sql.connection import describe as describe_database
    from tasks.sources.sql.connection import open_database

    if is_clickhouse(place.url):
        return Look(describe(place.url), known="its table otel_traces is read", preset="otel_traces")
    engine = open_database(place.url)
    try:
        tables = read_tables(engine)
        shown = describe_database(engine.url)
        if known := _known(engine):
            return Look(shown, tables, known=known)
        proposal = propose(tables, engine.dialect.name, partial(count_values, engine), datetime.now(UTC))
    finally:
        engine.dispose()
    return _checked(shown, tables, proposal, settings)


def _look_at_files(place: Place, settings: Settings) -> Look:
    from tasks.sources.files.opening import columns_of, open_files

    engine = open_files(place.url)
    try:
        if preset := _preset(columns_of(engine, "runs")):
            return Look(describe(place.url), known=f"an export with the columns of {preset}", preset=preset)
        tables = [read_table(engine, name) for name in _FILE_TABLES if columns_of(engine, name)]
        if known := _known(engine):
            return Look(describe(place.url), tables, known=known)
        proposal = propose(tables, engine.dialect.name, partial(count_values, engine), datetime.now(UTC))
    finally:
        engine.dispose()
    return _checked(describe(place.url), tables, proposal, settings)


def _preset(columns: Sequence[str]) -> str:
    """The export that has these columns, of those that are read as spans; "" for none."""
    from tasks.sources.span_tables.presets import PRESETS

    return next((name for name, spans in PRESETS.items() if set(spans.needed) <= set(columns)), "")


def _checked(shown: str, tables: Sequence[Table], proposal: Proposal | None, settings: Settings) -> Look:
    if proposal is None:
        names = ", ".join(
            f"{table.name} ({', '.join(column.name for column in table.columns[:8])})" for table in tables[:8]
        )
        hint = (
            _JAEGER_HINT
            if tables and {column.name for column in tables[0].columns} >= _JAEGER_ANSWER
            else _MAPPING_HINT
        )
        raise SourceError(f"{shown} has no table that looks like agents' runs; there is {names or 'no table'}. {hint}")
    own = Redactor(settings.redact_patterns, None, settings.redact_also) if settings.redact else None
    return Look(shown, tables, proposal, redact=own.redact if own else _as_is)


def _known(engine: Engine) -> str:
    """What the tables are where they can be read without a mapping, else ""."""
    from tasks.sources.sql.contract_tables import find_tables
    from tasks.sources.sql.station import StationTables

    try:
        with reading(engine) as connection:
            found = find_tables(connection, SourceMapping())
    except SourceError:
        return ""
    if isinstance(found, StationTables):
        return "CloudShip Station's tables"
    return "its table runs has the columns of the source contract"
