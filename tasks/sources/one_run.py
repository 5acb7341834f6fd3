"""One run of an environment, found by its id and read in full."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime

from tasks.errors import SourceError
from tasks.evidence.population.sampling import Chosen
from tasks.evidence.timestamps import EPOCH
from tasks.evidence.types import Agent, AgentId, AgentRuns, RunId
from tasks.redaction.redaction_batch import RedactionBatch
from tasks.redaction.redactor import Redactor
from tasks.sources.source import Scanned, Source, Window


def read_run(
    source: Source, agents: Sequence[Agent], run_id: RunId, until: datetime, hide: Redactor | None
) -> list[tuple[Agent, AgentRuns]]:
    """The run ``run_id``, redacted, of each of ``agents`` that has one of this id, whatever its age; empty when none
    has. One that begins after ``until`` (aware) is not found.

    Raises:
        SourceError: the source cannot be read.
    """
    window = Window(limit=1, until=until, since=EPOCH, filter_model="")
    chosen: dict[AgentId, list[Chosen]] = {}
    with closing(source.scan_runs(agents, window)) as items:
        for item in items:
            if isinstance(item, Scanned) and item.run.id == run_id:
                chosen[item.run.agent_id] = [Chosen(item.run.started_at, item.run.id, item.raw_id)]
    having = [agent for agent in agents if agent.id in chosen]
    found = source.fetch_chosen(having, chosen, window) if having else {}
    read: list[tuple[Agent, AgentRuns]] = []
    for agent in having:
        runs = found[agent.id]
        if isinstance(runs, SourceError):
            raise runs
        if runs.runs:
            read.append((agent, RedactionBatch(hide).redact_runs(runs)))
    return read
