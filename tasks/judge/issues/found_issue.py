"""An issue as the judge names it, before code counts it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from tasks.evidence.types import AgentId, RunId


class RunKey(NamedTuple):
    """A run of an environment: ids of runs are unique in their agent only."""

    agent_id: AgentId
    run_id: RunId


@dataclass(frozen=True, slots=True)
class FoundIssue:
    """One failure mode across runs, in the judge's words; every key of ``runs`` is of a failing run that was shown.

    ``probable_cause`` is a guess. ``known_id`` is the id of the earlier issue that it is, according to the judge; ""
    for a new one.
    """

    title: str
    runs: tuple[RunKey, ...]
    description: str = ""
    probable_cause: str = ""
    recommendation: str = ""
    known_id: str = ""


@dataclass(frozen=True, slots=True)
class ParsedIssues:
    """The issues of an answer, and how many keys in it stand for nothing that was shown."""

    issues: tuple[FoundIssue, ...] = ()
    keys_dropped: int = 0
