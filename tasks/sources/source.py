"""A source of agents and runs: what every reader can do, whatever it reads from."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from tasks.errors import SourceError
from tasks.evidence.population.sampling import Chosen
from tasks.evidence.types import Agent, AgentId, AgentRuns, Run
from tasks.options import RunUnit
from tasks.sources.found_traces import FoundTraces
from tasks.sources.spans.notes import NoteStore


@dataclass(frozen=True, slots=True)
class Window:
    """Which runs are read: ``limit`` of each agent from ``since`` (None: no bound) to ``until``, of one model (empty:
    of every model). Times are aware.

    With ``since`` these are a sample of all, else the newest. With ``unit`` "session" a conversation is a run.
    """

    limit: int
    until: datetime
    since: datetime | None
    filter_model: str
    unit: RunUnit = "run"

    @property
    def is_scanned(self) -> bool:
        """Whether a scan of every run comes before some are read in full."""
        return self.since is not None or self.unit == "session"


class Scanned(NamedTuple):
    """A run with the columns that were asked for (others are None or empty), and what its source finds it by."""

    run: Run
    raw_id: Any


class Skipped(NamedTuple):
    """A row that is in no figure: its run starts in the future (``started_at``), or its id or start cannot be read, of
    which ``example`` is a sentence's part."""

    agent_id: AgentId
    started_at: datetime | None = None
    example: str = ""


@dataclass(frozen=True, slots=True)
class SourceCounts:
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

    def counts(self) -> SourceCounts:
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

    def check_unit(self, unit: RunUnit) -> None:
        """Refuse a unit that the source does not know, before anything is read or paid.

        Raises:
            RefusedError: ``unit`` is "session" and its runs name none.
        """
        ...

    def scan_runs(
        self, agents: Sequence[Agent], window: Window, columns: Collection[str] = ()
    ) -> Generator[Scanned | Skipped, None, None]:
        """Every run of ``agents`` in ``window``, whatever its limit, in any order and as it is read.

        A run has its dates, status, tokens, cost, model, session, outcome and the beginning of its error, and
        ``columns`` of the contract beside these. With the unit "session" the runs of a session come one after the
        other.

        Raises:
            RefusedError: as ``check_filter`` and ``check_unit``.
        """
        ...

    def fetch_chosen(
        self, agents: Sequence[Agent], chosen: Mapping[AgentId, Sequence[Chosen]], window: Window
    ) -> dict[AgentId, AgentRuns | SourceError]:
        """The whole rows of the runs that a scan of ``window`` found and that were ``chosen``, in that order.

        One that is gone since is left out. An agent whose runs cannot be read has the error.
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
