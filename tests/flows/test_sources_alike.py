"""The same data makes the same report from SQLite with Station's newer columns, without them, and from PostgreSQL.

An older Station's runs have no ``error``, ``parent_run_id``, ``model_name`` and ``trace_id``. A report from there is
that of a source in which these columns are empty, whatever the runs are like. Where tool calls and traces say as much
as the columns would (no run has an error of its own; each has a whole trace, which its ``run.id`` finds and which names
the model), it is the report of the newer source too. What depends on the columns then is ``model_name`` itself, which
has nothing to show, and the tokens of a question that does not name it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from deployments.demo.sample import Sample
from deployments.demo.station import NEWER_COLUMNS, Columns

Tables = dict[str, list[dict[str, Any]]]

# Which report it is, and when it was made. Everything else has to be the same.
_OWN = {
    "id",
    "report_id",
    "flow_run_id",
    "evidence_until",
    "created_at",
    "generation_started_at",
    "generation_completed_at",
    "generation_duration_seconds",
    "issues_seconds",
}
# A database promises no order, so one of the sources has its rows the other way round.
_ORDERS = {"sqlite": 1, "postgresql": -1}
_STATES = {"complete", "partial", "pending", "missing"}


@pytest.fixture
def report_from(make_world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Tables]:
    """``report_from(url, sample, "old")``: the rows of a report from ``sample`` in the database at ``url``.

    Each has a warehouse of its own, as otherwise the second would find the judge's answers to the first.
    """
    world = make_world()
    made: list[int] = []

    def make(url: str, sample: Sample, columns: Columns = "new", *, by_flow: bool = False) -> Tables:
        made.append(len(made))
        engine = sa.create_engine(url)
        order = _ORDERS[engine.dialect.name]
        replace(sample, agents=sample.agents[::order], runs=sample.runs[::order]).write(engine, columns)
        engine.dispose()
        monkeypatch.setenv("AGENT_REPORT_SOURCE_URL", url)
        monkeypatch.setenv("AGENT_REPORT_WAREHOUSE_URL", f"sqlite:///{world.folder / f'warehouse-{made[-1]}.db'}")
        monkeypatch.setenv("AGENT_REPORT_PARQUET_URL", str(world.folder / f"parquet-{made[-1]}"))
        report = world.report() if by_flow else world.report_directly()
        agents = world.warehouse.load_agents(report["id"])
        assert (report["status"], report["team_error"]) == ("completed", None)
        assert sorted(row["status"] for row in agents) == ["evaluated"] * 13 + ["no_runs"]
        return {
            "reports": [report],
            "agent_report_details": agents,
            "criterion_scores": world.warehouse.load_criteria(report["id"]),
            "report_runs": world.warehouse.load_runs(report["id"]),
        }

    return make


def _differing(one: Tables, other: Tables) -> set[str]:
    """The columns that are not the same in every row, as ``table.column``; tables with other rows by their name."""
    found = set()
    for table, rows in one.items():
        if len(rows) != len(other[table]):
            found.add(table)
        for row, same in zip(rows, other[table], strict=False):
            found |= {f"{table}.{key}" for key in row.keys() - _OWN if row[key] != same[key]}
    return found


def test_a_report_that_tests_make_directly_is_the_one_that_the_flow_makes(
    report_from: Callable[..., Tables], full_sample: Sample, tmp_path: Path
) -> None:
    """A step that the flow has and ``report_directly`` lacks shows here."""
    directly = report_from(f"sqlite:///{tmp_path / 'one.db'}", full_sample)
    by_flow = report_from(f"sqlite:///{tmp_path / 'other.db'}", full_sample, by_flow=True)
    assert _differing(directly, by_flow) == set()


def test_sqlite_and_postgresql_give_the_same_report(
    report_from: Callable[..., Tables], full_sample: Sample, postgres_url: str, tmp_path: Path
) -> None:
    first = report_from(f"sqlite:///{tmp_path / 'new.db'}", full_sample)
    second = report_from(postgres_url, full_sample)
    # Failed, cancelled and running runs are among them, with and without traces, as is a text that is no JSON.
    assert {row["status"] for row in first["report_runs"]} == {"completed", "failed", "timeout", "cancelled", "running"}
    assert {row["trace_state"] for row in first["report_runs"]} == _STATES
    assert any(row["warnings"] for row in first["agent_report_details"])
    assert _differing(first, second) == set()


def test_a_column_that_is_missing_is_one_that_is_empty(
    report_from: Callable[..., Tables], full_sample: Sample, tmp_path: Path
) -> None:
    without = report_from(f"sqlite:///{tmp_path / 'old.db'}", full_sample, "old")
    emptied = replace(full_sample, runs=[row | dict.fromkeys(NEWER_COLUMNS) for row in full_sample.runs])
    empty = report_from(f"sqlite:///{tmp_path / 'empty.db'}", emptied)
    assert {row["trace_state"] for row in without["report_runs"]} == _STATES
    assert _differing(without, empty) == set()


def test_an_older_source_gives_the_same_report_where_its_traces_say_as_much(
    report_from: Callable[..., Tables], full_sample: Sample, tmp_path: Path
) -> None:
    whole = {run_id for trace in full_sample.traces if (run_id := _run_of(trace)) is not None}
    told = replace(full_sample, runs=[row | {"error": None} for row in full_sample.runs if row["id"] in whole])
    newer = report_from(f"sqlite:///{tmp_path / 'new.db'}", told)
    older = report_from(f"sqlite:///{tmp_path / 'old.db'}", told, "old")
    assert all(row["trace_id"] and row["trace_state"] == "complete" for row in older["report_runs"])
    assert any(row["failure_patterns"] for row in older["agent_report_details"])
    assert older["reports"][0]["runs_cost_usd"] > 0
    # The prompt names each run's model, and its fingerprint decides the order of the runs: so the simulated judge may
    # pick other examples. Every figure is the same.
    by_order = {
        "agent_report_details.completion_tokens",
        "agent_report_details.contradictions",
        "criterion_scores.examples",
        "reports.completion_tokens",
        "reports.executive_summary",
    }
    assert _differing(newer, older) - by_order == {
        "report_runs.model_name",
        "agent_report_details.prompt_tokens",
        "reports.prompt_tokens",
    }


def _run_of(trace: dict[str, Any]) -> int | None:
    """The run that a whole trace is of; None when its root or something in the middle is missing."""
    spans = {span["spanID"]: span for span in trace["spans"]}
    roots = [span for span in spans.values() if not span["references"]]
    parents = {reference["spanID"] for span in spans.values() for reference in span["references"]}
    if len(roots) != 1 or parents - spans.keys():
        return None
    return next((int(tag["value"]) for tag in roots[0]["tags"] if tag["key"] == "run.id"), None)
