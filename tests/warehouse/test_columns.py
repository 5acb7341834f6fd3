"""What a value becomes when it is stored, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from tasks.errors import WarehouseError
from tasks.evidence.types import TelemetrySummary, TraceCounts
from tasks.warehouse.columns import FreeJson, Nested
from tasks.warehouse.nested import clean_text
from tasks.warehouse.schema import agent_report_details, report_runs, reports
from tasks.warehouse.sql import Warehouse

NAN, INFINITY = float("nan"), float("inf")


def stored(warehouse: Warehouse, **values: Any) -> dict[str, Any]:
    row = warehouse.load_report(warehouse.create_report({"environment": "prod", **values}))
    assert row is not None
    return row


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("plain", "plain"),
        ("a\0b", "a\ufffdb"),
        ("ü\0", "ü\ufffd"),
        ("cut \ud83d", "cut \ufffd"),
        ("\ude42 ü", "\ufffd ü"),
        ("\ud83d\ude42", "🙂"),
        ("\ufeffü 🙂 \u2028 \x01", "\ufeffü 🙂 \u2028 \x01"),
        ("", ""),
    ],
)
def test_text_that_no_database_takes_is_cleaned(warehouse: Warehouse, given: str, kept: str) -> None:
    assert clean_text(given) == kept
    row = stored(
        warehouse,
        name=given,
        warnings=[given],
        parameters={given: [given]},
        agent_reports={given: {"summary": given}},
    )
    assert row["name"] == kept
    assert row["warnings"] == [kept]
    assert row["parameters"] == {kept: [kept]}
    assert row["agent_reports"] == {kept: {"score": None, "summary": kept}}


@pytest.mark.parametrize("number", [NAN, INFINITY, -INFINITY])
def test_numbers_that_are_none_become_null(warehouse: Warehouse, number: float) -> None:
    row = stored(
        warehouse,
        team_score=number,
        parameters={"a": number, "b": [number, 1.5]},
        agent_reports={"1": {"score": number, "summary": "x"}},
    )
    assert row["team_score"] is None
    assert row["parameters"] == {"a": None, "b": [None, 1.5]}
    assert row["agent_reports"]["1"]["score"] is None
    with warehouse.database.reading() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM reports WHERE team_score IS NULL")).scalar() == 1


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**400])
def test_integers_of_more_than_64_bits_become_null(warehouse: Warehouse, number: int) -> None:
    details = [
        {
            "agent_id": "1",
            "agent_name": "a",
            "status": "evaluated",
            "prompt_tokens": number,
            "completion_tokens": 2**63 - 1,
            "redactions": {"email": number, "key": -(2**63)},
        }
    ]
    report_id = warehouse.create_report({"environment": "prod", "parameters": {"a": number}})
    warehouse.write_report(report_id, {"status": "completed", "team_score": 10**400}, details, [], [])
    row, (agent,) = warehouse.load_report(report_id), warehouse.load_agents(report_id)
    assert row is not None
    assert (row["parameters"], row["team_score"]) == ({"a": None}, None)
    assert (agent["prompt_tokens"], agent["completion_tokens"]) == (None, 2**63 - 1)
    assert agent["redactions"] == {"email": None, "key": -(2**63)}


def test_absent_json_is_sql_null(warehouse: Warehouse) -> None:
    stored(warehouse, parameters=None, warnings=None)
    with warehouse.database.reading() as connection:
        query = sa.text("SELECT count(*) FROM reports WHERE parameters IS NULL AND warnings IS NULL")
        assert connection.execute(query).scalar() == 1


def test_times_are_utc_and_aware_in_and_out(warehouse: Warehouse) -> None:
    if not warehouse.database.is_sqlite:  # A server in another zone answers in its own.
        with warehouse.database.writing() as connection:
            name = connection.execute(sa.text("SELECT current_database()")).scalar()
            connection.execute(sa.text(f"ALTER DATABASE {name} SET timezone = 'Asia/Tokyo'"))
        warehouse.close()
    tokyo = datetime(2026, 3, 1, 9, 30, 1, 234567, tzinfo=timezone(timedelta(hours=9)))
    kept = stored(warehouse, evidence_until=tokyo)["evidence_until"]
    assert kept == tokyo
    assert kept.utcoffset() == timedelta(0)
    assert kept.isoformat() == "2026-03-01T00:30:01.234567+00:00"


def test_times_sort_as_times(warehouse: Warehouse) -> None:
    early = datetime(2026, 3, 1, 23, tzinfo=timezone(timedelta(hours=9)))
    late = datetime(2026, 3, 1, 15, tzinfo=UTC)
    for moment in (early, late):
        stored(warehouse, created_at=moment)
    with warehouse.database.reading() as connection:
        query = sa.select(reports.c.id).where(reports.c.created_at > early)
        assert connection.execute(query).scalars().all() == [2]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"created_at": datetime(2026, 3, 1)}, "a time with a zone expected"),  # noqa: DTZ001
        ({"created_at": "2026-03-01"}, "a time with a zone expected"),
        ({"name": 7}, "text expected, not int"),
        ({"total_agents": "7"}, "an integer expected, not str"),
        ({"warnings": "one"}, "a list expected, not str"),
        ({"warnings": [1]}, "text expected, not int"),
        ({"agent_reports": {"1": {"skore": 1}}}, "no field skore"),
        ({"agent_reports": {"1": 7}}, "a mapping expected, not int"),
        ({"parameters": {"a": object()}}, "object has no place in JSON"),
        ({"colour": "red"}, "reports has no column colour"),
    ],
)
def test_values_that_have_no_place_are_refused(warehouse: Warehouse, values: dict[str, Any], reason: str) -> None:
    with pytest.raises(WarehouseError, match=reason):
        stored(warehouse, **values)
    assert warehouse.list_reports() == []


def test_a_field_that_an_older_version_did_not_write_reads_as_none(warehouse: Warehouse) -> None:
    row = stored(warehouse)
    kind = "TEXT" if warehouse.database.is_sqlite else "JSONB"
    with warehouse.database.writing() as connection:
        older = {"older": '{"7": {"summary": "x", "gone": 1}}'}
        connection.execute(sa.text(f"UPDATE reports SET agent_reports = CAST(:older AS {kind})"), older)
    read = warehouse.load_report(row["id"])
    assert read is not None
    assert read["agent_reports"] == {"7": {"score": None, "summary": "x"}}


def test_models_and_tuples_are_taken_as_they_are() -> None:
    traces = agent_report_details.c.traces.type
    assert isinstance(traces, Nested)
    assert traces.clean(TraceCounts(complete=3)) == {
        "complete": 3,
        "partial": 0,
        "pending": 0,
        "missing": 0,
        "unavailable": 0,
    }
    telemetry = report_runs.c.telemetry.type
    assert isinstance(telemetry, Nested)
    assert telemetry.clean({"models": ("a",), "wall_seconds": 3})["models"] == ["a"]
    assert isinstance(telemetry.clean({"wall_seconds": 3})["wall_seconds"], float)


def test_models_are_cleaned_like_dicts(telemetry: TelemetrySummary) -> None:
    column = report_runs.c.telemetry.type
    assert isinstance(column, Nested)
    for changes in (
        {},
        {"wall_seconds": NAN, "llm_seconds": -INFINITY},
        {"input_tokens": 10**30, "output_tokens": 2**63 - 1},
        {"models": ("a\0b", "\ud83d", "\ud83d\ude42", "\\u0000")},
    ):
        changed = telemetry.model_copy(update=changes)
        assert column.clean(changed) == column.clean(changed.model_dump())
    assert column.clean(changed)["models"] == ["a\ufffdb", "\ufffd", "🙂", "\\u0000"]


def test_free_json_takes_models_and_times() -> None:
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    assert FreeJson().clean({"traces": TraceCounts(), "at": moment, 1: (True, None)}) == {
        "traces": TraceCounts().model_dump(),
        "at": "2026-03-01T00:00:00+00:00",
        "1": [True, None],
    }
