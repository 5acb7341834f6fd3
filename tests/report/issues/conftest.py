"""Reports of agents whose runs failed in ways that the tests choose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.evidence.metrics import build_evidence
from tasks.evidence.prices import RunPrices
from tasks.evidence.types import Agent, AgentRuns, Evidence, Run
from tasks.judge.evaluation import Evaluation
from tasks.judge.runs.verdict import RunVerdict
from tasks.report.issues.issue_rows import IssueScene

STARTED = datetime(2026, 3, 1, tzinfo=UTC)


def build_agent(
    agent_id: str, runs: Mapping[str, str | None], *, night: int, failed: Mapping[str, str], weight: float
) -> tuple[Evidence, Evaluation]:
    """An agent's evidence and verdicts: ``runs`` are failure modes by run id, "" a success, None no usable verdict."""
    agent = Agent(id=agent_id, name=f"agent-{agent_id}", environment="prod")
    found = tuple(
        Run(
            id=run_id,
            agent_id=agent_id,
            status="failed" if run_id in failed else "completed",
            outcome="failed" if run_id in failed else "completed",
            started_at=STARTED + timedelta(days=night, minutes=number),
            error=failed.get(run_id),
        )
        for number, run_id in enumerate(runs)
    )
    evidence = build_evidence(agent, AgentRuns(runs=found), (), RunPrices())
    evidence = evidence.model_copy(update={"inclusion": dict.fromkeys(runs, 1 / weight)})
    verdicts = tuple(
        RunVerdict(
            run_id, f"R{number}", "no" if mode else "yes" if mode == "" else "cannot_tell", failure_mode=mode or ""
        )
        for number, (run_id, mode) in enumerate(runs.items(), start=1)
    )
    return evidence, Evaluation(agent_id, "evaluated", score=5.0, run_verdicts=verdicts)


@pytest.fixture
def make_scene() -> Callable[..., IssueScene]:
    """``make_scene({"1": {"a": "loops", "b": ""}}, report_id=…, night=…, failed={"a": "boom"}, weights={"1": 10})``.

    With ``verdicts=False`` no run was judged.
    """

    def make(agents: Mapping[str, Mapping[str, str | None]], **parts: Any) -> IssueScene:
        weights = parts.get("weights", {})
        built = [
            build_agent(
                agent_id,
                runs,
                night=parts.get("night", 0),
                failed=parts.get("failed", {}),
                weight=weights.get(agent_id, 1.0),
            )
            for agent_id, runs in agents.items()
        ]
        judged = parts.get("verdicts", True)
        return IssueScene(
            report_id=parts.get("report_id", 1),
            environment="prod",
            agents=parts.get("environment_agents", list(agents)),
            evidences=[evidence for evidence, _ in built],
            evaluations={e.agent_id: e for _, e in built if e.agent_id is not None} if judged else {},
        )

    return make
