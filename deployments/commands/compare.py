"""The body of ``agent-report compare``: which two reports, and the comparison as a table or as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from deployments.terminal.console import Column, one_line, open_console, plain, print_json, print_table
from tasks.clients import current_clients
from tasks.comparison.changes import clear_changes, main_rate, sort_changes, worst_first
from tasks.comparison.comparison import HOLDS_FOR, AgentComparison, Change, Comparison
from tasks.comparison.description import describe_change, format_difference, format_value, metric_title
from tasks.connecting import open_clients
from tasks.errors import NotFoundError, UsageError
from tasks.render.change_text import count_rest, describe_presence
from tasks.stored.reports import compare_stored
from tasks.warehouse.listing import ReportFilter, list_environments, list_reports
from tasks.warehouse.schema import ENDED
from tasks.wording.counts import counted, is_are

_MOST_NAMES = 3
_STYLES = {"worse": "bold red", "better": "green", "not_comparable": "yellow"}
_DETECTABLE = "Detectable"
_METRICS = (
    ("Score", "score"),
    ("Success", "success_rate"),
    ("Completed", "completion_rate"),
    ("Duration", "avg_duration_seconds"),
)


@open_clients()
def run_compare(
    baseline_id: int | None,
    report_id: int | None,
    *,
    last: int | None,
    environment: str | None,
    across_environments: bool,
    as_json: bool,
) -> None:
    """Compare and print.

    Raises:
        RefusedError: the two reports are not named, or cannot be compared.
    """
    if last is not None:
        if baseline_id is not None:
            raise UsageError(f"--last {last} and the report {baseline_id} exclude each other")
        baseline_id, report_id = last_reports(last, environment)
    elif baseline_id is None or report_id is None:
        raise UsageError("no reports: give two ids, the earlier first, or --last 2")
    elif environment is not None:
        raise UsageError(f"--environment {environment} requires --last: ids already name the reports")
    comparison = compare_stored(report_id, baseline_id, across_environments=across_environments)
    if comparison is None:
        raise NotFoundError(f"there is nothing to compare report {report_id} with")
    if as_json:
        print_json(comparison.model_dump(mode="json"))
    else:
        print_comparison(open_console(), comparison)


def last_reports(count: int, environment: str | None) -> tuple[int, int]:
    """The newest completed report of an environment and the ``count`` - 1st before it: earlier and later.

    Raises:
        RefusedError: fewer than 2 are asked for, or there are not so many, or several environments and none is named.
    """
    if count < 2:
        raise UsageError(f"--last {count}: must be at least 2, the newest report and one before it")
    database = current_clients().warehouse().database
    wanted = ReportFilter(environment, ("completed",))
    names = list_environments(database, wanted)
    if len(names) > 1:
        raise UsageError(f"--environment is required, one of: {', '.join(names)}")
    rows = list_reports(database, wanted, limit=count)
    if len(rows) < count:
        of_it = f" of {environment}" if environment else ""
        there = f"there {is_are(len(rows))} {counted(len(rows), 'completed report')}{of_it}"
        raise NotFoundError(f"--last {count}: {there}: see `agent-report list`")
    return int(rows[count - 1]["id"]), int(rows[0]["id"])


def newest_ended(environment: str) -> int:
    """The newest report of ``environment`` that has ended, however it did.

    Raises:
        RefusedError: there is none.
    """
    rows = list_reports(current_clients().warehouse().database, ReportFilter(environment, ENDED), limit=1)
    if not rows:
        raise NotFoundError(f"there is no finished report on the environment {environment!r}")
    return int(rows[0]["id"])


def print_comparison(console: Console, comparison: Comparison) -> None:
    """What differs between the reports, every subject in a row with the worst first, and each change in a line."""
    when = comparison.baseline_created_at
    console.print(
        Text.assemble(
            (f"Report {comparison.report_id}", "bold"),
            f" against report {comparison.baseline_id}",
            f" of {when:%Y-%m-%d %H:%M} UTC" if when else "",
        )
    )
    for reason in comparison.reasons:
        console.print(Text.assemble(("Note: ", "yellow"), one_line(reason)))
    subjects = [comparison.team, *worst_first(comparison.agents)]
    rate = main_rate(comparison)
    columns = [
        Column("Agent", [one_line(subject.agent_name, "bold" * (subject.agent_id is None)) for subject in subjects],
               folds=True),
        Column("Verdict", [_verdict(subject) for subject in subjects]),
        *(
            Column(title, _both(subjects, metric), justify="right")
            for title, metric in _METRICS
            if any(_change(subject, metric) for subject in subjects)
        ),
        Column("Cost a run", _both(subjects, "avg_cost_usd"), rank=1, justify="right"),
        Column(_DETECTABLE, _detectable(subjects, rate), rank=2, justify="right"),
    ]  # fmt: skip
    shown = print_table(console, columns)
    for subject in subjects:
        for change in clear_changes(subject):
            line = Text.assemble(one_line(subject.agent_name, _STYLES[change.verdict]), f" {change.verdict}: ")
            line.append_text(plain(describe_change(change)))
            if change.p_value is not None:
                line.append(f", p = {change.p_value:.2g}" if change.p_value >= 0.0001 else ", p < 0.0001")
            console.print(line)
    for line_of_rest in count_rest(sort_changes(comparison)):
        console.print(f"{line_of_rest[0].upper()}{line_of_rest[1:]}.")
    for remark, names in _remarks(subjects).items():
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        listed = Text(", ").join(one_line(name, "yellow") for name in names[:_MOST_NAMES])
        console.print(Text.assemble(listed, f"{more}: ", one_line(remark)))
    notes = ["Intervals are 95% confidence intervals; p-values are corrected for the number of comparisons."]
    if _DETECTABLE in shown:
        notes.append(f"{_DETECTABLE}: the smallest change in {metric_title(rate)} that is detected in 80 of 100 cases.")
    console.print(Text(" ".join([*notes, HOLDS_FOR]), "dim"))


def _verdict(subject: AgentComparison) -> Text:
    if subject.presence in ("new", "gone"):
        return Text(subject.presence, "yellow")
    words = {"no_change": "no clear change"}.get(subject.verdict, subject.verdict.replace("_", " "))
    return Text(words, _STYLES.get(subject.verdict, ""))


def _change(subject: AgentComparison, metric: str) -> Change | None:
    return next((change for change in subject.changes if change.metric == metric), None)


def _both(subjects: Sequence[AgentComparison], metric: str) -> list[Text]:
    cells = []
    for subject in subjects:
        change = _change(subject, metric)
        if change is None or (change.before is None and change.after is None):
            cells.append(Text("–"))
            continue
        text = f"{format_value(metric, change.before)} → {format_value(metric, change.after)}"
        cells.append(Text(text, _STYLES.get(change.verdict, "") if change.verdict != "not_comparable" else "dim"))
    return cells


def _detectable(subjects: Sequence[AgentComparison], rate: str) -> list[str]:
    found = [_change(subject, rate) for subject in subjects]
    return [
        "–" if change is None or change.detectable is None
        else format_difference(rate, change.detectable).lstrip("+")
        for change in found
    ]  # fmt: skip


def _remarks(subjects: Sequence[AgentComparison]) -> dict[str, list[str]]:
    """What else is to be known of subjects, each remark once with the names of those that it is about."""
    remarks: dict[str, list[str]] = {}
    for subject in subjects:
        if remark := _remark(subject):
            remarks.setdefault(remark, []).append(subject.agent_name)
    return remarks


def _remark(subject: AgentComparison) -> str:
    """What else is to be known of a subject: renamed, and why something of it could not be compared."""
    if subject.presence in ("new", "gone"):
        return ""
    reasons: dict[str, list[str]] = {}
    for change in subject.changes:
        if change.verdict == "not_comparable" and change.reason:
            reasons.setdefault(change.reason, []).append(metric_title(change.metric))
    parts = [describe_presence(subject)] if describe_presence(subject) else []
    parts += [f"{', '.join(metrics)} not comparable: {reason}" for reason, metrics in reasons.items()]
    return "; ".join(parts)
