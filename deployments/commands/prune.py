"""Removing old reports; a dry run by default."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from deployments.terminal.console import Column, Row, one_line, open_console, print_json, print_table
from tasks.connecting import open_clients
from tasks.errors import UsageError, scrub
from tasks.wording.counts import counted

_MOST_SHOWN = 20


@open_clients()
def prune(*, keep: str, keep_last: int, environment: str | None, yes: bool, as_json: bool) -> None:
    """Print what is old enough, and with ``yes`` remove it from SQL, the ledger and the Parquet folder.

    Raises:
        RefusedError: an invalid span or number.
        WarehouseError, ParquetError: the warehouse or the folder cannot be read or written; running it again resumes.
    """
    from tasks.clients import current_clients
    from tasks.warehouse.retention.removal import Retention, Rule

    rule = Rule(_before(keep), keep_last, environment)
    if keep_last < 1:
        raise UsageError(
            f"--keep-last {keep_last}: must be at least 1, as the newest report of an environment is always kept"
        )
    clients = current_clients()
    parquet_url = clients.settings.parquet_url
    retention = Retention(clients.warehouse().database, parquet_url, rule)
    found = retention.find_removable()
    facts: dict[str, Any] = {
        "before": rule.before,
        "reports": list(found.reports),
        "rows": found.rows,
        "parquet": scrub(parquet_url),
        "files": len(found.files),
        "bytes": sum(each.size_bytes for each in found.files),
        "leftover_files": len(found.leftovers),
        "removed": yes,
    }
    console = open_console()
    if not as_json:
        _print_reports(console, found.reports, keep)
    if yes:
        went: Counter[str] = Counter()
        gone = []
        for row, rows in retention.remove_reports():
            gone.append(row)
            went.update(rows)
        went["judge_calls"] += retention.remove_answers()
        files = list(retention.remove_files())
        size = sum(each.size_bytes for each in files)
        facts |= {"reports": gone, "rows": dict(went), "files": len(files), "bytes": size}
    if as_json:
        print_json(facts)
    else:
        _print_sum(console, facts, nothing=not (found.reports or found.files or any(found.rows.values())))


def _before(keep: str) -> datetime:
    from tasks.wording.since import parse_since

    now = datetime.now(UTC)
    try:
        before = parse_since(keep, now)
    except ValueError:
        raise UsageError(f"--keep {keep}: must be a span such as 90d or 12w, or a time") from None
    if before >= now:
        raise UsageError(f"--keep {keep}: must be in the past")
    return before


def _print_reports(console: Console, reports: tuple[Row, ...], keep: str) -> None:
    if not reports:
        return
    console.print(f"{len(reports)} report{'s' if len(reports) > 1 else ''} ended longer ago than {keep}:")
    shown = reports[:_MOST_SHOWN]
    print_table(
        console,
        [
            Column("Id", [str(row["id"]) for row in shown], justify="right"),
            Column("Environment", [one_line(row["environment"]) for row in shown], folds=True),
            Column("Name", [one_line(row["name"]) for row in shown], rank=1, folds=True),
            Column("Status", [row["status"] for row in shown]),
            Column("Created (UTC)", [f"{row['created_at']:%Y-%m-%d %H:%M}" for row in shown]),
        ],
    )
    if len(reports) > len(shown):
        console.print(f"and {len(reports) - len(shown)} more\n")


def _print_sum(console: Console, facts: dict[str, Any], *, nothing: bool) -> None:
    if nothing:
        console.print("No report is old enough, and there are no leftovers.")
        return
    rows = sum(count for name, count in facts["rows"].items() if name not in ("reports", "judge_calls"))
    answers = facts["rows"].get("judge_calls", 0)
    leftovers = f" ({facts['leftover_files']} from reports not in this warehouse)" if facts["leftover_files"] else ""
    console.print(
        f"{'Removed' if facts['removed'] else 'Would remove'}: {counted(len(facts['reports']), 'report')} with "
        f"{counted(rows, 'row')}, {counted(answers, 'answer')} of the ledger, "
        f"{counted(facts['files'], 'file')}{leftovers} in {facts['parquet']}, "
        f"{facts['bytes'] / 1e6:.1f} MB of files. Labelled reports are kept.",
        markup=False,
    )
    if not facts["removed"]:
        console.print("Nothing was removed. Run again with --yes to remove.")
