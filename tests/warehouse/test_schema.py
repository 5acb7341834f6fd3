"""Every table once: what SQL and Parquet derive from it, and what the migrations make of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import BaseModel

import tasks.warehouse
from tasks.errors import WarehouseError
from tasks.evidence.types import AgentTelemetry, TelemetrySummary
from tasks.judge.ledger import PaidAnswer
from tasks.warehouse.migrations import REVISIONS, VERSION_TABLE
from tasks.warehouse.nested import arrow_struct
from tasks.warehouse.schema import (
    agent_report_details,
    arrow_schema,
    complete_rows,
    criterion_scores,
    judge_calls,
    metadata,
    report_runs,
    reports,
)
from tasks.warehouse.sql import Warehouse, open_warehouse

PACKAGE = Path(tasks.warehouse.__file__).parent


def test_migrated_schema_is_the_metadata(warehouse: Warehouse) -> None:
    assert _differences(warehouse) == []


def _differences(warehouse: Warehouse) -> list[Any]:
    with warehouse.database.reading() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata))


def test_a_file_that_is_created_at_once_is_as_one_that_went_through_every_revision(
    sqlite_url: str, migrated_file: Path
) -> None:
    created, migrated = open_warehouse(sqlite_url), open_warehouse(f"sqlite:///{migrated_file}")
    assert _differences(created) == []
    found = []
    for warehouse in (created, migrated):
        with warehouse.database.reading() as connection:
            made = connection.exec_driver_sql("SELECT type, name, tbl_name, sql FROM sqlite_master").all()
            version = connection.exec_driver_sql(f"SELECT * FROM {VERSION_TABLE}").all()
            tables = {
                name: {tuple(column)[1:] for column in connection.exec_driver_sql(f"PRAGMA table_info({name})")}
                for kind, name, *_ in made
                if kind == "table"
            }
        # The statement of a table has a column where the revision put it; an index and a view are compared whole.
        statements = {(kind, name, of, kind != "table" and " ".join(str(sql).split())) for kind, name, of, sql in made}
        found.append((version, tables, statements))
    assert found[0] == found[1]


@pytest.mark.parametrize("is_migrated", [False, True])
def test_ids_count_up_for_good_where_the_metadata_asks_for_it(
    sqlite_url: str, migrated_file: Path, is_migrated: bool
) -> None:
    """Alembic's comparison does not look at this option of SQLite."""
    url = f"sqlite:///{migrated_file}" if is_migrated else sqlite_url
    with open_warehouse(url).database.reading() as connection:
        made = dict(connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'table'").all())
    counting = {name for name, statement in made.items() if "AUTOINCREMENT" in str(statement)}
    declared = {name for name, table in metadata.tables.items() if table.dialect_options["sqlite"]["autoincrement"]}
    kept = {"reports", "judge_calls", "report_comparisons", "labels", "issue_decisions", "run_verdicts"}
    assert counting == declared == kept


def test_the_listed_revisions_are_those_that_alembic_finds() -> None:
    config = Config()
    config.set_main_option("script_location", str(PACKAGE / "alembic"))
    config.set_main_option("path_separator", "os")
    walked = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(walked)) == REVISIONS


def test_every_folder_of_the_package_is_a_package_and_so_installed() -> None:
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert PACKAGE / "alembic" / "versions" in folders
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_arrow_schema_of_plain_columns() -> None:
    schema = arrow_schema(reports)
    assert schema.names == [column.name for column in reports.columns]
    assert schema.field("id").type == pa.int64()
    assert not schema.field("id").nullable
    assert schema.field("team_score").type == pa.float64()
    assert schema.field("team_score").nullable
    assert schema.field("team_passed").type == pa.bool_()
    assert schema.field("environment").type == pa.string()
    assert not schema.field("environment").nullable
    assert schema.field("created_at").type == pa.timestamp("us", tz="UTC")
    assert schema.field("parameters").type == pa.string()


def test_arrow_schema_of_nested_columns() -> None:
    report, detail, score = arrow_schema(reports), arrow_schema(agent_report_details), arrow_schema(criterion_scores)
    assert str(report.field("agent_reports").type) == "map<string, struct<score: double, summary: string>>"
    assert str(report.field("owner").type) == "struct<host: string, pid: int64, process_started: double>"
    assert str(report.field("warnings").type) == "list<item: string>"
    assert str(detail.field("run_ids").type) == "list<item: string>"
    assert str(detail.field("best_run").type) == (
        "struct<run_id: string, status: string, reason: string, duration_seconds: double>"
    )
    assert str(detail.field("traces").type) == (
        "struct<complete: int64, partial: int64, pending: int64, missing: int64, unavailable: int64>"
    )
    assert str(score.field("examples").type) == (
        "list<item: struct<run_id: string, label: string, span_id: string, quote: string, text: string>>"
    )


@pytest.mark.parametrize(
    ("column", "model"),
    [
        (report_runs.c.telemetry, TelemetrySummary),
        (agent_report_details.c.telemetry_summary, AgentTelemetry),
    ],
)
def test_telemetry_columns_hold_every_field_of_their_type(column: object, model: type[BaseModel]) -> None:
    def names(kind: pa.DataType) -> set[str]:
        return {kind.field(index).name for index in range(kind.num_fields)}

    struct = column.type.arrow_type  # type: ignore[attr-defined]
    assert names(struct) == set(model.model_fields)
    assert names(struct.field("critical_path").type) == {"llm_seconds", "tool_seconds", "other_seconds"}


def test_an_annotation_without_an_arrow_type_is_refused_by_name() -> None:
    class Odd(BaseModel):
        fine: int | None
        odd: int | str

    with pytest.raises(TypeError, match=r"Odd\.odd"):
        arrow_struct(Odd)


def test_a_paid_answer_has_a_column_for_every_field() -> None:
    assert set(PaidAnswer.model_fields) <= set(judge_calls.columns.keys())


def test_rows_are_completed_and_checked() -> None:
    (row,) = complete_rows(criterion_scores, 3, [{"criterion": "accuracy", "weight": 1.0, "threshold": 7.0}])
    assert list(row) == [column.name for column in criterion_scores.columns]
    assert (row["report_id"], row["agent_id"]) == (3, None)
    with pytest.raises(WarehouseError, match="criterion_scores has no column treshold"):
        complete_rows(criterion_scores, 3, [{"treshold": 7.0}])
    with pytest.raises(WarehouseError, match="report 4"):
        complete_rows(criterion_scores, 3, [{"report_id": 4}])
