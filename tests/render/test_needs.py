"""What page, terminal, Markdown and table artifact show of agents that need attention, and of a judge that failed."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import unescape
from typing import Any

import pytest
from rich.console import Console

from benchmarks.simulated_reports import report_row
from deployments.terminal.agent_view import print_agent
from deployments.terminal.report_view import print_report
from tasks.render.html.html import render_html
from tasks.render.html.page import Page
from tasks.render.markdown import agents_table, render_markdown
from tasks.render.needs import build_need, with_examples
from tasks.report.build import ReportRows
from tasks.warehouse.schema import agent_report_details, criterion_scores, report_runs, reports

_PATTERN = {"pattern": "timed out after <n> s", "count": 6, "run_ids": ["1"], "example": "timed out after 30 s"}
_NEEDY = {
    "status": "evaluated",
    "score": 4.2,
    "passed": False,
    "weaknesses": ["6 runs failed in the same way: timed out after <n> s"],
    "recommendations": ["Retry once when it timed out after <n> s", "Second"],
    "failure_patterns": [_PATTERN],
}


def _shown(agents: Sequence[dict[str, Any]], criteria: Sequence[dict[str, Any]] = (), **report: Any) -> dict[str, str]:
    """What each surface shows, as plain text."""
    empty = dict.fromkeys(agent_report_details.columns.keys())
    details = [empty | {"agent_id": str(n), "agent_name": f"bot-{n}"} | row for n, row in enumerate(agents, start=1)]
    scores = [dict.fromkeys(criterion_scores.columns.keys()) | {"examples": []} | row for row in criteria]
    row = dict.fromkeys(reports.columns.keys()) | report_row(5) | {"warnings": [], "total_agents": len(details)}
    row |= {"agents_failed": 0, "total_runs_analyzed": 0, "runs_with_cost": 0, "known_cost_usd": 0.0, "error": None}
    row |= report
    rows = ReportRows(row, details, scores, [])
    printed = io.StringIO()
    print_report(Console(file=printed, width=250), row, details, scores)
    html = unescape(
        re.sub(
            r"<style>.*?</style>|<script>.*?</script>|<[^>]+>",
            " ",
            render_html(Page(row, details, scores, [])),
            flags=re.S,
        )
    )
    markdown = re.sub(r"\\(?=[^a-zA-Z0-9\s])|\u2060", "", unescape(render_markdown(rows)))
    table = "\n".join(" | ".join(cells.values()) for cells in agents_table(rows))
    return {
        name: " ".join(text.split())
        for name, text in {"page": html, "terminal": printed.getvalue(), "markdown": markdown, "table": table}.items()
    }


def test_every_surface_shows_the_criterion_a_real_error_and_the_first_recommendation() -> None:
    criteria = [
        {"agent_id": "1", "criterion": "reliability", "weight": 0.5, "threshold": 7.0, "score": 4.0, "passed": False},
        {"agent_id": "1", "criterion": "accuracy", "weight": 0.5, "threshold": 7.0, "score": 6.96, "passed": False},
    ]
    shown = _shown([_NEEDY], criteria)
    for surface, text in shown.items():
        assert "reliability 4.0 < 7" in text, surface
        assert "6 runs failed in the same way: timed out after 30 s" in text, surface
        assert "Retry once when it timed out after 30 s" in text, surface
    assert "accuracy 6.96 < 7" in shown["page"]


def test_an_error_that_the_judge_does_not_name_is_shown_beside_its_words() -> None:
    need = build_need(_NEEDY | {"weaknesses": ["It gives up."], "recommendations": []})
    assert (need.why, need.error, need.advice) == ("It gives up.", "timed out after 30 s", "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("timed out after <n> s", "timed out after 30 s"), ("at <time>, <url>", "at …, …"), ("a <b> c", "a <b> c")],
)
def test_no_placeholder_is_shown(text: str, shown: str) -> None:
    assert with_examples(text, [_PATTERN]) == shown


_KEY = "the judge's endpoint does not accept the key (OPENAI_API_KEY): HTTP 401: bad key"


@pytest.mark.parametrize(
    ("error", "title", "reason", "setting"),
    [
        (_KEY, "The judge refused the key", "HTTP 401: bad key", "OPENAI_API_KEY"),
        (
            "the judge's endpoint failed 3 times: the connection failed ([Errno 111] Connection refused)",
            "The judge could not be reached",
            "the connection failed ([Errno 111] Connection refused)",
            "OPENAI_BASE_URL",
        ),
        ("the judge's quota is used up: HTTP 429: pay", "The judge's quota is used up", "HTTP 429: pay", "account"),
        ("the judge's quota is used up: HTTP 403: pay", "The judge's quota is used up", "HTTP 403: pay", "account"),
        (
            "the judge's endpoint does not let this key use the model (AGENT_REPORT_JUDGE_MODEL, OPENAI_API_KEY): "
            "HTTP 403: no access",
            "The judge's key may not use the model",
            "HTTP 403: no access",
            "AGENT_REPORT_JUDGE_MODEL",
        ),
        (
            "the judge's endpoint does not know this model or path (AGENT_REPORT_JUDGE_MODEL, OPENAI_BASE_URL): "
            "HTTP 404: no page",
            "The judge's endpoint does not know the model or the path",
            "HTTP 404: no page",
            "OPENAI_BASE_URL",
        ),
        (
            "the judge's endpoint refused the call: HTTP 403: the input was flagged by moderation",
            "The judge refused every call",
            "HTTP 403: the input was flagged by moderation",
            "AGENT_REPORT_JUDGE_MODEL",
        ),
        (
            "the judge's endpoint failed 3 times: HTTP 503: upstream connect error",
            "The judge keeps failing",
            "HTTP 503: upstream connect error",
            "recovered",
        ),
    ],
)
def test_a_judge_that_fails_is_one_headline_and_no_agent_that_needs_work(
    error: str, title: str, reason: str, setting: str
) -> None:
    failed = [{"status": "failed", "error": error, "reasoning": f"Evaluation failed: {error}"}] * 3
    left = [{"status": "not_started", "error": error}] * 2
    shown = _shown([*failed, *left], status="failed", error=error, agents_failed=3, team_error=error, team_score=None)
    table = shown.pop("table")
    for surface, text in shown.items():
        assert f"{title}: no agent was judged." in text, surface
        assert text.count(reason) == 1, surface
        assert "What to do: " in text, surface
        assert setting in text.partition("What to do: ")[2], surface
        assert not re.search(r"needs? work\b", text, re.IGNORECASE), surface
    assert reason not in table
    assert title in table


@pytest.mark.parametrize(
    "error",
    [
        "The source postgresql://db/agents cannot be read: connection refused",
        "no usable answer: criteria.accuracy.score is missing; then: the connection of score and reasoning is missing",
    ],
)
def test_a_source_or_an_answer_that_fails_is_no_outage_of_the_judge(error: str) -> None:
    shown = _shown([{"status": "failed", "error": error}] * 2, status="failed", error=error, agents_failed=2)
    for surface, text in shown.items():
        assert "no agent was judged" not in text, surface
        assert "OPENAI_BASE_URL" not in text, surface
        assert error in text or surface == "table", surface


def test_agents_that_could_not_be_judged_do_not_need_attention() -> None:
    failed = {"status": "failed", "error": "no answer could be used"}
    shown = _shown([_NEEDY, failed, failed], agents_failed=2)
    assert "Of 3 agents, 1 fails, 2 could not be judged." in shown["page"]
    assert "Needs attention: 1 of 3 agents" in shown["terminal"]
    for surface in ("page", "terminal", "markdown"):
        text = shown[surface].partition("Could not be judged")[2].replace("*", "").replace(" ,", ",")
        assert "bot-2, bot-3" in text[:60], surface
        assert "no answer could be used" in text[:120], surface


def test_one_agent_in_full_shows_errors_as_they_were_and_once_each() -> None:
    worst = {"run_id": "1", "reason": "the newest failure (6 of 6): timed out after <n> s", "duration_seconds": 30.0}
    empty = dict.fromkeys(agent_report_details.columns.keys())
    row = empty | {"agent_id": "1", "agent_name": "bot"} | _NEEDY | {"worst_run": worst}
    run = dict.fromkeys(report_runs.columns.keys())
    run |= {"run_id": "1", "agent_id": "1", "status": "timeout", "completed": False, "error": "timed out after 30 s"}
    report = dict.fromkeys(reports.columns.keys()) | report_row(5) | {"warnings": []}
    printed = io.StringIO()
    print_agent(Console(file=printed, width=250), report, row, [], [run])
    html = unescape(render_html(Page(report, [row], [], [run])))
    assert "6 runs failed in the same way: timed out after 30 s" in printed.getvalue()
    assert "the newest failure (6 of 6): timed out after 30 s\n" in re.sub(" +\n", "\n", printed.getvalue())
    assert "the newest failure (6 of 6): timed out after 30 s" in re.sub("<[^>]+>", "", html)
    assert "<n>" not in printed.getvalue()
