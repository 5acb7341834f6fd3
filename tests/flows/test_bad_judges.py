"""Judges that answer badly: each answer is shown as what it is, and none becomes a number that looks sound."""

from __future__ import annotations

import html
import io
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from rich.console import Console

from deployments.demo.answers import derive_answer
from deployments.demo.judge import asked_schema, completion
from deployments.demo.loopback import Request, Response
from deployments.terminal.report_view import print_report
from tasks.connecting import open_clients
from tasks.gate.rules import RuleResult, Rules, check_report
from tasks.judge.runs.parsing import CUT_OFF, LEFT_OUT, UNANSWERED
from tasks.render.html.html import render_html
from tasks.render.markdown import render_markdown
from tasks.report.build import ReportRows
from tasks.statistics.intervals import wilson_interval
from tasks.stored.page import load_page
from tasks.warehouse.comparisons import load_stored_report
from tasks.warehouse.parquet import read_parquet

Make = Callable[..., Any]
Runs = dict[str, dict[str, Any]]
_INVENTED = "The customer was delighted with everything"
_RULES = Rules(min_score=7, min_success_rate=0.8, no_new_issues=True)


@dataclass(frozen=True)
class Shown:
    """One report as its readers get it: rows, and the words of terminal, Markdown, page and gate."""

    rows: ReportRows
    terminal: str
    markdown: str
    page: str
    gate: list[RuleResult]
    issue_calls: int

    @property
    def report(self) -> dict[str, Any]:
        return dict(self.rows.report)

    @property
    def verdicts(self) -> Counter[str]:
        return Counter({name: count for name, count in self.report["verdicts"].items() if count})

    @property
    def errors(self) -> Counter[str]:
        """Why verdicts could not be used."""
        return Counter(run["verdict_error"] for run in self.rows.runs if run["verdict_error"])

    def everywhere(self, words: str) -> bool:
        return all(words in text for text in (self.terminal, self.markdown, self.page))

    def held(self, rule: str) -> list[str]:
        """The agents that a rule finds nothing wrong with."""
        return [found.subject for found in self.gate if found.rule == rule and found.state == "held"
                and found.subject != "team"]  # fmt: skip


@pytest.fixture
def read(make_world: Make) -> Callable[..., Shown]:
    """``read(change)``: a report by a judge whose answers on agents are what ``change(answer, evidence)`` returns: a
    Response, a text, or an answer; None leaves it as it is."""

    def read(change: Callable[[dict[str, Any], str], Any], *, others: str | None = None) -> Shown:
        def respond(payload: dict[str, Any], request: Request) -> Response | None:
            schema = asked_schema(payload)
            if "runs" not in schema["properties"]:
                return None if others is None else _reply(others)
            evidence = payload["messages"][1]["content"]
            answer = derive_answer(evidence, schema)
            changed = change(answer, evidence)
            if isinstance(changed, Response):
                return changed
            return _reply(changed if isinstance(changed, str) else json.dumps(changed or answer))

        world = make_world(respond=respond)
        report = world.report_directly()
        return _show(world, report["id"])

    return read


def _reply(content: str, **changes: Any) -> Response:
    return Response(body=json.dumps(completion(content, **changes)).encode())


def _show(world: Any, report_id: int) -> Shown:
    warehouse = world.warehouse
    rows = ReportRows(
        warehouse.load_report(report_id),
        warehouse.load_agents(report_id),
        warehouse.load_criteria(report_id),
        warehouse.load_runs(report_id),
        warehouse.load_issues(report_id),
    )
    terminal = io.StringIO()
    print_report(Console(file=terminal, width=400), rows.report, rows.details, rows.criteria, None, rows.issues)
    with open_clients():
        page = render_html(load_page(report_id))
    stored = load_stored_report(warehouse, report_id)
    assert stored is not None
    asked = [asked_schema(json.loads(request.body))["properties"] for request in world.judge.requests]
    # What SQL has, Parquet has.
    (row,) = read_parquet(str(world.folder / "parquet"), "reports").to_pylist()
    assert (row["success_rate"], row["success_rate_low"]) == (
        rows.report["success_rate"],
        rows.report["success_rate_low"],
    )
    return Shown(
        rows=rows,
        terminal=" ".join(terminal.getvalue().split()),
        markdown=re.sub(r"\\(.)", r"\1", render_markdown(rows)),
        page=" ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.partition("</style>")[2])).split()),
        gate=check_report(stored, _RULES),
        issue_calls=sum("issues" in properties for properties in asked),
    )


def _bounds(shown: Shown) -> None:
    """The interval holds what the rate would be, whatever the lost verdicts had been; no agent passes for them."""
    counts = shown.report["verdicts"]
    hits = sum(bool(run["succeeded"]) for run in shown.rows.runs)
    known = counts["from_judge"]
    every = known + counts["unusable"]
    low, high = wilson_interval(hits, every), wilson_interval(hits + counts["unusable"], every)
    assert low is not None
    assert high is not None
    assert shown.report["success_rate"] == pytest.approx(hits / known, abs=0.2)
    assert shown.report["success_rate_low"] <= low[0] + 0.02
    assert shown.report["success_rate_high"] >= high[1] - 0.02
    assert shown.everywhere(f"{known} by the judge, {counts['unusable']} without a usable verdict")
    for row in shown.rows.details:
        if row["status"] == "evaluated" and row["verdicts"] and row["verdicts"]["unusable"]:
            of = row["verdicts"]["from_judge"] + row["verdicts"]["unusable"]
            worst = wilson_interval(row["verdicts"]["from_judge"], of)
            assert worst is not None
            assert row["success_rate_low"] <= worst[0] + 1e-9


def test_garbage_on_some_runs(read: Callable[..., Shown]) -> None:
    junk = ["banana", {"success": "probably"}, None, 7]

    def change(answer: dict[str, Any], _: str) -> dict[str, Any]:
        for number, label in enumerate(list(answer["runs"])[::3]):
            answer["runs"][label] = junk[number % len(junk)]
        return answer

    shown = read(change)
    assert shown.report["status"] == "completed"
    assert shown.verdicts == {"from_judge": 16, "unusable": 8}
    assert shown.errors == {"'banana' is no verdict": 4, "success: 'probably' is not pass, fail or cannot tell": 4}
    _bounds(shown)
    assert "no usable verdict on 2 of 6 runs" in shown.terminal


def test_runs_that_failed_are_left_out(read: Callable[..., Shown]) -> None:
    def change(answer: dict[str, Any], _: str) -> dict[str, Any]:
        return answer | {"runs": {label: run for label, run in answer["runs"].items() if run["success"] == "yes"}}

    shown = read(change)
    assert shown.report["success_rate"] == 1.0
    assert set(shown.errors) == {LEFT_OUT}
    _bounds(shown)
    with_failures = [row for row in shown.rows.details if row["verdicts"] and row["verdicts"]["unusable"]]
    assert with_failures
    assert not any(row["passed"] for row in with_failures)
    assert not {row["agent_name"] for row in with_failures} & set(shown.held("min-success-rate"))
    # What failed by its status is listed all the same, and is no 0% of the runs.
    assert shown.rows.issues
    assert all(issue["share"] for issue in shown.rows.issues)
    assert not shown.held("no-new-issues")


@pytest.mark.parametrize("every", [1, 2])
def test_quotes_that_are_not_there_or_are_none(read: Callable[..., Shown], every: int) -> None:
    def change(answer: dict[str, Any], _: str) -> dict[str, Any]:
        for number, label in enumerate(answer["runs"]):
            if number % every == 0:
                quotes = [{"key": label, "quote": _INVENTED}] if number % 4 else []
                answer["runs"][label] |= {"evidence": quotes, "success": "yes", "failure_mode": ""}
        return answer

    shown = read(change)
    assert _INVENTED not in shown.page + shown.markdown + shown.terminal
    if every == 1:
        assert shown.report["status"] == "failed"
        assert (shown.report["success_rate"], shown.verdicts) == (None, {"unusable": 24})
        assert shown.everywhere("none of the judge's quotes stands in this run")
    else:
        assert shown.verdicts == {"from_judge": 12, "unusable": 12}
        assert set(shown.errors) == {
            "the judge quotes nothing of this run",
            "none of the judge's quotes stands in this run",
        }
        _bounds(shown)


def test_every_run_is_called_a_success(read: Callable[..., Shown]) -> None:
    def change(answer: dict[str, Any], _: str) -> dict[str, Any]:
        for run in answer["runs"].values():
            run |= {"success": "yes", "failure_mode": "", "step": "", "checks": dict.fromkeys(run["checks"], "pass")}
        return answer

    shown = read(change)
    failed = sum(run["completed"] is False for run in shown.rows.runs)
    assert (shown.report["success_rate"], shown.verdicts) == (1.0, {"from_judge": 24})
    assert failed
    said = f"The judge called all 24 runs a success, also the {failed} that did not complete."
    assert shown.everywhere(said)
    (warning, *_) = shown.report["warnings"]
    assert warning.startswith(said)
    assert "runs a success that did not complete" in shown.terminal


@pytest.mark.parametrize("finish_reason", ["length", "stop"])
def test_an_answer_that_is_cut_in_the_middle(read: Callable[..., Shown], finish_reason: str) -> None:
    def change(answer: dict[str, Any], _: str) -> Response:
        text, fourth = json.dumps(answer), list(answer["runs"])[3]
        return _reply(text[: text.index(f'"{fourth}": {{"evidence"') + 60], finish_reason=finish_reason)

    shown = read(change)
    assert shown.verdicts == {"from_judge": 12, "unusable": 12}
    assert shown.errors == {CUT_OFF: 12}
    _bounds(shown)
    assert "the judge's answer is not whole" in shown.terminal


@pytest.mark.parametrize("text", ["I am sorry, I cannot do that.", "", '{"runs": "all of them succeeded"}'])
def test_a_judge_that_answers_nothing_but_garbage(read: Callable[..., Shown], text: str) -> None:
    shown = read(lambda *_: text, others=text)
    assert shown.report["status"] == "failed"
    assert (shown.report["success_rate"], shown.report["team_score"]) == (None, None)
    assert shown.verdicts == {"unusable": 24}
    assert shown.errors == {UNANSWERED: 24}
    assert shown.issue_calls == 0, "there is no verdict to group"
    assert "no agent could be judged" in shown.report["issues_error"]
    assert {issue["origin"] for issue in shown.rows.issues} == {"code"}
    assert not [found for found in shown.gate if found.state == "held"]
    assert "100%" not in shown.markdown.partition("## Every agent")[0]


def test_garbage_on_one_agent_is_no_success_of_the_team(read: Callable[..., Shown]) -> None:
    shown = read(lambda _, evidence: "lorem ipsum" if "\n| access-broker\n" in evidence else None)
    assert shown.report["status"] == "completed"
    assert (shown.report["agents_failed"], shown.report["agents_evaluated"]) == (1, 3)
    assert shown.verdicts == {"from_judge": 18, "unusable": 6}
    assert shown.issue_calls == 1
    _bounds(shown)


def test_verdicts_that_contradict_themselves(read: Callable[..., Shown]) -> None:
    def change(answer: dict[str, Any], _: str) -> dict[str, Any]:
        for number, run in enumerate(answer["runs"].values()):
            if number % 2:
                run |= {"success": "yes", "failure_mode": "no consent", "checks": dict.fromkeys(run["checks"], "fail")}
        return answer

    shown = read(change)
    assert shown.verdicts == {"from_judge": 12, "unusable": 12}
    assert set(shown.errors) == {"it is called a success, meets no criterion, and a failure mode is named"}
    _bounds(shown)
