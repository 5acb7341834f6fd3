"""How long the command takes to its first judge call: ``python benchmarks/first_call.py HOME``.

Runs `agent-report run` in the folder of the checkout that is measured, with PREFECT_HOME=HOME (as it is: an empty
folder for a fresh installation, the same one again for a warm start), and, with ``--bare``, a Prefect flow with one
task that does nothing instead. Prints one line of JSON: seconds from the start of the process to the first judge call
(``--bare``: to the task's first statement), and to its end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_BARE = """
import sys, time
from prefect import flow, task

@task
def note():
    print("first", time.time(), flush=True)

@flow
def bare():
    note()

bare()
"""


def main() -> None:
    """Measure and print."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "AGENT_"))}
    environment["PREFECT_HOME"] = sys.argv[1]
    measure = measure_bare if "--bare" in sys.argv else measure_command
    first, whole = measure(environment)
    print(json.dumps({"first_call_seconds": round(first, 2), "whole_seconds": round(whole, 2)}))


def measure_bare(environment: dict[str, str]) -> tuple[float, float]:
    """Seconds to the first statement of a bare flow's task, and to the end of the process."""
    started = time.time()
    done = subprocess.run([sys.executable, "-c", _BARE], env=environment, capture_output=True, text=True, check=True)
    whole = time.time() - started
    [line] = [line for line in done.stdout.splitlines() if line.startswith("first ")]
    return float(line.split()[1]) - started, whole


def measure_command(environment: dict[str, str]) -> tuple[float, float]:
    """Seconds to the first judge call of a report on 14 agents, and to the end of the process."""
    with tempfile.TemporaryDirectory(prefix="first-") as name:
        folder = Path(name)
        options = json.dumps({"sample": {"agents": 14}, "judge": {"agent_seconds": 0.2, "team_seconds": 0.2}})
        command = [sys.executable, "-m", "benchmarks.services", str(folder), options]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as services:
            assert services.stdin is not None
            assert services.stdout is not None
            places = json.loads(services.stdout.readline())
            environment |= {
                "AGENT_REPORT_SOURCE_URL": f"sqlite:///{folder / 'source.db'}",
                "AGENT_REPORT_WAREHOUSE_URL": f"sqlite:///{folder / 'warehouse.db'}",
                "AGENT_REPORT_PARQUET_URL": str(folder / "parquet"),
                "AGENT_REPORT_JAEGER_URL": places["jaeger"],
                "OPENAI_BASE_URL": places["judge"],
                "OPENAI_API_KEY": "none",
            }
            run = [sys.executable, "-m", "deployments.cli", "run", "demo", "--judge-model", "simulated-judge", "--json"]
            started = time.time()
            first = 0.0
            with subprocess.Popen(run, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
                while process.poll() is None:
                    time.sleep(0.02)
                    services.stdin.write("\n")
                    services.stdin.flush()
                    if json.loads(services.stdout.readline())["judge"] and not first:
                        first = time.time() - started
                assert process.stderr is not None
                assert process.returncode == 0, process.stderr.read().decode()
            whole = time.time() - started
            services.stdin.close()
    return first, whole


if __name__ == "__main__":
    main()
