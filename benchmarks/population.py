"""Many runs in one window: ``python -m benchmarks.population [--runs 200000]``.

Fills a SQLite file and an embedded PostgreSQL with runs of one agent, reads them as a report does (scan, figures,
sample of 20), each in a process of its own, and compares the figures with plain SQL. Prints seconds, and memory above
that of the process before it reads; exits with 1 where a figure differs, or memory exceeds 300 MB.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from deployments.local.postgres import embedded_postgres

_UNTIL = datetime(2026, 3, 31, tzinfo=UTC)
_SINCE = _UNTIL - timedelta(days=30)
_MOST_MIB = 300
_AT_ONCE = 5_000
_TASK = "Please change my booking to the next day, in the same class, and tell me what it costs. " * 10
_COLUMNS = "id text, agent text, environment text, status text, started_at {date}, completed_at {date}, task text, "
_COLUMNS += "final_response text, error text, tool_calls text, model_name text, session_id text, "
_COLUMNS += "input_tokens integer, output_tokens integer, cost_usd double precision"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.population")
    parser.add_argument("--runs", type=int, default=200_000)
    parser.add_argument("--read", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        print(json.dumps(read(given.read)))
        return
    fine = True
    print(f"{given.runs:,} runs of one agent in 30 days, of which 20 are read in full\n")
    print(f"{'source':<12}{'seconds':>9}{'CPU':>8}{'memory above idle':>20}{'plain SQL':>11}  figures")
    with tempfile.TemporaryDirectory(prefix="population-") as name, embedded_postgres(Path(name) / "pg") as postgres:
        for kind, url in (("SQLite", f"sqlite:///{name}/source.db"), ("PostgreSQL", postgres.database("source"))):
            url = str(url)
            fill(url, given.runs)
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.population", "--read", url],
                check=True,
                capture_output=True,
                text=True,
            )
            found: dict[str, Any] = json.loads(done.stdout)
            started = time.perf_counter()
            expected = count(url)
            seconds = time.perf_counter() - started
            wrong = [key for key, value in expected.items() if not _is_same(found["figures"][key], value)]
            fine = fine and not wrong and found["mib"] <= _MOST_MIB
            took = f"{found['seconds']:>8.1f}s{found['cpu_seconds']:>7.1f}s{found['mib']:>16.0f} MiB{seconds:>10.1f}s"
            print(f"{kind:<12}{took}  {'equal' if not wrong else 'differ: ' + ', '.join(wrong)}")
    sys.exit(not fine)


def fill(url: str, runs: int) -> None:
    """The table ``runs`` with runs of one agent, some before the window and some that have not ended."""
    engine = sa.create_engine(url)
    is_sqlite = engine.dialect.name == "sqlite"
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"CREATE TABLE runs ({_COLUMNS.format(date='text' if is_sqlite else 'timestamptz')})"
        )
        names = [column.split()[0] for column in _COLUMNS.split(", ")]
        insert = sa.table("runs", *map(sa.column, names)).insert()
        rows = []
        # A tenth more, which began before the window.
        step = (_UNTIL - _SINCE) / runs
        for number in range(runs + runs // 10):
            rows.append(_row(number, _UNTIL - step * (number + 0.5), as_text=is_sqlite))
            if len(rows) == _AT_ONCE:
                connection.execute(insert, rows)
                rows = []
        if rows:
            connection.execute(insert, rows)
    engine.dispose()


def _row(number: int, started: datetime, *, as_text: bool) -> dict[str, Any]:
    seconds = 1 + (number * 7919) % 997 / 7
    ended = started + timedelta(seconds=seconds)
    status = "running" if number % 101 == 0 else "failed" if number % 13 == 0 else "completed"
    error = (
        f"HTTP {500 + number % 4} from https://api.example/{number}: {'upstream ' * 30}" if status == "failed" else None
    )
    return {
        "id": f"run-{number:09d}",
        "agent": "billing",
        "environment": "production",
        "status": status,
        "started_at": started.isoformat(sep=" ") if as_text else started,
        "completed_at": None if status == "running" else ended.isoformat(sep=" ") if as_text else ended,
        "task": _TASK,
        "final_response": _TASK,
        "error": error,
        "tool_calls": json.dumps([{"name": "find_booking", "arguments": {"id": number}, "result": _TASK}]),
        "model_name": "m",
        "session_id": f"session-{number // 5}",
        "input_tokens": None if number % 10 == 0 else 1000 + number % 900,
        "output_tokens": 50,
        "cost_usd": number % 100 / 1000 if number % 3 == 0 else None,
    }


def read(url: str) -> dict[str, Any]:
    """The figures of the agent's population, as a report reads them, with the seconds and the memory that this took."""
    from tasks.evidence.prices import RunPrices
    from tasks.evidence.types import AgentRuns
    from tasks.redaction.redactor import Redactor
    from tasks.sources.batch import read_runs
    from tasks.sources.source import Window
    from tasks.sources.sql.connection import open_database
    from tasks.sources.sql.source import SqlSource

    source = SqlSource(open_database(url))
    window = Window(20, _UNTIL, _SINCE, "")
    hide, prices = Redactor(), RunPrices({})
    # Whatever is made once.
    agents = source.load_agents("production", window)
    read_runs(source, agents, Window(20, _UNTIL, _UNTIL - timedelta(seconds=30), ""), hide, prices=prices)
    with _peak_mib() as peak:
        started, cpu = time.perf_counter(), time.process_time()
        (found,) = read_runs(source, agents, window, hide, prices=prices)
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    assert isinstance(found, AgentRuns)
    assert found.population is not None
    assert len(found.runs) == len(found.inclusion) == 20
    figures = found.population.model_dump(mode="json")
    figures["failure_patterns"] = sorted(pattern.count for pattern in found.population.failure_patterns)
    figures["daily"] = [[day.day, day.runs, day.completed] for day in found.population.daily]
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "mib": peak[0], "figures": figures}


@contextmanager
def _peak_mib() -> Iterator[list[float]]:
    """How much more memory than before the process has at most while the block runs, looked up every few ms."""
    before, most, done = _resident(), [0.0], threading.Event()

    def look() -> None:
        while not done.wait(0.005):
            most[0] = max(most[0], (_resident() - before) / 2**20)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    yield most
    done.set()
    thread.join()


def _resident() -> int:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def count(url: str) -> dict[str, Any]:
    """The same figures by plain SQL."""
    engine = sa.create_engine(url)
    is_sqlite = engine.dialect.name == "sqlite"
    seconds = (
        "(julianday(completed_at) - julianday(started_at)) * 86400"
        if is_sqlite
        else "extract(epoch FROM completed_at - started_at)::double precision"
    )
    day = "substr(started_at, 1, 10)" if is_sqlite else "to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')"
    within = "started_at >= :since AND started_at <= :until"
    # A run that ended after the report looks has not finished for it.
    where = f"{within} AND status <> 'running' AND completed_at <= :until"
    parameters: dict[str, Any] = {"since": _SINCE, "until": _UNTIL}
    if is_sqlite:
        parameters = {name: value.isoformat(sep=" ") for name, value in parameters.items()}
    columns = (
        f"count(*) AS runs, sum(CASE WHEN status = 'completed' THEN 1 ELSE 0 END) AS completed, "
        f"sum(CASE WHEN status = 'failed' THEN 1 ELSE 0 END) AS failed, avg({seconds}) AS avg_duration_seconds, "
        "sum(input_tokens + output_tokens) AS total_tokens, count(input_tokens) AS runs_with_tokens, "
        "sum(cost_usd) AS total_cost_usd, count(cost_usd) AS runs_with_cost"
    )
    with engine.connect() as connection:
        totals = connection.execute(sa.text(f"SELECT {columns} FROM runs WHERE {where}"), parameters).mappings().one()
        times = connection.execute(sa.text(f"SELECT {seconds} FROM runs WHERE {where} ORDER BY 1"), parameters)
        ordered = [float(row[0]) for row in times]
        unfinished = f"{within} AND (status = 'running' OR completed_at > :until)"
        left_out = connection.execute(sa.text(f"SELECT count(*) FROM runs WHERE {unfinished}"), parameters).scalar_one()
        kinds = f"SELECT count(*) FROM runs WHERE {where} AND status = 'failed' GROUP BY substr(error, 1, 8) ORDER BY 1"
        patterns = [row[0] for row in connection.execute(sa.text(kinds), parameters)]
        by_day = (
            f"SELECT {day}, count(*), sum(CASE WHEN status = 'completed' THEN 1 ELSE 0 END) FROM runs WHERE {where}"
        )
        daily = [list(row) for row in connection.execute(sa.text(f"{by_day} GROUP BY 1 ORDER BY 1"), parameters)]
    engine.dispose()
    return {
        **{name: float(value) for name, value in totals.items()},
        "unfinished": left_out,
        "p50_duration_seconds": _quantile(ordered, 0.5),
        "p95_duration_seconds": _quantile(ordered, 0.95),
        "failure_patterns": patterns,
        "daily": daily,
    }


def _quantile(ordered: list[float], share: float) -> float:
    place = (len(ordered) - 1) * share
    below = ordered[math.floor(place)]
    return below + (ordered[math.ceil(place)] - below) * (place - math.floor(place))


def _is_same(found: Any, expected: Any) -> bool:
    if isinstance(expected, float):
        # SQLite's days are doubles: a moment is known to some 0.1 ms.
        return found is not None and math.isclose(found, expected, rel_tol=1e-5)
    return bool(found == expected)


if __name__ == "__main__":
    main()
