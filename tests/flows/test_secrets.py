"""Planted secrets are nowhere afterwards: not in what the command prints, nor in any file or row that it leaves."""

from __future__ import annotations

import base64
import json
import os
import pickle
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import sqlalchemy as sa

from deployments.demo.jaeger import SimulatedJaeger
from deployments.demo.judge import SimulatedJudge, completion
from deployments.demo.loopback import LoopbackServer, Request, Response
from deployments.demo.sample import Sample, build_sample
from tasks.warehouse.parquet import read_parquet
from tasks.warehouse.schema import REPORT_TABLES

# None has a shape that a pattern knows, and all are written differently in a URL or in JSON.
KEY = "hush~key/of+the=judge"
SOURCE_PASSWORD = "hush/source p@ss:word%"
WAREHOUSE_PASSWORD = "hush/warehouse p@ss:w%rd&"
TOKEN = 'hush "token" of jaeger'
GATEWAY = 'hush "gateway/token" of+judge'
SECRETS = (KEY, SOURCE_PASSWORD, WAREHOUSE_PASSWORD, TOKEN, GATEWAY)
# What has to be found: the environment's name, and what the two endpoints say when they repeat a secret.
MARKER = "marker-7f3a-environment"
JUDGE_SAID = "judge-5b1e said"
JAEGER_SAID = "traces-9c2d said"

_PIECE = 12


def _spellings(text: str) -> set[bytes]:
    """``text`` as a file can hold it: plain, in a URL, in JSON, in base64 (Prefect's pickles are in it).

    Its beginning as well, since half a secret is one too.
    """
    found = set()
    for part in (text, text[:_PIECE]):
        raw = part.encode()
        # SQLAlchemy leaves spaces and "+" in a password as they are.
        quoted = {quote(part, safe=""), quote(part, safe=" +"), quote_plus(part)}
        found |= {raw, json.dumps(part)[1:-1].encode(), *(text.encode() for text in quoted)}
        for before in range(3):
            # The first and the last character can be shared with the neighbours.
            encoded = base64.b64encode(bytes(before) + raw)
            found.add(encoded[-(-before * 4 // 3) : (before + len(raw)) * 4 // 3])
    return found


def _find(text: str, places: Mapping[str, bytes]) -> set[str]:
    """The places that hold ``text`` in any spelling."""
    spellings = _spellings(text)
    return {place for place, content in places.items() if any(spelling in content for spelling in spellings)}


def _files(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder``, as bytes; of SQLite databases every table as well, as pages cut long values."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for path in folder.rglob("*.db"):
        with closing(sqlite3.connect(path)) as connection:
            connection.text_factory = bytes
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                values = [value for row in connection.execute(f'SELECT * FROM "{name.decode()}"') for value in row]
                found[f"{path.relative_to(folder)}:{name.decode()}"] = b"\n".join(
                    value if isinstance(value, bytes) else str(value).encode() for value in values
                )
    return found


def _tables(warehouse_url: str, parquet: Path) -> dict[str, bytes]:
    """Every row of the warehouse, as text."""
    engine = sa.create_engine(warehouse_url)
    with engine.connect() as connection:
        names = sa.inspect(connection).get_table_names()
        rows = {name: connection.execute(sa.text(f'SELECT * FROM "{name}"')).mappings().all() for name in names}
    engine.dispose()
    found = {f"sql:{name}": _text(map(dict, table)) for name, table in rows.items()}
    return found | {f"parquet:{name}": _text(read_parquet(str(parquet), name).to_pylist()) for name in REPORT_TABLES}


def _text(rows: Iterable[dict[str, Any]]) -> bytes:
    return json.dumps(list(rows), default=str, ensure_ascii=False).encode()


def _run(folder: Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """The command, with nothing of the user's around it, and with Prefect's log on stderr."""
    ours = ("PREFECT_", "AGENT_REPORT_", "OPENAI_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment |= {"HOME": str(folder), "PREFECT_HOME": str(folder / "prefect"), "OPENAI_API_KEY": KEY} | variables
    arguments = ("run", MARKER, "--verbose", "--judge-model", "simulated-judge")
    return subprocess.run(
        [sys.executable, "-m", "deployments.cli", *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
    )


def _with_password(url: str | sa.URL, password: str) -> str:
    return sa.make_url(url).set(password=password).render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def marked_sample() -> Sample:
    """Four agents of an environment that is named as the marker."""
    sample = build_sample(datetime.now(UTC), agents=4, runs_per_agent=4)
    return replace(sample, environments=[row | {"name": MARKER} for row in sample.environments])


@pytest.fixture
def source_url(make_database: Callable[[], AbstractContextManager[sa.URL]], marked_sample: Sample) -> Iterator[sa.URL]:
    """The sample in a PostgreSQL database of its own: the warehouse may not be in the source's."""
    with make_database() as url:
        engine = sa.create_engine(url)
        marked_sample.write(engine)
        engine.dispose()
        yield url


def _header(request: Request, name: str) -> str:
    return next(value for key, value in request.headers.items() if key.lower() == name)


def _echo_key(payload: dict[str, Any], request: Request) -> Response | None:
    """The header in an error about one agent, in an answer about another that cannot be used; the usual answer else."""
    sent = _header(request, "authorization")
    said = f"{JUDGE_SAID}: Authorization: {sent} and {sent.partition(' ')[2]}, {_header(request, 'x-gateway')}"
    evidence = payload["messages"][1]["content"]
    if "\n# Agent\n| refund-desk\n" in evidence:
        return Response(400, json.dumps({"error": {"message": said}}).encode())
    if "\n# Agent\n| sql-analyst\n" in evidence:
        return Response(body=json.dumps(completion(said)).encode())
    return None


class _EchoingJaeger(LoopbackServer):
    """``jaeger``, but what is asked about the first agent's traces is refused with the words of the header."""

    def __init__(self, sample: Sample) -> None:
        super().__init__(self._trace)
        self._jaeger = SimulatedJaeger(sample.traces)
        self._refused = {run["trace_id"] for run in sample.runs if run["agent_id"] == 1}

    def _trace(self, request: Request) -> Response:
        if any(trace_id in request.path for trace_id in self._refused):
            message = f"{JAEGER_SAID}: {_header(request, 'x-token')}"
            return Response(400, json.dumps({"errors": [{"code": 400, "msg": message}]}).encode())
        status, content_type, body = self._jaeger.answer(request.method, request.path)
        return Response(status, body, content_type)


def test_no_secret_is_left_anywhere(
    marked_sample: Sample, source_url: sa.URL, postgres_url: str, tmp_path: Path
) -> None:
    judge = SimulatedJudge(agent_seconds=0.05, team_seconds=0.05, respond=_echo_key)
    with judge, _EchoingJaeger(marked_sample) as jaeger:
        ended = _run(
            tmp_path,
            AGENT_REPORT_SOURCE_URL=_with_password(source_url, SOURCE_PASSWORD),
            AGENT_REPORT_WAREHOUSE_URL=_with_password(postgres_url, WAREHOUSE_PASSWORD),
            AGENT_REPORT_PARQUET_URL=str(tmp_path / "parquet"),
            AGENT_REPORT_JAEGER_URL=jaeger.url,
            AGENT_REPORT_JAEGER_HEADERS=json.dumps({"x-token": TOKEN}),
            AGENT_REPORT_JUDGE_HEADERS=json.dumps({"x-gateway": GATEWAY}),
            OPENAI_BASE_URL=judge.base_url,
        )
    assert ended.returncode == 0, ended.stderr.decode()
    assert {_header(request, "authorization") for request in judge.requests} == {f"Bearer {KEY}"}
    assert {_header(request, "x-gateway") for request in judge.requests} == {GATEWAY}
    assert {_header(request, "x-token") for request in jaeger.requests} == {TOKEN}
    places = {"stdout": ended.stdout, "stderr": ended.stderr}
    places |= _files(tmp_path) | _tables(postgres_url, tmp_path / "parquet")

    found = _find(MARKER, places)
    assert found >= {"stdout", "stderr", "prefect/prefect.db:flow_run", "prefect/prefect.db:log"}
    assert found >= {"sql:reports", "parquet:reports"}
    assert found & {"prefect/prefect.db", "prefect/prefect.db-wal"}
    said = {"stdout", "stderr", "prefect/prefect.db:log", "sql:agent_report_details", "parquet:agent_report_details"}
    assert _find(JUDGE_SAID, places) >= {*said, "sql:judge_calls"}
    assert _find(JAEGER_SAID, places) >= {"stdout", "prefect/prefect.db:artifact", "sql:reports", "parquet:reports"}
    assert {secret: _find(secret, places) for secret in SECRETS} == {secret: set() for secret in SECRETS}


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port without a listener, which no other process gets meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_a_warehouse_that_cannot_be_reached_is_one_line_without_its_password(
    marked_sample: Sample, closed_port: int, tmp_path: Path
) -> None:
    """tests/deployments/test_cli.py has the same of a source, but without a server: here that has to end as well."""
    marked_sample.write_sqlite(tmp_path / "source.db")
    ended = _run(
        tmp_path,
        AGENT_REPORT_SOURCE_URL=f"sqlite:///{tmp_path / 'source.db'}",
        AGENT_REPORT_WAREHOUSE_URL=_with_password(
            f"postgresql://reader@127.0.0.1:{closed_port}/station", WAREHOUSE_PASSWORD
        ),
        AGENT_REPORT_PARQUET_URL=str(tmp_path / "parquet"),
    )
    assert (ended.returncode, ended.stdout) == (1, b"")
    starting, line = ended.stderr.decode().strip().splitlines()
    assert starting.startswith("Starting Prefect and a report on ")
    assert line.startswith("Failed: The warehouse postgresql")
    assert f"127.0.0.1:{closed_port}/station cannot be read" in line
    assert "Connection refused" in line
    places = {"stderr": ended.stderr} | _files(tmp_path)
    assert _find(f"127.0.0.1:{closed_port}", places) == {"stderr"}
    assert _find(WAREHOUSE_PASSWORD, places) == set()


@pytest.mark.parametrize("secret", SECRETS)
def test_the_search_finds_a_secret_however_it_is_written(secret: str, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text(f"before {secret} after")
    (tmp_path / "cut").write_text(f"before {secret[:_PIECE]}")
    (tmp_path / "url").write_text(_with_password("postgresql://reader@localhost/station", secret))
    (tmp_path / "json").write_text(json.dumps({"said": [secret]}))
    for number in range(3):
        (tmp_path / f"pickled-{number}").write_bytes(base64.b64encode(pickle.dumps(["x" * number, secret])))
    with closing(sqlite3.connect(tmp_path / "pages.db")) as connection:
        connection.execute("CREATE TABLE long (value TEXT)")
        # Where a page ends depends on SQLite's version: some of these are cut by it.
        connection.executemany("INSERT INTO long VALUES (?)", [("x" * size + secret,) for size in range(4000, 4200)])
        connection.commit()
    (tmp_path / "other").write_text("hush, but nothing is shown")
    places = _files(tmp_path)
    assert _find(secret, places) == places.keys() - {"other"}
