"""A warehouse whose ids were integers: its reports, labels and paid answers stay what they are.

The fixture is of version 452c3d9, by its demo: two reports, labels, a comparison, and the ledger.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tasks.comparison.compare import compare_reports
from tasks.errors import WarehouseError
from tasks.warehouse.comparisons import load_comparison, load_score_history, load_stored_report
from tasks.warehouse.engine import connect_database
from tasks.warehouse.frames import read_view
from tasks.warehouse.labels import load_labels, write_labels
from tasks.warehouse.ledger.sql_ledger import SqlLedger
from tasks.warehouse.migrations import VERSION_TABLE
from tasks.warehouse.sql import Warehouse, open_warehouse

_FIXTURE = Path(__file__).parents[1] / "fixtures" / "warehouse_of_0003.json"
# Words of agents that look like what is changed, see ``fill_earlier``.
_QUOTE = '"run_id": 7, {"run_ids": [7]}'
_CLAIM = {"run_id": 20, "label": "R2", "span_id": "", "quote": _QUOTE}


@pytest.fixture
def migrated(earlier_url: str) -> Warehouse:
    return open_warehouse(earlier_url)


def test_ids_in_columns_and_in_json_are_text(migrated: Warehouse, earlier_url: str) -> None:
    first, second = migrated.load_agents(1)
    assert (first["agent_id"], first["run_ids"]) == ("1", ["21", "18", "16", "12", "7", "4"])
    assert first["failure_patterns"] == []
    assert [pattern["run_ids"] for pattern in second["failure_patterns"]] == [["20", "8"]]
    assert (second["best_run"]["run_id"], second["worst_run"]["run_id"]) == ("5", "20")
    (contradiction,), (suspicion,) = second["contradictions"], second["suspicions"]
    assert (contradiction["claim"], contradiction["text"]) == (_CLAIM | {"run_id": "20"}, _QUOTE)
    assert contradiction["observation"]["run_id"] is None
    assert (suspicion["run_id"], suspicion["text"]) == ("8", _QUOTE)
    team, mine, _ = migrated.load_criteria(1)
    assert (team["agent_id"], mine["agent_id"]) == (None, "1")
    assert {example["run_id"] for example in mine["examples"]} == {"21", "18"}
    runs = migrated.load_runs(1)
    assert [(run["agent_id"], run["run_id"]) for run in runs[:2]] == [("1", "21"), ("1", "18")]
    assert list(read_view(earlier_url, "latest_agent_scores")["agent_id"]) == ["1", "2"]


def test_json_that_others_read_has_text_too(migrated: Warehouse) -> None:
    # Our own readers also take the numbers of earlier versions.
    columns = "run_ids, failure_patterns, best_run, contradictions, suspicions"
    query = f"SELECT {columns} FROM agent_report_details WHERE report_id = 1 AND agent_id = '2'"
    with migrated.database.reading() as connection:
        stored = connection.exec_driver_sql(query).one()
        cited = connection.exec_driver_sql("SELECT examples FROM criterion_scores WHERE agent_id = '1'").scalars().all()
    values = [json.loads(value) if isinstance(value, str) else value for value in (*stored, *cited)]
    run_ids, patterns, best, contradictions, suspicions, *examples = values
    assert run_ids[-1] == "5"
    assert [pattern["run_ids"] for pattern in patterns] == [["20", "8"]]
    assert (best["run_id"], suspicions[0]["run_id"]) == ("5", "8")
    assert contradictions[0]["claim"] == _CLAIM | {"run_id": "20"}
    assert {type(example["run_id"]) for several in examples for example in several} == {str}


def test_reports_of_before_are_compared(migrated: Warehouse) -> None:
    before, after = (load_stored_report(migrated, number) for number in (1, 2))
    assert before is not None
    assert after is not None
    comparison = compare_reports(before, after)
    assert [(one.agent_id, one.presence, one.verdict) for one in comparison.agents] == [
        ("1", "both", "no_change"),
        ("2", "both", "no_change"),
    ]
    stored = load_comparison(migrated, 2, 1)
    assert stored is not None
    assert [one.agent_id for one in stored.agents[:2]] == ["1", "2"]
    assert {row.agent_id for row in load_score_history(migrated, after.report)} == {"1", "2"}


def test_labels_and_paid_answers_stay_valid(migrated: Warehouse) -> None:
    (label, other) = load_labels(migrated.database, "demo")
    assert (label.agent_id, label.run_id, label.labeler) == ("2", "20", "ana")
    write_labels(migrated.database, "demo", [(replace(label, score=9.0), "refund-desk", None)])
    assert load_labels(migrated.database, "demo") == [replace(label, score=9.0), other]
    ledger = SqlLedger(migrated.database)
    paid = json.loads(_FIXTURE.read_text(encoding="utf-8"))["judge_calls"]
    found = [ledger.find(row["fingerprint"]) for row in paid]
    assert [one.agent_id for one in found if one is not None] == [
        str(row["agent_id"]) if "agent_id" in row else None for row in paid
    ]
    assert set(ledger.load_paid(1)) == {None, "1", "2"}


def test_no_id_is_given_again(migrated: Warehouse) -> None:
    assert migrated.create_report({"environment": "demo"}) == 3
    claim: Any = SqlLedger(migrated.database).claim("f", kind="agent", model="m", report_id=3, agent_id="x", seconds=60)
    assert claim.id == (91 if migrated.database.is_sqlite else 6)


# PostgreSQL changes the columns in their place, SQLite copies the tables.
@pytest.mark.parametrize("warehouse_url", ["sqlite"], indirect=True)
def test_everything_else_is_as_in_a_new_warehouse(migrated: Warehouse, tmp_path: Path) -> None:
    new = open_warehouse(f"sqlite:///{tmp_path}/new.db")
    query = sa.text("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY 1, 2")
    found = []
    for warehouse in (migrated, new):
        with warehouse.database.reading() as connection:
            columns = {
                (name, column["name"], str(column["type"]), column["nullable"])
                for name in sa.inspect(connection).get_table_names()
                for column in sa.inspect(connection).get_columns(name)
            }
            found.append((connection.execute(query).all(), columns))
    assert found[0] == found[1]


def test_views_of_others_stay_as_they_were(earlier_url: str) -> None:
    is_sqlite = earlier_url.startswith("sqlite")
    statements = [
        "CREATE VIEW \"My view\" AS SELECT agent_id, score FROM agent_report_details WHERE agent_name LIKE '%-%'",
        'CREATE VIEW mine_too AS SELECT f.agent_id FROM failing_agents AS f JOIN "My view" AS m USING (agent_id)',
    ]
    if not is_sqlite:
        statements += [
            "GRANT SELECT ON failing_agents, mine_too TO PUBLIC",
            "CREATE VIEW theirs WITH (security_barrier = true) AS SELECT agent_id FROM labels",
            "COMMENT ON VIEW theirs IS 'It''s 100%'",
            "ALTER VIEW theirs OWNER TO pg_database_owner",
        ]
    with connect_database(earlier_url).writing() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    with open_warehouse(earlier_url).database.reading() as connection:
        mine = sa.text('SELECT DISTINCT agent_id FROM "My view" ORDER BY 1')
        assert connection.execute(mine).scalars().all() == ["1", "2"]
        assert connection.execute(sa.text("SELECT agent_id FROM mine_too")).scalars().all() == ["2", "2"]
        if not is_sqlite:
            granted = "SELECT has_table_privilege('pg_monitor', '{0}', 'SELECT')"
            for name in ("failing_agents", "mine_too"):
                assert connection.execute(sa.text(granted.format(name))).scalar()
            assert not connection.execute(sa.text(granted.format("judge_costs"))).scalar()
            kept = (
                "SELECT obj_description(oid), reloptions, pg_get_userbyid(relowner) FROM pg_class "
                "WHERE relname = 'theirs'"
            )
            found = connection.execute(sa.text(kept)).one()
            assert found == ("It's 100%", ["security_barrier=true"], "pg_database_owner")


# On SQLite views find columns by their names.
@pytest.mark.parametrize("warehouse_url", ["postgres"], indirect=True)
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW mine AS SELECT score FROM agent_report_details WHERE agent_id = 1",
        "CREATE MATERIALIZED VIEW mine AS SELECT agent_id FROM labels",
    ],
)
def test_a_view_that_cannot_stay_is_named_and_nothing_is_changed(earlier_url: str, statement: str) -> None:
    database = connect_database(earlier_url)
    with database.writing() as connection:
        connection.exec_driver_sql(statement)
    with pytest.raises(WarehouseError, match=r"mine .*drop it, and make it again after the update"):
        open_warehouse(earlier_url)
    with database.writing() as connection:
        assert connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar() == "0003"
        kind = "MATERIALIZED VIEW" if "MATERIALIZED" in statement else "VIEW"
        connection.exec_driver_sql(f"DROP {kind} mine")
    assert open_warehouse(earlier_url).load_agents(1)
