"""The simulated judge's verdicts on the sample's runs: what was planted is found, and every quote stands in its run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from deployments.demo.answers import derive_answer
from deployments.demo.sample import build_sample
from deployments.demo.verdicts import HELD_BACK, Verdict, derive_verdicts
from tasks.evidence.metrics import build_evidence
from tasks.evidence.prices import RunPrices
from tasks.evidence.types import Evidence
from tasks.judge.prompt.citations import LabelledRun, LabelledRuns
from tasks.judge.prompt.prompts import render_agent
from tasks.judge.prompt.selection import label_runs, select_runs
from tasks.sources.source import Window
from tasks.sources.sql.connection import open_database
from tasks.sources.sql.source import SqlSource

NOW = datetime(2026, 11, 24, 6, 30, tzinfo=UTC)
_ROOM = 400_000


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Sequence[LabelledRun], str]]:
    """By the agent's name, its labelled runs and its part of the prompt."""
    path = tmp_path_factory.mktemp("verdicts") / "station.db"
    build_sample(NOW).write_sqlite(path)
    source = SqlSource(open_database(f"sqlite:///{path}"))
    window = Window(20, NOW, None, "")
    found = {}
    for agent in source.load_agents("demo", window):
        evidence: Evidence = build_evidence(agent, source.fetch_runs(agent, window), [], RunPrices())
        labelled = label_runs(evidence)
        found[agent.name] = labelled, render_agent(evidence, select_runs(evidence, labelled, _ROOM))
    return found


@pytest.fixture(scope="module")
def verdicts(shown: dict[str, tuple[Sequence[LabelledRun], str]]) -> dict[str, list[Verdict]]:
    """By the agent's name."""
    return {name: derive_verdicts(text) for name, (_, text) in shown.items()}


def _modes(verdicts: Sequence[Verdict]) -> Counter[str]:
    return Counter(verdict.failure_mode for verdict in verdicts if verdict.success == "no")


def test_one_failure_mode_is_planted_in_three_agents(verdicts: dict[str, list[Verdict]]) -> None:
    planted = {name: count for name, found in verdicts.items() if (count := _modes(found)[HELD_BACK])}
    assert planted.keys() == {"refund-desk", "release-notes", "invoice-matcher"}
    assert min(planted.values()) >= 2


def test_completion_and_success_differ_where_agents_claim_what_did_not_happen(
    verdicts: dict[str, list[Verdict]],
) -> None:
    rates = {
        name: (
            sum(verdict.run.status == "completed" for verdict in found) / len(found),
            sum(verdict.success == "yes" for verdict in found) / len(found),
        )
        for name, found in verdicts.items()
        if found
    }
    assert rates["release-notes"] == (1.0, 0.45)
    assert rates["invoice-matcher"][0] == 0.9
    assert rates["invoice-matcher"][1] < 0.5
    assert rates["billing-bot"] == (0.95, 0.95)
    assert rates["ticket-router"] == (0.95, 0.95)


def test_a_run_whose_calls_cannot_be_read_is_not_judged(verdicts: dict[str, list[Verdict]]) -> None:
    unknown = {name for name, found in verdicts.items() for verdict in found if verdict.success == "cannot_tell"}
    assert unknown <= {"contract-reader"}


def test_every_quote_stands_where_the_verdict_puts_it(
    shown: dict[str, tuple[Sequence[LabelledRun], str]], verdicts: dict[str, list[Verdict]]
) -> None:
    quotes = 0
    for name, found in verdicts.items():
        labelled = LabelledRuns(shown[name][0])
        for verdict in found:
            assert verdict.quotes
            for key, quote in verdict.quotes:
                assert labelled.find(key, quote), (name, key, quote)
                quotes += 1
            if verdict.claim:
                assert labelled.find(*verdict.claim, "claim"), (name, verdict.claim)
                assert labelled.find(*verdict.quotes[0], "observation"), (name, verdict.quotes[0])
    assert quotes > 260


def _schema(keys: Sequence[str], criteria: Sequence[str]) -> dict[str, Any]:
    texts = {"type": "array", "items": {"type": "string"}}
    return {
        "$defs": {"run": {"properties": {"checks": {"properties": {name: {"type": "string"} for name in criteria}}}}},
        "properties": {
            "runs": {"properties": {key: {"$ref": "#/$defs/run"} for key in keys}},
            "contradictions": {"type": "array"},
            "criteria": {"properties": {name: {"properties": {}} for name in criteria}},
            "reasoning": {"type": "string"},
            "strengths": texts,
            "weaknesses": texts,
            "recommendations": texts,
        },
    }


def test_the_answer_has_a_verdict_on_each_run_that_is_asked_and_no_score(
    shown: dict[str, tuple[Sequence[LabelledRun], str]],
) -> None:
    schema = _schema(["R1", "R2", "R99"], ["accuracy", "reliability", "efficiency"])
    answer = derive_answer(shown["release-notes"][1], schema)
    assert list(answer) == list(schema["properties"])
    assert list(answer["runs"]) == ["R1", "R2", "R99"]
    for verdict in answer["runs"].values():
        assert list(verdict) == ["evidence", "checks", "success", "failure_mode", "step"]
        assert list(verdict["checks"]) == ["accuracy", "reliability", "efficiency"]
        assert bool(verdict["failure_mode"]) == (verdict["success"] == "no")
    assert answer["runs"]["R99"]["success"] == "cannot_tell"
    assert all("score" not in found for found in answer["criteria"].values())
    assert answer == derive_answer(shown["release-notes"][1], schema)


def test_an_answer_holds_only_what_its_schema_asks_for(
    shown: dict[str, tuple[Sequence[LabelledRun], str]],
) -> None:
    schema = _schema(["R3"], ["accuracy"])
    schema["properties"] = {"runs": schema["properties"]["runs"]}
    answer = derive_answer(shown["access-broker"][1], schema)
    assert list(answer) == ["runs"]
    assert list(answer["runs"]) == ["R3"]


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [("accuracy", "fail"), ("reliability", "pass"), ("cost efficiency", "fail")],
)
def test_a_check_follows_what_its_criterion_is_called(criterion: str, expected: str) -> None:
    evidence = (
        "### R1: status completed, 5.0 s\nTask:\n| Approve it.\nR1.1 called a tool:\n| approve\nwith:\n| {}\n"
        'It returned (observation):\n| {"invoice": "SI-1", "state": "on_hold"}\n'
        "Repeated 4 times with the same arguments:\n| approve\nFinal response (claim):\n| The invoice is approved.\n"
    )
    [verdict] = derive_verdicts(evidence)
    assert (verdict.success, verdict.failure_mode, verdict.step) == ("no", HELD_BACK, "R1.1")
    assert verdict.check(criterion) == expected


def test_a_response_that_admits_what_was_held_back_is_a_success() -> None:
    evidence = (
        "### R1: status completed, 5.0 s\nR1.1 called a tool:\n| approve\nwith:\n| {}\n"
        'It returned (observation):\n| {"state": "on_hold"}\nFinal response (claim):\n| It is on hold, as it differs.\n'
    )
    assert [verdict.success for verdict in derive_verdicts(evidence)] == ["yes"]
