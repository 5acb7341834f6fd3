"""Tasks that read: agents, their runs, their traces. What goes on to other tasks is quoted."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.connections import jaeger, prices, source
from tasks.evidence.metrics import build_evidence
from tasks.evidence.types import Agent, AgentRuns, Evidence, Trace
from tasks.quoting import quoted, unquoted
from tasks.report.plan import ReportPlan

NO_JAEGER = "no Jaeger is configured (AGENT_REPORT_JAEGER_URL)"


@task(task_run_name="agents of {environment}", cache_policy=NO_CACHE)
def load_agents(environment: str, filter_model: str = "") -> list[Agent]:
    """The agents of ``environment`` by id; refused when it is unknown or the model filter cannot be honoured."""
    reader = source()
    agents = reader.load_agents(environment)
    reader.check_filter(filter_model)
    return agents


@task(task_run_name="runs of {agent.name}", cache_policy=NO_CACHE)
def fetch_runs(agent: Agent, plan: ReportPlan) -> AgentRuns:
    """The newest runs of ``agent`` up to the report's ``evidence_until``; fails when none of its rows can be read."""
    runs = source().fetch_runs(
        agent,
        limit=plan.options.runs_per_agent,
        until=plan.evidence_until,
        since=plan.since,
        filter_model=plan.options.filter_model,
    )
    return quoted(runs)


@task(task_run_name="traces of {agent.name}", cache_policy=NO_CACHE)
def fetch_traces(agent: Agent, runs: AgentRuns, plan: ReportPlan) -> Evidence:
    """The traces of ``runs``, and with them all that is known of ``agent``; Jaeger's faults are states of traces."""
    found = unquoted(runs)
    client = jaeger(plan.options.max_concurrent_runs)
    if client is None:
        traces = [Trace(run_id=run.id, state="unavailable", reason=NO_JAEGER) for run in found.runs]
    else:
        traces = client.fetch_traces(found.runs, now=plan.evidence_until)
    return quoted(build_evidence(agent, found, traces, prices()))
