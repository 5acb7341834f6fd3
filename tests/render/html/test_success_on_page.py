"""What the page of a report shows of success: verdicts on runs, what is too close to call, what to fix first."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from tasks.comparison.comparison import HOLDS_FOR
from tasks.render.html.html import render_html
from tasks.render.html.page import Page
from tasks.report.doubts import doubt_judge

MakePage = Callable[..., Page]
ReadWords = Callable[[str], str]

_NEW = ("succeeded", "success_source", "verdict", "verdict_error", "checks", "failure_mode", "failure_step",
        "verdict_evidence", "unstable", "inclusion_probability")  # fmt: skip


def test_a_report_made_before_verdicts_shows_completion_and_states_that_success_is_not_known(
    make_page: MakePage,
    read_words: ReadWords,
) -> None:
    page = make_page(agents=3)
    for row in (page.report, *page.agents):
        row.update(dict.fromkeys(("success_rate", "success_rate_low", "success_rate_high", "verdicts")))
        row["runs_in_population"] = None
    for row in page.agents:
        row["success_rate_shrunk"] = None
    for row in page.runs:
        row.update(dict.fromkeys(_NEW))
    for row in page.criteria:
        row.update(dict.fromkeys(("score_low", "score_high", "runs_passed", "runs_decided", "coverage")))
        row["passed"] = None if row["score"] is None else row["score"] >= row["threshold"]
    words = read_words(render_html(page))
    assert "7.8 of 10" in words
    assert "not known: this report has no verdicts on runs" in words
    assert "by status; whether they did their task is not known" in words
    assert "Completion 75% 53 to 89%" in words
    for absent in ("three of ten", "did not do its task", "Too close to call", "points below", "Runs judged", "None"):
        assert absent not in words, absent


def test_who_passes_and_who_fails_is_named_first_with_their_success(make_page: MakePage, read_words: ReadWords) -> None:
    page = make_page(agents=12, comparison=None)
    for number, row in enumerate(page.agents):
        row.update(status="evaluated", agent_name=f"bot-{number:02}", passed=[False, True][number == 11])
    words = read_words(render_html(page))
    named = words.partition("Of 12 agents, 1 passes, 11 fail.")[2].partition("Runs that did their task")[0]
    failing = r"bot-00 45% \(26–66%\) : criterion 0 bot-01 45% \(26–66%\) : .* bot-07 45% .* and 3 more"
    assert re.search(rf"^ Fails {failing} Passes bot-11 45% \(26–66%\) The share of runs", named)


def test_what_to_fix_first_is_the_first_section(make_page: MakePage, read_words: ReadWords) -> None:
    page = make_page(agents=4)
    html = render_html(page)
    assert re.findall(r'<h2 id="(\w+)"', html)[0] == "issues"
    words = read_words(html)
    assert "30% of all runs, 50 to 50% report_issues.title new 7 runs of" in words
    assert "ongoing since report 9" in words
    assert "What to change: report_issues.recommendation" in words
    assert "Probable cause (a guess): report_issues.probable_cause" in words
    assert "1 more issue" in words
    assert "Gone since the last report: report_issues.title" in words
    assert re.search(r'<a href="#r1-1000">run 1000</a>', html)
    # Of a report that has none the agents that need attention are listed with their reasons.
    without = render_html(replace(page, issues=()))
    assert "Needs attention" in read_words(without)
    assert "Needs attention" not in words


def test_without_labels_the_page_states_how_often_judges_are_wrong(make_page: MakePage, read_words: ReadWords) -> None:
    page = make_page(agents=2)
    assert "three of ten" not in read_words(render_html(page))
    words = read_words(render_html(replace(page, agreement=None)))
    assert "about three of ten verdicts “success” on agents' trajectories are wrong" in words
    page.report["verdicts"]["from_judge"] = 0
    assert "three of ten" not in read_words(render_html(replace(page, agreement=None)))


def test_lost_verdicts_stand_beside_the_rate(make_page: MakePage, read_words: ReadWords) -> None:
    page = make_page(agents=2)
    page.report["verdicts"]["unusable"] = 0
    assert "could not be used" not in read_words(render_html(page))
    page.report["verdicts"]["unusable"] = 15
    words = read_words(render_html(page))
    assert (
        words.index("95% interval") < words.index("Verdicts on 15 runs could not be used") < words.index("Team score")
    )


def test_a_judge_that_calls_every_run_a_success_is_doubted_at_the_top(
    make_page: MakePage, read_words: ReadWords
) -> None:
    page = make_page(agents=2, runs=6)
    for run in page.runs:
        run["verdict"] = "yes"
    doubt = f"The judge called all {len(page.runs)} runs a success"
    page = replace(page, agreement=None, report={**page.report, "warnings": [doubt_judge(page.runs)]})
    words = read_words(render_html(page))
    assert words.count(doubt) == 1
    assert words.index(doubt) < words.index("What to fix first", words.index("95% interval"))
    # Where people's labels tell how good the judge is, it is a note.
    measured = read_words(render_html(replace(page, agreement=make_page(agents=2).agreement)))
    assert measured.count(doubt) == 1
    assert measured.index("Read with care") < measured.index(doubt)


def test_a_run_shows_its_verdict_with_quotes_and_its_candidate_step(make_page: MakePage, read_words: ReadWords) -> None:
    page = make_page(agents=1)
    page.runs[0].update(
        verdict_error=None,
        checks={"accuracy": "fail", "efficiency": "pass", "tone": "cannot_tell"},
        failure_mode="<b>held for review",
        failure_step="R1.4",
        verdict_evidence=[{"run_id": "1000", "label": "R1.4", "span_id": "", "quote": "state: on_hold"}],
    )
    words = read_words(render_html(page))
    assert "What went wrong <b>held for review (candidate step R1.4 )" in words
    assert "accuracy : fail efficiency : pass tone : cannot tell" in words
    assert "R1.4 state: on_hold" in words


def test_what_would_decide_a_criterion_that_is_too_close_to_call_is_stated(
    make_page: MakePage, read_words: ReadWords
) -> None:
    page = make_page(agents=1)
    page.agents[0]["passed"] = None
    page.criteria[-2].update(
        criterion="accuracy", score=6.5, score_low=4.3, score_high=8.2, runs_decided=20, runs_passed=13, passed=None
    )
    words = read_words(render_html(page))
    assert re.search(r"accuracy 6\.5 \(4\.3 to 8\.2\), needs 7: about \d+ more runs would decide it", words)
    assert "13 of 20 runs" in words


def test_runs_that_were_sampled_are_shown_with_their_population(make_page: MakePage, read_words: ReadWords) -> None:
    page = make_page(agents=1)
    page.agents[0].update(runs_analyzed=20, runs_in_population=4812)
    words = read_words(render_html(page))
    assert "20 of 4,812" in words
    assert "oldest of 3 runs read, of 4,812" in words


def test_the_page_states_for_what_its_comparison_holds(make_page: MakePage, read_words: ReadWords) -> None:
    page = make_page()
    assert page.comparison is not None
    assert HOLDS_FOR in read_words(render_html(page))
    assert HOLDS_FOR not in read_words(render_html(replace(page, comparison=None)))


def test_how_runs_were_chosen_stands_on_the_page(make_page: MakePage, read_words: ReadWords) -> None:
    page = make_page()
    page.report["parameters"] = {"options": {"since": "7d", "runs_per_agent": 20, "unit": "session"}}
    page.report["runs_in_population"] = 4812
    words = read_words(render_html(page))
    assert re.search(r"Conversations up to .{10,30}, since 7d ; at most 20 of each agent read, drawn at random", words)
    # Of an earlier version, which read the newest of the window.
    page.report["runs_in_population"] = None
    assert "; the newest 20 of each agent" in read_words(render_html(page))
    page.report["parameters"] = {"options": {"runs_per_agent": 20}}
    assert "; the newest 20 of each agent" in read_words(render_html(page))


def test_two_agents_are_both(make_page: MakePage, read_words: ReadWords) -> None:
    page = make_page(agents=2, comparison=None)
    for row in page.agents:
        row.update(status="evaluated", passed=False)
    assert "Both agents fail." in read_words(render_html(page))
