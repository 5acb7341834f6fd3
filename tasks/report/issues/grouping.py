"""Failing runs grouped by code: by their failure mode, or by the pattern of their error."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from tasks.judge.issues.failing_run import FailingRun
from tasks.judge.issues.found_issue import FoundIssue, RunKey

_MOST_GROUPS = 10
# Of two failure modes that mean the same, so many of the words are in both, over those in either.
_LEAST_ALIKE = 0.6
_WORD = re.compile(r"[^\W\d_]{2,}")
_EMPTY_WORDS = frozenset(
    re.findall(r"\w+", "an and at for from in is it its no not of on or than that the then to was with")
)

Mode = frozenset[str]
"""The words of a failure mode without those that mean nothing; empty where there is none."""


def read_mode(text: str) -> Mode:
    """The words of a failure mode, or of an error's pattern; "not" and "no" do not identify the failure."""
    return frozenset(_WORD.findall(text.casefold())) - _EMPTY_WORDS


def mode_of(run: FailingRun) -> Mode:
    """The mode of a run: of its verdict, else of its error."""
    return read_mode(run.failure_mode) or read_mode(run.pattern)


def are_alike(first: Mode, second: Mode) -> bool:
    """Whether two modes are the same but for a word or two; an empty one is like no other."""
    return bool(first and second) and len(first & second) >= _LEAST_ALIKE * len(first | second)


def group_by_mode(failing: Sequence[FailingRun]) -> list[FoundIssue]:
    """The failure modes as issues, the most frequent first, ten at most; a run without one is in none."""
    modes = Counter(mode for run in failing if (mode := mode_of(run)))
    heads: dict[Mode, Mode] = {}
    for mode, _ in sorted(modes.items(), key=lambda item: (-item[1], sorted(item[0]))):
        heads[mode] = next((head for head in dict.fromkeys(heads.values()) if are_alike(head, mode)), mode)
    groups: dict[Mode, list[FailingRun]] = {}
    for run in failing:
        if mode := mode_of(run):
            groups.setdefault(heads[mode], []).append(run)
    issues = [
        FoundIssue(title=_title(runs), runs=tuple(run.key for run in runs), description=_describe(runs))
        for runs in groups.values()
    ]
    return sorted(issues, key=lambda issue: (-len(issue.runs), issue.title))[:_MOST_GROUPS]


def add_alike(issues: Sequence[FoundIssue], failing: Sequence[FailingRun]) -> list[FoundIssue]:
    """``issues`` with the runs that none of them names but whose mode, or whose error, is that of one of them alone."""
    runs = {run.key: run for run in failing}
    taken = {key for issue in issues for key in issue.runs}
    added: list[list[RunKey]] = [[] for _ in issues]
    # Many runs of an issue fail alike.
    members = [[runs[key] for key in issue.runs if key in runs] for issue in issues]
    patterns = [{run.pattern for run in of_issue if run.pattern} for of_issue in members]
    modes = [{mode_of(run) for run in of_issue} for of_issue in members]
    for run in failing:
        if run.key in taken:
            continue
        mode = mode_of(run)
        same = [
            place
            for place in range(len(issues))
            if run.pattern in patterns[place] or any(are_alike(mode, other) for other in modes[place])
        ]
        if len(same) == 1:
            added[same[0]].append(run.key)
    return [replace(issue, runs=(*issue.runs, *more)) for issue, more in zip(issues, added, strict=True)]


def _title(runs: Sequence[FailingRun]) -> str:
    """The most frequent of their failure modes, or of their errors."""
    named = Counter(run.failure_mode or run.error for run in runs)
    return min(named, key=lambda text: (-named[text], text))


def _describe(runs: Sequence[FailingRun]) -> str:
    """One of their quotes, or errors, as what happened; "" where there is neither."""
    quotes = [quote for run in runs for quote in run.quotes[:1]]
    errors = [run.error for run in runs if run.error]
    return next((f"For example: {text}" for text in (*quotes, *errors)), "")
