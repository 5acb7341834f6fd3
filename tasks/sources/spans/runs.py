"""The runs of agents in whole traces, as rows of the contract.

``find_trace_runs`` finds cheaply which runs a trace holds, ``build_run_row`` reads one: most runs of a long listing are
passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.evidence.ids import read_id
from tasks.evidence.traces import conventions
from tasks.evidence.traces.classified_spans import ClassifiedSpans
from tasks.evidence.traces.conventions.values import parse_json
from tasks.evidence.traces.llm_calls import LlmCalls
from tasks.evidence.traces.span_tree import SpanTree, cut_at
from tasks.evidence.traces.spans import Span
from tasks.evidence.traces.tool_calls import ToolCall, ToolCalls
from tasks.evidence.types import AgentId, RunId
from tasks.evidence.values import read_filled, read_float, write_json
from tasks.sources.contract.rows import Row
from tasks.sources.contract.signals import fill_from_signals
from tasks.sources.spans.agents import AgentRun, find_runs
from tasks.sources.spans.environments import Place, agent_id, place_of, session_of
from tasks.sources.spans.store import SIGNALS
from tasks.sources.spans.texts import conversation_of, instructions_of, response_of, task_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_CALLS = 1_000
_COSTS = ("langfuse.total_cost", "llm.cost.total", "gen_ai.usage.cost", "gen_ai.cost.total_cost", "operation.cost")
_VERSIONS = ("gen_ai.agent.version", "langfuse.version", "langfuse.release", "service.version")
_DESCRIPTIONS = ("gen_ai.agent.description", "crewai.agent.goal", "agent.description")
# What stores write where a trace has not ended.
_UNENDED = frozenset({"IN_PROGRESS", "RUNNING", "PENDING"})
_NO_AGENT = "agent"
_LONGEST_NAME = 120
# Of a trace, in the order of its tree, so that the root counts before what is below it.
_MOST_PLACES = 50


@dataclass(frozen=True, slots=True)
class TraceRun:
    """One run that a trace holds: whose, when it started, and the spans of the whole trace, as they came and linked.

    The runs of a trace share both: it can hold hundreds.
    """

    run_id: RunId
    trace_id: str
    span_id: str
    agent_id: AgentId
    agent_name: str
    environment: str
    service: str
    started_at: datetime
    spans: Sequence[Span]
    tree: SpanTree = field(repr=False, compare=False)
    agent_span_ids: tuple[str, ...]
    parent_run_id: RunId | None = None
    run_span_ids: frozenset[str] = frozenset()
    """Of every run in the trace, this one too."""
    is_waiting: bool = False
    """Whether its own span is not in the store yet, so that the agent's name may not be known."""


def run_id_of(trace_id: str, span_id: str) -> RunId:
    """The id of the run of a span: both ids, so that either finds it in a store."""
    run_id = f"{trace_id}-{span_id}"
    return read_id(run_id) or run_id


def find_trace_runs(spans: Sequence[Span]) -> list[TraceRun]:
    """The runs in the ``spans`` of one trace; none where there is neither an agent nor an LLM call."""
    tree = SpanTree(spans)
    readings = [conventions.read(span) for span in tree.spans]
    found = find_runs(tree, readings)
    span_ids = frozenset(run.span_id for run in found)
    place = place_of([tree.spans[index] for index in tree.order[:_MOST_PLACES]])
    return [_trace_run(run, found, span_ids, place, tree, spans) for run in found]


def _trace_run(
    run: AgentRun,
    every: Sequence[AgentRun],
    span_ids: frozenset[str],
    trace_place: Place,
    tree: SpanTree,
    spans: Sequence[Span],
) -> TraceRun:
    own = [tree.spans[index] for index in dict.fromkeys((run.span, *run.agents)) if index >= 0]
    place = place_of(own).filled_from(trace_place)
    name = " ".join(run.name.split())[:_LONGEST_NAME] or place.service or _NO_AGENT
    trace_id = tree.spans[0].trace_id
    waiting = own or [span for span in tree.spans if span.parent_id == run.span_id]
    started = min((span.start_us for span in waiting), default=0) if run.span < 0 else own[0].start_us
    return TraceRun(
        run_id=run_id_of(trace_id, run.span_id),
        trace_id=trace_id,
        span_id=run.span_id,
        agent_id=agent_id(place.environment, place.service, name),
        agent_name=name,
        environment=place.environment,
        service=place.service,
        started_at=_moment(started),
        spans=spans,
        tree=tree,
        agent_span_ids=tuple(tree.spans[index].span_id for index in run.agents),
        parent_run_id=None if run.parent is None else run_id_of(trace_id, every[run.parent].span_id),
        run_span_ids=span_ids,
        is_waiting=run.span < 0,
    )


def cut_trace_run(tree: SpanTree, run: TraceRun) -> tuple[SpanTree, int, int]:
    """The part of its trace that is the run's, the lost spans that may be, and the other runs inside."""
    part, strays = cut_at(tree, run.span_id, shared=len(run.run_span_ids) > 1)
    inside = {span.span_id for span in part.spans if span.span_id in run.run_span_ids}
    return part, strays, len(inside - {run.span_id})


def read_model(run: TraceRun) -> str | None:
    """The model that the run used, the first of several; None where no span names one."""
    return next(iter(_Part(run).llm_calls.models()), None)


class _Part:
    """What the spans of a run hold."""

    def __init__(self, run: TraceRun) -> None:
        self.tree, *_ = cut_trace_run(run.tree, run)
        self.readings = [conventions.read(span) for span in self.tree.spans]
        self.classified = ClassifiedSpans(self.tree, self.readings)
        self.llm_calls = LlmCalls(self.classified)
        by_id = {span.span_id: index for index, span in enumerate(self.tree.spans)}
        self.root = by_id.get(run.span_id)
        agents = [by_id[span_id] for span_id in run.agent_span_ids if span_id in by_id]
        agents.sort(key=lambda index: self.tree.spans[index].start_us)
        own = [] if self.root is None else [self.root]
        self.own = [self.readings[index] for index in dict.fromkeys((*own, *self._path(agents[:1]), *agents))]
        """The spans of the run, of its agent, and those between, outermost first."""
        self.last_agent = self.readings[agents[-1]] if agents else None

    def _path(self, agents: Sequence[int]) -> list[int]:
        """The spans from the run's to the first of its agent's."""
        path = list(agents)
        while path and self.tree.parents[path[-1]] >= 0:
            path.append(self.tree.parents[path[-1]])
        return path[::-1]


def build_run_row(run: TraceRun) -> Row:
    """The run by the contract's names.

    Its tool calls, tokens and model are those of its part of the trace, the runs inside it included. A run whose span
    is not there yet, or has no end although spans below it have, is running. One whose span is in error, or that of its
    agent, has failed; any other is completed.
    """
    part = _Part(run)
    tree = part.tree
    turns = part.llm_calls.turns()
    calls = ToolCalls(part.classified, part.llm_calls).calls[:_MOST_CALLS]
    usage = part.llm_calls.usage
    ended = _end(part)
    error = _error(part)
    status = "running" if ended is None else "failed" if error is not None else "completed"
    spans = [reading.span for reading in part.own] + [tree.spans[index] for index in tree.order]
    row: dict[str, Any] = {
        "id": run.run_id,
        "agent": run.agent_id,
        "environment": run.environment,
        "status": status,
        "started_at": run.started_at,
        "completed_at": None if ended is None else _moment(ended),
        "task": task_of(part.own, turns),
        "final_response": None if ended is None else response_of(part.own, turns),
        "error": error,
        "tool_calls": _tool_calls(calls),
        "execution_steps": write_json(steps) if (steps := conversation_of(turns, calls)) else None,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost_usd": _cost(part),
        "model_name": next(iter(part.llm_calls.models()), None),
        "session_id": session_of(spans),
        "parent_run_id": run.parent_run_id,
        "trace_id": run.trace_id,
        "version": _first(spans[:1], _VERSIONS),
    }
    known = {name: value for name, value in row.items() if value is not None}
    return fill_from_signals(known, list(_signals(spans)))


def build_agent_row(run: TraceRun) -> Row:
    """What the spans of ``run`` record about its agent: id, name, description, and its instructions for a prompt."""
    part = _Part(run)
    row: dict[str, Any] = {"id": run.agent_id, "name": run.agent_name}
    row["description"] = _first([reading.span for reading in part.own], _DESCRIPTIONS)
    row["prompt"] = instructions_of(part.readings, part.llm_calls.turns())
    return {name: value for name, value in row.items() if value is not None}


def _signals(spans: Sequence[Span]) -> Iterator[Row]:
    """What a store knows of the run beside its spans."""
    for written in dict.fromkeys(span.tags[SIGNALS] for span in spans if isinstance(span.tags.get(SIGNALS), str)):
        signals = parse_json(written)
        yield from (signal for signal in (signals if isinstance(signals, list) else ()) if isinstance(signal, dict))


def _end(part: _Part) -> int | None:
    """When the run's span ended; None while it has not."""
    if part.root is None:
        return None
    span = part.tree.spans[part.root]
    if any(str(span.tags.get(key)).upper() in _UNENDED for key in ("mlflow.traceStatus", "status")):
        return None
    if span.end_us <= span.start_us and any(other.end_us > span.end_us for other in part.tree.spans):
        # Stores write a span without an end as one that ended when it started.
        return None
    return span.end_us


def _error(part: _Part) -> str | None:
    """Why the run failed, None when it did not: an exception alone can have been handled."""
    outermost = part.own[:1]
    for reading in [*outermost, *([part.last_agent] if part.last_agent else [])]:
        error = reading.error()
        if error is not None and (reading.span.error or reading.span.exception is None):
            return error
    return None


def _tool_calls(calls: Sequence[ToolCall]) -> str | None:
    listed = [
        {
            key: value
            for key, value in (
                ("name", call.name),
                ("arguments", call.arguments),
                ("result", call.result),
                ("error", call.error),
            )
            if value is not None
        }
        for call in calls
    ]
    return write_json(listed) if listed else None


def _cost(part: _Part) -> float | None:
    """What the LLM calls cost by the store or the instrumentation; None unless each of them has a cost."""
    costs = [_cost_of(part.tree.spans[group[0]]) for group in part.llm_calls.groups]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known and len(known) == len(costs) else None


def _cost_of(span: Span) -> float | None:
    return read_float(_first([span], _COSTS))


def _first(spans: Sequence[Span], keys: Sequence[str]) -> str | None:
    for span in spans:
        for key in keys:
            if found := read_filled(span.tags.get(key)) or read_filled(span.resource.get(key)):
                return found
    return None


def _moment(microseconds: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return _EPOCH
