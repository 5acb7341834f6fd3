"""Which earlier issue an issue is, and what that makes of it: new, ongoing, back; and which are gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tasks.evidence.types import AgentId
from tasks.judge.issues.found_issue import FoundIssue, RunKey
from tasks.judge.issues.known_issue import KnownIssue
from tasks.judge.rubric import fold_name
from tasks.report.issues.grouping import are_alike, read_mode

State = Literal["new", "ongoing", "back", "gone"]
# As many of an issue's runs have to be an earlier one's for it to be that one, where the judge has not named it.
_LEAST_SHARED = 0.5


@dataclass(frozen=True, slots=True)
class LivingIssue:
    """An issue of this report, the earlier one that it is (None: it is new), and the runs that are listed under it.

    Without runs it is not listed: a person closed it and no run is newer, or decided that it is not an issue.
    """

    issue: FoundIssue
    known: KnownIssue | None
    state: State
    runs: tuple[RunKey, ...]


def follow_issues(
    issues: Sequence[FoundIssue], known: Sequence[KnownIssue], started: Mapping[RunKey, datetime | None]
) -> list[LivingIssue]:
    """``issues`` with the earlier issue that each is. An earlier issue is at most one of them.

    ``started`` is when each failing run started. A closed issue is back with the runs that started after it was closed
    (where that is not known, with those that no earlier report listed), and only with these.
    """
    by_id = {issue.id: issue for issue in known}
    named = {issue.known_id for issue in issues if issue.known_id in by_id}
    left = [issue for issue in known if issue.id not in named]
    living = []
    for found in issues:
        same = by_id.get(found.known_id) or _find_same(found, left)
        if same is not None and same in left:
            left.remove(same)
        living.append(_follow(found, same, started))
    return living


def find_gone(
    known: Sequence[KnownIssue],
    living: Sequence[LivingIssue],
    analyzed: Collection[AgentId],
    agents: Collection[AgentId],
    failing: Collection[AgentId],
    *,
    searched: bool,
) -> Iterator[KnownIssue]:
    """The open issues of earlier reports that are gone: this one analyzed all of their agents and did not find them.

    ``agents`` are those of the environment: one that it has no longer is not waited for. Without an answer of the
    judge (``searched`` is false) an issue is gone only when no run of its agents failed (``failing``).
    """
    found = {issue.known.id for issue in living if issue.known is not None}
    for issue in known:
        if issue.id in found or issue.is_gone or issue.is_closed or issue.is_dismissed:
            continue
        waited_for = issue.agent_ids & set(agents)
        if waited_for <= set(analyzed) and (searched or not waited_for & set(failing)):
            yield issue


def _find_same(found: FoundIssue, known: Sequence[KnownIssue]) -> KnownIssue | None:
    """The earlier issue with the same title, or else with most of the same runs; None when there is none."""
    title = fold_name(found.title)
    if (same := next((issue for issue in known if fold_name(issue.title) == title), None)) is not None:
        return same
    shared = Counter({issue.id: len(issue.runs.intersection(found.runs)) for issue in known})
    best, count = next(iter(shared.most_common(1)), ("", 0))
    if count and count >= _LEAST_SHARED * len(found.runs):
        return next(issue for issue in known if issue.id == best)
    mode = read_mode(found.title)
    return next((issue for issue in known if are_alike(mode, read_mode(issue.title))), None)


def _follow(found: FoundIssue, known: KnownIssue | None, started: Mapping[RunKey, datetime | None]) -> LivingIssue:
    if known is None:
        return LivingIssue(found, None, "new", found.runs)
    if known.is_dismissed:
        return LivingIssue(found, known, "ongoing", ())
    if known.is_closed:
        return LivingIssue(found, known, "back", tuple(key for key in found.runs if _is_new(key, known, started)))
    return LivingIssue(found, known, "back" if known.is_gone else "ongoing", found.runs)


def _is_new(key: RunKey, known: KnownIssue, started: Mapping[RunKey, datetime | None]) -> bool:
    """Whether a run is newer than a person's decision."""
    began = started.get(key)
    if began is None or known.decision is None:
        return key not in known.runs
    return key not in known.runs and began > known.decision.decided_at
