"""How fast a long history answers: ``python -m benchmarks.history_speed [--agents 100] [--reports 50] [--runs 20]``.

Builds the history on SQLite and on an embedded PostgreSQL, and prints the seconds that each view takes (all of its
rows, and those of one agent), and each command including the start of its process: the first time, and the best of
three. A pair of reports is computed and stored the first time that it is compared, and read afterwards.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from benchmarks.history import ENVIRONMENT, build_history
from deployments.local.postgres import embedded_postgres
from tasks.warehouse.sql import Warehouse, open_warehouse
from tasks.warehouse.views.definitions import VIEWS

_ROUNDS = 3
_COMMAND = Path(sys.executable).with_name("agent-report")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history_speed")
    for name, default in (("agents", 100), ("reports", 50), ("runs", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="history-") as name,
        embedded_postgres(Path(name) / "pg") as postgres,
    ):
        for kind, url in (
            ("SQLite", f"sqlite:///{name}/warehouse.db"),
            ("PostgreSQL", postgres.database("warehouse")),
        ):
            warehouse = open_warehouse(url)
            started = time.perf_counter()
            ids = build_history(warehouse, agents=given.agents, count=given.reports, runs=given.runs)
            rows = given.agents * given.reports * given.runs
            print(f"\n{kind}: {given.agents} agents × {given.reports} reports, {rows} runs", end=" ")
            print(f"(built in {time.perf_counter() - started:.1f} s)")
            for view in VIEWS:
                _tell(view, lambda view=view, warehouse=warehouse: _read(warehouse, view))
                if view != "judge_costs":
                    _tell(
                        f"{view} of one agent", lambda view=view, warehouse=warehouse: _read(warehouse, view, agent=7)
                    )
            newest, before, never = str(ids[-1]), str(ids[-2]), str(ids[-5])
            for command in (
                ["list"],
                ["list", "--environment", ENVIRONMENT, "--since", "7d", "--status", "completed"],
                ["show", newest],
                ["show", newest, "--agent", "agent-7"],
                ["show", newest, "--json"],
                ["compare", never, newest],
                ["compare", before, newest],
                ["watch", newest],
                ["export", newest, "--format", "csv", "--table", "runs"],
                ["prune", "--keep", "20d"],
            ):
                _tell("agent-report " + " ".join(command), lambda command=command, url=url: _run(command, url))
            warehouse.close()


def _tell(what: str, act: Callable[[], bool]) -> None:
    seconds = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        done = act()
        seconds.append(time.perf_counter() - started)
    print(f"  {what:<70} {seconds[0]:6.2f} {min(seconds):6.2f} s{'' if done else '  (failed)'}")


def _read(warehouse: Warehouse, view: str, agent: int | None = None) -> bool:
    table = VIEWS[view].table
    query = sa.select(table)
    if agent is not None:
        query = query.where(table.c.environment == ENVIRONMENT, table.c.agent_id == agent)
    with warehouse.database.reading() as connection:
        connection.execute(query).all()
    return True


def _run(command: list[str], url: str) -> bool:
    variables = {**os.environ, "AGENT_REPORT_WAREHOUSE_URL": url, "AGENT_REPORT_NO_ENV_FILE": "1"}
    return subprocess.run([_COMMAND, *command], env=variables, capture_output=True).returncode == 0


if __name__ == "__main__":
    main()
