"""A dry run calls no judge, writes nothing, and shows what a report would cost."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prefect.settings import PREFECT_API_URL, temporary_settings
from rich.console import Console

from deployments import cli
from deployments.commands.dry_run import estimate_report, print_estimate
from deployments.demo.jaeger import SimulatedJaeger
from deployments.demo.judge import SimulatedJudge
from deployments.local.runner import Order
from tasks.errors import ParquetError, PrefectServerError, RefusedError, WarehouseError
from tasks.judge.rubric import Criteria
from tasks.settings import ReportOptions
from tasks.warehouse.migrations import REVISIONS, VERSION_TABLE
from tasks.warehouse.sql import open_warehouse


def _order(**options: Any) -> Order:
    return Order("demo", "", Criteria(), ReportOptions(**options), None)


@pytest.fixture
def own_source(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the source that may be spoiled, and the settings for it."""
    monkeypatch.chdir(tmp_path)
    copy = tmp_path / "station.db"
    shutil.copyfile(source, copy)
    monkeypatch.setenv("AGENT_REPORT_SOURCE_URL", f"sqlite:///{copy}")
    monkeypatch.setenv("OPENAI_API_KEY", "no-real-key")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("AGENT_REPORT_WAREHOUSE_URL", f"sqlite:///{tmp_path}/data/warehouse.db")
    monkeypatch.setenv("AGENT_REPORT_PARQUET_URL", str(tmp_path / "data" / "parquet"))
    return copy


def test_nothing_is_asked_and_nothing_written(command: Any, run_here: Callable[..., Any], source: Path) -> None:
    with SimulatedJudge() as judge:
        ended = run_here(
            *("run", "demo", "--dry-run", "--json"),
            AGENT_REPORT_SOURCE_URL=f"sqlite:///{source}",
            OPENAI_BASE_URL=judge.base_url,
        )
    assert ended.code == 0, ended.err
    assert judge.requests == []
    estimate = json.loads(ended.out)
    assert estimate["calls"] == 5
    assert estimate["calls_by_kind"] == {"runs": 0, "agents": 3, "parts": 0, "team": 1, "issues": 1}
    assert [agent["runs"] > 0 for agent in estimate["agents"]] == [True] * 3
    assert list(command.folder.iterdir()) == []


def test_a_model_without_runs_is_noted(own_source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def printed(*options: str) -> str:
        with pytest.raises(SystemExit) as ended:
            cli.main(["run", "demo", "--dry-run", *options])
        out, err = capsys.readouterr()
        assert ended.value.code == 0, err
        return out

    assert "Note: no agent has a finished run with filter_model='none-such'" in printed("--filter-model", "none-such")
    assert "Note:" not in printed()


def test_it_adds_up(own_source: Path) -> None:
    estimate = estimate_report(_order())
    agents = estimate["agents"]
    assert estimate["prompt_tokens"] > sum(agent["prompt_tokens"] for agent in agents) > 0
    assert estimate["completion_tokens"] > 0
    assert estimate["cost_usd"] > 0
    assert estimate_report(_order(judge_model="unknown-model"))["cost_usd"] is None


def test_it_looks_at_what_is_chosen(own_source: Path) -> None:
    estimate = estimate_report(_order(agents=["id:1"], runs_per_agent=2))
    assert [(agent["agent_id"], agent["runs"]) for agent in estimate["agents"]] == [("1", 2)]
    assert estimate["calls"] == 3


def test_a_sample_of_a_window_stands_beside_all_its_runs(own_source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    estimate = estimate_report(_order(since="365d", runs_per_agent=2))
    assert [(agent["runs"], agent["runs_in_population"]) for agent in estimate["agents"]] == [(2, 6)] * 3
    print_estimate(Console(width=120), estimate)
    assert "2 of 6" in capsys.readouterr().out


def test_an_agent_whose_rows_cannot_be_read_is_named_with_the_reason(own_source: Path) -> None:
    with sqlite3.connect(own_source) as connection:
        connection.execute("UPDATE agent_runs SET started_at = 'yesterday' WHERE agent_id = 2")
    connection.close()
    estimate = estimate_report(_order())
    assert [agent["error"] is None for agent in estimate["agents"]] == [True, False, True]
    assert estimate["calls"] == 4


def test_statuses_that_are_left_out_are_named_before_anything_is_paid(own_source: Path) -> None:
    with sqlite3.connect(own_source) as source:
        source.execute("update agent_runs set status = 'zzz-done'")
    estimate = estimate_report(_order())
    left_out = "18 runs are left out for an unknown status: zzz-done (18) (statuses in AGENT_REPORT_SOURCE_MAPPING"
    assert estimate["warnings"] == [f"{left_out} gives a word its meaning)"]
    assert estimate["nothing_to_judge"] is True
    with sqlite3.connect(own_source) as source:
        source.execute("update agent_runs set status = 'completed' where id = (select min(id) from agent_runs)")
    estimate = estimate_report(_order())
    assert "zzz-done (17)" in estimate["warnings"][0]
    assert estimate["nothing_to_judge"] is False


def test_runs_in_the_future_are_counted_before_anything_is_paid(own_source: Path) -> None:
    with sqlite3.connect(own_source) as source:
        source.execute("update agent_runs set started_at = '2999-01-01 00:00:00', completed_at = NULL")
    estimate = estimate_report(_order())
    (warning,) = estimate["warnings"]
    assert warning.startswith("18 runs are left out for starting in the future, the last at 2999-01-01 00:00 UTC")
    assert estimate["nothing_to_judge"] is True


def test_milliseconds_as_seconds_are_counted_before_anything_is_paid(own_source: Path) -> None:
    started = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%d %H:%M:%S}"
    with sqlite3.connect(own_source) as source:
        source.execute(
            "update agent_runs set started_at = ?, completed_at = NULL, duration_seconds = 5234.7", (started,)
        )
    estimate = estimate_report(_order())
    (warning,) = estimate["warnings"]
    assert warning.startswith("18 finished runs are left out for ending in the future, as run ")
    assert estimate["nothing_to_judge"] is True


def test_the_dry_run_prints_the_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    estimate = {
        "agents": [{"agent_name": "a", "runs": 0, "runs_in_population": 0, "prompt_tokens": 0, "error": None}],
        "warnings": ["18 runs are left out: \x1b[31mzzz (18)"],
        "nothing_to_judge": True,
        **{
            "calls": 0,
            "calls_by_kind": {},
            "prompt_tokens": 0,
            "completion_tokens": 0,
            "cost_usd": None,
            "judge_model": "m",
        },
        **{"since": None, "filter_model": ""},
    }
    print_estimate(Console(width=200), estimate)
    out = capsys.readouterr().out
    assert "No agent can be judged, so the report would fail:" in out
    assert "Note: 18 runs are left out:" in out
    assert "zzz (18)" in out
    assert "\x1b[31mzzz" not in out


def test_a_missing_key_is_refused_as_the_run_would(own_source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(RefusedError, match="no key for the judge: set OPENAI_API_KEY"):
        estimate_report(_order())


def test_a_cost_limit_without_a_price_is_warned_of(own_source: Path) -> None:
    estimate = estimate_report(_order(judge_model="unknown-model", max_report_cost_usd=1.0))
    assert any("The price of 'unknown-model' is not known" in warning for warning in estimate["warnings"])
    priced = estimate_report(_order(max_report_cost_usd=1.0))
    assert not any("price" in warning for warning in priced["warnings"])
    assert priced["calls"] == 5


def test_a_warehouse_that_cannot_be_made_is_an_error(own_source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own_source.parent / "a file").write_text("")
    monkeypatch.setenv("AGENT_REPORT_WAREHOUSE_URL", f"sqlite:///{own_source.parent}/a file/warehouse.db")
    with pytest.raises(WarehouseError, match="a file cannot be written"):
        estimate_report(_order())


def test_a_warehouse_of_another_program_or_a_later_version_is_an_error(
    own_source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{own_source.parent}/other.db"
    monkeypatch.setenv("AGENT_REPORT_WAREHOUSE_URL", url)
    with sqlite3.connect(own_source.parent / "other.db") as other:
        other.execute("CREATE TABLE reports (mine TEXT)")
    with pytest.raises(WarehouseError, match="tables of another program"):
        estimate_report(_order())
    newer = f"sqlite:///{own_source.parent}/newer.db"
    monkeypatch.setenv("AGENT_REPORT_WAREHOUSE_URL", newer)
    database = open_warehouse(newer).database
    with database.writing() as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(WarehouseError, match="has schema 9999"):
        estimate_report(_order())


def test_a_warehouse_that_is_read_only_is_an_error(own_source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = own_source.parent / "kept.db"
    open_warehouse(f"sqlite:///{file}").database.close()
    # As root may write any file, SQLite is opened read-only.
    monkeypatch.setenv("AGENT_REPORT_WAREHOUSE_URL", f"sqlite:///file:{file}?mode=ro&uri=true")
    with pytest.raises(WarehouseError, match="cannot be written"):
        estimate_report(_order())


def test_a_warehouse_is_looked_at_and_stays_as_it_was(own_source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{own_source.parent}/kept.db"
    monkeypatch.setenv("AGENT_REPORT_WAREHOUSE_URL", url)
    database = open_warehouse(url).database
    with database.writing() as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '{REVISIONS[-2]}'"))

    def tables() -> tuple[set[str], str]:
        with database.reading() as connection:
            names = set(sa.inspect(connection).get_table_names())
            return names, connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one()

    before = tables()
    assert estimate_report(_order())["calls"] == 5
    assert tables() == before


def test_a_parquet_folder_that_cannot_be_made_is_an_error(own_source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own_source.parent / "a file").write_text("")
    monkeypatch.setenv("AGENT_REPORT_PARQUET_URL", str(own_source.parent / "a file" / "parquet"))
    with pytest.raises(ParquetError, match="cannot be written"):
        estimate_report(_order())


def test_nothing_is_left_where_reports_would_be(own_source: Path) -> None:
    before = set(own_source.parent.rglob("*"))
    estimate_report(_order())
    assert set(own_source.parent.rglob("*")) == before


def test_a_jaeger_that_does_not_answer_is_a_warning(own_source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AGENT_REPORT_JAEGER_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        estimate = estimate_report(_order())
    assert estimate["calls"] == 5
    assert estimate["calls_by_kind"] == {"runs": 0, "agents": 3, "parts": 0, "team": 1, "issues": 1}
    assert estimate["warnings"][0].startswith("The report would be without traces: ")


def test_a_jaeger_that_answers_is_none(own_source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SimulatedJaeger([]) as jaeger:
        monkeypatch.setenv("AGENT_REPORT_JAEGER_URL", jaeger.url)
        assert estimate_report(_order())["warnings"] == []


def test_a_prefect_api_that_does_not_answer_is_an_error(own_source: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/api"
        with temporary_settings({PREFECT_API_URL: url}), pytest.raises(PrefectServerError, match="PREFECT_API_URL"):
            estimate_report(_order())


def test_it_counts_calls_on_single_runs_and_on_parts(own_source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together = estimate_report(_order())
    runs = sum(agent["runs"] for agent in together["agents"])
    each = estimate_report(_order(judge_runs="each"))
    assert each["calls_by_kind"] == {"runs": runs, "agents": 3, "parts": 0, "team": 1, "issues": 1}
    assert each["prompt_tokens"] > together["prompt_tokens"]
    scores = estimate_report(_order(judge_runs="off"))
    assert scores["calls"] == together["calls"]
    assert scores["completion_tokens"] < together["completion_tokens"]
    thrice = estimate_report(_order(judge_samples=3))
    assert thrice["calls_by_kind"] == {"runs": 0, "agents": 9, "parts": 0, "team": 3, "issues": 1}
    # An answer that holds verdicts on few runs.
    monkeypatch.setenv("AGENT_REPORT_JUDGE_MAX_OUTPUT_TOKENS", "1700")
    parts = estimate_report(_order())
    assert parts["calls_by_kind"]["parts"] == 3
    assert parts["cost_usd"] > together["cost_usd"]


def test_the_calls_are_printed_by_kind(own_source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(width=200)
    print_estimate(console, estimate_report(_order(judge_runs="each")))
    out = " ".join(capsys.readouterr().out.split())
    assert (
        "Calls: 18 on single runs (those that have a verdict from before cost nothing); 3 on agents; 1 on the team"
        in out
    )
    assert "1 on issues (only if runs failed)" in out
