"""One order of agents wherever they are listed: page, terminal, Markdown and the table artifact."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from benchmarks.simulated_reports import report_row
from deployments.terminal.report_view import print_report
from tasks.comparison.comparison import AgentComparison, Comparison
from tasks.render.html.page import Page
from tasks.render.html.section import STATES as SECTION_STATES
from tasks.render.html.section import Detail, build_sections
from tasks.render.markdown import agents_table, render_markdown
from tasks.render.order import STATES, STAYS_CLOSE, needs_attention, worst_agents_first
from tasks.report.build import ReportRows
from tasks.warehouse.schema import agent_report_details, reports

_DETAIL = Detail(all_runs=True, excerpt=9, quote=9, text=9, spans=9, items=9, tools=9, pattern_runs=9, run_bytes=9)
# As they are expected: by state, in it those that became worse, then by score and by name.
_AGENTS: Sequence[tuple[str, str, float | None, bool | None]] = (
    ("broken", "failed", None, None),
    ("fell", "evaluated", 6.0, False),
    ("low", "evaluated", 2.0, False),
    ("a-lower", "evaluated", 5.0, False),
    ("b-lower", "evaluated", 5.0, False),
    ("unclear", "evaluated", 1.0, None),
    ("good-but-fell", "evaluated", 9.5, True),
    ("good", "evaluated", 4.0, True),
    ("idle", "no_runs", None, None),
)
_ORDER = [name for name, *_ in _AGENTS]
_NAMES = re.compile("|".join(sorted(_ORDER, key=len, reverse=True)))


def _rows() -> list[dict[str, Any]]:
    empty = dict.fromkeys(agent_report_details.columns.keys())
    known = [
        empty | {"agent_id": str(number), "agent_name": name, "status": status, "score": score, "passed": passed}
        for number, (name, status, score, passed) in enumerate(_AGENTS)
    ]
    return sorted(known, key=lambda row: str(row["agent_name"]))


def _comparison() -> Comparison:
    agents = [
        AgentComparison(
            agent_id=str(number), agent_name=name, verdict="worse" if name.endswith("fell") else "no_change"
        )
        for number, name in enumerate(_ORDER)
    ]
    # Of an agent that is gone, whose id another has by now.
    gone = AgentComparison(agent_id="3", agent_name="gone", verdict="worse", presence="gone")
    team = AgentComparison(agent_id=None, agent_name="team", verdict="no_change")
    return Comparison(baseline_id=1, report_id=5, team=team, agents=(*agents, gone))


def test_every_list_of_agents_has_the_worst_first() -> None:
    rows, comparison = _rows(), _comparison()
    assert [row["agent_name"] for row in worst_agents_first(rows, comparison)] == _ORDER
    report = dict.fromkeys(reports.columns.keys()) | report_row(5) | {"warnings": [], "total_agents": len(rows)}
    report |= {"agents_failed": 1, "total_runs_analyzed": 0, "runs_with_cost": 0, "known_cost_usd": 0.0}
    page = Page(report, rows, [], [], comparison=comparison)
    assert [section.row["agent_name"] for section in build_sections(page, _DETAIL)] == _ORDER
    written = ReportRows(report, rows, [], [])
    assert [row["agent"] for row in agents_table(written, comparison)] == _ORDER
    table = render_markdown(written, comparison=comparison).partition("## Every agent")[2].replace("\\", "")
    assert _NAMES.findall(table)[: len(rows)] == _ORDER
    printed = io.StringIO()
    print_report(Console(file=printed, width=200), report, rows, (), comparison)
    assert _NAMES.findall(printed.getvalue().partition("Verdict ")[2])[: len(rows)] == _ORDER


def test_without_a_comparison_the_score_decides() -> None:
    ordered = [row["agent_name"] for row in worst_agents_first(_rows())]
    assert ordered[:5] == ["broken", "low", "a-lower", "b-lower", "fell"]
    assert worst_agents_first([]) == []


def test_the_success_that_is_expected_of_an_agent_decides_before_its_score() -> None:
    rows = [row for row in _rows() if row["status"] == "evaluated" and row["passed"] is False]
    expected = {"low": (0.7, None), "a-lower": (0.2, 0.5), "b-lower": (0.3, 0.4), "fell": (None, None)}
    for row in rows:
        row["success_rate"], row["success_rate_shrunk"] = expected[row["agent_name"]]
    ordered = [row["agent_name"] for row in worst_agents_first(rows, _comparison())]
    assert ordered == ["b-lower", "a-lower", "low", "fell"]


def test_every_state_has_its_words() -> None:
    assert tuple(SECTION_STATES) == STATES


def test_an_agent_that_stays_too_close_to_call_needs_attention() -> None:
    rows, comparison = _rows(), _comparison()
    unclear = next(row for row in rows if row["agent_name"] == "unclear")
    assert not needs_attention(unclear, comparison)
    staying = [
        agent.model_copy(update={"stays_close": True}) if agent.agent_name == "unclear" else agent
        for agent in comparison.agents
    ]
    comparison = comparison.model_copy(update={"agents": tuple(staying)})
    assert needs_attention(unclear, comparison)
    assert not needs_attention(unclear)
    report = dict.fromkeys(reports.columns.keys()) | report_row(5) | {"warnings": [], "total_agents": len(rows)}
    report |= {"agents_failed": 1, "total_runs_analyzed": 0, "runs_with_cost": 0, "known_cost_usd": 0.0}
    text = render_markdown(ReportRows(report, rows, [], []), comparison=comparison)
    assert f"**unclear** 1.0: {STAYS_CLOSE}." in text.partition("## Worst agents")[2].partition("\n## ")[0]
    printed = io.StringIO()
    print_report(Console(file=printed, width=200), report, rows, (), comparison)
    assert STAYS_CLOSE in printed.getvalue().partition("Needs attention")[2]
