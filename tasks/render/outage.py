"""A judge that judged no agent: what was wrong with it, why, and what to do. The agents are not to blame for that."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.report.rows import AgentRow

_KEY = "Set OPENAI_API_KEY to a key of this endpoint (OPENAI_BASE_URL)"
_QUOTA = "Top up the account, or set another OPENAI_API_KEY"
_MODEL = "Check AGENT_REPORT_JUDGE_MODEL and OPENAI_BASE_URL, which usually ends in /v1"
# How errors of the judge's client begin, and what one adds that ran out of time. Others are about sources or answers.
_OF_THE_JUDGE = re.compile(r"^the judge's (?:endpoint|quota)\b|\(last: |not with a completion \(is OPENAI_BASE_URL")
# The first pattern that an error matches decides what went wrong. Refused calls come first, as the endpoint's own words
# follow: a 403 of moderation has nothing to do with the key.
_KINDS = (
    (
        r"^the judge's endpoint refused the call",
        "The judge refused every call",
        "Check AGENT_REPORT_JUDGE_MODEL and the endpoint's settings",
    ),
    # Endpoints report each of these with many statuses: a used-up quota also with 400, 403 and 429.
    (r"^the judge's endpoint does not accept the key", "The judge refused the key", _KEY),
    (r"^the judge's quota is used up", "The judge's quota is used up", _QUOTA),
    (r"^the judge's endpoint does not know this", "The judge's endpoint does not know the model or the path", _MODEL),
    (
        r"^the judge's endpoint does not let this key",
        "The judge's key may not use the model",
        "Set AGENT_REPORT_JUDGE_MODEL to a model that this key may use, or another OPENAI_API_KEY",
    ),
    (r"\bHTTP 40[13]\b", "The judge refused the key", _KEY),
    (r"\bHTTP 402\b", "The judge's quota is used up", _QUOTA),
    (r"\bHTTP 404\b", "The judge's endpoint does not know the model or the path", _MODEL),
    (
        r"not with a completion",
        "What answers at OPENAI_BASE_URL is not an LLM endpoint",
        "Set OPENAI_BASE_URL to the endpoint's API, which usually ends in /v1",
    ),
    (r"\bHTTP 429\b", "The judge is limiting calls", "Wait, or lower max_concurrent_evals"),
    (r"\bHTTP 5\d\d\b", "The judge keeps failing", "Wait until the endpoint has recovered"),
    (
        r"connection|connect\b|no reply in time|redirect",
        "The judge could not be reached",
        "Check OPENAI_BASE_URL, and that the endpoint is up",
    ),
    (r"failed \d+ times", "The judge keeps failing", "Wait until the endpoint has recovered"),
)
_CLAUSE = re.compile(r"^the judge's .{0,160}?: (?=\S)")


@dataclass(frozen=True, slots=True)
class Outage:
    """Why no agent was judged. ``title`` and ``advice`` are ours, ``reason`` is the endpoint's or network's word."""

    title: str
    reason: str
    advice: str
    error: str

    @property
    def headline(self) -> str:
        """One sentence."""
        return f"{self.title}: no agent was judged."


def find_outage(agents: Sequence[AgentRow]) -> Outage | None:
    """What was wrong with the judge of a report in which it judged no agent though it was asked; None otherwise.

    ``agents`` are rows of ``agent_report_details``. None too where most agents failed for another reason: their runs
    could not be read, or answers could not be used.
    """
    errors = Counter(str(row["error"] or "") for row in agents if row["status"] == "failed")
    if not errors or any(row["status"] in ("evaluated", "no_evidence") for row in agents):
        return None
    error = errors.most_common(1)[0][0]
    if not _OF_THE_JUDGE.search(error):
        return None
    for pattern, title, advice in _KINDS:
        if re.search(pattern, error, re.IGNORECASE):
            return Outage(title, _CLAUSE.sub("", error), f"{advice}; then run the report again.", error)
    return None


def group_unjudged(agents: Sequence[AgentRow]) -> list[tuple[str, list[AgentRow]]]:
    """The agents whose judging failed by their error, the most frequent first: an error is shown once."""
    groups: dict[str, list[AgentRow]] = {}
    for row in agents:
        if row["status"] == "failed":
            groups.setdefault(str(row["error"] or "no reason is known"), []).append(row)
    return sorted(groups.items(), key=lambda item: -len(item[1]))
