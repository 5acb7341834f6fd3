"""A report as it is read back from the warehouse: the rows that a comparison or a rule looks at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.evidence.types import Agent, AgentId, RunId
from tasks.judge.rubric import find_agent
from tasks.report.rows import AgentRow, CriterionRow, IssueRow, ReportRow, RunRow


def agents_of(details: Sequence[AgentRow]) -> list[Agent]:
    """The agents of rows of ``agent_report_details``, to be looked up by what people call them (``find_agent``)."""
    return [Agent(id=row["agent_id"], name=row["agent_name"], environment="") for row in details]


@dataclass(frozen=True, slots=True)
class StoredReport:
    """One report: its row of ``reports``, and its rows of the other tables; empty when it ended before it had any.

    Of ``runs`` only agent_id, run_id, completed, succeeded, success_source, inclusion_probability, duration_seconds,
    cost_usd and task_hash are used. ``issues`` are those that no person has closed or dismissed since;
    ``is_first_search``: no earlier report of the environment looked for any.
    """

    report: ReportRow
    details: Sequence[AgentRow] = ()
    criteria: Sequence[CriterionRow] = ()
    runs: Sequence[RunRow] = ()
    issues: Sequence[IssueRow] = ()
    is_first_search: bool = True
    _runs: dict[AgentId, list[RunRow]] = field(init=False, repr=False, default_factory=dict)
    _criteria: dict[AgentId | None, dict[str, CriterionRow]] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        for run in self.runs:
            self._runs.setdefault(run["agent_id"], []).append(run)
        for row in self.criteria:
            self._criteria.setdefault(row["agent_id"], {})[row["criterion"]] = row

    @property
    def id(self) -> int:
        """The report's id."""
        return int(self.report["id"])

    def runs_of(self, agent_id: AgentId) -> list[RunRow]:
        """The finished runs of an agent: those that count in its figures. Empty when there are none."""
        return [run for run in self._runs.get(agent_id, ()) if run["completed"] is not None]

    def criteria_of(self, agent_id: AgentId | None) -> dict[str, CriterionRow]:
        """The criteria of an agent, or with None of the team, by name; empty when it was not judged."""
        return self._criteria.get(agent_id, {})

    def option(self, name: str) -> Any:
        """An option that the report was made with; None when it is not stored."""
        parameters = self.report.get("parameters") or {}
        return (parameters.get("options") or {}).get(name)

    def asked_agents(self) -> list[AgentRow]:
        """The agents that the report was asked for (option ``agents``): all of them when none is named."""
        if not (names := self.option("agents")):
            return list(self.details)
        agents = agents_of(self.details)
        # Some may be gone from a report that was stored in part: what is not known of is not looked at.
        chosen = {agent.id for name in names if (agent := find_agent(name, agents)) is not None}
        return [row for row in self.details if row["agent_id"] in chosen]

    def team_goal(self) -> str | None:
        """The goal that the team was judged against; None when it is not stored."""
        criteria = (self.report.get("parameters") or {}).get("criteria") or {}
        goal = (criteria.get("team") or {}).get("goal")
        return None if goal is None else str(goal)


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """A score of an earlier report: of a criterion, or with ``criterion`` None the whole score. ``agent_id`` None is
    the team. ``reused`` when the answer was one that an earlier report had paid for: it then holds no noise. It is over
    the runs ``run_ids``."""

    report_id: int
    agent_id: AgentId | None
    criterion: str | None
    score: float
    reused: bool = False
    run_ids: frozenset[RunId] = frozenset()


@dataclass(frozen=True, slots=True)
class Pair:
    """One agent in both reports (``before`` and ``after`` are rows of its details), or in one of them only."""

    before: AgentRow | None
    after: AgentRow | None
    reason: str | None = None

    @property
    def presence(self) -> str:
        """As in ``AgentComparison``."""
        if self.before is None or self.after is None:
            return "new" if self.before is None else "gone"
        return "both" if self.before["agent_name"] == self.after["agent_name"] else "renamed"


def match_agents(baseline: StoredReport, report: StoredReport) -> Iterator[Pair]:
    """The agents of both, in the order of ``report``, then those that are gone.

    The same id is the same agent, whatever its name: it was renamed. An agent that is new and has the name of one that
    is gone is the same agent under a new id (a source that was filled again gives others), which is noted. Between
    environments ids mean nothing: there only names match.
    """
    known = {row["agent_id"]: row for row in baseline.details}
    if baseline.report["environment"] != report.report["environment"]:
        by_id: dict[AgentId, AgentRow] = {}
    else:
        by_id = {row["agent_id"]: known[row["agent_id"]] for row in report.details if row["agent_id"] in known}
    taken = {id(row) for row in by_id.values()}
    by_name = {row["agent_name"]: row for row in baseline.details if id(row) not in taken}
    matched: set[int] = set()
    for after in report.details:
        before = by_id.get(after["agent_id"])
        reason = None
        if before is None and (before := by_name.get(after["agent_name"])) is not None:
            reason = f"the same name under another id: {before['agent_id']} before, {after['agent_id']} now"
        if before is not None:
            matched.add(id(before))
        yield Pair(before, after, reason)
    for before in baseline.details:
        if id(before) not in matched:
            yield Pair(before, None)
