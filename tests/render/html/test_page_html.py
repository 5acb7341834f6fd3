"""What stands in the page of a report, and how large it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from itertools import pairwise

import pytest

from tasks.comparison.comparison import Change
from tasks.render.html.charts import build_waterfall, format_seconds, format_signed, percent, score_trend
from tasks.render.html.html import DETAILS, MOST_BYTES, render_html
from tasks.render.html.page import Page
from tasks.wire.trace_pages import TracePages

MakePage = Callable[..., Page]
ReadWords = Callable[[str], str]


def test_a_hundred_agents_stay_below_a_megabyte(make_page: MakePage, read_words: ReadWords) -> None:
    """With long words of judge and agents in every column, and names as long as names are."""
    long = "The agent asked for the same invoice again although its answer had been there before. " * 8
    names = ("name", "criterion", "tool", "model", "status", "state", "place", "key", "span")

    def text_of(field: str) -> str:
        return field[-16:] if any(name in field for name in names) else f"{field}: {long}"

    page = make_page(text_of, agents=100, runs=20, spans=40)
    for row in page.agents:
        if int(row["agent_id"]) % 5:
            row.update(contradictions=[], suspicions=[], warnings=[], redactions={}, citations_dropped=0)
    html = render_html(page)
    assert len(html.encode()) < MOST_BYTES
    # Every agent is there with its criteria, trend and waterfalls, and every citation leads to an excerpt.
    assert html.count('<details class="agent') == 100
    assert html.count('<ol class="wf"') == 200
    assert html.count('class="trend"') >= 100
    links = set(re.findall(r'href="#(r[\d-]+)"', html))
    assert len(links) >= 300
    assert links <= set(re.findall(r'id="(r[\d-]+)"', html))
    assert "The table report_runs has them all" in read_words(html)


def test_places_on_the_page_are_safe_and_unique_for_ids_of_any_text(make_page: MakePage) -> None:
    page = make_page(agents=4, runs=3)
    names = {"1": 'team/ü: "bot" <b>', "2": 'team/ü: "bot" <B>', "3": "a b", "4": "a  b"}
    runs: dict[str, str] = {}
    for row in page.runs:
        # The same run id in two agents, and ids that joined would be the same.
        runs[row["run_id"]] = row["run_id"] = f"b-{row['run_id'][-1:]} #&'"
    for table in (page.agents, page.runs, page.criteria):
        for found in table:
            found["agent_id"] = names.get(found["agent_id"])
    text = render_html(page)
    places = re.findall(r' id="([ar]-[^"]*)"', text)
    assert len(set(places)) == len(places) == 4 + 12
    assert all(re.fullmatch(r"[ar]-[0-9a-f]{16}", place) for place in places)
    assert set(re.findall(r'href="#(a-[^"]*)"', text)) == {place for place in places if place[0] == "a"}
    assert "run <bdi>b-1 #&amp;&#39;</bdi>" in text


def test_the_same_page_gives_the_same_file(make_page: MakePage) -> None:
    assert render_html(make_page(agents=3)) == render_html(make_page(agents=3))


def test_everything_that_was_asked_for_is_there(make_page: MakePage, read_words: ReadWords) -> None:
    html = render_html(make_page(agents=7))
    words = read_words(html)
    assert '<a class="trace" href="https://jaeger.example.com/trace/' in html
    for part in (
        "45% 95% interval: 40 to 50%", "Team score 7.8 of 10", "Team passes", "Of 7 agents",
        "have the status completed: 30 points more", "Runs judged 9",
        "5 by the judge, 4 from the source, 2 where the judge cannot tell, 1 without a usable verdict",
        "Since report 11", "1 worse", "1 better",
        "with no change that could be distinguished from noise", "about 37 points to be seen",
        "needs 7", "weight 0.4", "unstable", "no citation holds", "not enough evidence", "2 samples, spread 0.5",
        "Success 45% 26 to 66%", "30 points below completion", "Completion 75% 53 to 89%",
        "2 of 3 runs by status, 1 unfinished left out", "What went wrong", "Too close to call", "Over the last reports",
        "did not do its task", "no usable verdict", "candidate step",
        "Weaknesses", "Recommendations", "Strengths", "Claims that what happened contradicts", "It was seen",
        "Errors of runs", "5×", "Tools", "20 0 1.5 s", "Worst run:", "Typical run:", "Best run:",
        "Looks like an attempt to influence the judge", "Redacted:", "citations of the judge",
        "Judging failed.", "Skipped: budget.", "Not judged.", "No finished run",
        "Fingerprint", "4 outcome in 5 attempts; 1.5 s on average, 3.0 s at most", "Answers used again",
        "40 labels of 2 people", "0.61 (0.40 to 0.80) substantial", "corrected for its known errors 61% (40% to 80%)",
        "New:", "Gone:", "is now",
    ):  # fmt: skip
        assert part in words, part


def test_what_became_worse_is_counted_and_told_also_where_the_reports_differ(
    make_page: MakePage, read_words: ReadWords
) -> None:
    page = make_page(agents=4)
    assert page.comparison is not None
    comparison = page.comparison.model_copy(update={"reasons": ("report 11 is over only 3 of 4 agents",)})
    words = read_words(render_html(replace(page, comparison=comparison)))
    assert "Since report 11: 1 worse , 1 better" in words
    assert "The two reports differ ." in words
    assert "Note: report 11 is over only 3 of 4 agents" in words
    assert "cores are not comparable" not in words
    assert "cores cannot be compared" not in words


def test_where_nothing_is_comparable_no_change_is_not_called_noise(make_page: MakePage, read_words: ReadWords) -> None:
    page = make_page(agents=2)
    assert page.comparison is not None
    agents = [
        agent.model_copy(update={"verdict": "not_comparable", "presence": "both", "changes": ()})
        for agent in page.comparison.agents[:2]
    ]
    comparison = page.comparison.model_copy(update={"reasons": ("other model",), "agents": tuple(agents)})
    words = read_words(render_html(replace(page, comparison=comparison)))
    assert "2 not comparable" in words
    assert "No agent can be compared." in words
    assert "No agent's change" not in words


def test_an_agreement_that_could_not_be_measured_is_not_shown_as_none(
    make_page: MakePage, read_words: ReadWords
) -> None:
    words = read_words(render_html(replace(make_page(), agreement=None, agreement_error="no such table: <labels>")))
    assert "could not be measured: no such table: <labels>" in words
    assert "has not been compared with people" not in words


def test_an_unknown_cost_is_unknown_and_never_zero(make_page: MakePage, read_words: ReadWords) -> None:
    page = make_page(agents=3)
    page.report.update(cost_usd=None, known_cost_usd=0.0, runs_cost_usd=None)
    words = read_words(render_html(page))
    # What is unknown has no tile; the section on how the report was made states it.
    tiles = words.partition("How it was made")[2].partition("How this report was made")[0]
    assert "Cost of judging" not in tiles
    assert "Cost of the runs" not in tiles
    assert "$0.00" not in words
    page.report.update(known_cost_usd=0.25)
    assert "Cost of judging at least $0.25" in read_words(render_html(page))


def test_missing_comparison_agreement_history_and_jaeger_are_named(make_page: MakePage, read_words: ReadWords) -> None:
    page = make_page(agents=2, comparison=None, agreement=None, history={}, judging=None, trace_pages=TracePages())
    html = render_html(page)
    words = read_words(html)
    assert "There is no earlier report to compare with." in words
    assert "This judge has not been compared with people's labels yet. agent-report label 12 walks you through" in words
    assert 'class="trace"' not in html
    assert 'class="trend"' not in html


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": "failed", "error": "the endpoint is gone", "team_score": None}, "The report failed . the endpoint"),
        ({"status": "cancelled", "team_score": None, "team_error": "stopped"}, "Report cancelled"),
        ({"team_score": None, "team_passed": None, "team_error": "no answer"}, "The team was not judged. no answer"),
        ({"team_passed": False}, "Team fails"),
    ],
)
def test_how_a_report_ended_is_seen_at_once(
    fields: dict[str, object], words: str, make_page: MakePage, read_words: ReadWords
) -> None:
    page = make_page(agents=2)
    page.report.update(fields)
    assert words in read_words(render_html(page))


def test_a_report_without_agents_or_that_was_never_written_is_a_page(
    make_page: MakePage, read_words: ReadWords
) -> None:
    page = make_page(agents=2)
    bare = dict.fromkeys(page.report) | {
        "id": 3, "environment": "demo", "name": "", "status": "pending", "created_at": page.report["created_at"]
    }  # fmt: skip
    words = read_words(render_html(Page(bare, [], [], [])))
    assert "There is no agent in this environment." in words
    assert "Report pending" in words


def test_the_bar_of_a_change_shows_the_interval_that_is_written_beside_it(make_page: MakePage) -> None:
    bounds = [(-7.5, -9.7, -5.3), (-5.5, -7.7, -3.3), (2.0, 1.0, 3.0)]
    metrics = ("score", "criterion:a", "criterion:b")
    changes = tuple(
        Change(metric=metric, verdict="worse", difference=middle, low=low, high=high)
        for metric, (middle, low, high) in zip(metrics, bounds, strict=True)
    )
    page = make_page()
    assert page.comparison is not None
    agent = page.comparison.agents[0].model_copy(update={"changes": changes})
    page = replace(page, comparison=page.comparison.model_copy(update={"agents": (agent,)}))
    bars = re.findall(r'<svg class="bar diff \w+"><rect class="range" x="(.+?)%" width="(.+?)%"/>.*?cx="(.+?)%"',
                      render_html(page))[-3:]  # fmt: skip
    for (begin, width, dot), (middle, low, high) in zip(bars, bounds, strict=True):
        scale = 9.7
        assert float(begin) == pytest.approx(50 + 50 * low / scale, abs=0.1)
        assert float(width) == pytest.approx(50 * (high - low) / scale, abs=0.1)
        assert float(dot) == pytest.approx(50 + 50 * middle / scale, abs=0.1)
    assert len(bars) == 3


def test_traces_are_a_list_and_none_are_not_told(make_page: MakePage, read_words: ReadWords) -> None:
    page = make_page(agents=2)
    page.agents[0]["traces"] = {"complete": 18, "partial": 1, "pending": 0, "missing": 1}
    page.agents[1]["traces"] = {"complete": 0, "partial": 0}
    html = render_html(page)
    assert "Traces: 18 complete, 1 partial, 1 missing." in read_words(html)
    assert html.count("Traces:") == 1


def test_the_strip_of_runs_shows_its_order_and_its_colours(make_page: MakePage, read_words: ReadWords) -> None:
    words = read_words(render_html(make_page(agents=1)))
    assert re.search(r"Success\s+Completion\s+oldest of 3 runs read\s+newest", words)
    assert re.search(r"Runs that did their task: yes\s+no\s+not known\s+unfinished", words)


def test_names_of_tools_break_between_their_parts_and_stay_harmless(make_page: MakePage) -> None:
    page = make_page(agents=1)
    page.agents[0]["tool_usage"][0]["name"] = "grant_access.<b>&now"
    assert "grant_<wbr>access.&lt;b&gt;&amp;now" in render_html(page)


def test_a_printer_gets_the_agents_that_need_attention_or_changed_and_states_that(
    make_page: MakePage, read_words: ReadWords
) -> None:
    page = make_page(agents=7)
    html = render_html(page)
    on_paper = set(re.findall(r'<details class="agent paper" id="a(\d+)"', html))
    assert page.comparison is not None
    moved = {agent.agent_id for agent in page.comparison.agents if agent.verdict in ("worse", "better")}
    work = {row["agent_id"] for row in page.agents if row["status"] == "failed" or row["passed"] is False}
    assert on_paper == {str(found) for found in moved | work}
    assert f"On paper are the {len(on_paper)} agents that need attention or became worse or better" in read_words(html)
    assert f"the rest ({7 - len(on_paper)} of 7)" in read_words(html)
    # Of very many that need attention the worst, and that there are more.
    many = make_page(agents=50, comparison=None)
    for row in many.agents:
        row["passed"] = False
    html = render_html(many)
    assert html.count('class="agent paper"') == 24
    assert "the 24 worst of the 50 agents that need attention" in read_words(html)
    for row in many.agents:
        row["passed"] = True
    html = render_html(many)
    assert 'class="agent paper"' not in html
    assert "all 50 are in the table only" in read_words(html)


def test_those_that_need_work_come_first(make_page: MakePage) -> None:
    html = render_html(make_page(lambda name: "", agents=7))
    states = re.findall(r'<h3><bdi>.*?</h3>\s*<span class="facts"><span class="chip \w+">([^<]+)', html)
    assert states[0] == "Judging failed"
    assert states[-1] == "No finished run"
    assert states == sorted(states, key=["Judging failed", "Fails", "Too close to call", "Passes",
                                         "Skipped: budget", "Not judged", "No finished run"].index)  # fmt: skip


def test_less_detail_is_less_text(make_page: MakePage) -> None:
    for more, less in pairwise(DETAILS):
        for name in ("excerpt", "quote", "text", "spans", "items", "tools", "pattern_runs"):
            assert getattr(more, name) >= getattr(less, name)


def test_figures() -> None:
    assert [format_seconds(value) for value in (None, 0.004, 59.96, 119.96, 3599.9, 7560)] == [
        "–", "0.00\u00a0s", "1\u00a0min 0\u00a0s", "2\u00a0min 0\u00a0s", "1.0\u00a0h", "2.1\u00a0h"
    ]  # fmt: skip
    assert [percent(share) for share in (None, float("nan"), -1, 0.1234, 3)] == ["0%", "0%", "0%", "12.3%", "100%"]
    assert format_signed(-0.21, "completion_rate") == "−21\u00a0points"
    assert format_signed(1.25, "score") == "+1.2"
    assert format_signed(None, "score") == "–"
    assert score_trend(()) is None


def test_a_waterfall_that_is_cut_keeps_what_took_the_time() -> None:
    spans = [
        {"name": str(number), "kind": kind, "depth": number, "start_seconds": number / 10, "duration_seconds": length,
         "error": False}
        for number, (kind, length) in enumerate(
            [("agent", 9.0), ("other", 8.5), ("llm", 4.0), ("other", 3.9), ("tool", 2.0)]
        )
    ]  # fmt: skip
    found = build_waterfall(spans, 40, 3)
    assert found is not None
    assert [bar.name for bar in found.bars] == ["0", "2", "4"]
    assert (found.spans, found.seconds) == (40, "9.0\u00a0s")
    assert build_waterfall([], 40, 3) is None
    assert build_waterfall(None, None, 3) is None


def test_agents_that_were_not_judged_are_not_counted_as_good(make_page: MakePage) -> None:
    page = make_page(agents=4)

    def headline(error: str | None, *states: tuple[str, bool | None]) -> str:
        rows = [
            row | {"status": status, "passed": passed}
            for row, (status, passed) in zip(page.agents, states, strict=True)
        ]
        html = render_html(replace(page, agents=rows, report=page.report | {"error": error}))
        found = re.search(r'<p class="headline">(.*?)</p>', html)
        return unescape(found[1]) if found else ""

    idle = ("no_runs", None)
    error = "no agent could be judged: 12 runs are left out: <b>success (12)"
    assert headline(error, idle, idle, idle, idle) == f"N{error[1:]}."
    assert headline(None, idle, idle, idle, idle) == "No agent was judged."
    passed, unclear = ("evaluated", True), ("evaluated", None)
    assert headline(None, passed, passed, idle, idle) == "Of 4 agents, 2 pass."
    assert headline(None, unclear, idle, idle, idle) == "Of 4 agents, 1 is too close to call."
    assert headline(None, unclear, passed, passed, passed) == "Of 4 agents, 3 pass, 1 is too close to call."
    assert headline(None, ("evaluated", False), passed, ("failed", None), idle) == (
        "Of 4 agents, 1 passes, 1 fails, 1 could not be judged."
    )
    assert headline(None, passed, passed, passed, passed) == "All 4 agents pass."
