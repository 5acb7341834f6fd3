"""One report of the demo's kind, measured: ``python benchmarks/one_report.py AGENTS LIMIT AGENT_SECONDS TEAM_SECONDS``.

Runs in the folder of the checkout that is measured, which may be an older one, and prints one line of JSON: the seconds
that the report itself states, those of its call for issues, CPU seconds of this process and of the Prefect server
within the flow, task runs, peak memory of this process in MiB, judge calls and the most that were in flight. LIMIT 0 is
unlimited. Source, Jaeger and judge are in a process of their own. PREFECT_HOME is used as it is, so that migrations are
not measured.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def main() -> None:
    """Make the report and print what it took."""
    agents, limit, agent_seconds, team_seconds = int(sys.argv[1]), int(sys.argv[2]), *map(float, sys.argv[3:5])
    sys.path.insert(0, str(Path.cwd()))
    with tempfile.TemporaryDirectory(prefix="speed-") as name:
        folder = Path(name)
        judge = {"agent_seconds": agent_seconds, "team_seconds": team_seconds}
        options = json.dumps({"sample": {"agents": agents}, "judge": judge})
        command = [sys.executable, "-m", "benchmarks.services", str(folder), options]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as services:
            print(json.dumps(measure(folder, services, agents, limit)))
            assert services.stdin is not None
            services.stdin.close()


def measure(folder: Path, services: subprocess.Popen[str], agents: int, limit: int) -> dict[str, Any]:
    """The figures of one report."""
    assert services.stdin is not None
    assert services.stdout is not None
    places = json.loads(services.stdout.readline())
    os.environ |= {
        "AGENT_REPORT_SOURCE_URL": f"sqlite:///{folder / 'source.db'}",
        "AGENT_REPORT_WAREHOUSE_URL": f"sqlite:///{folder / 'warehouse.db'}",
        "AGENT_REPORT_PARQUET_URL": str(folder / "parquet"),
        "AGENT_REPORT_JAEGER_URL": places["jaeger"],
        "OPENAI_BASE_URL": places["judge"],
        "OPENAI_API_KEY": "none",
    }
    try:
        from deployments.local.runner import prefect_api, quiet_prefect
    except ImportError:
        # A checkout from before the packages.
        runner = importlib.import_module("deployments" + ".runner")
        prefect_api, quiet_prefect = runner.prefect_api, runner.quiet_prefect
    quiet_prefect()
    from flows.generate_report import generate_report
    from tasks.settings import ReportOptions

    report_options = ReportOptions(judge_model="simulated-judge", max_concurrent_evals=limit, fresh=True)
    with prefect_api():
        [server] = [pid for pid in children() if pid != services.pid]
        before, server_before, runs_before = own_cpu(), cpu_of(server), task_runs()
        generate_report("demo", options=report_options)
        own, other, runs = own_cpu() - before, cpu_of(server) - server_before, task_runs() - runs_before
    services.stdin.write("\n")
    services.stdin.flush()
    counts = json.loads(services.stdout.readline())
    with sqlite3.connect(folder / "warehouse.db") as database:
        database.row_factory = sqlite3.Row
        found = dict(database.execute("SELECT * FROM reports").fetchone())
    assert (found["agents_evaluated"], found["status"]) == (agents - 1, "completed"), found
    return {
        "seconds": found["generation_duration_seconds"],
        # No column of older checkouts, which make no such call.
        "issues_seconds": found.get("issues_seconds") or 0.0,
        "own_cpu_seconds": own,
        "server_cpu_seconds": other,
        "task_runs": runs,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "calls": counts["judge"],
        "in_flight": counts["most"],
    }


def own_cpu() -> float:
    """CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def children() -> list[int]:
    """The processes that this one started."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        found += [int(pid) for pid in (task / "children").read_text().split()]
    return found


def cpu_of(pid: int) -> float:
    """CPU seconds of a process so far, with those of children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def task_runs() -> int:
    """Rows of task runs in the Prefect server's database."""
    with sqlite3.connect(Path(os.environ["PREFECT_HOME"]) / "prefect.db") as database:
        return int(database.execute("SELECT count(*) FROM task_run").fetchone()[0])


if __name__ == "__main__":
    main()
