"""What a source holds, in a few figures: for the commands that look at one before there is a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tasks.errors import SourceError
from tasks.evidence.types import AgentRuns, Run
from tasks.sources.contract.statuses import Statuses
from tasks.sources.source import Source, SourceCounts, Window
from tasks.wording.counts import counted

_USUAL = ("production", "prod")
_NAMES_SHOWN = 6
_WORDS_SHOWN = 8
_TRACES_READ = 100


@dataclass(frozen=True, slots=True)
class Survey:
    """One environment of a source. ``statuses`` counts the words of the runs that were read, at most ``limit`` of each
    agent; ``newest`` is when the newest of them started, None without runs. ``conventions`` counts some of the runs by
    those of their spans, where these came with them. ``own_unfinished`` are the words of ``unfinished``
    that are not built in, ``problems`` are sentences."""

    environments: Sequence[str]
    environment: str
    agents: Sequence[str] = ()
    idle: int = 0
    runs: int = 0
    newest: datetime | None = None
    statuses: Mapping[str, int] = field(default_factory=dict)
    unfinished: Mapping[str, int] = field(default_factory=dict)
    own_unfinished: Sequence[str] = ()
    problems: Sequence[str] = ()
    conventions: Mapping[str, int] = field(default_factory=dict)

    @property
    def places(self) -> str:
        """``environments production, staging``; "no environment" without any."""
        if not self.environments:
            return "no environment"
        return f"{'environment' if len(self.environments) == 1 else 'environments'} {named(self.environments)}"

    @property
    def newest_run(self) -> str:
        """``newest run 2026-11-28 22:10 UTC``."""
        return f"newest run {self.newest.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if self.newest else "no run"


def choose_environment(environments: Sequence[str], counts: SourceCounts | None) -> str:
    """The environment to report on first: one called production (or prod), else the one with the most runs, else the
    first; "" without any."""
    by_name = {name.lower(): name for name in reversed(environments)}
    usual = next((by_name[name] for name in _USUAL if name in by_name), None)
    runs = counts.runs if counts else {}
    return usual or max(environments, key=lambda name: runs.get(name, 0), default="")


def count_environments(source: Source, environments: Sequence[str]) -> SourceCounts | None:
    """The agents and runs of each of ``environments``; None for a single one, or where they cannot be counted."""
    if len(environments) < 2:
        return None
    try:
        return source.counts()
    except SourceError:
        return None


def survey_source(
    source: Source, environments: Sequence[str], environment: str, *, limit: int, now: datetime
) -> Survey:
    """What ``source`` holds of ``environment`` ("" for none), which is one of the ``environments`` that it lists.

    At most ``limit`` runs of each agent are read; ``now`` is aware.

    Raises:
        RefusedError: there is no such environment.
        SourceError: the source cannot be read.
    """
    if not environment:
        return Survey(environments, "", problems=["the source names no environment"])
    window = Window(limit, now, None, "")
    agents = source.load_agents(environment, window)
    found = source.fetch_runs_of(agents, window) if agents else {}
    statuses: Counter[str] = Counter()
    unfinished: Counter[str] = Counter()
    usual = Statuses()
    newest: datetime | None = None
    problems, idle = [], 0
    every: list[Run] = []
    for agent in agents:
        runs = found[agent.id]
        if isinstance(runs, SourceError):
            problems.append(str(runs))
            continue
        idle += not runs.runs
        problems += _problems(agent.name, runs)
        every += runs.runs
        for run in runs.runs:
            statuses[run.status] += 1
            if run.outcome == "unfinished":
                unfinished[run.status] += 1
            newest = run.started_at if newest is None else max(newest, run.started_at)
    return Survey(
        environments=environments,
        environment=environment,
        agents=[agent.name for agent in agents],
        idle=idle,
        runs=statuses.total(),
        newest=newest,
        statuses=dict(statuses.most_common()),
        unfinished=dict(unfinished.most_common()),
        own_unfinished=[word for word, _ in unfinished.most_common() if usual.outcome(word) is None],
        problems=problems,
        conventions=_count_conventions(source, every[:_TRACES_READ], now),
    )


def _count_conventions(source: Source, runs: Sequence[Run], now: datetime) -> dict[str, int]:
    store = source.trace_store() if runs else None
    if store is None:
        return {}
    traces = store.find_traces(runs, now=now)
    found: Counter[str] = Counter()
    for trace in traces.summarize(runs):
        found.update(trace.telemetry.conventions if trace.telemetry else ())
    return dict(found.most_common())


def _problems(name: str, runs: AgentRuns) -> list[str]:
    future = [f"{name}: {counted(runs.future.count, 'run')} in the future"] if runs.future.count else []
    return [*(f"{name}: {warning}" for warning in runs.warnings), *future]


def named(names: Sequence[str], most: int = _NAMES_SHOWN) -> str:
    """``a, b, c and 4 more``."""
    shown = ", ".join(" ".join(name.split())[:80] for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def word_counts(words: Mapping[str, int], most: int = _WORDS_SHOWN) -> str:
    """``completed 40, failed 3``."""
    return named([f"{word or '(empty)'} {count:,}" for word, count in words.items()], most)
