"""A source of agents and runs: what every reader can do, whatever it reads from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tasks.errors import SourceError
from tasks.evidence.types import Agent, AgentId, AgentRuns, Run
from tasks.sources.found_traces import FoundTraces
from tasks.sources.spans.notes import NoteStore


@dataclass(frozen=True, slots=True)
class Window:
    """Which runs are read: the newest ``limit`` of each agent from ``since`` (None: no bound) to ``until``, of one
    model (empty: of every model). Times are aware."""

    limit: int
    until: datetime
    since: datetime | None
    filter_model: str


@dataclass(frozen=True, slots=True)
class Tally:
    """How many agents and runs each environment has; without ``is_whole``, only those that were listed so far."""

    agents: Mapping[str, int]
    runs: Mapping[str, int]
    is_whole: bool


class TraceStore(Protocol):
    """Where traces of runs are."""

    def find_traces(self, runs: Sequence[Run], *, now: datetime) -> FoundTraces:
        """The spans of all ``runs``, or why there are none; ``now`` (aware) decides which may still be on their way."""
        ...


class Source(Protocol):
    """Agents and runs of one place. Any number of threads may use it at once."""

    def list_environments(self) -> list[str]:
        """The names of the environments, in order.

        Raises:
            SourceError: the source cannot be read, here as in the other methods.
        """
        ...

    def tally(self) -> Tally:
        """The agents with runs, and the runs, of each environment."""
        ...

    def load_agents(self, environment: str, window: Window) -> list[Agent]:
        """The agents of ``environment``, by id; empty when it has none.

        A source without a list of agents has those that runs of the window name.

        Raises:
            RefusedError: there is no such environment; the message lists those that there are.
        """
        ...

    def check(self) -> None:
        """Return when the source is there and can be read."""
        ...

    def check_filter(self, filter_model: str) -> None:
        """Refuse a model filter that the source cannot honour, before anything is read or paid.

        Raises:
            RefusedError: ``filter_model`` is given and it cannot.
        """
        ...

    def fetch_runs_of(self, agents: Sequence[Agent], window: Window) -> dict[AgentId, AgentRuns | SourceError]:
        """The runs of each agent in ``window``, newest first; an agent whose runs cannot be read has the error.

        Raises:
            RefusedError: as ``check_filter``.
        """
        ...

    def trace_store(self) -> TraceStore | None:
        """Where the spans are that came with the runs; None when the source has runs alone."""
        ...

    def note_store(self) -> NoteStore | None:
        """Where verdicts on its runs can be written back; None when the source keeps none."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...
