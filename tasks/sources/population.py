"""The runs that a report is about: the newest, or a sample of all of a window with what these add up to."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from itertools import chain, groupby
from typing import NamedTuple

from tasks.errors import SourceError
from tasks.evidence.ids import NaturalKey, natural_key, read_id
from tasks.evidence.population.figures import PopulationFold
from tasks.evidence.population.sampling import Chosen, Drawn, Sampler
from tasks.evidence.population.sessions import merge_session
from tasks.evidence.population.visitor import RunVisitor
from tasks.evidence.prices import RunPrices
from tasks.evidence.timestamps import EPOCH
from tasks.evidence.types import Agent, AgentId, AgentRuns, Run, RunId
from tasks.redaction.redactor import Redactor
from tasks.sources.contract.choosing import describe_unreadable
from tasks.sources.source import Scanned, Skipped, Source, Window
from tasks.wording.counts import counted

MakeVisitor = Callable[[Agent], RunVisitor | None]
# A session id that is the same for everything would be a run of a million.
_LONGEST_SESSION = 1_000
_DIGEST_CHARACTERS = 16


class FoundRuns(NamedTuple):
    """The runs that are read in full, as their source has them. With ``fold`` they were ``drawn`` from a population.

    ``visitor`` was shown the runs of the population; where there is none it is yet to be shown those that were read.
    """

    runs: AgentRuns
    visitor: RunVisitor | None = None
    fold: PopulationFold | None = None
    drawn: Sequence[Drawn] = ()


class RunFinder(NamedTuple):
    """How runs are found: ``prices`` are for runs without a cost of their own, a visitor is made for each agent, and a
    session's id that ``hide`` would change is no id for a report."""

    source: Source
    prices: RunPrices
    make_visitor: MakeVisitor
    hide: Redactor | None

    def find(self, agents: Sequence[Agent], window: Window) -> dict[AgentId, FoundRuns | SourceError]:
        """The runs of each of ``agents``, which are of one environment; an agent whose runs cannot be read has the
        error. With ``window.since`` they are drawn from all runs of the window, else they are the newest.

        Raises:
            RefusedError: the source knows no models, or no sessions, and they are asked for.
        """
        if not window.is_scanned:
            newest = self.source.fetch_runs_of(agents, window)
            return {agent.id: self._newest(agent, newest[agent.id]) for agent in agents}
        try:
            return self._find_scanned(agents, window)
        except SourceError as error:
            if len(agents) == 1:
                return {agents[0].id: error}
        # One row that the driver cannot read fails a whole query: it is to cost its own agent only.
        found: dict[AgentId, FoundRuns | SourceError] = {}
        for agent in agents:
            found |= self.find([agent], window)
        return found

    def _newest(self, agent: Agent, found: AgentRuns | SourceError) -> FoundRuns | SourceError:
        return found if isinstance(found, SourceError) else FoundRuns(found, self.make_visitor(agent))

    def _find_scanned(self, agents: Sequence[Agent], window: Window) -> dict[AgentId, FoundRuns | SourceError]:
        scans = {agent.id: _AgentScan(agent, window, self) for agent in agents}
        columns = frozenset(chain.from_iterable(scan.visitor.columns for scan in scans.values() if scan.visitor))
        with closing(_scanned(self.source, agents, window, columns)) as items:
            for item in items:
                if isinstance(item, Scanned):
                    scans[item.run.agent_id].add(item)
                else:
                    scans[item.agent_id].skip(item)
        drawn = {agent_id: scan.choose() for agent_id, scan in scans.items()}
        members = {
            agent_id: [one for found in runs for one in _members(found.chosen)] for agent_id, runs in drawn.items()
        }
        whole = self.source.fetch_chosen(agents, members, window)
        return {agent.id: self._complete(scans[agent.id], drawn[agent.id], whole[agent.id]) for agent in agents}

    def _complete(
        self, scan: _AgentScan, drawn: Sequence[Drawn], found: AgentRuns | SourceError
    ) -> FoundRuns | SourceError:
        if isinstance(found, SourceError):
            return found
        if not scan.fold.runs and scan.fold.unreadable[0]:
            # An agent whose runs began before the window can be read; they were left to the database.
            ever = replace(scan.window, since=None, limit=1, unit="run")
            if isinstance(error := self.source.fetch_runs_of([scan.agent], ever)[scan.agent.id], SourceError):
                return error
        runs: Sequence[Run] = found.runs
        if scan.window.unit == "session":
            drawn, runs = _merge_sessions(drawn, found.runs, self.hide)
        unreadable, example = scan.fold.unreadable
        warnings = [describe_unreadable(unreadable, example)] if unreadable else []
        if scan.window.unit == "run" and (repeated := scan.fold.repeated):
            rows_have = counted(repeated, "row has", "rows have")
            warnings.append(f"{rows_have} the id of another run of this agent, and the figures count both")
        completed = found.model_copy(
            update={
                "runs": tuple(runs),
                "future": scan.fold.future,
                "unreadable": unreadable,
                "warnings": (*warnings, *found.warnings),
                "inclusion": {one.chosen.run_id: one.probability for one in drawn if one.probability < 1},
            }
        )
        if scan.window.since is None:
            return FoundRuns(completed, scan.visitor)
        return FoundRuns(completed, scan.visitor, scan.fold, drawn)


class _AgentScan:
    """One agent's part of a scan."""

    def __init__(self, agent: Agent, window: Window, finder: RunFinder) -> None:
        self.agent = agent
        self.window = window
        self.visitor = finder.make_visitor(agent)
        self.fold = PopulationFold(
            window.since or EPOCH,
            window.until,
            Sampler(window.limit, f"{agent.environment}\n{agent.id}"),
            finder.prices,
            # Without a population, the runs that are read in full are visited.
            self.visitor if window.since is not None else None,
        )
        self._newest: list[tuple[tuple[datetime, NaturalKey], Chosen]] = []

    def add(self, item: Scanned) -> None:
        self.fold.add(item.run, item.raw_id)
        if self.window.since is None:
            chosen = Chosen(item.run.started_at, item.run.id, item.raw_id)
            heapq.heappush(self._newest, ((chosen.started_at, natural_key(chosen.run_id)), chosen))
            if len(self._newest) > self.window.limit:
                heapq.heappop(self._newest)

    def skip(self, item: Skipped) -> None:
        if item.started_at is not None:
            self.fold.skip_future(item.started_at)
        else:
            self.fold.skip_unreadable(item.example)

    def choose(self) -> list[Drawn]:
        if self.window.since is not None:
            return self.fold.draw()
        return [Drawn(chosen, "", 1.0) for _, chosen in sorted(self._newest, key=lambda one: one[0], reverse=True)]


def _scanned(
    source: Source, agents: Sequence[Agent], window: Window, columns: frozenset[str]
) -> Generator[Scanned | Skipped, None, None]:
    """The runs of a scan; with the unit "session", each conversation as one, found by its runs."""
    with closing(source.scan_runs(agents, window, columns)) as items:
        yield from _group_sessions(items) if window.unit == "session" else items


def _group_sessions(items: Iterable[Scanned | Skipped]) -> Iterator[Scanned | Skipped]:
    for key, group in groupby(items, _session_of):
        if key is None:
            yield from (_as_session([item]) if isinstance(item, Scanned) else item for item in group)
            continue
        part: list[Scanned] = []
        for item in group:
            if isinstance(item, Scanned):
                part.append(item)
            if len(part) == _LONGEST_SESSION:
                yield _as_session(part)
                part = []
        if part:
            yield _as_session(part)


def _session_of(item: Scanned | Skipped) -> tuple[AgentId, str] | None:
    if isinstance(item, Skipped) or item.run.session_id is None:
        return None
    return item.run.agent_id, item.run.session_id


def _as_session(items: Sequence[Scanned]) -> Scanned:
    runs = [item.run for item in items]
    members = tuple(Chosen(item.run.started_at, item.run.id, item.raw_id) for item in items)
    session_id = runs[0].session_id
    return Scanned(
        merge_session(runs[0].id if session_id is None else read_id(session_id) or session_id, runs), members
    )


def _members(chosen: Chosen) -> Sequence[Chosen]:
    """The runs of a session, or the run itself."""
    found = chosen.raw_id
    return found if isinstance(found, tuple) and found and isinstance(found[0], Chosen) else (chosen,)


def _merge_sessions(
    drawn: Sequence[Drawn], runs: Sequence[Run], hide: Redactor | None
) -> tuple[list[Drawn], list[Run]]:
    """The conversations that were drawn, each of its runs among ``runs``, under ids that hold no personal data."""
    by_id = {run.id: run for run in runs}
    named, merged = [], []
    for one in drawn:
        own = [by_id[member.run_id] for member in _members(one.chosen) if member.run_id in by_id]
        run_id = _shown_id(one.chosen.run_id, hide)
        named.append(one._replace(chosen=one.chosen._replace(run_id=run_id)))
        if own:
            merged.append(merge_session(run_id, own))
    return named, merged


def _shown_id(session_id: RunId, hide: Redactor | None) -> RunId:
    if hide is None or hide.redact(session_id) == session_id:
        return session_id
    return f"session-{sha256(session_id.encode('utf-8', 'replace')).hexdigest()[:_DIGEST_CHARACTERS]}"
