"""Own tables in a real MariaDB: native types, the newest runs of each agent, and that nothing can be written.

Run by ``make integration-mariadb``; Debian's mariadb-server has to be installed. The server has a folder of its own and
listens on a socket alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from tasks.errors import SourceError
from tasks.evidence.types import AgentRuns, Run
from tasks.options import RunUnit
from tasks.sources.batch import read_runs
from tasks.sources.contract.mapping import parse_mapping
from tasks.sources.source import Scanned, Window
from tasks.sources.sql.connection import open_database
from tasks.sources.sql.source import SqlSource

_UUID = "00000000-0000-4000-8000-00000000000{}"
_STATEMENTS = (
    "CREATE TABLE conversations (uid BINARY(16) PRIMARY KEY, bot VARCHAR(40), stage ENUM('prod', 'test'),"
    " outcome VARCHAR(20), began DATETIME(6), ended TIMESTAMP(6) NULL, took TIME(3), question LONGTEXT, calls JSON,"
    " price DECIMAL(12, 6), solved BIT(1), model VARCHAR(20))",
    "INSERT INTO conversations VALUES"
    " (X'00000000000040008000000000000001', 'Helper', 'prod', 'solved', '2026-03-01 10:00:00.25', NULL, '00:01:02.5',"
    """ 'Why? 100% é 😀', '[{"name": "search", "arguments": {"q": 1}, "result": "two"}]', 0.0125, b'1', 'm1'),"""
    " (X'00000000000040008000000000000002', 'Helper', 'prod', 'broke', '2026-03-01 11:00:00', NULL, NULL, NULL, NULL,"
    " NULL, b'0', 'm2'),"
    " (X'00000000000040008000000000000003', 'Helper', 'prod', 'live', NULL, '2026-03-01 09:00:00', NULL, NULL, NULL,"
    " NULL, NULL, 'm1'),"
    " (X'00000000000040008000000000000004', 'Helper', 'test', 'solved', '2026-03-01 09:00:00', NULL, NULL, NULL, NULL,"
    " NULL, NULL, 'm1'),"
    " (X'00000000000040008000000000000005', '42', 'prod', 'solved', '2026-03-01 08:00:00', NULL, NULL, NULL, NULL,"
    " NULL, NULL, 'm1'),"
    # MySQL compares texts without their case; two agents they are all the same.
    " (X'00000000000040008000000000000006', 'helper', 'prod', 'solved', '2026-03-01 11:30:00', NULL, NULL, NULL, NULL,"
    " NULL, NULL, 'm2')",
)
_MAPPING = """
runs: |
  SELECT uid AS id, bot AS agent, stage AS environment, outcome AS status, began AS started_at, ended AS completed_at,
         took AS duration_seconds, question AS task, calls AS tool_calls, price AS cost_usd, solved AS succeeded,
         model AS model_name, 'a:b ::c 100%' AS owner # a comment
  FROM conversations WHERE question IS NULL OR question LIKE '%' -- all
statuses: {completed: [solved], failed: [broke], unfinished: [live]}
"""


def main() -> int:
    """Fill a server, read it, and print what differs; 1 when something does, 77 without a server on this machine."""
    server = shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin")
    install = shutil.which("mariadb-install-db")
    if server is None or install is None:
        print("MariaDB is not installed here: apt-get install mariadb-server")
        return 77
    with tempfile.TemporaryDirectory(prefix="mariadb-") as folder, _running(server, install, Path(folder)) as url:
        problems = list(_differences(url))
    print("\n".join(problems) or "MariaDB: agents, runs and types are as they were written")
    return 1 if problems else 0


@contextmanager
def _running(server: str, install: str, folder: Path) -> Iterator[sa.URL]:
    # A server refuses to run as root unless it is named.
    given = [f"--datadir={folder / 'data'}", *(["--user=root"] if os.getuid() == 0 else [])]
    subprocess.run(
        [install, "--no-defaults", *given, "--auth-root-authentication-method=normal"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    socket = folder / "socket"
    process = subprocess.Popen(
        [server, "--no-defaults", *given, f"--socket={socket}", "--skip-networking"], stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(300):
            if socket.exists():
                break
            time.sleep(0.1)
        query = {"unix_socket": str(socket), "charset": "utf8mb4"}
        url = sa.URL.create("mysql+pymysql", "root", database="mysql", query=query)
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE DATABASE own CHARACTER SET utf8mb4")
            # Times of the session's zone would be wrong by hours.
            connection.exec_driver_sql("SET GLOBAL time_zone = '-05:00'")
        engine.dispose()
        url = url.set(database="own")
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql("SET time_zone = '+00:00'")
            for statement in _STATEMENTS:
                connection.exec_driver_sql(statement.replace("%", "%%"))
        engine.dispose()
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _differences(url: sa.URL) -> Iterator[str]:
    source = SqlSource(open_database(url.render_as_string(hide_password=False)), parse_mapping(_MAPPING, "mapping"))
    window = Window(2, datetime(2026, 3, 1, 12, tzinfo=UTC), None, "")
    yield from _compare("environments", source.list_environments(), ["prod", "test"])
    agents = source.load_agents("prod", window)
    yield from _compare("agents", [agent.id for agent in agents], ["42", "Helper", "helper"])
    found = source.fetch_runs_of(agents, window)
    runs = {agent: answer.runs for agent, answer in found.items() if isinstance(answer, AgentRuns)}
    yield from _compare("agents with runs", sorted(runs), ["42", "Helper", "helper"])
    newest = [(run.id, run.outcome) for run in runs["Helper"]]
    yield from _compare("newest", newest, [(_UUID.format(2), "failed"), (_UUID.format(1), "completed")])
    run = runs["Helper"][1]
    yield from _compare("started_at", run.started_at, datetime(2026, 3, 1, 10, 0, 0, 250000, tzinfo=UTC))
    yield from _compare("numbers", (run.duration_seconds, run.cost_usd, run.succeeded), (62.5, 0.0125, True))
    yield from _compare("texts", (run.task, run.owner), ("Why? 100% é 😀", "a:b ::c 100%"))
    calls = [(call.name, call.arguments, call.result) for call in run.tool_calls]
    yield from _compare("tool calls", calls, [("search", '{"q":1}', "two")])
    every = source.fetch_runs_of(agents, Window(9, window.until, None, "m1"))["Helper"]
    dated = [(run.id, run.started_at.hour) for run in every.runs] if isinstance(every, AgentRuns) else every
    yield from _compare("of one model, one without a start", dated, [(_UUID.format(1), 10), (_UUID.format(3), 9)])
    source.close()
    yield from _scans(url)
    yield from _writes(url)


_SIGNALS = """
signals: SELECT uid AS run_id, 'outcome' AS name, solved AS value FROM conversations WHERE solved IS NOT NULL
"""


def _scans(url: sa.URL) -> Iterator[str]:
    """Every run of a window, with its signals, while the rows are streamed."""
    error = "REPEAT(CONCAT('line ', outcome, '\\n'), 900) AS error, bot AS session_id,"
    mapping = parse_mapping(_MAPPING.replace("solved AS succeeded,", error) + _SIGNALS, "mapping")
    source = SqlSource(open_database(url.render_as_string(hide_password=False)), mapping)
    units: tuple[RunUnit, ...] = ("run", "session")
    for unit in units:
        window = Window(9, datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 3, 1, 8, 30, tzinfo=UTC), "", unit)
        agents = source.load_agents("prod", window)
        scanned = [item.run for item in source.scan_runs(agents, window) if isinstance(item, Scanned)]
        fetched = source.fetch_runs_of(agents, window).values()
        whole = [run for found in fetched if isinstance(found, AgentRuns) for run in found.runs]
        yield from _compare(f"scanned by {unit}", _figures(scanned), _figures(whole))
        yield from _compare("number", len(scanned), 4)
        yield from _compare("outcomes", {run.succeeded for run in scanned}, {True, False, None})
        lines = {(run.error or "").splitlines()[-1] for run in scanned}
        yield from _compare("last lines of errors", lines, {"line solved", "line broke", "line live"})
        yield from _compare("longest error", max(len(run.error or "") for run in scanned) < 4_000, True)
    sample = [runs.population for runs in read_runs(source, agents, window, None) if isinstance(runs, AgentRuns)]
    yield from _compare("conversations", [found.runs for found in sample if found], [1, 1])
    source.close()


def _figures(runs: Iterable[Run]) -> list[tuple[object, ...]]:
    ordered = sorted(runs, key=lambda run: (run.agent_id, run.id))
    return [(run.agent_id, run.id, run.outcome, run.succeeded, run.duration_seconds, run.cost_usd) for run in ordered]


def _writes(url: sa.URL) -> Iterator[str]:
    """A function that writes, called by a query."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("SET GLOBAL log_bin_trust_function_creators = 1")
        connection.exec_driver_sql("CREATE FUNCTION wipe() RETURNS INT BEGIN DELETE FROM conversations; RETURN 1; END")
    mapping = parse_mapping(
        "runs: SELECT uid AS id, wipe() AS agent, 'ok' AS status, began AS started_at\n  "
        "FROM conversations\nenvironment: prod",
        "mapping",
    )
    source = SqlSource(open_database(url.render_as_string(hide_password=False)), mapping)
    try:
        source.load_agents("prod", Window(2, datetime(2026, 3, 1, 12, tzinfo=UTC), None, ""))
        yield "a query could write"
    except SourceError as error:
        yield from _compare("why it cannot write", "READ ONLY" in str(error), True)
    source.close()
    with engine.begin() as connection:
        left = connection.exec_driver_sql("SELECT count(*) FROM conversations").scalar()
    yield from _compare("rows", left, 6)
    engine.dispose()


def _compare(what: str, found: object, expected: object) -> Iterator[str]:
    if found != expected:
        yield f"{what}: {found!r} instead of {expected!r}"


if __name__ == "__main__":
    sys.exit(main())
