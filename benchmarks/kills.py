"""Kills reports while they are being judged: ``python -m benchmarks.kills [KILLS] [--seed N] [--each 2]``.

Every report is killed (SIGKILL, at a random moment after its first judge call) ``--each`` times and resumed by its id,
on SQLite and PostgreSQL in turn. Prints a line a report: calls that reached the endpoint, calls in the ledger, their
cost in the report, and how many questions were asked again although their answer was stored. Exits 1 when they do not
agree. Prefect's server, the source, Jaeger and the judge live on in processes of their own.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.report_speed import Services, services, settings
from deployments.local.postgres import embedded_postgres
from tasks.warehouse.schema import judge_calls
from tasks.warehouse.sql import Warehouse, open_warehouse

_AGENTS = 14
_JUDGE_SECONDS = 0.5
_PRICES = '{"simulated-judge": {"input": 1.0, "output": 4.0}}'
_COMMAND = [sys.executable, "-m", "deployments.cli", "run", "demo", "--json"]
_OPTIONS = ["--judge-model", "simulated-judge", "--max-concurrent-evals", "3"]
_PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to one report: calls at the endpoint, and what ledger and report record of them."""

    warehouse: str
    kills: int
    asked: int
    answered: int
    unanswered: int
    paid_usd: float
    report: dict[str, Any]
    asked_twice: int

    def problems(self) -> list[str]:
        """What does not agree; empty when all does."""
        cost, known = self.report["cost_usd"], self.report["known_cost_usd"]
        checks = {
            "not completed": self.report["status"] == "completed",
            "uncounted calls": self.asked <= self.answered + self.unanswered,
            "answers without a call": self.answered <= self.asked,
            "the known cost is another": math.isclose(known, self.paid_usd),
            "a cost although calls were lost": (cost is None) == (self.unanswered > 0),
            "another cost": cost is None or math.isclose(cost, self.paid_usd),
            "asked twice": not self.asked_twice,
        }
        return [problem for problem, holds in checks.items() if not holds]


def main() -> None:
    """Kill, resume, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills")
    parser.add_argument("kills", nargs="?", type=int, default=40)
    parser.add_argument("--each", type=int, default=2, help="kills of one report")
    parser.add_argument("--seed", type=int, default=None)
    given = parser.parse_args()
    seed = random.randrange(10**6) if given.seed is None else given.seed
    print(f"seed {seed}\n{'report':>6}  {'warehouse':<10}  kills  endpoint  answered  unanswered  "
          f"{'ledger USD':>10}  {'report USD':>10}  {'known USD':>9}  asked twice", flush=True)  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        outcomes = kill_all(Path(name), given.kills, given.each, random.Random(seed))
    wrong = Counter(problem for outcome in outcomes for problem in outcome.problems())
    print(
        f"{sum(e.kills for e in outcomes)} kills of {len(outcomes)} reports: {sum(e.asked for e in outcomes)} calls at "
        f"the endpoint, {sum(e.answered for e in outcomes)} answered and {sum(e.unanswered for e in outcomes)} "
        f"unanswered in the ledger; {', '.join(f'{count} x {what}' for what, count in wrong.items()) or 'all agree'}"
    )
    sys.exit(1 if wrong else 0)


def kill_all(folder: Path, kills: int, each: int, chance: random.Random) -> list[Outcome]:
    """Reports until there were so many kills; prints a line for each."""
    os.environ["PREFECT_HOME"] = str(folder / "prefect")
    from deployments.local.runner import prefect_api, quiet_prefect

    quiet_prefect()
    outcomes: list[Outcome] = []
    judge = {"agent_seconds": _JUDGE_SECONDS, "team_seconds": _JUDGE_SECONDS}
    with (
        prefect_api(),
        embedded_postgres(folder / "pg") as postgres,
        services(folder, sample={"agents": _AGENTS, "runs_per_agent": 4}, judge=judge) as others,
    ):
        from prefect.settings import PREFECT_API_URL

        os.environ["PREFECT_API_URL"] = str(PREFECT_API_URL.value())
        os.environ["AGENT_REPORT_PRICES"] = _PRICES
        while (left := kills - sum(outcome.kills for outcome in outcomes)) > 0:
            number = len(outcomes) + 1
            kind = "PostgreSQL" if number % 2 == 0 else "SQLite"
            place = folder / str(number)
            place.mkdir()
            url = postgres.database(f"w{number}") if kind == "PostgreSQL" else f"sqlite:///{place}/warehouse.db"
            settings(others, folder, url)
            outcome = kill_report(others, kind, url, min(each, left), chance)
            outcomes.append(outcome)
            print_line(number, outcome)
    return outcomes


def kill_report(others: Services, kind: str, url: str, kills: int, chance: random.Random) -> Outcome:
    """One report, killed so often unless it is done before, and resumed to its end."""
    before = others.counts()["judge"]
    warehouse = open_warehouse(url)
    killed = 0
    report_id: int | None = None
    while True:
        process = start(report_id)
        if killed < kills and killed_in_time(others, process, chance):
            killed += 1
            report_id = warehouse.list_reports()[0]["id"]
            continue
        process.communicate(timeout=_PATIENCE_SECONDS)
        report = warehouse.list_reports()[0]
        if report["status"] == "completed" or process.returncode:
            break
    # The endpoint answers calls whose asker is gone.
    time.sleep(2 * _JUDGE_SECONDS)
    outcome = look(warehouse, kind, killed, others.counts()["judge"] - before)
    warehouse.close()
    return outcome


def start(report_id: int | None) -> subprocess.Popen[str]:
    """The command that makes a report, or resumes it."""
    more = _OPTIONS if report_id is None else ["--report-id", str(report_id)]
    return subprocess.Popen([*_COMMAND, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def killed_in_time(others: Services, process: subprocess.Popen[str], chance: random.Random) -> bool:
    """Kill the process at some moment after its first call; False when it ended before."""
    before = others.counts()["judge"]
    while others.counts()["judge"] == before:
        if process.poll() is not None:
            return False
        time.sleep(0.02)
    time.sleep(chance.uniform(0, 3 * _JUDGE_SECONDS))
    if process.poll() is not None:
        return False
    process.kill()
    process.communicate()
    return True


def look(warehouse: Warehouse, kind: str, kills: int, asked: int) -> Outcome:
    """What ledger and report record."""
    with warehouse.database.reading() as connection:
        rows = connection.execute(sa.select(judge_calls)).mappings().all()
    answered = [row for row in rows if row["status"] == "answered"]
    stored = Counter(row["fingerprint"] for row in answered if row["outcome"] == "usable")
    return Outcome(
        warehouse=kind,
        kills=kills,
        asked=asked,
        answered=len(answered),
        unanswered=len(rows) - len(answered),
        paid_usd=math.fsum(row["cost_usd"] for row in answered),
        report=warehouse.list_reports()[0],
        asked_twice=sum(count - 1 for count in stored.values()),
    )


def print_line(number: int, outcome: Outcome) -> None:
    """One report of the table."""
    cost = outcome.report["cost_usd"]
    print(
        f"{number:>6}  {outcome.warehouse:<10}  {outcome.kills:>5}  {outcome.asked:>8}  {outcome.answered:>8}  "
        f"{outcome.unanswered:>10}  {outcome.paid_usd:>10.4f}  {'NULL' if cost is None else f'{cost:.4f}':>10}  "
        f"{outcome.report['known_cost_usd']:>9.4f}  {outcome.asked_twice:>11}  {'; '.join(outcome.problems())}",
        flush=True,
    )


if __name__ == "__main__":
    main()
