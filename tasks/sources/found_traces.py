"""The traces that were found for some runs: what each run's trace is, wherever its spans came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tasks.evidence.traces.span_tree import SpanTree
from tasks.evidence.traces.spans import Span
from tasks.evidence.traces.telemetry import RedactSummaries, shorten, summarize_widely
from tasks.evidence.types import AgentId, Run, RunId, Trace, TraceState
from tasks.wording.counts import counted

_PENDING = timedelta(minutes=2)
_RUNNING = timedelta(days=1)

RunKey = tuple[AgentId, RunId]
"""A run among those of several agents, as the ids of runs are unique among the runs of their agent only."""

CutRun = Callable[[SpanTree, Run], tuple[SpanTree, int, int]]
"""The part of a trace that belongs to a run, the orphans outside that may, and the other runs inside."""


@dataclass(frozen=True, slots=True)
class TraceLookup:
    """One trace's spans, or why there are none (``asked`` False: the store was not asked, or failed)."""

    trace_id: str | None
    spans: Sequence[Span] = ()
    reason: str = ""
    asked: bool = True


def run_key(run: Run) -> RunKey:
    """What ``run`` goes by."""
    return run.agent_id, run.id


class FoundTraces:
    """What a store has of some runs: spans, or why there are none. For one thread.

    ``cut`` finds a run's part of its trace, ``store`` names the store in reasons, ``now`` (aware) decides what is
    young. A run that is not in ``lookups`` has a trace id that is none.
    """

    def __init__(self, lookups: Mapping[RunKey, TraceLookup], *, cut: CutRun, store: str, now: datetime) -> None:
        self._lookups = lookups
        self._cut = cut
        self._store = store
        self._now = now
        self._trees: dict[str, SpanTree] = {}

    def summarize(
        self,
        runs: Sequence[Run],
        redact: RedactSummaries | None = None,
        parts: dict[RunId, SpanTree] | None = None,
    ) -> list[Trace]:
        """The traces of ``runs``, in their order.

        ``redact`` gets the summaries of all of them at once, with texts that are cut later. ``parts`` (of one agent's
        runs) gets each run's part of its trace by the run's id, as the store has it, for the caller that needs more
        than the summary.
        """
        traces = [self._summarize(run, parts) for run in runs]
        summaries = [trace.telemetry for trace in traces if trace.telemetry is not None]
        redacted = iter(redact(summaries) if redact is not None else summaries)
        return [
            trace if trace.telemetry is None else trace.model_copy(update={"telemetry": shorten(next(redacted))})
            for trace in traces
        ]

    def _summarize(self, run: Run, parts: dict[RunId, SpanTree] | None) -> Trace:
        found = self._lookups.get(run_key(run))
        if found is None:
            return _invalid(run)
        if not found.asked:
            return Trace(run_id=run.id, state="unavailable", trace_id=found.trace_id, reason=found.reason)
        young = _is_young(run, self._now)
        if not found.spans or found.trace_id is None:
            reason = found.reason or f"{self._store} has no trace with this id"
            detail = "its run ended just now" if young else "never sent, or older than the store looks back"
            state: TraceState = "pending" if young else "missing"
            return Trace(run_id=run.id, state=state, trace_id=found.trace_id, reason=f"{reason} ({detail})")
        tree = self._trees.get(found.trace_id)
        if tree is None:
            tree = self._trees[found.trace_id] = SpanTree(found.spans)
        part, strays, others = self._cut(tree, run)
        if parts is not None:
            parts[run.id] = part
        notes = []
        if others:
            notes.append(f"the spans of {counted(others, 'other run')} are inside")
        if strays:
            notes.append(
                f"{counted(strays, 'span')} lost their parent and may belong to this run or another one of the trace"
            )
        telemetry = summarize_widely(part, notes)
        if not part.roots and young:
            state = "pending"
        elif part.orphans or strays or not part.roots:
            state = "partial"
        else:
            state = "complete"
        return Trace(run_id=run.id, state=state, trace_id=found.trace_id, telemetry=telemetry)


def _invalid(run: Run) -> Trace:
    shown = repr((run.trace_id or "")[:60])
    return Trace(run_id=run.id, state="missing", reason=f"the run's trace id {shown} is not 1 to 32 hex digits")


def _is_young(run: Run, now: datetime) -> bool:
    """Whether the run's spans may still be on their way."""
    ended = run.ended_at
    if ended is None:
        # Rows of runs that died stay "running" forever: after a day nothing more comes.
        return run.outcome == "unfinished" and now - run.started_at < _RUNNING
    return now - ended < _PENDING
