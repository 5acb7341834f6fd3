"""Showing a stored report, or one of its agents in full."""

from __future__ import annotations

from collections.abc import Sequence

from deployments.terminal.agent_view import print_agent
from deployments.terminal.console import open_console, print_json
from deployments.terminal.report_view import print_report
from tasks.connecting import open_clients
from tasks.errors import NotFoundError
from tasks.report.rows import AgentRow, ReportRow


@open_clients()
def show_report(report_id: int, *, as_json: bool) -> ReportRow:
    """Print a report from the warehouse, and return its row.

    Raises:
        RefusedError: there is no report with this id.
    """
    from tasks.clients import current_clients
    from tasks.stored.reports import require_report
    from tasks.warehouse.comparisons import load_comparison

    report = require_report(report_id)
    warehouse = current_clients().warehouse()
    agents = warehouse.load_agents(report_id)
    if as_json:
        print_json({"report": report, "agents": agents, "issues": warehouse.load_issues(report_id)})
    else:
        criteria, comparison = warehouse.load_criteria(report_id), load_comparison(warehouse, report_id)
        issues = warehouse.load_issues(report_id)
        print_report(open_console(), report, agents, criteria, comparison, issues)
    return report


@open_clients()
def show_agent(report_id: int, wanted: str, *, as_json: bool) -> None:
    """Print one agent of a report in full, by its name or as ``id:12``.

    Raises:
        RefusedError: there is no such report, or no such agent in it.
    """
    from tasks.clients import current_clients
    from tasks.stored.reports import require_report

    report = require_report(report_id)
    warehouse = current_clients().warehouse()
    agent = _find_agent(report_id, wanted, warehouse.load_agents(report_id))
    criteria = [row for row in warehouse.load_criteria(report_id) if row["agent_id"] == agent["agent_id"]]
    runs = [row for row in warehouse.load_runs(report_id) if row["agent_id"] == agent["agent_id"]]
    if as_json:
        print_json({"report": report, "agent": agent, "criteria": criteria, "runs": runs})
    else:
        print_agent(open_console(), report, agent, criteria, runs)


def _find_agent(report_id: int, wanted: str, rows: Sequence[AgentRow]) -> AgentRow:
    """The agent with this name (ignoring case if that is unambiguous) or ``id:12``."""
    from tasks.judge.rubric import find_agent
    from tasks.report.stored_report import agents_of

    found = find_agent(wanted, agents_of(rows))
    same = [
        row
        for row in rows
        if (row["agent_id"] == found.id if found else row["agent_name"].casefold() == wanted.casefold())
    ]
    if len(same) == 1:
        return same[0]
    names = ", ".join(row["agent_name"] for row in rows[:20])
    more = f" and {len(rows) - 20} more" if len(rows) > 20 else ""
    there = f"there are {names}{more}" if rows else "it has none yet"
    raise NotFoundError(f"--agent {wanted}: report {report_id} has no such agent; {there}")
