"""Showing what is stored: a report's first page, or one of its agents in full."""

from __future__ import annotations

from deployments.agent_page import print_agent
from deployments.report_front import print_report
from deployments.terminal import Row, one_line, open_console, print_json
from tasks.errors import RefusedError


def show_report(report_id: int, *, as_json: bool) -> Row:
    """Print a report from the warehouse, and return its row.

    Raises:
        RefusedError: there is none of this id.
    """
    from tasks.connections import warehouse
    from tasks.warehouse.comparisons import load_comparison

    report = load_report(report_id)
    agents = warehouse().load_agents(report_id)
    if as_json:
        print_json({"report": report, "agents": agents})
    else:
        criteria, comparison = warehouse().load_criteria(report_id), load_comparison(warehouse(), report_id)
        print_report(open_console(), report, agents, criteria, comparison)
    return report


def show_agent(report_id: int, wanted: str, *, as_json: bool) -> None:
    """Print everything that a report says of one agent, by its name or as ``id:12``.

    Raises:
        RefusedError: there is no such report, or no such agent in it.
    """
    from tasks.connections import warehouse

    report = load_report(report_id)
    agent = _find_agent(report_id, wanted, warehouse().load_agents(report_id))
    criteria = [row for row in warehouse().load_criteria(report_id) if row["agent_id"] == agent["agent_id"]]
    runs = [row for row in warehouse().load_runs(report_id) if row["agent_id"] == agent["agent_id"]]
    if as_json:
        print_json({"report": report, "agent": agent, "criteria": criteria, "runs": runs})
    else:
        print_agent(open_console(), report, agent, criteria, runs)


def load_report(report_id: int) -> Row:
    """The report's row.

    Raises:
        RefusedError: there is none of this id.
    """
    from tasks.stored_reports import require_report

    return require_report(report_id)


def _find_agent(report_id: int, wanted: str, agents: list[Row]) -> Row:
    for row in agents:
        if wanted in (row["agent_name"], f"id:{row['agent_id']}"):
            return row
    same = [row for row in agents if row["agent_name"].casefold() == wanted.casefold()]
    if len(same) == 1:
        return same[0]
    names = ", ".join(one_line(row["agent_name"]).plain for row in agents[:20])
    more = f" and {len(agents) - 20} more" if len(agents) > 20 else ""
    raise RefusedError(
        f"--agent {one_line(wanted).plain}: report {report_id} has no such agent; "
        + (f"there are {names}{more}" if agents else "it has none yet")
    )
