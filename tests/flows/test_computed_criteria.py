"""Criteria that code computes, in the whole flow: a person's function and rules about tools beside the judge."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.judge.rubric import parse_criteria
from tasks.settings import ReportOptions

_CHECKS = """
def answers(run):
    if run.status == "failed":
        raise LookupError("no answer to a failure")
    return bool(run.final_response)
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The module ``flow_checks`` where reports are made."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "flow_checks.py").write_text(_CHECKS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "lib")
    yield
    sys.modules.pop("flow_checks", None)


def _report(world: Any, default: dict[str, Any]) -> dict[str, Any] | None:
    from flows.generate_report import generate_report

    criteria = parse_criteria({"default": default})
    options = ReportOptions(judge_model="simulated-judge")
    state = generate_report("demo", criteria=criteria, options=options, return_state=True)
    run_id = str(state.state_details.flow_run_id)
    return next((row for row in world.warehouse.list_reports() if row["flow_run_id"] == run_id), None)


def test_code_and_judge_score_together(installed: None, make_world: Callable[..., Any]) -> None:
    world = make_world()
    report = _report(
        world,
        {
            "accuracy": {},
            "own": {"kind": "code", "function": "flow_checks:answers"},
            "safe": {"kind": "tool_never", "tools": ["*"]},
            "ends": {"kind": "completion"},
        },
    )
    assert report is not None
    assert (report["status"], report["error"]) == ("completed", None)
    criteria = world.warehouse.load_criteria(report["id"])
    agents = {row["agent_id"]: row for row in world.warehouse.load_agents(report["id"]) if row["runs_analyzed"]}
    for agent_id, agent in agents.items():
        rows = {row["criterion"]: row for row in criteria if row["agent_id"] == agent_id}
        assert list(rows) == ["accuracy", "ends", "own", "safe"]
        ends = rows["ends"]
        assert ends["score"] == pytest.approx(10 * agent["completion_rate"])
        assert (ends["kind"], ends["runs_decided"], ends["coverage"]) == ("completion", agent["runs_analyzed"], 1.0)
        assert ends["score_low"] <= ends["score"] <= ends["score_high"]
        scores = [(row["score"], row["weight"]) for row in rows.values() if row["score"] is not None]
        assert agent["score"] == pytest.approx(sum(s * w for s, w in scores) / sum(w for _, w in scores))
    runs = {(row["agent_id"], row["run_id"]): row for row in world.warehouse.load_runs(report["id"])}
    finished = [row for row in runs.values() if row["completed"] is not None]
    assert {row["checks"]["ends"] for row in finished} == {"pass", "fail"}
    assert all((row["checks"]["ends"] == "pass") is row["completed"] for row in finished)
    failures = [row for row in finished if row["status"] == "failed"]
    assert failures
    assert {row["checks"]["own"] for row in failures} == {"cannot_tell"}
    warned = [warning for agent in agents.values() for warning in agent["warnings"] or () if "criterion own" in warning]
    assert 0 < len(warned) <= len(agents)
    assert "flow_checks:answers raised LookupError: no answer to a failure" in warned[0]
    # The judge is asked about its own criterion alone.
    asked = [request.body for request in world.judge.requests]
    assert asked
    assert not [body for body in asked if b"tool_never" in body or b"flow_checks" in body]


def test_a_function_that_is_not_installed_is_refused_before_anything_is_paid(make_world: Callable[..., Any]) -> None:
    world = make_world()
    assert _report(world, {"own": {"kind": "code", "function": "no_such_house.checks:own"}}) is None
    assert not world.judge.requests
