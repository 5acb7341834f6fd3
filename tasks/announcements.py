"""Events about the end of a report, for automations: send a notification, start a flow run. They hold no secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from prefect.events import emit_event
from prefect.logging import get_run_logger

from tasks.errors import scrub

if TYPE_CHECKING:
    # What marks abandoned reports needs this module, and none of what judges.
    from tasks.report.build import ReportRows
    from tasks.report.plan import ReportPlan

COMPLETED, FAILED = "agent-report.completed", "agent-report.failed"
BELOW = "agent-report.agent-below-threshold"
ATTENTION = "agent-report.needs-attention"
"""Label of a report's resource: ``yes`` when it failed, or has agents below their threshold."""

_FIGURES = ("team_score", "total_agents", "agents_evaluated", "agents_failed")
_NAMED = 10


def announce(plan: ReportPlan, rows: ReportRows) -> None:
    """Emit how the report ended, and one event more for every agent below its threshold."""
    report = {**rows.report, "id": plan.id, "environment": plan.environment, "name": plan.name}
    below = [row for row in rows.details if row["status"] == "evaluated" and row["passed"] is False]
    for row in below:
        missed = [
            {
                "criterion": criterion["criterion"],
                "score": _round(criterion["score"]),
                "threshold": criterion["threshold"],
            }
            for criterion in rows.criteria
            if criterion["agent_id"] == row["agent_id"] and not criterion["passed"]
        ]
        agent = {"agent_id": row["agent_id"], "agent_name": row["agent_name"], "score": _round(row["score"])}
        related = {
            "prefect.resource.id": f"agent-report.agent.{quote(row['agent_id'], safe='')}",
            "prefect.resource.name": str(row["agent_name"]),
            "prefect.resource.role": "agent",
        }
        _emit(BELOW, report, {**agent, "criteria": missed}, attention=True, related=[related])
    announce_end(report, [str(row["agent_name"]) for row in below])


def announce_end(report: Mapping[str, Any], below: Sequence[str] = ()) -> None:
    """Emit how the report of this row ended; ``below`` names the agents below their threshold."""
    error = scrub(report["error"]) if report.get("error") else None
    payload = {name: report.get(name) for name in ("status", *_FIGURES)}
    payload["team_score"] = _round(payload["team_score"])
    payload |= {"error": error, "agents_below_threshold": list(below), "text": _text(report, error, below)}
    attention = report["status"] == "failed" or bool(below)
    _emit(f"agent-report.{report['status']}", report, payload, attention=attention)


def _emit(
    event: str,
    report: Mapping[str, Any],
    payload: Mapping[str, object],
    *,
    attention: bool,
    related: list[dict[str, str]] | None = None,
) -> None:
    report_id, environment = report["id"], report["environment"]
    try:
        emit_event(
            event,
            resource={
                "prefect.resource.id": f"agent-report.report.{report_id}",
                "prefect.resource.name": f"report {report_id} on {environment}",
                "agent-report.environment": environment,
                ATTENTION: "yes" if attention else "no",
            },
            related=related,
            payload={"report_id": report_id, "environment": environment, "name": report["name"], **payload},
        )
    except Exception as error:  # noqa: BLE001 - whatever Prefect makes of it, the report is written
        get_run_logger().warning("The event %s of report %s is lost: %s", event, report_id, scrub(str(error)))


def _round(score: float | None) -> float | None:
    """Messages show it as it comes, so 6.8500000000000005 is 6.85; but 6.996 is not 7."""
    return None if score is None else round(score, 9)


def _text(report: Mapping[str, Any], error: str | None, below: Sequence[str]) -> str:
    """The event in a sentence, for people."""
    text = f"Report {report['id']} on {report['environment']}: {report['status']}"
    if error:
        text += f" ({error})"
    if below:
        more = f" and {len(below) - _NAMED} more" if len(below) > _NAMED else ""
        text += f"; below their threshold: {', '.join(below[:_NAMED])}{more}"
    return text
