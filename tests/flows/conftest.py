"""The real flow against a real Prefect server, and a sample with its services on loopback."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deployments.demo.jaeger import SimulatedJaeger
from deployments.demo.judge import SimulatedJudge
from deployments.demo.sample import Sample, build_sample
from deployments.local.prefect_server import prefect_server, wait_until_healthy
from tasks.connecting import open_clients
from tasks.judge.rubric import Criteria
from tasks.settings import ReportOptions, read_settings
from tasks.warehouse.sql import Warehouse, open_warehouse


@pytest.fixture(scope="session")
def flows_server(api_password: str) -> Iterator[str]:
    """The API's URL of one embedded server for all flows of the tests."""
    home = Path(os.environ["PREFECT_HOME"])
    with prefect_server(home, password=api_password) as url:
        wait_until_healthy(url, home)
        yield url


@pytest.fixture(scope="module")
def prefect_api(flows_server: str, at_server: Callable[[str], AbstractContextManager[None]]) -> Iterator[None]:
    """That server is configured, until the tests of the module end: those of other folders have none."""
    with at_server(flows_server):
        yield


@pytest.fixture(scope="session")
def full_sample() -> Sample:
    """14 agents, 13 with runs."""
    return build_sample(datetime.now(UTC), runs_per_agent=6)


@pytest.fixture(scope="session")
def sample(full_sample: Sample) -> Sample:
    """Four of these with runs and the one without, for tests that are not about how many there are."""
    ids = {1, 2, 3, 8, 14}
    return replace(
        full_sample,
        agents=[row for row in full_sample.agents if row["id"] in ids],
        runs=[row for row in full_sample.runs if row["agent_id"] in ids],
    )


@dataclass
class World:
    """A sample in a database, its services, and how a report on it is asked for."""

    folder: Path
    judge: SimulatedJudge
    jaeger: SimulatedJaeger
    warehouses: dict[str, Warehouse] = field(default_factory=dict)

    def report(self, criteria: Criteria | None = None, **options: Any) -> dict[str, Any]:
        """Run the flow to whatever end; the report's row."""
        from flows.generate_report import generate_report

        given = ReportOptions(judge_model="simulated-judge", **options)
        state = generate_report("demo", criteria=criteria or Criteria(), options=given, return_state=True)
        run_id = str(state.state_details.flow_run_id)
        return next(row for row in self.warehouse.list_reports() if row["flow_run_id"] == run_id)

    def report_directly(self, criteria: Criteria | None = None, **options: Any) -> dict[str, Any]:
        """The row of a report that is made by the flow's own steps, called one after the other without Prefect.

        For what these steps decide: how Prefect runs them, beside each other and when one fails, is in ``report``.
        """
        with open_clients():
            given = ReportOptions(judge_model="simulated-judge", **options)
            return self.warehouse.load_report(_report_directly(criteria or Criteria(), given)) or {}

    @property
    def warehouse(self) -> Warehouse:
        """Where the reports are."""
        url = read_settings().warehouse_url.get_secret_value()
        if url not in self.warehouses:
            self.warehouses[url] = open_warehouse(url)
        return self.warehouses[url]

    def agents(self, report: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """The report's agents by name."""
        return {row["agent_name"]: row for row in self.warehouse.load_agents(report["id"])}


def _report_directly(criteria: Criteria, options: ReportOptions) -> int:
    from prefect.logging import disable_run_logger

    from tasks.bridge.llm_limit import server_of_its_own
    from tasks.bridge.quoting import unquoted
    from tasks.comparing import compare_with_last
    from tasks.evaluating import evaluate_evidence, find_issues, judging, open_draft
    from tasks.judge.evaluation import Evaluation
    from tasks.judge.runs.each import judge_each
    from tasks.judge.team import judge_team
    from tasks.opening import open_report
    from tasks.publishing import write_page, write_report
    from tasks.reading import fetch_runs, fetch_traces, load_agents
    from tasks.report.build import ReportDraft
    from tasks.sources.batch import ReadFailure

    with server_of_its_own(), disable_run_logger():
        plan = open_report.fn("demo", "", criteria, options, None, datetime.now(UTC))
    draft, seconds = ReportDraft(), plan.options.eval_timeout_seconds
    with disable_run_logger(), judging(plan) as judge:
        open_draft(draft, plan, load_agents.fn(plan.environment, plan.window), judge)
        runs = fetch_runs.fn(draft.chosen_agents, draft.rubrics, plan)
        missing = {}
        for agent, evidence in zip(
            draft.chosen_agents, unquoted(fetch_traces.fn(draft.chosen_agents, [runs], plan)), strict=True
        ):
            if isinstance(evidence, ReadFailure):
                draft.keep_evaluation(agent.id, Evaluation(agent.id, "failed", error=evidence.reason))
                continue
            draft.evidence[agent.id] = evidence
            rubric, finished = draft.rubrics[agent.id], [run.id for run in evidence.finished_runs]
            judged = None
            if plan.options.judge_runs == "each" and finished:
                judged = judge_each(judge, evidence, finished, rubric, timeout_seconds=seconds)
            if not finished:
                missing[agent.name] = "no finished run"
            draft.keep_evaluation(agent.id, evaluate_evidence(judge, evidence, rubric, plan, judged))
        draft.team = judge_team(judge, draft.known_evidence, missing, plan.criteria.team, timeout_seconds=seconds)
        draft.issues = find_issues.fn(plan, draft)
        rows = write_report.fn(plan, draft)
        compare_with_last.fn(plan, rows)
        write_page.fn(plan)
    return plan.id


@pytest.fixture
def make_world(prefect_api: None, open_world: Callable[..., World]) -> Callable[..., World]:
    """``make_world(respond=…, agent_seconds=…)``: a world of its own, with a judge that answers so.

    It has the agents of ``sample``; with ``full=True`` those of ``full_sample``.
    """
    return open_world


@pytest.fixture
def open_world(
    sample: Sample, full_sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., World]]:
    """As ``make_world``, for reports of other processes: without a Prefect server."""
    opened: list[Any] = []
    worlds: list[World] = []

    def make(*, full: bool = False, **judge: Any) -> World:
        chosen = full_sample if full else sample
        seconds = {"agent_seconds": 0.05, "team_seconds": 0.05} | judge
        chosen.write_sqlite(tmp_path / "source.db")
        world = World(tmp_path, SimulatedJudge(**seconds), SimulatedJaeger(chosen.traces))
        worlds.append(world)
        for server in (world.judge, world.jaeger):
            server.__enter__()
            opened.append(server)
        for name, value in {
            "AGENT_REPORT_SOURCE_URL": f"sqlite:///{tmp_path / 'source.db'}",
            "AGENT_REPORT_WAREHOUSE_URL": f"sqlite:///{tmp_path / 'warehouse.db'}",
            "AGENT_REPORT_PARQUET_URL": str(tmp_path / "parquet"),
            "AGENT_REPORT_JAEGER_URL": world.jaeger.url,
            "OPENAI_BASE_URL": world.judge.base_url,
            "OPENAI_API_KEY": "sk-planted-key-0123456789",
        }.items():
            monkeypatch.setenv(name, value)
        return world

    yield make
    for world in worlds:
        for warehouse in world.warehouses.values():
            warehouse.close()
    for server in opened:
        server.__exit__(None, None, None)


@pytest.fixture
def run_here(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict[str, Any]]]:
    """``run_here("--report-id", "1")``: ``agent-report run demo --json`` in this process, on the configured API.

    It returns the exit code and what was printed.
    """
    from deployments.cli import main

    def run(*options: str) -> tuple[int, dict[str, Any]]:
        interrupt = signal.getsignal(signal.SIGINT)
        try:
            with pytest.raises(SystemExit) as ended:
                main(["run", "demo", "--json", *options])
        finally:
            signal.signal(signal.SIGINT, interrupt)
        printed = capsys.readouterr()
        assert printed.out, printed.err
        return int(ended.value.code or 0), json.loads(printed.out)

    return run
