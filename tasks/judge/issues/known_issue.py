"""What earlier reports of an environment know about one issue."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tasks.evidence.types import AgentId
from tasks.judge.issues.found_issue import RunKey

DecisionWord = Literal["closed", "open", "not_an_issue"]


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's newest decision on an issue; ``report_id`` is the issue's newest report at that time."""

    decision: DecisionWord
    decided_at: datetime
    report_id: int | None = None


def is_decided(
    decision: Decision | None, report_id: int, words: Collection[DecisionWord] = ("closed", "not_an_issue")
) -> bool:
    """Whether ``decision`` is one of ``words`` and holds for an issue that the report ``report_id`` lists.

    A report that finds the issue again outweighs the decisions before it.
    """
    if decision is None or decision.decision not in words:
        return False
    return decision.report_id is None or decision.report_id >= report_id


@dataclass(frozen=True, slots=True)
class KnownIssue:
    """An issue as the earlier reports have it, its title and description as they were first.

    ``agent_ids`` and ``origin`` are those of the newest report that found it, ``runs`` the failing runs of all of them.
    ``is_gone``: a later report analyzed these agents and did not find it.
    """

    id: str
    title: str
    first_report_id: int
    last_report_id: int
    description: str = ""
    origin: str = "judge"
    agent_ids: frozenset[AgentId] = frozenset()
    runs: frozenset[RunKey] = frozenset()
    is_gone: bool = False
    decision: Decision | None = None

    @property
    def is_closed(self) -> bool:
        """Whether a person closed it, and no later report found it again."""
        return self._is_decided("closed")

    @property
    def is_dismissed(self) -> bool:
        """Whether a person decided that it is not an issue."""
        return self._is_decided("not_an_issue")

    def _is_decided(self, word: DecisionWord) -> bool:
        return is_decided(self.decision, self.last_report_id, (word,))
