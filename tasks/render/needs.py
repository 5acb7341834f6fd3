"""What an agent needs that did not pass: the criteria that it failed, why, an error as it was, and what to do first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tasks.render.order import describe_need
from tasks.report.nested_rows import FailurePatternRow
from tasks.report.rows import AgentRow, CriterionRow
from tasks.wording.formats import format_score, format_threshold
from tasks.wording.shortening import cut

_MOST_WHY, _MOST_ERROR, _MOST_ADVICE = 240, 160, 240
_PLACEHOLDER = re.compile(r"<(?:n|time|uuid|url|text|email|path|hex|id)>")


@dataclass(frozen=True, slots=True)
class Need:
    """One agent that needs attention. ``failed`` has its criteria below their thresholds ("reliability 4.0 < 7"), the
    furthest first; ``error`` is one of its runs', as it was; ``advice`` the judge's first recommendation. "" where
    there is none, or where ``why`` has it already.
    """

    failed: Sequence[str]
    why: str
    error: str
    advice: str


def build_need(row: AgentRow, criteria: Iterable[CriterionRow] = ()) -> Need:
    """The need of the agent of ``row``; ``criteria`` are its rows of ``criterion_scores``."""
    patterns = row.get("failure_patterns") or ()
    why = cut(with_examples(describe_need(row), patterns), _MOST_WHY)
    error = cut(str(patterns[0]["example"]), _MOST_ERROR) if patterns else ""
    advice = next(iter(row.get("recommendations") or ()), "")
    missed = [
        (found["score"] - found["threshold"], found)
        for found in criteria
        if found["score"] is not None and found["passed"] is False
    ]
    missed.sort(key=lambda each: each[0])
    return Need(
        failed=[_against(found) for _, found in missed],
        why=why,
        # The first words are enough to know it by: either may be cut.
        error="" if error[:60].rstrip("…") in why else error,
        advice=cut(with_examples(str(advice), patterns), _MOST_ADVICE),
    )


def with_examples(text: str, patterns: Iterable[FailurePatternRow]) -> str:
    """``text`` with the errors that it names as patterns ("timed out after <n> s") as one of them was.

    A judge is shown patterns, and repeats them. What is left of a placeholder becomes an ellipsis.
    """
    for pattern in sorted(patterns, key=lambda found: -len(found["pattern"])):
        if _PLACEHOLDER.search(pattern["pattern"]):
            text = text.replace(pattern["pattern"], cut(str(pattern["example"]), _MOST_ERROR))
    return _PLACEHOLDER.sub("…", text)


def _against(found: CriterionRow) -> str:
    threshold = found["threshold"]
    return f"{found['criterion']} {format_score(found['score'], threshold)} < {format_threshold(threshold)}"
