"""Databases of people's own agents, in several shapes."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from deployments.init.mapping.proposal import Proposal, propose
from deployments.init.tables import count_values, read_tables
from tasks.sources.files.opening import open_files
from tasks.sources.sql.connection import open_database

RUNS = 24
STARTED = datetime(2026, 11, 20, tzinfo=UTC)

_POSTGRES = """
CREATE TYPE result AS ENUM ('solved', 'broke', 'live', 'ok');
CREATE TABLE conversations (
    uid uuid PRIMARY KEY, bot text NOT NULL, stage text, outcome result, began timestamptz, ended timestamptz,
    question text, reply text, calls jsonb, usage jsonb, customer text
);
"""


@pytest.fixture
def make_sqlite(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """``make_sqlite({"runs": ([…columns], […rows])})``: a database with these tables."""

    def make(tables: dict[str, tuple[Sequence[str], Sequence[Sequence[Any]]]]) -> Path:
        path = tmp_path / "own.db"
        with sqlite3.connect(path) as connection:
            for name, (columns, rows) in tables.items():
                connection.execute(f'CREATE TABLE "{name}" ({", ".join(columns)})')
                marks = ", ".join("?" * len(columns))
                connection.executemany(f'INSERT INTO "{name}" VALUES ({marks})', rows)
        connection.close()
        return path

    return make


@pytest.fixture
def own_postgres(postgres_url: str) -> str:
    """PostgreSQL with UUID keys, jsonb, timestamptz, an enum of statuses, and no table of agents."""
    engine = sa.create_engine(postgres_url)
    with engine.begin() as connection:
        connection.exec_driver_sql(_POSTGRES)
        for number in range(RUNS):
            began = STARTED + timedelta(hours=number)
            connection.execute(
                sa.text("INSERT INTO conversations VALUES (:u, :b, 'prod', :o, :s, :e, :q, :r, :c, :t, 'Ann Ex')"),
                {
                    "u": uuid.UUID(int=number + 1),
                    "b": ("billing", "refunds")[number % 2],
                    "o": ("solved", "broke", "live", "ok")[number % 4],
                    "s": began,
                    "e": began + timedelta(seconds=30),
                    "q": f"Where is invoice {number}? Write to ann@example.com",
                    "r": f"Invoice {number} is on its way.",
                    "c": json.dumps([{"name": "find_invoice", "arguments": {"id": number}}]),
                    "t": json.dumps({"prompt_tokens": 100, "completion_tokens": 20}),
                },
            )
    engine.dispose()
    return postgres_url


@pytest.fixture
def proposed() -> Callable[[str], Proposal]:
    """The mapping that is proposed for the database at a URL."""

    def proposed_for(url: str) -> Proposal:
        engine = open_database(url)
        try:
            tables = read_tables(engine)
            found = propose(tables, engine.dialect.name, partial(count_values, engine), STARTED)
        finally:
            engine.dispose()
        assert found is not None
        return found

    return proposed_for


@pytest.fixture
def query_files() -> Callable[[str, Proposal], list[dict[str, Any]]]:
    """What the proposed query gives for files."""

    def query(url: str, proposal: Proposal) -> list[dict[str, Any]]:
        engine = open_files(url)
        with engine.connect() as connection:
            found = connection.exec_driver_sql("\n".join(proposal.runs_query.lines())).mappings().all()
        engine.dispose()
        return [dict(row) for row in found]

    return query


@pytest.fixture
def otlp_folder(tmp_path: Path) -> Path:
    """A folder as the OpenTelemetry Collector fills it, with four runs of one agent."""
    (tmp_path / "traces").mkdir()
    lines = [json.dumps(_request(number)) + "\n" for number in range(4)]
    (tmp_path / "traces" / "spans.json").write_text("".join(lines))
    return tmp_path / "traces"


def _request(number: int) -> dict[str, Any]:
    attributes = {"openinference.span.kind": "AGENT", "input.value": f"Do {number}", "output.value": f"Did {number}"}
    begun = (int(STARTED.timestamp()) + number * 60) * 10**9
    span = {
        "traceId": f"{number + 1:032x}",
        "spanId": f"{number + 1:016x}",
        "name": "planner",
        "startTimeUnixNano": str(begun),
        "endTimeUnixNano": str(begun + 5 * 10**9),
        "attributes": _attributes(attributes),
        "status": {"code": 1},
    }
    resource = {"attributes": _attributes({"service.name": "shop", "deployment.environment.name": "prod"})}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "s"}, "spans": [span]}]}]}


def _attributes(values: dict[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]
