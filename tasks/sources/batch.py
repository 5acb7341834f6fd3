"""The evidence of several agents read together: runs in two queries, traces in few requests; failures stay apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from tasks.errors import AgentReportError, RedactionError, RefusedError, SourceError, scrub
from tasks.evidence.metrics import build_evidence, find_cost_usd
from tasks.evidence.prices import RunPrices
from tasks.evidence.traces.span_tree import SpanTree
from tasks.evidence.traces.waterfall import build_waterfalls
from tasks.evidence.types import Agent, AgentRuns, Evidence, RunId, Trace
from tasks.redaction.redaction_batch import RedactionBatch
from tasks.redaction.redactor import Redactor
from tasks.sources.found_traces import FoundTraces
from tasks.sources.population import FoundRuns, MakeVisitor, RunFinder
from tasks.sources.source import Source, TraceStore, Window

NO_JAEGER = "no Jaeger is configured (AGENT_REPORT_JAEGER_URL)"
# The spans of so many runs are in memory at once, and their ids fit into one URL.
_RUNS_AT_ONCE = 120
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ReadFailure:
    """Why the evidence of one agent could not be read; redacted."""

    reason: str


def read_runs(
    source: Source,
    agents: Sequence[Agent],
    window: Window,
    hide: Redactor | None,
    *,
    prices: RunPrices | None = None,
    make_visitor: MakeVisitor = lambda _: None,
    turn: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> list[AgentRuns | ReadFailure]:
    """The runs of each agent, redacted, in the order of ``agents``: with ``window.since`` a sample of all.

    A visitor that ``make_visitor`` gives for an agent is shown every run of the population, as the source has it. What
    has been read is redacted and checked within ``turn()``, a person's own functions included.

    Raises:
        RefusedError: the source cannot filter by model, or knows no sessions.
    """
    prices = prices or RunPrices({})
    found = RunFinder(source, prices, make_visitor, hide).find(agents, window)
    with turn():
        return [_attempt(hide, _finish, found[agent.id], prices, hide) for agent in agents]


def read_evidence(
    store: TraceStore | None,
    agents: Sequence[Agent],
    runs: Sequence[AgentRuns | ReadFailure],
    prices: RunPrices,
    hide: Redactor | None,
    *,
    now: datetime,
    turn: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> list[Evidence | ReadFailure]:
    """All that is known of each agent, redacted, in the order of ``agents``; ``runs`` are what ``read_runs`` gave.

    The faults of a ``store`` are states of traces; without one every trace is unavailable. ``now`` (aware) decides
    which traces may still be on their way. What has been read is worked on within ``turn()``.
    """
    evidence: list[Evidence | ReadFailure] = []
    for group in _groups(agents, runs):
        every = [run for _, found in group if isinstance(found, AgentRuns) for run in found.runs]
        traces = store.find_traces(every, now=now) if store else None
        with turn():
            evidence += [
                found if isinstance(found, ReadFailure) else _attempt(hide, _build, agent, found, traces, prices, hide)
                for agent, found in group
            ]
    return evidence


def _finish(found: FoundRuns | SourceError, prices: RunPrices, hide: Redactor | None) -> AgentRuns:
    """What was found of one agent, redacted."""
    if isinstance(found, SourceError):
        raise found
    redaction_batch = RedactionBatch(hide)
    runs = redaction_batch.redact_runs(found.runs)
    if (visitor := found.visitor) is not None:
        # As the source has them: a person's function is not to read placeholders.
        read = [(run, find_cost_usd(run, prices)) for run in found.runs.runs if run.outcome != "unfinished"]
        if found.fold is None:
            for run, cost_usd in read:
                visitor.visit(run, cost_usd)
        runs = runs.model_copy(update={"tallies": visitor.tallies(), "checks": visitor.check_sample(read)})
    if found.fold is not None:
        population = found.fold.build(found.drawn, redaction_batch.redact_texts)
        runs = runs.model_copy(update={"population": population, "redactions": redaction_batch.counts})
    return runs


def _build(
    agent: Agent, found: AgentRuns, traces: FoundTraces | None, prices: RunPrices, hide: Redactor | None
) -> Evidence:
    redaction_batch = RedactionBatch(hide, found.redactions)
    agent = redaction_batch.redact_agent(agent)
    parts: dict[RunId, SpanTree] = {}
    known = (
        traces.summarize(found.runs, redaction_batch.redact_telemetry, parts)
        if traces
        else [Trace(run_id=run.id, state="unavailable", reason=NO_JAEGER) for run in found.runs]
    )
    evidence = build_evidence(agent, found, known, prices, redaction_batch.counts)
    # The trees end here: what travels on is a few spans of two runs.
    return evidence.model_copy(
        update={"waterfalls": build_waterfalls(evidence.metrics, parts, redaction_batch.redact_names)}
    )


def _attempt(hide: Redactor | None, read: Callable[..., T], *arguments: object) -> T | ReadFailure:
    """What ``read`` returns, or why it failed: the report shows the reason, and Prefect logs it.

    Of an error that is not ours only its kind and message stay: what a driver raises can hold whole rows.
    """
    try:
        return read(*arguments)
    except RefusedError:
        raise
    except RedactionError as error:
        # It holds no text, and what redacts texts has just failed.
        return ReadFailure(str(error))
    except Exception as error:  # noqa: BLE001 - whatever one agent's rows make a driver raise, the others are read
        text = str(error) if isinstance(error, AgentReportError) else f"{type(error).__name__}: {error}"
        try:
            return ReadFailure(hide.redact(text) if hide else scrub(text))
        except RedactionError as failed:
            return ReadFailure(str(failed))


def _groups(
    agents: Sequence[Agent], runs: Sequence[AgentRuns | ReadFailure]
) -> Iterator[list[tuple[Agent, AgentRuns | ReadFailure]]]:
    """The agents with their runs, so many together as are asked for at once; an agent is never divided."""
    group: list[tuple[Agent, AgentRuns | ReadFailure]] = []
    count = 0
    for agent, found in zip(agents, runs, strict=True):
        size = len(found.runs) if isinstance(found, AgentRuns) else 0
        if group and count + size > _RUNS_AT_ONCE:
            yield group
            group, count = [], 0
        group.append((agent, found))
        count += size
    if group:
        yield group
