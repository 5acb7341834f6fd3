"""Runs on a page: how each looks by its verdict, or by its status where there is none, and what went wrong in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.evidence.types import RunId
from tasks.render.run_text import RunWords, completion_look, describe_run
from tasks.report.rows import RunRow


@dataclass(frozen=True, slots=True)
class ShownRun:
    """A run with its excerpts; ``is_cited`` when something on the page refers to it."""

    row: RunRow
    anchor: str
    trace_url: str
    is_cited: bool
    words: RunWords


@dataclass(frozen=True, slots=True)
class FailureMode:
    """What went wrong in some runs of one agent, the newest run first."""

    name: str
    run_ids: Sequence[RunId]


@dataclass(frozen=True, slots=True)
class Strip:
    """A mark for each run, the oldest first: ok, no, unsure or open."""

    title: str
    marks: Sequence[str]


def build_strips(runs: Sequence[RunRow], *, judged: bool) -> list[Strip]:
    """Success, where runs were judged, and completion of ``runs``, which are the newest first; empty without runs."""
    if not runs:
        return []
    oldest_first = list(reversed(runs))
    success = [Strip("Success", [describe_run(run, judged=True).look for run in oldest_first])] if judged else []
    return [*success, Strip("Completion", [completion_look(run) for run in oldest_first])]


def group_failure_modes(runs: Sequence[RunRow]) -> list[FailureMode]:
    """What went wrong in the runs that did not do their task, the most frequent first; empty where that is unknown."""
    groups: dict[str, tuple[str, list[RunId]]] = {}
    for run in runs:
        if run["succeeded"] is False and (name := (run["failure_mode"] or "").strip()):
            groups.setdefault(name.casefold(), (name, []))[1].append(run["run_id"])
    modes = [FailureMode(name, run_ids) for name, run_ids in groups.values()]
    return sorted(modes, key=lambda mode: -len(mode.run_ids))
