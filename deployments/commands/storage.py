"""The commands for stored reports as a whole: export, prune."""

from __future__ import annotations

from typing import Literal

from deployments.terminal.option_help import Flag


def export(
    report_id: int,
    /,
    *,
    format: Literal["csv", "json"] | None = None,  # noqa: A002 - the option's name
    table: Literal["agents", "criteria", "runs", "issues", "reports", "dataset"] | None = None,
    runs: Literal["failing", "all"] | None = None,
    out: str = "-",
    force: Flag = False,
    bom: Flag = False,
) -> int:
    """Export a report as JSON or CSV.

    Parameters
    ----------
    report_id
        Id of the report (see `agent-report list`).
    format
        `json` gives `{"report": {…}, "agents": […], "criteria": […], "runs": […], "issues": […]}`, or with `--table` an
        array of rows. Required, except with `--table dataset`.
    table
        Table to export; the default for CSV is agents. `dataset`: runs as JSON lines, each with input, output, verdict
        and label, for a regression set.
    runs
        Runs of the dataset; the default is failing, those that did not do their task.
    out
        Output file; - is stdout.
    force
        Replace the file if it exists.
    bom
        Start with a byte order mark, which Excel needs to read a CSV file as UTF-8.
    """
    from deployments.commands.exports.report_file import export_report
    from deployments.stack.beside import stack_warehouse

    with stack_warehouse():
        export_report(report_id, kind=format, table=table, runs=runs, out=out, force=force, byte_order_mark=bom)
    return 0


def prune(
    *, keep: str, keep_last: int = 1, environment: str | None = None, yes: Flag = False, json: Flag = False
) -> int:
    """Remove old reports.

    Parameters
    ----------
    keep
        Keep reports that ended after this time: a duration such as 90d, or a time such as 2026-01-31T08:00:00Z.
    keep_last
        Number of completed reports to keep per environment, regardless of age.
    environment
        Only reports on this environment.
    yes
        Remove the reports; without this option, nothing is changed.
    json
        Print only `{"before": …, "reports": [{…}], "rows": {…}, "files": …, "bytes": …, "leftover_files": …,
        "removed": …}`.
    """
    from deployments.commands.prune import prune as prune_reports
    from deployments.stack.beside import stack_warehouse

    with stack_warehouse():
        prune_reports(keep=keep, keep_last=keep_last, environment=environment, yes=yes, as_json=json)
    return 0
