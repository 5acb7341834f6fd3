"""The runs of a report that did not do their task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tasks.evidence.failures import find_error, normalise_error
from tasks.evidence.types import AgentId, Evidence, Run
from tasks.judge.evaluation import Evaluation
from tasks.judge.issues.failing_run import FailingRun
from tasks.judge.issues.found_issue import RunKey
from tasks.judge.runs.success import Verdicts, run_success
from tasks.judge.runs.verdict import RunVerdict
from tasks.wording.shortening import cut

_LONGEST_NAME, _LONGEST_QUOTE, _LONGEST_ERROR = 120, 240, 300
_MOST_QUOTES = 3


def find_failing_runs(
    evidences: Sequence[Evidence], evaluations: Mapping[AgentId, Evaluation]
) -> tuple[FailingRun, ...]:
    """The failing runs of all agents, in the order of ``evidences`` and of their runs; empty when no run failed."""
    return tuple(
        _describe(evidence, run, verdict)
        for evidence in evidences
        for verdicts in [verdicts_of(evaluations.get(evidence.agent.id))]
        for run in evidence.finished_runs
        for verdict in [verdicts.get(run.id)]
        if is_failing(run, verdict)
    )


def verdicts_of(evaluation: Evaluation | None) -> Verdicts:
    """An agent's verdicts by run id; empty when it has none."""
    return {verdict.run_id: verdict for verdict in evaluation.run_verdicts} if evaluation else {}


def is_failing(run: Run, verdict: RunVerdict | None) -> bool:
    """Whether ``run`` did not do its task; where that is not known, whether its status is a failure."""
    succeeded = run_success(run, verdict).succeeded
    return run.outcome == "failed" if succeeded is None else not succeeded


def _describe(evidence: Evidence, run: Run, verdict: RunVerdict | None) -> FailingRun:
    trace = evidence.traces.get(run.id)
    error = find_error(run, trace) if run.outcome == "failed" else ""
    return FailingRun(
        key=RunKey(evidence.agent.id, run.id),
        agent_name=evidence.agent.name,
        started_at=run.started_at,
        failure_mode=cut(verdict.failure_mode, _LONGEST_NAME) if verdict else "",
        quotes=tuple(cut(found.quote, _LONGEST_QUOTE) for found in verdict.evidence[:_MOST_QUOTES]) if verdict else (),
        step=cut(verdict.step_name, _LONGEST_NAME) if verdict else "",
        checks=tuple(name for name, check in verdict.checks.items() if check == "fail") if verdict else (),
        error=cut(error, _LONGEST_ERROR),
        pattern=normalise_error(error) if error else "",
    )
