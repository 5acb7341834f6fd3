"""Opening a report: a new row, or one to resume."""

from __future__ import annotations

from datetime import datetime

from prefect.context import FlowRunContext

from tasks.bridge.decorators import step
from tasks.bridge.llm_limit import find_limit
from tasks.clients import current_clients
from tasks.errors import ConfigurationError, UsageError
from tasks.judge.rubric import Criteria
from tasks.report.plan import ReportPlan, check_conflicts, restore_plan
from tasks.settings import SIMULATED_JUDGE_MODEL, ReportOptions


@step("open the report on {environment}")
def open_report(
    environment: str,
    name: str,
    criteria: Criteria,
    options: ReportOptions,
    report_id: int | None,
    started_at: datetime,
) -> ReportPlan:
    """Create a report's row (``pending``), or resume report ``report_id`` with its stored parameters.

    Raises:
        RefusedError: there is no such report, its owner is alive, or an option conflicts with a stored one; or verdicts
            are to be published and the source keeps none.
    """
    warehouse = current_clients().warehouse()
    # Not the environment: it is the source's name, whitespace included.
    name = name.strip()
    context = FlowRunContext.get()
    run_id = str(context.flow_run.id) if context and context.flow_run else None
    if report_id is not None:
        row = warehouse.load_report(report_id)
        if row is not None:
            check_conflicts(row, environment, name, criteria, options)
        taken = warehouse.take_report(report_id, {"flow_run_id": run_id, "generation_started_at": started_at})
        return _bounded(restore_plan(taken, started_at, fresh=options.fresh))
    if not environment.strip():
        raise UsageError("environment is empty: name the environment to report on, as the source has it")
    resolved = current_clients().settings.options(options)
    if resolved.publish_verdicts:
        _check_publishing(resolved.judge_model)
    values = {
        "environment": environment,
        "name": name,
        "flow_run_id": run_id,
        "parameters": {"criteria": criteria.model_dump(mode="json"), "options": resolved.model_dump(mode="json")},
        "evidence_until": started_at,
        "judge_model": resolved.judge_model,
        "generation_started_at": started_at,
    }
    plan = ReportPlan(
        id=warehouse.create_report(values),
        environment=environment,
        name=name,
        criteria=criteria,
        options=resolved,
        evidence_until=started_at,
        started_at=started_at,
        fresh_since=started_at if resolved.fresh else None,
    )
    return _bounded(plan)


def _check_publishing(judge_model: str) -> None:
    """Refuse, before anything is paid, to publish verdicts that are no model's, or to a source that keeps none."""
    if judge_model == SIMULATED_JUDGE_MODEL:
        raise ConfigurationError(
            f"publish_verdicts: the verdicts of {judge_model} are made up and not published: choose another judge_model"
        )
    if current_clients().source().note_store() is None:
        raise ConfigurationError(
            "publish_verdicts: the source keeps no verdicts; Phoenix, Langfuse and MLflow do (AGENT_REPORT_SOURCE_URL "
            "such as phoenix+http://localhost:6006): leave publish_verdicts out"
        )


def _bounded(plan: ReportPlan) -> ReportPlan:
    """``plan`` within the server's limit: a task run more than that would be sent back, and stall those behind it."""
    return plan.model_copy(update={"server_limit": find_limit(plan.options.max_concurrent_evals)})
