"""The demo, once, as a user runs it: in a folder of its own, whatever the user has set up for Prefect."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from deployments.demo.command import AGENT_SECONDS, TEAM_SECONDS, judge_environment
from deployments.demo.verdicts import HELD_BACK
from tasks.warehouse.frames import (
    read_agents,
    read_criteria,
    read_issues,
    read_parquet_table,
    read_reports,
    read_runs,
)
from tasks.warehouse.schema import REPORT_TABLES

MADE = 10
_READERS = {
    "reports": read_reports,
    "agent_report_details": read_agents,
    "criterion_scores": read_criteria,
    "report_runs": read_runs,
    "report_issues": read_issues,
}
_KEYS = ("id", "report_id", "agent_id", "criterion", "run_id", "issue_id")
_NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(scope="session")
def demo(make_command: Callable[[str], Any]) -> Any:
    """The folder in which the demo ran, and how it ended. All that surrounds it leads elsewhere."""
    command = make_command("demo")
    (command.folder / ".env").write_text(f"AGENT_REPORT_SOURCE_BLOCK=theirs\nPREFECT_API_URL={_NOWHERE}/api\n")
    (command.folder / "prefect.toml").write_text(f'api.url = "{_NOWHERE}/api"\n')
    profiles = command.folder / ".prefect" / "profiles.toml"
    profiles.parent.mkdir()
    profiles.write_text(f'active = "theirs"\n[profiles.theirs]\nPREFECT_API_URL = "{_NOWHERE}/api"\n')
    ended = command.run(
        "demo",
        PREFECT_HOME=str(profiles.parent),
        PREFECT_PROFILE="theirs",
        PREFECT_API_URL=f"{_NOWHERE}/api",
        AGENT_REPORT_WAREHOUSE_URL="sqlite:///theirs.db",
        AGENT_REPORT_RUNS_PER_AGENT="1",
        OPENAI_API_KEY="sk-planted-key-0123456789",
        HTTP_PROXY=_NOWHERE,
        http_proxy=_NOWHERE,
    )
    left = {path.name for path in command.folder.iterdir()} | {path.name for path in profiles.parent.iterdir()}
    return command, ended, left


def _made(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the report that was made, without the sample weeks before it, which are in SQL alone."""
    return frame[frame["id" if "id" in frame.columns else "report_id"] == MADE].reset_index(drop=True)


@pytest.fixture(scope="session")
def folder(demo: Any) -> Path:
    """Where the demo put its files."""
    path: Path = demo[0].folder / "agent-report-data" / "demo"
    return path


@pytest.fixture(scope="session")
def warehouse_url(folder: Path) -> str:
    """The demo's warehouse."""
    return f"sqlite:///{folder / 'warehouse.db'}"


def test_it_ends_in_a_printed_report_that_names_what_is_simulated(demo: Any) -> None:
    _, ended, _ = demo
    assert ended.code == 0, ended.err
    assert ended.err == "Starting the demo: a sample environment, a simulated Jaeger and a judge …\n"
    assert f"Report {MADE} on demo: completed" in ended.out
    assert re.search(r"^The report took [^,]+, the whole command .+\.$", ended.out, re.MULTILINE)
    assert "The judge was simulated" in ended.out
    assert len(re.findall(r"^[a-z-]+ +(?:passes|fails|too close to call) ", ended.out, re.MULTILINE)) == 13
    assert re.search(r"^onboarding-guide +no_runs ", ended.out, re.MULTILINE)
    took = re.search(r"^([\d.]+) s, against (\d+) s one after the other", ended.out, re.MULTILINE)
    assert took
    assert float(took[2]) == 13 * AGENT_SECONDS + TEAM_SECONDS


def test_the_command_it_names_shows_the_report_again(demo: Any, run_here: Callable[..., Any]) -> None:
    command, ended, _ = demo
    again = re.search(
        r"^Again: (AGENT_REPORT_WAREHOUSE_URL)=(\S+) (AGENT_REPORT_PARQUET_URL)=(\S+) \S+agent-report (show .*)$",
        ended.out,
        re.MULTILINE,
    )
    assert again
    variables = {again[1]: again[2], again[3]: again[4]}
    # As wide as what the demo printed, whatever terminal the tests have.
    shown = run_here(*again[5].split(), folder=command.folder, COLUMNS="80", **variables)
    assert shown.code == 0, shown.err
    # The commands that both name differ: those of the demo set the warehouse first.
    printed, printed_again = (
        [line.rstrip() for line in text.splitlines() if "agent-report issues" not in line]
        for text in (ended.out, shown.out.strip())
    )
    assert printed[: len(printed_again)] == printed_again
    # The folder is the one of this warehouse: nothing in it is left of reports that are gone.
    pruned = run_here("prune", "--keep", "1s", "--keep-last", "10", folder=command.folder, **variables)
    assert "there are no leftovers" in pruned.out


def test_the_failure_mode_planted_in_three_agents_is_the_first_issue(demo: Any, warehouse_url: str) -> None:
    first = _made(read_issues(warehouse_url)).sort_values("runs_affected", ascending=False).iloc[0]
    assert first["title"].casefold() == HELD_BACK
    assert (len(first["agent_ids"]), len(first["runs"])) == (3, first["runs_affected"])
    assert first["state"] == "new"
    assert demo[1].out.partition("What to fix first\n1. ")[2].casefold().startswith(HELD_BACK)


def test_success_is_shown_beside_completion(demo: Any, warehouse_url: str) -> None:
    agents = _made(read_agents(warehouse_url)).set_index("agent_name")
    notes = agents.loc["release-notes"]
    assert (notes["completion_rate"], notes["success_rate"]) == (1.0, 0.45)
    assert re.search(r"^release-notes +fails +45% +26–66% +100% ", demo[1].out, re.MULTILINE)
    report = _made(read_reports(warehouse_url)).iloc[0]
    assert report["success_rate"] < report["completion_rate"]


def test_14_agents_of_which_one_has_no_runs(warehouse_url: str) -> None:
    agents = _made(read_agents(warehouse_url))
    assert agents["status"].value_counts().to_dict() == {"evaluated": 13, "no_runs": 1}
    report = _made(read_reports(warehouse_url)).iloc[0]
    assert report["status"] == "completed"
    assert any("simulated" in warning for warning in report["warnings"])
    assert report["agents_evaluated"] == 13
    assert report["total_runs_analyzed"] == agents["runs_analyzed"].sum() > 250


@pytest.mark.parametrize("name", list(REPORT_TABLES))
def test_sql_and_parquet_hold_the_same_values(folder: Path, warehouse_url: str, name: str) -> None:
    keys = [
        key
        for key in ("id", "report_id", "agent_id", "criterion", "run_id", "issue_id")
        if key in REPORT_TABLES[name].c
    ]
    from_sql = _made(_READERS[name](warehouse_url)).sort_values(keys, ignore_index=True)
    from_parquet = read_parquet_table(str(folder / "parquet"), name).sort_values(keys, ignore_index=True)
    assert list(from_sql.columns) == list(from_parquet.columns) == [column.name for column in REPORT_TABLES[name].c]
    agents = _made(read_agents(warehouse_url))
    runs = agents["runs_analyzed"].sum() + agents["runs_unfinished"].sum()
    counts = {"reports": 1, "agent_report_details": 14, "criterion_scores": 14 * 3, "report_runs": runs}
    assert len(from_sql) == counts.get(name, len(from_sql)) > 0
    for column in from_sql.columns:
        pd.testing.assert_series_equal(from_sql[column], from_parquet[column])


@pytest.mark.parametrize("name", list(REPORT_TABLES))
def test_the_files_hold_what_the_database_holds_also_without_our_readers(folder: Path, name: str) -> None:
    stored = pq.ParquetFile(folder / "parquet" / name / "demo" / f"{MADE}.parquet").read()
    keys = [
        key for key in ("id", "report_id", "agent_id", "criterion", "run_id", "issue_id") if key in stored.column_names
    ]
    with sqlite3.connect(folder / "warehouse.db") as connection:
        column = "id" if name == "reports" else "report_id"
        cursor = connection.execute(f"SELECT * FROM {name} WHERE {column} = {MADE}")
        titles = [title for title, *_ in cursor.description]
        rows = [dict(zip(titles, row, strict=True)) for row in cursor]
    connection.close()
    by_key = {tuple(row[key] for key in keys): row for row in rows}
    assert len(by_key) == stored.num_rows
    compared = set()
    for row in stored.to_pylist():
        of_sql = by_key[tuple(row[key] for key in keys)]
        for title, value in row.items():
            if isinstance(value, str | int | float) and title not in ("parameters", "judge_settings"):
                assert of_sql[title] == value, title
                compared.add(title)
            elif title == "redactions":
                assert (json.loads(of_sql[title]) if of_sql[title] else None) == (
                    None if value is None else dict(value)
                )
            elif isinstance(value, list) and all(isinstance(item, str | int) for item in value):
                assert json.loads(of_sql[title]) == value, title
                compared.add(title)
            elif value is None and title not in ("owner", "heartbeat"):
                assert of_sql[title] is None, title
    assert len(compared) >= len(titles) // 2


def test_nothing_of_the_users_was_used(demo: Any, folder: Path) -> None:
    _, _, left = demo
    assert left == {".env", ".prefect", "profiles.toml", "prefect.toml", "agent-report-data"}
    assert (folder / "prefect" / "prefect.db").exists()


def test_a_judge_of_ones_own_is_asked_with_all_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("AGENT_REPORT_JUDGE_MODEL=own-model\nAGENT_REPORT_SOURCE_BLOCK=theirs\n")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:8000/v1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("AGENT_REPORT_JUDGE_EXTRA", '{"seed": 7}')
    monkeypatch.setenv("AGENT_REPORT_JUDGE_HEADERS", '{"x-tenant": "a"}')
    assert judge_environment() == {
        "OPENAI_BASE_URL": "http://localhost:8000/v1",
        "AGENT_REPORT_JUDGE_EXTRA": '{"seed": 7}',
        "AGENT_REPORT_JUDGE_HEADERS": '{"x-tenant": "a"}',
        "AGENT_REPORT_JUDGE_MODEL": "own-model",
    }
