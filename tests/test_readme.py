"""The README is true: its commands parse, its code runs, its criteria are accepted, its settings are all of them."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import SecretStr

from deployments.cli import app
from tasks.judge.evaluation import AgentStatus
from tasks.judge.rubric import parse_criteria
from tasks.settings import ReportOptions, Settings
from tasks.warehouse.parquet import write_parquet
from tasks.warehouse.schema import ENDED, REPORT_TABLES, agent_report_details
from tasks.warehouse.sql import open_warehouse

_ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def readme() -> str:
    return (_ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(readme: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", readme, re.DOTALL)


def _commands(readme: str) -> list[str]:
    """Lines of the shell blocks, and what stands in backticks and begins as a command does."""
    lines = [line for block in _blocks(readme, "sh") for line in block.splitlines()]
    inline = re.findall(r"`((?:\.venv/bin/)?(?:agent-report|make) [^`]+)`", readme)
    return [line.removeprefix(".venv/bin/") for line in lines + inline if line.strip()]


def _rows(readme: str, title: str) -> list[list[str]]:
    """The cells of the table whose first title is ``title``."""
    found = re.search(rf"^\| {title} \|.*?\n\|[-|]+\n((?:\|.*\n)+)", readme, re.MULTILINE)
    assert found, title
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in found[1].splitlines()]


def test_it_opens_with_a_picture_that_asks_nobody_for_anything(readme: str) -> None:
    found = re.match(r"# agent-report\n\n!\[[^\]]+\]\((\S+)\)\n\n.*`agent-report demo`", readme)
    assert found
    picture = (_ROOT / found[1]).read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\s\"]+", picture)) == {"http://www.w3.org/2000/svg"}
    assert picture.count(">evaluated") == 13
    assert picture.count(">no_runs") == 1


def test_every_command_exists_with_its_options(readme: str) -> None:
    commands = _commands(readme)
    assert len(commands) > 8
    makefile = (_ROOT / "Makefile").read_text(encoding="utf-8")
    for line in commands:
        words = shlex.split(line, comments=True)
        if words[0] == "make":
            assert f"\n{words[1]}:" in makefile, line
        elif words[0] == "agent-report":
            # Raises for an unknown command or option.
            app.parse_args(words[1:], exit_on_error=False, print_error=False)
        elif words[0] == "export":
            assert words[1].partition("=")[0].lower() in {*_names(), "prefect_api_url"}, line
        else:
            assert words[:2] in (["prefect", "concurrency-limit"], ["prefect", "worker"]), line


def test_the_workflow_is_one_and_checks_the_very_report_that_it_made(readme: str) -> None:
    (block,) = _blocks(readme, "yml")
    job = yaml.safe_load(block)["jobs"]["agents"]
    lines = [line for step in job["steps"] for line in step.get("run", "").splitlines()]
    commands = [line[line.index("agent-report") :] for line in lines if "agent-report" in line]
    assert [line.split()[1] for line in commands] == ["run", "check", "show"]
    for line in commands:
        words = shlex.split(re.sub(r"\$\{\{[^}]+\}\}", "12", line.partition(" > ")[0]))
        app.parse_args(words[1:], exit_on_error=False, print_error=False)
    assert "--json" in commands[0]
    assert "--environment" not in commands[1]
    assert "steps.report.outputs.id" in commands[1]
    assert {name.lower() for name in job["env"]} <= set(_names())
    assert "AGENT_REPORT_PARQUET_URL" in job["env"]
    assert "upload-artifact" in job["steps"][-1]["uses"]


def test_every_option_named_is_one_of_a_command(readme: str) -> None:
    named = set(re.findall(r"`(--[a-z-]+)`", readme))
    options = {
        option
        for name in app
        if not name.startswith("-")
        for argument in app[name].assemble_argument_collection()
        for option in argument.names
    }
    assert named <= options


def test_the_criteria_example_is_accepted(readme: str) -> None:
    (block,) = _blocks(readme, "yaml")
    criteria = parse_criteria(yaml.safe_load(block))
    assert set(criteria.agents) == {"name:billing-bot", "id:12"}
    assert criteria.team.goal == "Customers get a right answer the same day"


def test_the_notebook_example_runs(readme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_warehouse("sqlite:///agent-report-data/warehouse.db").close()
    names = _run_block(readme, "read_view")
    assert list(names["agents"].columns) == list(names["same"].columns)


def test_other_readers_take_the_parquet_files_in_a_line_each(
    readme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for report_id, environment in enumerate(("prod/eu", "a=b"), start=1):
        rows = [{"agent_id": number, "agent_name": "a", "status": "no_runs"} for number in range(report_id)]
        report = {"environment": environment, "name": "", "status": "completed", "progress": 100}
        tables = {"reports": [report | {"created_at": datetime.now(UTC)}], "agent_report_details": rows}
        write_parquet("agent-report-data/parquet", environment, report_id, tables)
    names = _run_block(readme, "duckdb")
    found = (names["by_duckdb"].pl(), names["by_pandas"], names["by_polars"])
    for frame in found:
        assert list(frame.columns) == agent_report_details.columns.keys()
        assert sorted(frame["report_id"]) == [1, 2, 2]


def _run_block(readme: str, word: str) -> dict[str, Any]:
    (block,) = [block for block in _blocks(readme, "python") if word in block]
    names: dict[str, Any] = {}
    exec(block, names)
    return names


def _names() -> dict[str, str]:
    """Field by the name of its environment variable, in lower case."""
    return {name if name.startswith("openai_") else f"agent_report_{name}": name for name in Settings.model_fields}


def _default(name: str) -> str:
    value = Settings.model_fields[name].get_default(call_default_factory=True)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value in (None, "", [], {}):
        return ""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def test_every_setting_is_in_the_table_with_its_default(readme: str) -> None:
    rows = {row[0].strip("`").lower(): row for row in _rows(readme, "setting")}
    assert set(rows) == set(_names())
    for variable, (_, option, default, what) in rows.items():
        name = _names()[variable]
        assert default.strip("`") == _default(name), variable
        assert bool(option) == (name in ReportOptions.model_fields), variable
        assert what


def test_the_settings_that_are_named_exist(readme: str) -> None:
    named = re.findall(r"\b((?:AGENT_REPORT|OPENAI)_[A-Z_]+)", readme)
    assert {name.lower() for name in named} <= set(_names())


def test_every_status_and_table_is_explained(readme: str) -> None:
    statuses = {row[0].strip("`") for row in _rows(readme, "status of an agent")}
    assert statuses == set(get_args(AgentStatus))
    assert {row[0].strip("`") for row in _rows(readme, "table")} >= {"environments", "agents", "agent_runs"}
    explained = re.findall(r"^\| `(\w+)` \|", readme, re.MULTILINE)
    assert set(explained) >= {*REPORT_TABLES, "judge_calls"}
    for status in ("pending", "generating_team", "generating_agents", *ENDED):
        assert f"`{status}`" in readme


def test_the_files_it_names_are_there(readme: str) -> None:
    linked = re.findall(r"\]\(([^)#]+)\)", readme)
    named = re.findall(r"`((?:docs|deployments|tasks|flows)/[\w/.]+)`", readme)
    for path in linked + named:
        assert (_ROOT / path).exists(), path
