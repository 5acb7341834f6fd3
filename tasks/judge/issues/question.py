"""The question about issues: every failing run's verdict, shares by agent, and the issues of earlier reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tasks.evidence.types import AgentId
from tasks.judge.issues.answer import IssueKeys
from tasks.judge.issues.failing_run import FailingRun
from tasks.judge.issues.known_issue import KnownIssue
from tasks.judge.ledger import fingerprint
from tasks.judge.prompt.allocation import water_fill
from tasks.judge.prompt.citations import LabelledRuns
from tasks.judge.prompt.fence import MARK, inline
from tasks.judge.prompt.selection import RenderedEvidence
from tasks.judge.prompt.tokens import estimate_tokens
from tasks.judge.question import Question
from tasks.wording.counts import counted
from tasks.wording.shortening import cut

_MOST_KNOWN = 60
# What the issues of earlier reports may take of the budget.
_KNOWN_SHARE = 0.25
_LONGEST_DESCRIPTION = 300


def build_issues_question(failing: Sequence[FailingRun], known: Sequence[KnownIssue]) -> Question:
    """The question about issues; runs have the keys R1, R2, … in the order of ``failing``, earlier issues I1, I2, …"""
    offered = _offered(known)
    runs = {f"R{number}": run for number, run in enumerate(failing, start=1)}
    issues = {f"I{number}": issue for number, issue in enumerate(offered, start=1)}

    def render(budget_tokens: int, rotation: float) -> RenderedEvidence:
        return _render(runs, issues, budget_tokens)

    return Question(
        kind="issues",
        rubric={},
        digest=fingerprint(
            {
                "runs": list(failing),
                "known": [[issue.id, issue.title, issue.description] for issue in offered],
            }
        ),
        labelled_runs=LabelledRuns([]),
        render=render,
        issue_keys=IssueKeys(
            {key: run.key for key, run in runs.items()}, {key: issue.id for key, issue in issues.items()}
        ),
    )


def _offered(known: Sequence[KnownIssue]) -> list[KnownIssue]:
    """The newest of the earlier issues, the oldest first: an unchanged night offers the same ones in the same order.

    Those that are gone or were closed are among them: they may be back.
    """
    newest = sorted(known, key=lambda issue: (-issue.last_report_id, issue.id))[:_MOST_KNOWN]
    return sorted(newest, key=lambda issue: (issue.first_report_id, issue.id))


def _render(runs: Mapping[str, FailingRun], known: Mapping[str, KnownIssue], budget_tokens: int) -> RenderedEvidence:
    earlier = list(_render_known(known, int(budget_tokens * _KNOWN_SHARE)))
    by_agent: dict[AgentId, list[tuple[str, FailingRun]]] = {}
    for key, run in runs.items():
        by_agent.setdefault(run.key.agent_id, []).append((key, run))
    entries = {agent: ["\n".join(_render_run(key, run)) for key, run in own] for agent, own in by_agent.items()}
    sizes = {agent: [estimate_tokens(entry) for entry in own] for agent, own in entries.items()}
    room = budget_tokens - estimate_tokens("\n".join(earlier))
    shares = water_fill([sum(own) for own in sizes.values()], room)
    lines = [*earlier, "# Runs that did not do their task"]
    shown = 0
    for (agent, own), share in zip(entries.items(), shares, strict=True):
        fitting = _fitting(sizes[agent], share)
        lines += ["", "## Agent", MARK + inline(by_agent[agent][0][1].agent_name), "", *own[:fitting]]
        shown += fitting
        if left := len(own) - fitting:
            lines.append(f"({counted(left, 'more failing run')} of this agent: no room for them here)")
    return RenderedEvidence("\n".join(lines), shown)


def _fitting(sizes: Sequence[int], share: int) -> int:
    """How many of the first texts find room in ``share``; at least one."""
    used = 0
    for number, size in enumerate(sizes):
        used += size
        if used > share:
            return max(1, number)
    return len(sizes)


def _render_known(known: Mapping[str, KnownIssue], room: int) -> Iterator[str]:
    if not known:
        return
    yield "# Issues of earlier reports"
    for key, issue in known.items():
        lines = [f"### {key}", MARK + inline(issue.title)]
        if issue.description:
            lines.append(MARK + inline(cut(issue.description, _LONGEST_DESCRIPTION)))
        room -= estimate_tokens("\n".join(lines))
        if room < 0:
            break
        yield from lines
    yield ""


def _render_run(key: str, run: FailingRun) -> Iterator[str]:
    yield f"### {key}"
    parts = (
        ("Failure mode:", [run.failure_mode]),
        ("Fails the criteria:", [", ".join(run.checks)]),
        ("May have gone wrong at:", [run.step]),
        ("Quotes:", run.quotes),
        ("Error:", [run.error]),
    )
    for title, texts in parts:
        if lines := [MARK + inline(text) for text in texts if text]:
            yield title
            yield from lines
