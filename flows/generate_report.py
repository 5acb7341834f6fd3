"""The recipe of a report: agents with their runs and traces, judged one by one and as a team, into the warehouse."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from prefect.task_runners import ConcurrentTaskRunner

from tasks.bridge.decorators import flow
from tasks.bridge.quoting import quoted
from tasks.comparing import compare_with_last
from tasks.connecting import open_clients
from tasks.ending import finish_report, reporting
from tasks.evaluating import find_issues, judge_threads, judging, open_draft
from tasks.judge.rubric import Criteria
from tasks.opening import open_report
from tasks.publishing import publish_artifacts, publish_verdicts, write_page, write_report
from tasks.reading import load_agents, read_evidence
from tasks.report.build import ReportDraft
from tasks.scheduling import EvaluationQueue
from tasks.settings import ReportOptions


@flow(name="generate_report", flow_run_name="report on {environment}")
def generate_report(
    environment: str,
    name: str = "",
    criteria: Criteria = Criteria(),  # noqa: B008 - immutable, and the form in the UI shows it
    options: ReportOptions = ReportOptions(),  # noqa: B008
    report_id: int | None = None,
) -> int:
    """Report on the agents of an environment.

    Args:
        environment: The environment whose agents are reported on, by its name in the source.
        name: A display name for the report. May be empty.
        criteria: What to judge against. By default: accuracy, reliability and efficiency.
        options: How to make the report. An empty field takes the worker's setting, or else the default that it names.
        report_id: The id of a report that was killed, to resume it; its stored parameters apply. Empty: a new report.

    Returns:
        The report's id in the warehouse.

    Raises:
        RefusedError: something asked for is wrong; nothing was paid and no row is left.
        ReportFailedError: the report ended as ``failed``; its rows record why.
    """
    started_at = datetime.now(UTC)
    with open_clients():
        plan = open_report(environment, name, criteria, options, report_id, started_at)
        draft = ReportDraft()
        with (
            reporting(plan, draft) as progress,
            ConcurrentTaskRunner[Any](max_workers=plan.options.max_concurrent_runs) as readers,
            ConcurrentTaskRunner[Any](max_workers=judge_threads(plan)) as judges,
            judging(plan) as judge,
        ):
            agents = load_agents(plan.environment, plan.window)
            open_draft(draft, plan, agents, judge)
            chosen = draft.chosen_agents
            progress.reading(len(chosen))
            evidence = read_evidence(readers, chosen, draft.rubrics, plan)
            for done in EvaluationQueue(plan, judge, draft, judges).evaluate(evidence):
                progress.evaluated(done, len(chosen))
            draft.issues = find_issues(plan, quoted(draft))
            progress.writing()
            rows = write_report(plan, quoted(draft))
            progress.ended(rows)
        comparison = compare_with_last(plan, quoted(rows))
        page = write_page(plan)
        published = publish_verdicts(plan, quoted(draft), quoted(rows))
        publish_artifacts(plan, quoted(rows), quoted(comparison), page.place, page.agreement_note, published)
        return finish_report(plan, rows)
