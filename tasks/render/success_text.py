"""How many runs did their task, in words: beside completion, with what is not known, and what would decide the rest."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.report.nested_rows import VerdictCountsRow
from tasks.report.rows import AgentRow, CriterionRow
from tasks.statistics.estimate import Estimate
from tasks.statistics.passing import runs_to_decide
from tasks.wording.counts import counted
from tasks.wording.formats import format_rate, format_score, format_threshold
from tasks.wording.passing import describe_undecided as describe_more_runs
from tasks.wording.trust import BENCHMARK_FINDING

UNLABELLED = (
    "No person has labelled runs that this judge judged: "
    f"{BENCHMARK_FINDING}, so the true success may well be lower. To measure it:"
)
"""What a report states where its judge was never compared with people."""


def format_interval(low: float | None, high: float | None) -> str:
    """``26 to 66%`` of rates of 0 to 1; "" without both."""
    return "" if low is None or high is None else f"{low * 100:.0f} to {high:.0%}"


def describe_rate(rate: float | None, low: float | None, high: float | None) -> str:
    """``45% (26 to 66%)``; a dash when it was not measured."""
    interval = format_interval(low, high)
    return f"{format_rate(rate)} ({interval})" if interval else format_rate(rate)


def describe_success(row: AgentRow) -> str:
    """``completed 100%, succeeded 45%``; what was not measured is left out, "" when neither was."""
    parts = []
    if row["completion_rate"] is not None:
        parts.append(f"completed {row['completion_rate']:.0%}")
    if row["success_rate"] is not None:
        parts.append(f"succeeded {row['success_rate']:.0%}")
    return ", ".join(parts)


def find_gap(row: AgentRow) -> float | None:
    """By how much an agent's completion exceeds its success (a share, -1 to 1); None where either is unknown."""
    completion, success = row["completion_rate"], row["success_rate"]
    return None if completion is None or success is None else completion - success


def points_between(low: float | None, high: float | None) -> int:
    """How many percentage points lie between two rates of 0 to 1 as they are shown; 0 where either is unknown."""
    return 0 if low is None or high is None else round(high * 100) - round(low * 100)


def describe_verdicts(counts: VerdictCountsRow | None) -> str:
    """``19 by the judge, 1 where the judge cannot tell``; "" for a report without verdicts on runs."""
    if counts is None:
        return ""
    parts = (
        (counts["from_judge"], "by the judge"),
        (counts["from_source"], "from the source"),
        (counts["cannot_tell"], "where the judge cannot tell"),
        (counts["unusable"], "without a usable verdict"),
        (counts["not_judged"], "not judged"),
    )
    return ", ".join(f"{number:,} {words}" for number, words in parts if number)


def describe_decider(row: CriterionRow, unusable: int = 0) -> str:
    """What would decide a criterion that is too close to call; "" for one that is decided, or that has no score.

    ``unusable`` are the verdicts on runs of the agent that could not be used.
    """
    score, threshold = row["score"], row["threshold"]
    if score is None or row["passed"] is not None:
        return ""
    low, high, runs = row["score_low"], row["score_high"], row["runs_decided"]
    if low is None or high is None or not runs:
        return "more samples of the judge would decide it"
    if unusable and row.get("kind") in (None, "judge", "success"):
        return f"verdicts on {counted(unusable, 'run')} could not be used, usable ones may decide it"
    return describe_more_runs(
        runs_to_decide(Estimate(value=score / 10, low=low / 10, high=high / 10, n=runs), threshold / 10)
    )


def describe_undecided(criteria: Iterable[CriterionRow], verdicts: VerdictCountsRow | None = None) -> list[str]:
    """One line for each criterion that is too close to call: its score, its interval, and what would decide it.

    ``verdicts`` are the counts of the agent whose criteria they are; None for the team's.
    """
    unusable = verdicts["unusable"] if verdicts else 0
    lines = []
    for row in criteria:
        if decider := describe_decider(row, unusable):
            interval, threshold = "", row["threshold"]
            if row["score_low"] is not None and row["score_high"] is not None:
                interval = (
                    f" ({format_score(row['score_low'], threshold)} to {format_score(row['score_high'], threshold)})"
                )
            shown = f"{row['criterion']} {format_score(row['score'], threshold)}{interval}"
            lines.append(f"{shown}, needs {format_threshold(threshold)}: {decider}")
    return lines
