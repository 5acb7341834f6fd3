"""The runs that stand out, by what is known of their success: a run that failed at its task is not the best."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from tasks.evidence.metrics import build_evidence
from tasks.evidence.prices import RunPrices
from tasks.evidence.types import Agent, AgentRuns, Evidence, Run
from tasks.judge.runs.verdict import RunVerdict
from tasks.report.notable_runs import choose_best_run, choose_worst_run

_SECONDS = {"1": 4.0, "2": 9.0, "3": 6.0, "4": 30.0}


def _evidence(**failed: str) -> Evidence:
    """Four runs, the newest first; of all that are not in ``failed`` the status is completed."""
    runs = [
        Run(
            id=run_id,
            agent_id="1",
            started_at=datetime(2026, 1, 1, tzinfo=UTC),
            status="failed" if f"run{run_id}" in failed else "completed",
            outcome="failed" if f"run{run_id}" in failed else "completed",
            error=failed.get(f"run{run_id}", ""),
            duration_seconds=seconds,
        )
        for run_id, seconds in _SECONDS.items()
    ]
    agent = Agent(id="1", name="bot", environment="prod")
    return build_evidence(agent, AgentRuns(runs=tuple(runs)), (), RunPrices())


def _verdicts(*found: tuple[str, Literal["yes", "no", "cannot_tell"], str]) -> dict[str, RunVerdict]:
    return {run_id: RunVerdict(run_id, f"R{run_id}", success, failure_mode=mode) for run_id, success, mode in found}


def test_the_fastest_run_that_failed_at_its_task_is_not_the_best() -> None:
    verdicts = _verdicts(("1", "no", "wrong seat"), ("2", "yes", ""), ("3", "yes", ""), ("4", "no", ""))
    best = choose_best_run(_evidence(), verdicts)
    assert best is not None
    assert (best.run_id, best.reason) == ("3", "the fastest success without a tool error")


def test_a_run_of_which_the_judge_cannot_tell_is_the_best_only_where_none_is_a_success() -> None:
    unsure = _verdicts(("1", "cannot_tell", ""), ("2", "yes", ""), ("3", "no", ""), ("4", "no", ""))
    best = choose_best_run(_evidence(), unsure)
    assert best is not None
    assert best.run_id == "2"
    none_known = choose_best_run(_evidence(), _verdicts(("1", "no", "")))
    assert none_known is not None
    assert none_known.run_id == "3"
    assert choose_best_run(_evidence(), _verdicts(*((run_id, "no", "") for run_id in _SECONDS))) is None


def test_the_worst_of_completed_runs_is_one_that_failed_at_its_task() -> None:
    verdicts = _verdicts(
        ("1", "no", "wrong seat"), ("2", "no", "no refund"), ("3", "no", "No refund"), ("4", "yes", "")
    )
    worst = choose_worst_run(_evidence(), verdicts)
    assert worst is not None
    assert worst.run_id == "2"
    assert worst.reason == (
        "the newest failure of the most frequent kind (2 of 3 runs that did not do their task): no refund"
    )
    unnamed = choose_worst_run(_evidence(), _verdicts(("3", "no", "")))
    assert unnamed is not None
    assert (unnamed.run_id, unnamed.reason) == ("3", "the newest of 1 run that did not do its task")


def test_a_run_whose_status_failed_stays_the_worst() -> None:
    evidence = _evidence(run4="timed out")
    worst = choose_worst_run(evidence, _verdicts(("1", "no", "wrong seat"), ("4", "no", "time-out")))
    assert worst is not None
    assert worst == evidence.metrics.worst_run
    assert worst.run_id == "4"


def test_without_verdicts_the_runs_that_stand_out_are_as_measured() -> None:
    evidence = _evidence()
    assert choose_best_run(evidence, {}) == evidence.metrics.best_run
    assert choose_worst_run(evidence, {}) == evidence.metrics.worst_run
    done = _verdicts(*((run_id, "yes", "") for run_id in _SECONDS))
    assert choose_worst_run(evidence, done) == evidence.metrics.worst_run
