"""The views of the warehouse: what analysts ask of it, once, for SQLite and PostgreSQL.

Migrations hold the SQL that ``view_sql`` gave when they were written. A view that changes here gets a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, ColumnElement, Select, Table
from sqlalchemy.dialects import postgresql, sqlite

from tasks.warehouse.views.issue_queries import select_open_issues
from tasks.warehouse.views.queries import (
    select_agent_score_history,
    select_criterion_history,
    select_failing_agents,
    select_judge_costs,
    select_latest_agent_scores,
)

_DIALECTS = {"sqlite": sqlite.dialect, "postgresql": postgresql.dialect}

_SHARED = {
    "environment": "As the source names it.",
    "agent_id": "As the source has it; stays when the agent is renamed.",
    "agent_name": "As it was called in this report.",
    "report_id": "The report that the row is from.",
    "report_created_at": "When that report was begun, in UTC.",
    "report_name": "The name of the report, for people.",
    "judge_fingerprint": "Scores of different ones (model, prompt, rubric) cannot be compared.",
}


@dataclass(frozen=True, slots=True)
class View:
    """A view: its query, what it is for, and what its own columns are. ``table`` is what to select from.

    A column whose comment is not among its own has the one of the table that it comes from.
    """

    name: str
    about: str
    query: Select[Any]
    own: Mapping[str, str]
    table: Table = field(init=False)

    def __post_init__(self) -> None:
        columns = [Column(each.name, each.type, comment=self._comment(each)) for each in self.query.selected_columns]
        object.__setattr__(self, "table", Table(self.name, sa.MetaData(), *columns, comment=self.about))

    def _comment(self, column: ColumnElement[Any]) -> str | None:
        name = str(getattr(column, "name", ""))
        return self.own.get(name) or _SHARED.get(name) or getattr(column, "comment", None)


def view_sql(view: View, dialect: str) -> str:
    """The query of ``view`` for ``sqlite`` or ``postgresql``, without parameters, as it stands after CREATE VIEW … AS.

    Raises:
        KeyError: for another dialect.
    """
    compiled = view.query.compile(dialect=_DIALECTS[dialect](), compile_kwargs={"literal_binds": True})
    return "\n".join(line.rstrip() for line in str(compiled).splitlines())


latest_agent_scores = View(
    "latest_agent_scores",
    "A row for every agent of every environment: what the newest completed report says that looked at it. A report "
    "over some of the agents does not hide what is known of the others, and neither does one that failed, was "
    "cancelled or is being made. The newest look counts also when it gave no score (see status).",
    select_latest_agent_scores(),
    {
        "is_current": "The newest completed report of the environment looked at it; false: that one left it out.",
        "is_gone": "It is not among the agents of the environment's newest completed report.",
        "status": "evaluated, no_evidence, no_runs or failed (no usable answer); only evaluated has a score.",
    },
)
agent_score_history = View(
    "agent_score_history",
    "A row for every agent of every completed report, whatever became of it (see status). What failed and cancelled "
    "reports found out is not in it: they saw a part of the agents, or of the evidence.",
    select_agent_score_history(),
    {},
)
criterion_history = View(
    "criterion_history",
    "A row for every criterion of every agent, and of the team, of every completed report.",
    select_criterion_history(),
    {
        "agent_id": "NULL for the team.",
        "agent_name": "As it was called in this report; NULL for the team.",
        "weight": "As it was in this report, as threshold.",
        "score": "0 to 10; NULL: not enough evidence, never 0.",
        "passed": "true: at the threshold for certain; false: below it for certain; NULL: too close to call, or none.",
    },
)
judge_costs = View(
    "judge_costs",
    "What was paid to the judge: a row for every report, kind of question and model, from the ledger. All reports are "
    "in it, failed, cancelled and discarded ones too, as their answers were paid for. An answer that a later report "
    "took from the ledger stands with the report that paid. The ledger loses entries by agent-report prune only.",
    select_judge_costs(),
    {
        "environment": "NULL: the report is gone.",
        "report_id": "The report that paid.",
        "report_name": "The report's name; NULL: the report is gone.",
        "report_status": "How the report ended, or what it is doing; NULL: the report is gone.",
        "report_created_at": "When the report was begun, in UTC; NULL: the report is gone.",
        "kind": "agent, team or issues.",
        "model": "As the endpoint calls it.",
        "calls": "Answers that were paid for.",
        "unusable_calls": "Of them, those that could not be used: unparseable, refused, cut off, …",
        "prompt_tokens": "In all, as far as they are known.",
        "completion_tokens": "In all, as far as they are known.",
        "cached_tokens": "Of prompt_tokens, those at the price of cached ones.",
        "cost_usd": "In all; NULL as soon as the cost of one call is not known.",
        "known_cost_usd": "The part of cost_usd that is known: it was at least this. NULL: nothing is known.",
        "calls_with_cost": "Over how many calls known_cost_usd is.",
        "first_answer_at": "When the first answer arrived, in UTC; NULL: none did.",
        "last_answer_at": "When the last answer arrived, in UTC; NULL: none did.",
        "unanswered_calls": "Beside calls: those that were sent and never answered, as of a process that was killed.",
    },
)
failing_agents = View(
    "failing_agents",
    "A row for every agent that needs attention now: in the newest completed report that could say, it failed for "
    "certain, could not be judged, or was too close to call for the second time in a row. A report that had no runs or "
    "no evidence for it, or found it too close for the first time, says nothing. An agent that is gone is not in it.",
    select_failing_agents(),
    {
        "status": "evaluated (it failed, or stays too close to call) or failed (no usable answer; see error).",
        "why": "fails (for certain), not judged, or too close (to call, in two reports in a row by the same judge).",
        "criteria_not_passed": "How many of its criteria are below their threshold for certain, or without a score.",
        "worst_criterion": "The one that is furthest below its threshold.",
        "worst_criterion_score": "NULL: not enough evidence.",
        "worst_criterion_threshold": "What it should have been at least.",
        "reports_failing": "How many completed reports in a row found it so, this one included.",
        "failing_since_report_id": "The first of them.",
        "failing_since": "When the first of them was begun, in UTC.",
    },
)
open_issues = View(
    "open_issues",
    "A row for every issue that is open now: the newest completed report that looked for it found it, and no person "
    "has closed it since, or decided that it is none.",
    select_open_issues(),
    {
        "report_id": "The newest report that found it; the figures are that report's.",
        "first_reported_at": "When the report that found it first was begun, in UTC; NULL: that report is gone.",
    },
)

VIEWS = {
    view.name: view
    for view in (latest_agent_scores, agent_score_history, criterion_history, judge_costs, failing_agents, open_issues)
}
"""Every view by its name."""
