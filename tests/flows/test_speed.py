"""What is made while the judge is waited for, and what a slow trace delays. Figures of speed are in `benchmarks/`."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from prefect import flow
from prefect.task_runners import ConcurrentTaskRunner

from deployments.demo.judge import is_team
from deployments.demo.sample import Sample
from tasks.handing_over import HandOver
from tasks.judge.rubric import Criteria
from tasks.judging import judge_threads, judging, open_findings
from tasks.publishing import open_report, prepare_runs
from tasks.report.build import EncodedRuns, Findings, build_run_rows
from tasks.report.plan import ReportPlan
from tasks.settings import ReportOptions
from tasks.sources import Reading, load_agents, read_evidence
from tasks.warehouse.parquet import encode_table

pytestmark = pytest.mark.alone


def new_plan(**options: Any) -> ReportPlan:
    """Of a new report."""
    given = ReportOptions(judge_model="simulated-judge", fresh=True, **options)
    return open_report("demo", "", Criteria(), given, None, datetime.now(UTC))


@contextmanager
def opened(
    plan: ReportPlan, findings: Findings, when_quiet: Sequence[Callable[[], None]] = ()
) -> Iterator[tuple[HandOver, Iterator[Reading]]]:
    """The report that is about to be judged, and its evidence, which is read as it is asked for."""
    with (
        ConcurrentTaskRunner[Any](max_workers=20) as readers,
        ConcurrentTaskRunner[Any](max_workers=judge_threads(plan)) as judges,
        judging(plan) as judge,
    ):
        agents = load_agents("demo")
        open_findings(findings, plan, agents, judge)
        yield HandOver(plan, judge, findings, judges, when_quiet), read_evidence(readers, agents, plan)


@flow
def judge_and_note() -> list[int]:
    """Judge; how many agents were done whenever there was nothing to do but wait for the judge."""
    plan, findings = new_plan(), Findings()
    notes: list[int] = []

    def when_quiet() -> None:
        notes.append(sum(evaluation.status == "evaluated" for evaluation in findings.evaluations.values()))
        prepare_runs(plan, findings)

    with opened(plan, findings, [when_quiet]) as (hand_over, reading):
        for _ in hand_over.evaluate(reading):
            pass
    assert findings.runs is not None
    rows = build_run_rows(findings)
    assert findings.runs.result() == EncodedRuns(rows, encode_table("report_runs", plan.id, rows))
    assert len(rows) == 13 * 6
    return notes


def test_what_the_evidence_decides_is_made_while_the_judge_is_waited_for(make_world: Callable[..., Any]) -> None:
    make_world(agent_seconds=1.0, team_seconds=1.0)
    [done] = judge_and_note()
    # With ten at once, 14 calls take two rounds.
    assert done < 13


@pytest.mark.parametrize(("width", "reads"), [(10, 20), (0, 20), (4, 4)])
def test_a_slow_trace_delays_its_own_agent_only(
    width: int, reads: int, make_world: Callable[..., Any], sample: Sample
) -> None:
    """It comes when all the others have been asked about: were one of them to wait for it, it would not come."""
    first = sample.agents[0]
    slow = next(run for run in sample.runs if run["trace_id"] and run["agent_id"] == first["id"])
    others = {agent["name"] for agent in sample.agents if any(run["agent_id"] == agent["id"] for run in sample.runs)}
    others -= {first["name"]}
    arrived = threading.Event()
    asked: list[str] = []

    def respond(payload: dict[str, Any], request: Any) -> None:
        asked.append(_subject(request.body))
        if others <= set(asked):
            arrived.set()

    world = make_world(respond=respond)
    world.jaeger.held = {slow["trace_id"]: arrived}
    report = world.report(max_concurrent_evals=width, max_concurrent_runs=reads)
    assert report["status"] == "completed"
    assert set(asked[: len(others)]) == others
    assert {*asked[len(others) :]} == {first["name"], "team"}


def _subject(body: bytes) -> str:
    payload = json.loads(body)
    text: str = payload["messages"][1]["content"]
    return "team" if is_team(payload) else text.partition("\n# Agent\n| ")[2].partition("\n")[0]
