"""The evidence of a stored report, read from the source again: the same runs, as the source has them now."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from tasks.clients import current_clients
from tasks.errors import ConflictError
from tasks.evidence.types import AgentId, Evidence
from tasks.report.plan import ReportPlan, restore_plan
from tasks.report.rows import ReportRow
from tasks.sources import batch


def reread_plan(report: ReportRow) -> ReportPlan:
    """The plan of a stored report.

    Raises:
        RefusedError: its parameters cannot be read by this version.
    """
    try:
        return restore_plan(report, datetime.now(UTC), fresh=False)
    except ConflictError:
        raise ConflictError(f"the parameters of report {report['id']} cannot be read by this version") from None


def reread_evidence(plan: ReportPlan, agent_ids: Collection[AgentId]) -> dict[AgentId, Evidence]:
    """The evidence of these agents, redacted, by agent id; one that the source does not have any more, or whose runs
    cannot be read, is left out.

    Raises:
        SourceError: the source cannot be read at all.
    """
    clients = current_clients()
    source, hide, prices = clients.source(), clients.redactor(), clients.prices()
    agents = [agent for agent in source.load_agents(plan.environment, plan.window) if agent.id in agent_ids]
    if not agents:
        return {}
    # The same runs draw the same sample once more.
    runs = batch.read_runs(source, agents, plan.window, hide, prices=prices)
    store = source.trace_store() or clients.jaeger(plan.options.max_concurrent_runs)
    found = batch.read_evidence(store, agents, runs, prices, hide, now=plan.evidence_until)
    return {one.agent.id: one for one in found if isinstance(one, Evidence)}
