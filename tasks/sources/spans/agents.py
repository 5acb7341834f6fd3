"""Which spans of a trace are runs, and of which agents.

A span that a convention marks as an agent's is the run of that agent; below it, a span of the same agent is part of the
run, and one of another agent is a run of its own. A workflow around one agent is part of that agent's run; around
several it is an agent itself, and theirs are runs that it started. Without agents, the outermost workflow with LLM
calls is one, and without workflows the root of the trace.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tasks.evidence.traces.conventions import AgentMark, SpanKind, SpanReading
from tasks.evidence.traces.conventions.agent_names import name_of
from tasks.evidence.traces.span_tree import SpanTree

_EMBEDDINGS = (
    ("gen_ai.operation.name", "embeddings"),
    ("langfuse.observation.type", "embedding"),
    ("langsmith.span.kind", "embedding"),
    ("mlflow.spanType", '"EMBEDDING"'),
    ("mlflow.spanType", "EMBEDDING"),
    ("llm.request.type", "embedding"),
    ("genkit:metadata:subtype", "embedder"),
)
_SERVED = frozenset({"server", "consumer"})
_DEEPEST_NEST = 50
_HINTS = ("gen_ai.agent.name", "traceloop.workflow.name", "gen_ai.workflow.name", "agent.name", "agent_name")


@dataclass(frozen=True, slots=True)
class AgentRun:
    """A run in a trace: the id of its span (of one that is not there yet, where ``span`` is -1), and whose it is.

    ``name`` is empty where no span gives it. ``agents`` are the positions of the agent's own spans in the run, ``span``
    is the outermost; ``parent`` is the place of the run that started it in the list of runs.
    """

    span_id: str
    span: int
    name: str
    agents: tuple[int, ...] = ()
    parent: int | None = None


def find_runs(tree: SpanTree, readings: Sequence[SpanReading]) -> list[AgentRun]:
    """The runs in a trace, one that started others before them; none without an agent or an LLM call.

    Embeddings are no LLM calls here.
    """
    marks = [_mark(reading) for reading in readings]
    runs = _Marked(tree, readings, marks).runs()
    return runs or list(_unmarked(tree, readings))


class _Marked:
    """The runs of the spans that conventions mark."""

    def __init__(self, tree: SpanTree, readings: Sequence[SpanReading], marks: Sequence[AgentMark | None]) -> None:
        size = len(marks)
        self._tree = tree
        self._readings = readings
        self._marks = marks
        self._workflow = [-1] * size  # the outermost workflow around a span, or itself
        self._agent = [-1] * size  # the innermost run of an agent around it, by the run's outermost span
        self._members: dict[int, list[int]] = {}
        for index in tree.order:
            self._place(index)

    def _place(self, index: int) -> None:
        parent = self._tree.parents[index]
        agent = self._agent[parent] if parent >= 0 else -1
        workflow = self._workflow[parent] if parent >= 0 else -1
        mark = self._marks[index]
        if mark is not None and mark.is_workflow:
            if agent < 0 and workflow < 0:
                workflow = index
        elif mark is not None:
            same = next((above for above in self._around(agent) if self._name(above) == mark.name), -1)
            agent = index if same < 0 else agent
            self._members.setdefault(index if same < 0 else same, []).append(index)
        self._agent[index] = agent
        self._workflow[index] = workflow

    def _around(self, agent: int) -> Iterator[int]:
        """The runs of agents around a span, from ``agent``, the innermost; a deep nest not to its end."""
        for _ in range(_DEEPEST_NEST):
            if agent < 0:
                return
            yield agent
            agent = self._above(agent)

    def _name(self, index: int) -> str:
        mark = self._marks[index]
        return mark.name if mark else ""

    def _above(self, index: int) -> int:
        """The run of an agent around that of ``index``, -1 where it is an outermost one."""
        parent = self._tree.parents[index]
        return self._agent[parent] if parent >= 0 else -1

    def runs(self) -> list[AgentRun]:
        tops: dict[int, list[int]] = {}  # the outermost runs of agents, by the workflow around them
        for index in self._members:
            if self._above(index) < 0:
                tops.setdefault(self._workflow[index], []).append(index)
        runs: list[AgentRun] = []
        places: dict[int, int] = {}
        kinds = self._kinds()
        for workflow in dict.fromkeys(found for found in self._workflow if found >= 0):
            inside = tops.get(workflow, [])
            names = {self._name(index) for index in inside}
            # A workflow without agents has LLM calls, or tool calls where it is marked as an agent's itself.
            if not inside and not ("llm" in kinds[workflow] or kinds[workflow] >= {"tool", "agent"}):
                continue
            joined = len(names) == 1
            places[workflow] = len(runs)
            places.update((index, len(runs)) for index in inside if joined)
            members = [member for index in inside if joined for member in self._members[index]]
            name = names.pop() if joined else self._name(workflow) or self._own_name(workflow)
            runs.append(AgentRun(self._tree.spans[workflow].span_id, workflow, name, tuple(members)))
        for index in self._tree.order:
            if index in self._members and index not in places:
                above = self._above(index)
                parent = places.get(above if above >= 0 else self._workflow[index])
                places[index] = len(runs)
                span = self._tree.spans[index]
                runs.append(AgentRun(span.span_id, index, self._name(index), tuple(self._members[index]), parent))
        return runs

    def _kinds(self) -> dict[int, set[SpanKind]]:
        """The kinds of the spans in each workflow, its own too; embeddings are left out."""
        kinds: dict[int, set[SpanKind]] = {}
        for reading, workflow in zip(self._readings, self._workflow, strict=True):
            if workflow >= 0 and not _is_embedding(reading):
                kinds.setdefault(workflow, set()).add(reading.kind)
        return kinds

    def _own_name(self, workflow: int) -> str:
        """The operation of a span of an agent that no convention reads as one: its own is written over."""
        reading = self._readings[workflow]
        return name_of(reading.span.operation) if reading.agent() is None else ""


def _mark(reading: SpanReading) -> AgentMark | None:
    if reading.span.tags.get("gen_ai.operation.name") == "create_agent":
        return None
    mark = reading.agent()
    return AgentMark("", True) if mark is None and reading.kind == "agent" else mark


def _unmarked(tree: SpanTree, readings: Sequence[SpanReading]) -> Iterable[AgentRun]:
    """The roots with LLM calls; without a root, what waits for one."""
    calling = [False] * len(readings)
    for index in reversed(tree.order):
        calling[index] |= readings[index].kind == "llm" and not _is_embedding(readings[index])
        if tree.parents[index] >= 0:
            calling[tree.parents[index]] |= calling[index]
    tops = [top for top in tree.tops if calling[top]]
    roots = [top for top in tree.tops if tree.spans[top].parent_id is None]
    served = [top for top in tops if str(tree.spans[top].tags.get("span.kind")) in _SERVED]
    if not tops:
        return
    # Orphans beside a root have lost their parent on the way.
    complete = [top for top in roots if calling[top]] or roots[:1] or served
    if complete:
        for top in complete:
            reading = readings[top]
            named = "" if reading.kind == "llm" else name_of(reading.span.operation)
            yield AgentRun(tree.spans[top].span_id, top, named)
        return
    first = min(tops, key=lambda top: tree.spans[top].start_us)
    missing = tree.spans[first].parent_id
    if missing is not None:
        yield AgentRun(missing, -1, _hint(tree))


def _hint(tree: SpanTree) -> str:
    """The agent's name on a span inside its run."""
    for key in _HINTS:
        for span in tree.spans:
            if isinstance(name := span.tags.get(key), str) and name:
                return name
    return ""


def _is_embedding(reading: SpanReading) -> bool:
    tags = reading.span.tags
    return any(tags.get(key) == value for key, value in _EMBEDDINGS) or str(tags.get("ai.operationId")).startswith(
        "ai.embed"
    )
