"""The list of stored reports, filtered, as a table or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console

from deployments.terminal.console import Column, Row, dash, one_line, open_console, print_json, print_table, status
from deployments.terminal.invocation import printed_command
from tasks.connecting import open_clients
from tasks.errors import UsageError

_MOST = 1_000_000


@open_clients()
def list_stored(
    *,
    environment: str | None,
    statuses: Sequence[str],
    since: str | None,
    name: str | None,
    judge_model: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Print the newest reports that match the filters.

    Raises:
        RefusedError: an invalid limit or time.
    """
    from tasks.clients import current_clients
    from tasks.warehouse.listing import ReportFilter, list_reports
    from tasks.wording.since import parse_since

    if not 1 <= limit <= _MOST:
        raise UsageError(f"--limit {limit}: must be from 1 to {_MOST}")
    try:
        moment = None if since is None else parse_since(since, datetime.now(UTC))
    except ValueError as error:
        raise UsageError(f"--since: {error}") from None
    wanted = ReportFilter(environment, tuple(statuses), moment, name, judge_model)
    database = current_clients().warehouse().database
    rows = list_reports(database, wanted, limit)
    if as_json:
        print_json(rows)
    elif rows:
        print_reports(open_console(), rows)
    elif any((environment, statuses, since, name, judge_model)):
        open_console().print(
            one_line(f"No report matches: `{printed_command('list')}` lists the newest."), soft_wrap=True
        )
    else:
        open_console().print(
            one_line(
                f"No reports yet in {database.shown}: `{printed_command('run', 'ENVIRONMENT')}` creates one; "
                "AGENT_REPORT_WAREHOUSE_URL selects another warehouse."
            ),
            soft_wrap=True,
        )


def print_reports(console: Console, reports: Sequence[Row]) -> None:
    """Reports in rows, as ``list_reports`` gives them."""
    from tasks.wording.formats import format_cost, format_rate, format_score

    evaluated = [
        "–" if row["total_agents"] is None else f"{row['agents_evaluated']}/{row['total_agents']}" for row in reports
    ]
    costs = ["–" if row["total_agents"] is None else format_cost(row["cost_usd"]) for row in reports]
    seconds = [dash(row["generation_duration_seconds"], "{:.1f}".format) for row in reports]
    columns = [
        Column("Id", [str(row["id"]) for row in reports], justify="right"),
        Column("Environment", [one_line(row["environment"]) for row in reports], folds=True),
        Column("Name", [one_line(row["name"]) for row in reports], rank=1, folds=True, folded_width=12),
        Column("Status", [status(row) for row in reports]),
        Column("Success", [format_rate(row["success_rate"]) for row in reports], justify="right"),
        Column("Team", [format_score(row["team_score"]) for row in reports], rank=2, justify="right"),
        Column("Agents", evaluated, justify="right"),
        Column("Created (UTC)", [f"{row['created_at']:%Y-%m-%d %H:%M}" for row in reports]),
        Column("Seconds", seconds, rank=4, justify="right"),
        Column("Cost", costs, rank=3, justify="right"),
    ]
    print_table(console, columns)
