"""A whole report on 100 real runs that all completed, labelled and corrected.

``python -m benchmarks.airline_report [--database PATH] [--seed 1]``. A judge of sensitivity 0.85 and specificity 0.75
against the truth (see `airline.py`) answers over HTTP; 40 runs are labelled as `agent-report label` draws them. Without
a database, one with the same agents, runs and times is made. Exit code 1 where a figure is not as it must be.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sqlite3
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.airline import EXPECTED, LABELS, SHOWN, TOLERANCE, read_truth
from benchmarks.success_rates import holds
from deployments.demo.answers import derive_answer
from deployments.demo.judge import SimulatedJudge, asked_schema, completion
from deployments.demo.loopback import Request, Response
from tasks.report.rows import SUCCESS_QUESTION

_FIRST = (datetime(2026, 11, 20, 14, 28, 4, tzinfo=UTC), datetime(2026, 11, 20, 14, 35, 4, tzinfo=UTC))
_EVERY = timedelta(minutes=11)
_HEADING = re.compile(r"^### (R\d+): .*?started (\d{4}-\d\d-\d\d \d\d:\d\d)", re.MULTILINE)
_SENSITIVITY, _SPECIFICITY = 0.85, 0.75


def make_source(path: Path) -> None:
    """A source with the agents, runs and times of the recorded one; what the runs are about is made up."""
    with sqlite3.connect(path) as database:
        database.executescript(
            "CREATE TABLE environments (id integer primary key, name text);"
            "CREATE TABLE agents (id integer primary key, name text, description text, prompt text,"
            " environment_id integer);"
            "CREATE TABLE agent_runs (id integer primary key, agent_id integer, task text, final_response text,"
            " status text, started_at datetime, completed_at datetime, duration_seconds real);"
            "INSERT INTO environments VALUES (2, 'airline');"
        )
        run_id = 0
        for agent, (runs, first) in enumerate(zip(read_truth(), _FIRST, strict=True), 1):
            values = (agent, f"airline-t{agent - 1}", "Answers customers", "You answer customers of an airline.")
            database.execute("INSERT INTO agents VALUES (?, ?, ?, ?, 2)", values)
            for number in range(len(runs)):
                run_id += 1
                start = first + number * _EVERY
                row = (run_id, agent, f"Change booking {run_id}.", f"Booking {run_id} has been changed.", "completed")
                times = (f"{start:%Y-%m-%d %H:%M:%S}", f"{start + timedelta(seconds=30):%Y-%m-%d %H:%M:%S}", 30.0)
                database.execute("INSERT INTO agent_runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*row, *times))


def read_starts(path: Path) -> dict[str, str]:
    """The id of each run by the minute of its start: no two runs have the same."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        return {start[:16]: str(run_id) for run_id, start in database.execute("SELECT id, started_at FROM agent_runs")}


class ErringJudge:
    """Answers as the simulated judge does, with verdicts on runs that err at random about the truth."""

    def __init__(self, starts: Mapping[str, str], truth: Mapping[str, bool], seed: int) -> None:
        self._starts, self._truth, self._seed = starts, truth, seed

    def respond(self, payload: dict[str, Any], request: Request) -> Response | None:
        """The answer to a question with runs; None (the usual answer) to any other."""
        schema = asked_schema(payload)
        if "runs" not in schema.get("properties", {}):
            return None
        evidence = next(message["content"] for message in payload["messages"] if message["role"] == "user")
        answer = derive_answer(evidence, schema)
        for key, minute in _HEADING.findall(evidence):
            run_id = self._starts[minute]
            truth = self._truth[run_id]
            luck = np.random.default_rng([self._seed, int(run_id)]).random()
            passes = luck < _SENSITIVITY if truth else luck >= _SPECIFICITY
            verdict = answer["runs"][key]
            verdict["success"] = "yes" if passes else "no"
            verdict["failure_mode"] = "" if passes else "the booking was not changed"
        return Response(body=json.dumps(completion(json.dumps(answer), model=payload["model"])).encode())


def main() -> int:
    """Make the report, label it, and print what it states before and after; 1 where that is not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.airline_report")
    parser.add_argument("--database", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="airline-") as name:
        folder = Path(name)
        if given.database is None:
            make_source(folder / "source.db")
        source = given.database or folder / "source.db"
        truth = {str(number): hit for number, hit in enumerate((hit for runs in read_truth() for hit in runs), 1)}
        judge = ErringJudge(read_starts(source), truth, given.seed)
        with SimulatedJudge(agent_seconds=0, team_seconds=0, respond=judge.respond) as endpoint:
            os.environ |= {
                "AGENT_REPORT_SOURCE_URL": f"sqlite:///{source}",
                "AGENT_REPORT_WAREHOUSE_URL": f"sqlite:///{folder / 'warehouse.db'}",
                "AGENT_REPORT_PARQUET_URL": str(folder / "parquet"),
                "PREFECT_HOME": str(folder / "prefect"),
                "OPENAI_BASE_URL": endpoint.base_url,
                "OPENAI_API_KEY": "none",
            }
            return _measure(folder, truth, given.seed)


def _measure(folder: Path, truth: Mapping[str, bool], seed: int) -> int:
    from deployments.labelling.labelled_report import LabelledReport
    from deployments.local.runner import prefect_api, quiet_prefect

    quiet_prefect()
    from flows.generate_report import generate_report
    from tasks.calibration.label_sample import choose_runs
    from tasks.settings import ReportOptions
    from tasks.stored.agreement import measure
    from tasks.warehouse.sql import open_warehouse

    options = ReportOptions(judge_model="simulated-judge", runs_per_agent=SHOWN, since="2026-11-20")
    with prefect_api():
        report_id = generate_report("airline", options=options)
    warehouse = open_warehouse(f"sqlite:///{folder / 'warehouse.db'}")
    try:
        report = LabelledReport(warehouse, report_id)
        row = report.report
        print(f"report: {row['total_runs_analyzed']} of {row['runs_in_population']} runs read, seed {seed}")
        print(f"completion {row['completion_rate']:.0%}; in truth {np.mean(list(truth.values())):.0%} succeeded")
        print(
            f"judged success {row['success_rate']:.2f} ({row['success_rate_low']:.2f} to "
            f"{row['success_rate_high']:.2f})"
        )
        chosen = choose_runs(report.agents, report.criteria, report.runs, count=LABELS, seed=seed)
        for run in chosen:
            agent_id, run_id = run.agent["agent_id"], run.run["run_id"]
            label = report.make_label(agent_id, run_id, SUCCESS_QUESTION, "ann", passed=truth[run_id])
            report.store([(label, None)])
        found = measure(warehouse, row)
        corrected = found.corrected_success_rate
        print(
            f"after {found.run_labels} labels corrected to {corrected.value:.2f}"
            f" ({corrected.low:.2f} to {corrected.high:.2f})"
        )
    finally:
        warehouse.close()
    fine = row["completion_rate"] == 1.0 and abs((row["success_rate"] or 0) - EXPECTED) <= TOLERANCE
    return 0 if fine and holds(corrected, float(np.mean(list(truth.values())))) else 1


if __name__ == "__main__":
    sys.exit(main())
