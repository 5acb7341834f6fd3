"""Events that say how a report ended, for automations: notify somebody, start something. They hold no secrets."""

from __future__ import annotations

from typing import Any

from prefect.events import emit_event

from tasks.errors import scrub
from tasks.report.build import ReportRows
from tasks.report.plan import ReportPlan

COMPLETED, FAILED, CANCELLED = "agent-report.completed", "agent-report.failed", "agent-report.cancelled"
BELOW = "agent-report.agent-below-threshold"
ATTENTION = "agent-report.needs-attention"
"""Label of a report's resource: ``yes`` when it failed, or has agents below their threshold."""

_NAMED = 10
Row = dict[str, Any]


def announce(plan: ReportPlan, rows: ReportRows) -> None:
    """Emit how the report ended, and one event more for every agent below its threshold."""
    below = [row for row in rows.details if row["status"] == "evaluated" and row["passed"] is False]
    report = rows.report
    for row in below:
        emit_event(
            BELOW,
            resource=_resource(plan, attention=True),
            related=[
                {
                    "prefect.resource.id": f"agent-report.agent.{row['agent_id']}",
                    "prefect.resource.name": str(row["agent_name"]),
                    "prefect.resource.role": "agent",
                }
            ],
            payload={
                **_known(plan),
                "agent_id": row["agent_id"],
                "agent_name": row["agent_name"],
                "score": row["score"],
                "criteria": [
                    {name: criterion[name] for name in ("criterion", "score", "threshold")}
                    for criterion in rows.criteria
                    if criterion["agent_id"] == row["agent_id"] and not criterion["passed"]
                ],
            },
        )
    figures = {name: report.get(name) for name in ("team_score", "total_agents", "agents_evaluated", "agents_failed")}
    names = [str(row["agent_name"]) for row in below]
    _emit_end(plan, report["status"], report.get("error"), {**figures, "agents_below_threshold": names})


def announce_failure(plan: ReportPlan, status: str, error: str) -> None:
    """Emit the end of a report that could not be written in full."""
    _emit_end(plan, status, error, {"agents_below_threshold": []})


def _emit_end(plan: ReportPlan, status: str, error: str | None, payload: Row) -> None:
    below: list[str] = payload["agents_below_threshold"]
    emit_event(
        f"agent-report.{status}",
        resource=_resource(plan, attention=status == "failed" or bool(below)),
        payload={
            **_known(plan),
            "status": status,
            "error": scrub(error) if error else None,
            **payload,
            "text": _text(plan, status, error, below),
        },
    )


def _resource(plan: ReportPlan, *, attention: bool) -> dict[str, str]:
    return {
        "prefect.resource.id": f"agent-report.report.{plan.id}",
        "prefect.resource.name": f"report {plan.id} on {plan.environment}",
        "agent-report.environment": plan.environment,
        ATTENTION: "yes" if attention else "no",
    }


def _known(plan: ReportPlan) -> Row:
    return {"report_id": plan.id, "environment": plan.environment, "name": plan.name}


def _text(plan: ReportPlan, status: str, error: str | None, below: list[str]) -> str:
    """The event in a sentence, for people."""
    text = f"Report {plan.id} on {plan.environment}: {status}"
    if error:
        text += f" ({scrub(error)})"
    if below:
        more = f" and {len(below) - _NAMED} more" if len(below) > _NAMED else ""
        text += f"; below their threshold: {', '.join(below[:_NAMED])}{more}"
    return text
