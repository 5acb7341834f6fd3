"""A warehouse from before verdicts on runs: what its success was is completion, and nothing of its own is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from agent_report import read_parquet_table, update_parquet
from tasks.comparison.compare import compare_reports
from tasks.warehouse.comparisons import load_comparison, load_stored_report
from tasks.warehouse.engine import connect_database
from tasks.warehouse.labels import load_labels
from tasks.warehouse.parquet import read_parquet, write_parquet
from tasks.warehouse.schema import REPORT_TABLES, arrow_schema
from tasks.warehouse.sql import Warehouse, open_warehouse

_RATES = ("completion_rate", "completion_rate_low", "completion_rate_high")
_SUCCESS = ("success_rate", "success_rate_low", "success_rate_high", "success_rate_shrunk", "verdicts")


@pytest.fixture
def before_url(earlier_url: str, bring_to: Callable[[str, str], None]) -> str:
    """The warehouse as the version before verdicts left it."""
    bring_to(earlier_url, "0008")
    return earlier_url


def _execute(url: str, *statements: str) -> None:
    with connect_database(url).writing() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def _select(warehouse: Warehouse, query: str) -> list[tuple[object, ...]]:
    with warehouse.database.reading() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def test_what_was_success_is_completion(before_url: str) -> None:
    rates = "success_rate, success_rate_low, success_rate_high"
    with connect_database(before_url).reading() as connection:
        details = f"SELECT {rates} FROM agent_report_details WHERE report_id = 1 ORDER BY agent_id"
        old = [tuple(row) for row in connection.execute(sa.text(details))]
        runs = dict(connection.execute(sa.text("SELECT run_id, succeeded FROM report_runs WHERE report_id = 1")).all())
    warehouse = open_warehouse(before_url)
    agents = warehouse.load_agents(1)
    assert [tuple(row[name] for name in _RATES) for row in agents] == old
    assert old[0] == (1.0, pytest.approx(0.61, abs=0.01), 1.0)
    assert {row[name] for row in agents for name in _SUCCESS} == {None}
    stored = warehouse.load_runs(1)
    assert {run["run_id"]: run["completed"] for run in stored} == {run_id: bool(done) for run_id, done in runs.items()}
    unknown = ("succeeded", "success_source", "verdict", "checks", "inclusion_probability")
    assert {run[name] for run in stored for name in unknown} == {None}
    report = warehouse.load_report(1)
    assert report is not None
    assert (report["success_rate"], report["verdicts"]) == (None, None)


def test_stored_comparisons_are_of_completion(before_url: str) -> None:
    _execute(before_url, "UPDATE report_comparisons SET metric = 'success_rate' WHERE id = 2")
    warehouse = open_warehouse(before_url)
    comparison = load_comparison(warehouse, 2, 1)
    assert comparison is not None
    metrics = {change.metric for agent in (comparison.team, *comparison.agents) for change in agent.changes}
    assert metrics == {"completion_rate", "score"}


def test_reports_of_before_are_compared_without_success(before_url: str) -> None:
    warehouse = open_warehouse(before_url)
    before, after = (load_stored_report(warehouse, number) for number in (1, 2))
    assert before is not None
    assert after is not None
    comparison = compare_reports(before, after)
    assert comparison.reasons == ()
    assert {change.metric for change in comparison.team.changes} >= {"completion_rate"}
    assert "success_rate" not in {change.metric for change in comparison.team.changes}


def test_labels_of_before_are_on_the_agents_score(before_url: str) -> None:
    warehouse = open_warehouse(before_url)
    assert [(label.criterion, label.run_id) for label in load_labels(warehouse.database, "demo")]
    assert _select(warehouse, "SELECT DISTINCT judge_on_run FROM labels") == [(None,)]


# SQLite finds columns by their names. On PostgreSQL views of others follow a column that was renamed.
def test_views_of_others_stay(before_url: str) -> None:
    is_sqlite = before_url.startswith("sqlite")
    _execute(
        before_url,
        'CREATE VIEW "My ""rates""" AS SELECT agent_id, success_rate FROM agent_report_details WHERE agent_id = \'2\'',
        'CREATE VIEW on_mine AS SELECT success_rate FROM "My ""rates"""',
        "CREATE VIEW on_yours AS SELECT agent_id, success_rate AS rate, score FROM latest_agent_scores",
        "CREATE VIEW of_runs AS SELECT count(*) AS runs, max(run_id) AS last FROM report_runs WHERE succeeded",
    )
    if is_sqlite:
        _execute(
            before_url,
            "CREATE VIEW broken AS SELECT absent FROM gone",
            "CREATE TABLE noted (run_id TEXT)",
            "CREATE TRIGGER note AFTER INSERT ON report_runs BEGIN INSERT INTO noted VALUES (NEW.run_id); END",
        )
    else:
        _execute(
            before_url,
            "CREATE MATERIALIZED VIEW kept AS SELECT agent_id, success_rate FROM latest_agent_scores",
            "GRANT SELECT ON on_yours, latest_agent_scores TO PUBLIC",
        )
    with connect_database(before_url).reading() as connection:
        queries = ("SELECT * FROM on_mine", "SELECT * FROM on_yours ORDER BY agent_id", "SELECT * FROM of_runs")
        old = [[tuple(row) for row in connection.execute(sa.text(query))] for query in queries]
    warehouse = open_warehouse(before_url)
    new = [_select(warehouse, query) for query in queries]
    if is_sqlite:
        assert new[0] == [(None,), (None,)]
        assert [row[2] for row in new[1]] == [row[2] for row in old[1]]
        assert {row[1] for row in new[1]} == {None}
        assert new[2] == [(0, None)]
        names = _select(warehouse, "SELECT name FROM sqlite_master WHERE type IN ('view', 'trigger')")
        assert {"broken", "note", "judge_costs"} <= {name for (name,) in names}
        _execute(before_url, "INSERT INTO report_runs (report_id, agent_id, run_id, status) VALUES (1, '1', '99', 'x')")
        assert _select(warehouse, "SELECT run_id FROM noted") == [("99",)]
    else:
        assert new == old
        assert len(_select(warehouse, "SELECT * FROM kept")) == 2
        granted = "SELECT has_table_privilege('pg_monitor', '{0}', 'SELECT')"
        for name in ("on_yours", "latest_agent_scores"):
            assert _select(warehouse, granted.format(name)) == [(True,)]


def test_our_views_have_both_rates(before_url: str) -> None:
    warehouse = open_warehouse(before_url)
    query = "SELECT completion_rate, success_rate FROM latest_agent_scores ORDER BY agent_id"
    assert _select(warehouse, query) == [(1.0, None), (pytest.approx(2 / 3), None)]


def _write_older(folder: Path, table: str, **columns: tuple[pa.DataType, object]) -> Path:
    file = folder / table / "prod" / "1.parquet"
    file.parent.mkdir(parents=True)
    schema = pa.schema([(name, kind) for name, (kind, _) in columns.items()])
    pq.write_table(pa.Table.from_pylist([{name: value for name, (_, value) in columns.items()}], schema=schema), file)
    return file


def test_files_of_before_hold_completion(tmp_path: Path, written: dict[str, list[dict[str, object]]]) -> None:
    key = {"report_id": (pa.int64(), 1), "agent_id": (pa.string(), "7"), "status": (pa.string(), "evaluated")}
    rates = {
        name: (pa.float64(), value)
        for name, value in (("success_rate", 0.75), ("success_rate_low", 0.5), ("success_rate_high", 0.9))
    }
    files = [
        _write_older(tmp_path, "agent_report_details", **key, agent_name=(pa.string(), "a"), **rates),
        _write_older(tmp_path, "report_runs", **key, run_id=(pa.string(), "11"), succeeded=(pa.bool_(), True)),
    ]
    write_parquet(str(tmp_path), "prod", 2, written)

    def check() -> None:
        old, new, _ = read_parquet_table(str(tmp_path), "agent_report_details").to_dict("records")
        assert [old[name] for name in _RATES] == [0.75, 0.5, 0.9]
        assert [new[name] for name in _RATES] == [written["agent_report_details"][0][name] for name in _RATES]
        stored = read_parquet(str(tmp_path), "agent_report_details").to_pylist()
        assert {stored[0][name] for name in _SUCCESS} == {None}
        run = read_parquet(str(tmp_path), "report_runs").to_pylist()[0]
        assert (run["completed"], run["succeeded"], run["checks"]) == (True, None, None)
        assert len(read_parquet_table(str(tmp_path), "report_issues")) == len(written["report_issues"])

    check()
    assert update_parquet(str(tmp_path)) == [str(file) for file in files]
    for file in files:
        assert pq.read_schema(file).equals(arrow_schema(REPORT_TABLES[file.parts[-3]]))
    check()
    assert update_parquet(str(tmp_path)) == []
