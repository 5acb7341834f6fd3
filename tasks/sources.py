"""Tasks that read: agents, their runs, their traces. What goes on to other tasks is quoted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from prefect import unmapped
from prefect.futures import PrefectFuture
from prefect.task_runners import ConcurrentTaskRunner

from tasks.connections import jaeger, prices, redactor, source
from tasks.endings import raising, told
from tasks.errors import AgentReportError, RedactionError, SourceError
from tasks.evidence.metrics import build_evidence
from tasks.evidence.redaction import Redactor
from tasks.evidence.span_tree import SpanTree
from tasks.evidence.tally import Tally
from tasks.evidence.types import Agent, AgentRuns, Evidence, Trace
from tasks.evidence.waterfall import build_waterfalls
from tasks.quoting import quoted, unquoted
from tasks.report.plan import ReportPlan
from tasks.step import step

_TURN = 2
NO_JAEGER = "no Jaeger is configured (AGENT_REPORT_JAEGER_URL)"


@raising
@step("agents of {environment}")
@told
def load_agents(environment: str, filter_model: str = "") -> list[Agent]:
    """The agents of ``environment`` by id; refused when it is unknown or the model filter cannot be honoured."""
    reader = source()
    agents = reader.load_agents(environment)
    reader.check_filter(filter_model)
    return agents


@step("runs of {agent.name}")
@told
def fetch_runs(agent: Agent, plan: ReportPlan) -> AgentRuns:
    """The newest runs of ``agent`` up to the report's ``evidence_until``, redacted.

    Fails when none of its rows can be read, or redacted.
    """
    hide = redactor()
    with redacting_errors(hide):
        runs = source().fetch_runs(
            agent,
            limit=plan.options.runs_per_agent,
            until=plan.evidence_until,
            since=plan.since,
            filter_model=plan.options.filter_model,
        )
        return quoted(Tally(hide).redact_runs(runs))


@step("traces of {agent.name}")
@told
def fetch_traces(agent: Agent, runs: Sequence[AgentRuns], plan: ReportPlan) -> Evidence:
    """The traces of ``runs`` (in a list of one), and with them all that is known of ``agent``, redacted.

    Jaeger's faults are states of traces. Fails when a text cannot be redacted.
    """
    found = unquoted(runs[0])
    hide = redactor()
    with redacting_errors(hide):
        tally = Tally(hide, found.redactions)
        agent = tally.redact_agent(agent)
        client = jaeger(plan.options.max_concurrent_runs)
        parts: dict[int, SpanTree] = {}
        if client is None:
            traces = [Trace(run_id=run.id, state="unavailable", reason=NO_JAEGER) for run in found.runs]
        else:
            traces = client.fetch_traces(
                found.runs, now=plan.evidence_until, redact=tally.redact_telemetry, parts=parts
            )
        evidence = build_evidence(agent, found, traces, prices(), tally.counts)
        # The trees end here: what travels on is a few spans of two runs.
        waterfalls = build_waterfalls(evidence.metrics, parts, tally.redact_names)
        return quoted(evidence.model_copy(update={"waterfalls": waterfalls}))


@contextmanager
def redacting_errors(hide: Redactor | None) -> Iterator[None]:
    """Errors of the block with their messages redacted: the report shows them, and Prefect keeps them in its log.

    Of an error that is not ours only its kind and message stay: what a driver raises can hold whole rows.
    """
    try:
        yield
    except RedactionError:
        # It holds no text, and what hides texts has just failed.
        raise
    except AgentReportError as error:
        if hide is None:
            raise
        raise type(error)(hide.redact(str(error))) from None
    except Exception as error:
        if hide is None:
            raise
        raise SourceError(hide.redact(f"{type(error).__name__}: {error}")) from None


class Reading(NamedTuple):
    """The futures of one agent's runs and evidence."""

    agent: Agent
    runs: PrefectFuture[Any]
    evidence: PrefectFuture[Any]


def read_evidence(readers: ConcurrentTaskRunner[Any], agents: Sequence[Agent], plan: ReportPlan) -> Iterator[Reading]:
    """``fetch_runs`` and ``fetch_traces`` mapped over ``agents``, in turns that are submitted as this is iterated.

    In turns: a runner starts tasks in the order they came in, so with all the runs first no agent's evidence would be
    there, and nobody judged, until the last agent's runs are. And short ones: how many are read at once is up to who
    iterates.
    """
    turn = min(_TURN, max(1, plan.options.max_concurrent_runs // 2))
    for start in range(0, len(agents), turn):
        chosen = agents[start : start + turn]
        runs = readers.map(fetch_runs, {"agent": chosen, "plan": unmapped(quoted(plan))})
        # A future that is a parameter itself is asked after at the API by every task run, one in a list is not.
        waiting = [[future] for future in runs]
        evidence = readers.map(fetch_traces, {"agent": chosen, "runs": waiting, "plan": unmapped(quoted(plan))})
        yield from map(Reading, chosen, runs, evidence)
