"""Pages whose every column is filled, from the schema: a column that is added later is in them as well."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import Table

from tasks.calibration.agreement import Agreement, CriterionAgreement, RunAgreement
from tasks.comparison.comparison import AgentComparison, Change, Comparison
from tasks.render.html.page import HistoryPoint, JudgingStats, Page
from tasks.statistics.estimate import Estimate
from tasks.statistics.intervals import wilson_interval
from tasks.warehouse.schema import REPORT_TABLES, arrow_type
from tasks.wire.trace_pages import find_trace_pages

_NOW = datetime(2026, 11, 25, 14, 46, tzinfo=UTC)
_RUN = 7
TextOf = Callable[[str], str]


def _fill(kind: pa.DataType, name: str, text_of: TextOf) -> Any:
    """A value of an Arrow type, every text in it ``text_of(name)``."""
    if pa.types.is_string(kind):
        return text_of(name)
    if pa.types.is_boolean(kind):
        return True
    if pa.types.is_integer(kind):
        return _RUN
    if pa.types.is_floating(kind):
        return 0.5
    if pa.types.is_timestamp(kind):
        return _NOW
    if pa.types.is_list(kind):
        return [_fill(kind.value_type, name, text_of)]
    if pa.types.is_map(kind):
        return {text_of(f"{name}.key"): _fill(kind.item_type, name, text_of)}
    assert pa.types.is_struct(kind), kind
    return {
        kind.field(index).name: _fill(kind.field(index).type, f"{name}.{kind.field(index).name}", text_of)
        for index in range(kind.num_fields)
    }


def _row(table: Table, text_of: TextOf, **known: Any) -> dict[str, Any]:
    row = {
        column.name: _fill(arrow_type(column), f"{table.name}.{column.name}", text_of)
        for column in table.columns
        if column.name not in known
    }
    return row | known


def _history(score: float | None) -> tuple[HistoryPoint, ...]:
    points = []
    for week in range(12):
        low, high = wilson_interval(14 + week % 3, 20) or (None, None)
        moment = _NOW - timedelta(weeks=11 - week)
        points.append(HistoryPoint(week + 1, moment, score, (14 + week % 3) / 20, low, high, comparable=week > 3))
    return tuple(points)


def _spans(count: int, text_of: TextOf) -> list[dict[str, Any]]:
    kinds = ("agent", "llm", "tool", "other")
    return [
        {
            "name": text_of("span"),
            "kind": kinds[number % 4],
            "depth": min(number, 9),
            "start_seconds": number * 0.5,
            "duration_seconds": 20.0 - number * 0.5,
            "error": number % 5 == 0,
        }
        for number in range(count)
    ]


def _citation(run_id: int, text_of: TextOf) -> dict[str, Any]:
    return {"run_id": str(run_id), "label": "R1", "span_id": "", "quote": text_of("quote")}


def _agent(number: int, runs: int, text_of: TextOf, status: str, passed: bool | None) -> dict[str, Any]:
    first = number * 1000
    low, high = wilson_interval(15, 20) or (None, None)
    judged = status == "evaluated"
    known: dict[str, Any] = {
        "report_id": 12,
        "agent_id": str(number),
        "status": status,
        "score": 9.0 - number % 5 if judged else None,
        "passed": passed if judged else None,
        "coverage": 1.0 if judged else None,
        "runs_analyzed": runs,
        "runs_unfinished": 1,
        "run_ids": [str(first + place) for place in range(runs)],
        "completion_rate": 0.75 if runs else None,
        "completion_rate_low": low if runs else None,
        "completion_rate_high": high if runs else None,
        "runs_in_population": runs,
        "success_rate": 0.45 if runs else None,
        "success_rate_low": 0.26 if runs else None,
        "success_rate_high": 0.66 if runs else None,
        "success_rate_shrunk": 0.4 + number / 1000 if runs else None,
        "verdicts": {"from_source": 1, "from_judge": 1, "cannot_tell": 0, "unusable": 1, "not_judged": 0},
        "avg_cost_usd": None if number % 3 == 0 else 0.0123,
        "strengths": [text_of("strength")] * 2,
        "weaknesses": [text_of("weakness")] * 3,
        "recommendations": [text_of("recommendation")] * 3,
        "tool_usage": [
            {"name": text_of("tool"), "calls": 20 - place, "errors": place, "duration_seconds": 1.5}
            for place in range(6)
        ],
        "failure_patterns": [
            {
                "pattern": text_of("pattern"),
                "count": 5,
                "run_ids": [str(first + 1), str(first + 2)],
                "example": text_of("example"),
            }
        ],
        "contradictions": [
            {
                "claim": _citation(first, text_of),
                "observation": _citation(first + 1, text_of),
                "text": text_of("contradiction"),
            }
        ],
        "suspicions": [{"run_id": str(first), "place": text_of("place"), "text": text_of("suspicion")}],
        "traces": {"complete": runs, "partial": 0, "pending": 0, "missing": 0, "unavailable": 0},
    }
    for place, name in enumerate(("best_run", "typical_run", "worst_run")):
        known[name] = {
            "run_id": str(first + place), "status": "failed", "reason": text_of("reason"), "duration_seconds": 7.5
        }  # fmt: skip
    return _row(REPORT_TABLES["agent_report_details"], text_of, **known)


@pytest.fixture(scope="session")
def make_page() -> Callable[..., Page]:
    """``make_page(text_of, agents=3, runs=3, …)``: a page in which every text is ``text_of(name of the field)``."""

    def make(
        text_of: TextOf = lambda name: name, *, agents: int = 4, runs: int = 3, spans: int = 6, **fields: Any
    ) -> Page:
        states = ["evaluated", "evaluated", "evaluated", "failed", "no_runs", "not_started", "skipped_budget"]
        passes = [True, False, None]
        details = [
            _agent(
                number,
                runs,
                text_of,
                states[number % 7] if agents < 50 else "evaluated",
                passes[number % 7 % 3 if agents < 50 else number % 3],
            )
            for number in range(1, agents + 1)
        ]
        criteria = [
            _row(
                REPORT_TABLES["criterion_scores"],
                text_of,
                report_id=12,
                agent_id=str(number) if number else None,
                criterion=text_of(f"criterion {place}"),
                weight=0.4,
                threshold=7.0,
                score=None if place == 2 else 6.0 + place,
                score_low=None if place == 2 else 4.0 + place,
                score_high=None if place == 2 else 7.5 + place,
                passed=[False, None, None][place],
                supported=place > 0,
                unstable=place == 0,
                scores=[6.0, 8.0],
                examples=[
                    _citation((number or 1) * 1000 + cited, text_of) | {"text": text_of("text")} for cited in range(3)
                ],
            )
            for number in range(agents + 1)
            for place in range(3)
        ]
        shown = [
            _row(
                REPORT_TABLES["report_runs"],
                text_of,
                report_id=12,
                agent_id=str(number),
                run_id=str(number * 1000 + place),
                completed=[True, False, None][place % 3],
                succeeded=[False, None, None][place % 3],
                verdict=["no", None, None][place % 3],
                trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
                telemetry={"spans": spans},
                waterfall=_spans(spans, text_of) if place in (1, 2) else None,
            )
            for number in range(1, agents + 1)
            for place in range(runs)
        ]
        report = _row(
            REPORT_TABLES["reports"],
            text_of,
            id=12,
            status="completed",
            parameters={"options": {"since": text_of("since"), "filter_model": text_of("model"), "runs_per_agent": 20}},
            judge_settings={"parameters": {text_of("key"): text_of("value")}, text_of("setting"): text_of("value")},
            team_score=7.8,
            agents_failed=1,
            total_agents=agents,
            runs_with_cost=3,
            completion_rate=0.75,
            success_rate=0.45,
            success_rate_low=0.4,
            success_rate_high=0.5,
            verdicts={"from_source": 4, "from_judge": 5, "cannot_tell": 2, "unusable": 1, "not_judged": 0},
            total_runs_analyzed=agents * runs,
        )
        change = Change(
            metric=f"criterion:{text_of('metric')}", verdict="worse", before=7.0, after=5.0, difference=-2.0, low=-3.0,
            high=-1.0, p_value=0.01, detectable=0.9, method=text_of("method"), reason=text_of("reason"),
        )  # fmt: skip
        rate = Change(
            metric="completion_rate", verdict="no_change", difference=0.05, low=-0.2, high=0.3, detectable=0.37
        )
        presences = ["both", "renamed", "new"]
        compared = [
            AgentComparison(
                agent_id=row["agent_id"],
                agent_name=text_of("name"),
                baseline_name=text_of("old name"),
                presence=presences[place % 3],  # type: ignore[arg-type]
                verdict="worse" if place == 0 else "better" if place == 1 else "no_change",
                reason=text_of("reason"),
                changes=(change, rate) if place < 2 else (rate,),
            )
            for place, row in enumerate(details)
        ]
        compared.append(
            AgentComparison(agent_id="9", agent_name=text_of("gone"), presence="gone", verdict="not_comparable")
        )
        comparison = Comparison(
            baseline_id=11,
            report_id=12,
            baseline_created_at=_NOW - timedelta(weeks=1),
            team=AgentComparison(agent_id=None, agent_name=text_of("team"), verdict="worse", changes=(change,)),
            agents=tuple(compared),
        )
        kappa = Estimate(value=0.61, low=0.4, high=0.8, n=40)
        agreement = Agreement(
            environment=text_of("environment"), labels=40, labelers=2, last_labeled_at=_NOW,
            criteria=(CriterionAgreement(criterion=text_of("criterion"), weighted_kappa=kappa, bias=kappa),),
            runs=(RunAgreement(question=text_of("question"), kappa=kappa, sensitivity=kappa, specificity=kappa),),
            success_rate=kappa, corrected_success_rate=kappa, warnings=(text_of("warning"),),
        )  # fmt: skip
        known: dict[str, Any] = {
            "comparison": comparison,
            "agreement": agreement,
            "history": {None: _history(7.8)} | {row["agent_id"]: _history(row["score"]) for row in details},
            "issues": [
                _row(
                    REPORT_TABLES["report_issues"],
                    text_of,
                    report_id=12,
                    issue_id=f"i-{place}",
                    agent_ids=[row["agent_id"] for row in details[:2]],
                    runs=[{"agent_id": row["agent_id"], "run_id": row["agent_id"] + "000"} for row in details[:2]],
                    runs_affected=7 - place,
                    share=0.3 / (place + 1),
                    state=["new", "ongoing", "new", "new", "gone"][place],
                    first_report_id=9,
                )
                for place in range(5)
            ],
            "judging": JudgingStats({text_of("outcome"): 4}, 5, 1.5, 3.0, 100),
            "trace_pages": find_trace_pages("jaeger+https://jaeger.example.com"),
        }
        return Page(report, details, criteria, shown, **(known | fields))

    return make


@pytest.fixture(scope="session")
def open_browser() -> Callable[..., AbstractContextManager[Any]]:
    """As ``docs/make_screenshots.py`` opens it; skipped where there is no Chromium."""
    pictures = runpy.run_path(str(Path(__file__).parents[3] / "docs" / "make_screenshots.py"))
    if pictures["find_chromium"]() is None:
        pytest.skip("there is no Chromium on this machine")
    opener: Callable[..., AbstractContextManager[Any]] = pictures["open_browser"]
    return opener


@pytest.fixture(scope="package")
def browser(open_browser: Callable[..., AbstractContextManager[Any]]) -> Iterator[Any]:
    """A browser for all tests of this folder; ``browser.new_context(…)`` is a clean one in it."""
    with open_browser() as page:
        yield page.context.browser


@pytest.fixture
def read_words() -> Callable[[str], str]:
    """``read_words(html)``: what is read of a page, on one line."""

    def read(html: str) -> str:
        body = html.partition("<body>")[2].partition("<script>")[0]
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())

    return read
