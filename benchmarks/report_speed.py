"""How long a report takes: ``python -m benchmarks.report_speed [ROUNDS]``.

For 14 and 100 agents of 20 runs with a trace each, ten judge calls at once and unlimited, on an embedded Prefect
server: the wall time that the report itself states, the calls, and the most that were in flight. The judge answers in
2 s, the team's in 3 s; source, Jaeger and judge are in a process of their own.
"""

from __future__ import annotations

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
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["PREFECT_HOME"] = str(folder / "prefect")
        from deployments.runner import prefect_api, quiet_prefect

        quiet_prefect()
        with prefect_api():
            print("agents  at once  seconds (median, all)            calls  in flight  trace requests")
            for agents in (14, 100):
                place = folder / str(agents)
                place.mkdir()
                with services(place, sample={"agents": agents}, judge={}) as others:
                    for limit in (10, 0):
                        measure(others, place, agents, limit, rounds)


def measure(others: Services, place: Path, agents: int, limit: int, rounds: int) -> None:
    """Make ``rounds`` reports and print one line."""
    from flows.generate_report import generate_report
    from tasks.connections import warehouse
    from tasks.settings import ReportOptions

    os.environ |= {
        "AGENT_REPORT_SOURCE_URL": f"sqlite:///{place / 'source.db'}",
        "AGENT_REPORT_WAREHOUSE_URL": f"sqlite:///{place / 'warehouse.db'}",
        "AGENT_REPORT_PARQUET_URL": str(place / "parquet"),
        "AGENT_REPORT_JAEGER_URL": others.places["jaeger"],
        "OPENAI_BASE_URL": others.places["judge"],
        "OPENAI_API_KEY": "none",
    }
    options = ReportOptions(judge_model="simulated-judge", max_concurrent_evals=limit, fresh=True)
    seconds = []
    before = others.counts()
    for _ in range(rounds):
        report = warehouse().load_report(generate_report("demo", options=options))
        assert report is not None
        assert report["agents_evaluated"] == agents - 1
        seconds.append(report["generation_duration_seconds"])
    after = others.counts()
    shown = ", ".join(f"{value:.2f}" for value in seconds)
    calls = (after["judge"] - before["judge"]) / rounds
    traces = (after["jaeger"] - before["jaeger"]) / rounds
    print(
        f"{agents:6}  {limit or 'all':>7}  {statistics.median(seconds):.2f} ({shown})"
        f"  {calls:.0f}  {after['most']}  {traces:.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
