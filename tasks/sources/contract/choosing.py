"""Which of an agent's runs are read: the newest by their dates, which a database cannot always put in order.

What cannot be read is counted and warned of, and so is what starts in the future.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from tasks.errors import SourceError
from tasks.evidence.ids import natural_key, quote_id, read_id
from tasks.evidence.left_out import is_future
from tasks.evidence.population.sampling import Chosen
from tasks.evidence.timestamps import parse_moment
from tasks.evidence.types import Agent, AgentId, AgentRuns, FutureRuns, RunId
from tasks.evidence.values import Redact, quote_value, read_filled
from tasks.sources.contract.oddities import describe_oddities
from tasks.sources.contract.rows import Row, read_run
from tasks.sources.contract.statuses import Statuses
from tasks.sources.source import Scanned, Skipped, Window


class Entry(NamedTuple):
    """A run in an index: its id as the source has it, and the value that holds its start."""

    raw_id: Any
    started: Any


class Choice(NamedTuple):
    """The runs of an agent to be read, newest first, and what is to be known of those that are not."""

    chosen: Sequence[Chosen]
    unreadable: int
    future: FutureRuns
    warnings: tuple[str, ...]


def read_entry(row: Row) -> Entry:
    """The run in a row that has its id and dates; it goes by its end where it has no start."""
    started = row.get("started_at")
    return Entry(row["id"], row.get("completed_at") if read_filled(started) is None else started)


def choose(
    entries: Sequence[Entry], agent: Agent, window: Window, now: datetime, redact: Redact | None
) -> Choice | SourceError:
    """The newest runs of ``agent`` within ``window``, equal times by id, the higher first.

    An error where there are runs and none can be read, naming one. Runs after ``window.until`` that start after ``now``
    (aware) are counted as in the future.
    """
    chosen: dict[RunId, Chosen] = {}
    future: list[datetime] = []
    unreadable = 0
    example = ""
    for raw_id, started in entries:
        run_id, moment = read_id(raw_id), parse_moment(started)
        if run_id is None or moment is None:
            unreadable += 1
            example = example or _example(run_id, started, redact)
        elif moment <= window.until and (window.since is None or moment >= window.since):
            chosen[run_id] = Chosen(moment, run_id, raw_id)
        elif moment > window.until and is_future(moment, now):
            future.append(moment)
    if unreadable and unreadable == len(entries):
        return SourceError(f"No run of {agent.name} can be read: {example}{_others(len(entries) - 1)}")
    warnings = (describe_unreadable(unreadable, example),) if unreadable else ()
    ordered = sorted(chosen.values(), key=lambda run: (run.started_at, natural_key(run.run_id)), reverse=True)
    return Choice(
        ordered[: window.limit],
        unreadable,
        FutureRuns(count=len(future), latest=max(future, default=None)),
        warnings,
    )


def read_chosen(
    agent: Agent,
    choice: Choice | SourceError,
    rows: Mapping[RunId, Row],
    until: datetime,
    statuses: Statuses,
    redact: Redact | None,
) -> AgentRuns | SourceError:
    """The chosen runs of ``agent`` in ``rows`` (of this agent, by run id); one without a row is left out."""
    if isinstance(choice, SourceError):
        return choice
    runs = [
        read_run(rows[run.run_id], agent.id, run.started_at, until, statuses)
        for run in choice.chosen
        if run.run_id in rows
    ]
    return AgentRuns(
        runs=tuple(runs),
        future=choice.future,
        unreadable=choice.unreadable,
        warnings=(*choice.warnings, *describe_oddities(runs, rows, redact)),
    )


def read_runs(
    rows: Sequence[Row], agent: Agent, window: Window, now: datetime, statuses: Statuses, redact: Redact | None = None
) -> AgentRuns | SourceError:
    """The newest of the runs of ``agent`` that are all in ``rows``: what ``choose`` and ``read_chosen`` do together."""
    choice = choose([read_entry(row) for row in rows], agent, window, now, redact)
    by_id = {run_id: row for row in rows if (run_id := read_id(row["id"])) is not None}
    return read_chosen(agent, choice, by_id, window.until, statuses, redact)


def read_scanned(
    row: Row, agent_id: AgentId, window: Window, now: datetime, statuses: Statuses, redact: Redact | None
) -> Scanned | Skipped | None:
    """The run in a row of a scan; None when it is not in ``window``, and nothing is to be known of it.

    ``now`` is aware.
    """
    raw_id, started = read_entry(row)
    run_id, moment = read_id(raw_id), parse_moment(started)
    if run_id is None or moment is None:
        return Skipped(agent_id, example=_example(run_id, started, redact))
    if moment > window.until:
        return Skipped(agent_id, moment) if is_future(moment, now) else None
    if window.since is not None and moment < window.since:
        return None
    return Scanned(read_run(row, agent_id, moment, window.until, statuses), raw_id)


def describe_unreadable(rows: int, example: str) -> str:
    """The warning of a report about so many ``rows`` whose start cannot be read, at least one."""
    rows_are = "1 row is" if rows == 1 else f"{rows} rows are"
    return f"{rows_are} left out because it is unknown when the run started: {example}"


def _example(run_id: RunId | None, started: object, redact: Redact | None) -> str:
    if run_id is None:
        return "a run has no id"
    shown = quote_id(run_id, redact)
    if read_filled(started) is None:
        return f"run {shown} has no started_at"
    return f"run {shown} has started_at {quote_value(started, redact)}, which is no date"


def _others(count: int) -> str:
    return "" if count == 0 else " (and 1 more row likewise)" if count == 1 else f" (and {count} more rows likewise)"
