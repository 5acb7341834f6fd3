"""How long a report takes: ``python -m benchmarks.report_speed [ROUNDS] [--shared]``.

For 14 and 100 agents of 20 runs with a trace each, ten judge calls at once and unlimited, on an embedded Prefect
server: the wall time that the report itself states, the calls, and the most that were in flight. The judge answers in
2 s, the team's in 3 s; source, Jaeger and judge are in a process of their own.

With ``--shared`` on a server as a team shares it instead: PostgreSQL, a limit of ten on the tag ``llm``, and the
warehouse there too. Ten calls at once only, and as the last line two reports of 14 agents at the same time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Services:
    """The other process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.places = self._line()

    def counts(self) -> dict[str, Any]:
        """Requests to the judge and Jaeger so far, and the most judge calls at once since the last look."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        return dict(json.loads(self._process.stdout.readline()))


@contextmanager
def services(folder: Path, *, sample: Mapping[str, Any], judge: Mapping[str, Any]) -> Iterator[Services]:
    """The sample's services while the block runs, made with these arguments."""
    options = json.dumps({"sample": sample, "judge": judge})
    command = [sys.executable, "-m", "benchmarks.services", str(folder), options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Services(process)
        assert process.stdin is not None
        process.stdin.close()


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report_speed")
    parser.add_argument("rounds", nargs="?", type=int, default=3, help="reports of each kind")
    parser.add_argument("--shared", action="store_true", help="on a server as a team shares it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="speed-") as name:
        folder = Path(name)
        os.environ["PREFECT_HOME"] = str(folder / "prefect")
        from deployments.local.runner import prefect_api, quiet_prefect

        quiet_prefect()
        print("agents  at once  seconds (median, all)            calls  in flight  trace requests")
        if given.shared:
            with shared(folder) as warehouse_url:
                for agents in (14, 100):
                    measure_sample(folder, agents, [10], given.rounds, warehouse_url)
                measure_two(folder, given.rounds, warehouse_url)
            return
        with prefect_api():
            for agents in (14, 100):
                measure_sample(folder, agents, [10, 0], given.rounds)


@contextmanager
def shared(folder: Path) -> Iterator[str]:
    """A Prefect server on PostgreSQL with the limit on the tag; gives the URL of the warehouse there."""
    from prefect.client.orchestration import get_client

    from deployments.local.postgres import embedded_postgres
    from deployments.local.prefect_server import (
        client_settings,
        prefect_server,
        server_password,
        use_server,
        wait_until_healthy,
    )
    from deployments.local.runner import drain

    home = folder / "server"
    with (
        embedded_postgres(folder / "pg") as postgres,
        prefect_server(home, database_url=postgres.database("prefect", "asyncpg")) as url,
    ):
        wait_until_healthy(url, home)
        # For the processes that are started, too.
        password = server_password(home)
        os.environ |= client_settings(url, password)
        with use_server(url, password):
            with get_client(sync_client=True) as client:
                client.create_concurrency_limit(tag="llm", concurrency_limit=10)
            yield postgres.database("warehouse")
            drain()


def measure_sample(folder: Path, agents: int, limits: list[int], rounds: int, warehouse_url: str | None = None) -> None:
    """Lines for one number of agents."""
    place = folder / str(agents)
    place.mkdir()
    with services(place, sample={"agents": agents}, judge={}) as others:
        settings(others, place, warehouse_url)
        for limit in limits:
            measure(others, agents, limit, rounds)


def settings(others: Services, place: Path, warehouse_url: str | None) -> None:
    """Point the process at the sample in ``place`` and its services."""
    os.environ |= {
        "AGENT_REPORT_SOURCE_URL": f"sqlite:///{place / 'source.db'}",
        "AGENT_REPORT_WAREHOUSE_URL": warehouse_url or f"sqlite:///{place / 'warehouse.db'}",
        "AGENT_REPORT_PARQUET_URL": str(place / "parquet"),
        "AGENT_REPORT_JAEGER_URL": others.places["jaeger"],
        "OPENAI_BASE_URL": others.places["judge"],
        "OPENAI_API_KEY": "none",
    }


def measure(others: Services, agents: int, limit: int, rounds: int) -> None:
    """Make ``rounds`` reports and print one line."""
    from flows.generate_report import generate_report
    from tasks.connecting import open_clients
    from tasks.settings import ReportOptions

    options = ReportOptions(judge_model="simulated-judge", max_concurrent_evals=limit, fresh=True)
    seconds = []
    before = others.counts()
    for _ in range(rounds):
        report_id = generate_report("demo", options=options)
        with open_clients() as clients:
            report = clients.warehouse().load_report(report_id)
        assert report is not None
        assert report["agents_evaluated"] == agents - 1
        seconds.append(report["generation_duration_seconds"])
    print_line(str(agents), limit, seconds, before, others.counts(), rounds)


def measure_two(folder: Path, rounds: int, warehouse_url: str) -> None:
    """Two reports at the same time, each in a process of its own; prints one line."""
    place = folder / "two"
    place.mkdir()
    command = [sys.executable, "-m", "deployments.cli", "run", "demo", "--judge-model", "simulated-judge", "--fresh"]
    with services(place, sample={"agents": 14}, judge={}) as others:
        settings(others, place, warehouse_url)
        seconds = []
        before = others.counts()
        for _ in range(rounds):
            # On PREFECT_API_URL, which the server's settings have, and not on a server of its own.
            # The same question is not asked twice at the same time: so one of them looks at one run less.
            both = [
                subprocess.Popen(
                    [*command, "--json", "--runs-per-agent", runs],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
                for runs in ("20", "19")
            ]
            for process in both:
                printed, problems = process.communicate()
                assert process.returncode == 0, problems
                seconds.append(json.loads(printed)["report"]["generation_duration_seconds"])
        print_line("14+14", 10, seconds, before, others.counts(), rounds)


def print_line(
    agents: str, limit: int, seconds: list[float], before: dict[str, Any], after: dict[str, Any], rounds: int
) -> None:
    """What was measured."""
    shown = ", ".join(f"{value:.2f}" for value in seconds)
    calls = (after["judge"] - before["judge"]) / rounds
    traces = (after["jaeger"] - before["jaeger"]) / rounds
    print(
        f"{agents:>6}  {limit or 'all':>7}  {statistics.median(seconds):.2f} ({shown})"
        f"  {calls:.0f}  {after['most']}  {traces:.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
