"""Every command in the documentation parses, and those that read a warehouse or a source run."""

from __future__ import annotations

import csv
import re
import shlex
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.simulated_reports import report_row
from deployments import cli
from deployments.demo.sample import build_sample
from tasks.settings import Settings
from tasks.warehouse.sql import Warehouse, open_warehouse

_ROOT = Path(__file__).parents[2]
_READING = ("agreement", "check", "compare", "completion", "export", "label", "list", "prune", "show", "watch")
_REPORTS = 17
_AGENTS = ("billing-bot", "deploy-pilot", "refund-desk", "log-digger", "sql-analyst")


def _lines(page: Any) -> Iterator[str]:
    """Lines of the shell blocks, continued ones joined, and what is in backticks and begins as a command does."""
    for block in page.of_language("sh"):
        yield from (line for line in block.replace("\\\n", " ").splitlines() if line.strip())
    if page.name != "docs/reference/commands.md":
        yield from re.findall(r"`((?:\.venv/bin/)?(?:agent-report|make|prefect) [^`]+)`", page.prose)
    else:
        yield from re.findall(r"^Example: `([^`]+)`", page.text, re.MULTILINE)


def _words(line: str) -> list[str]:
    """Its words, without comments and without where its output goes."""
    words = shlex.split(line.removeprefix(".venv/bin/"), comments=True)
    return words[: words.index(">")] if ">" in words else words


def _parse(words: list[str]) -> None:
    """Raises for an unknown command or option."""
    cli.app.parse_args(words[1:], exit_on_error=False, print_error=False)


def _parse_prefect(words: list[str]) -> None:
    from prefect.cli._app import _app

    _app.parse_args(words[1:], exit_on_error=False, print_error=False)


def _check_export(words: list[str]) -> None:
    name = words[1].partition("=")[0]
    known = {f"AGENT_REPORT_{field.upper()}" for field in Settings.model_fields} | {"OPENAI_API_KEY", "OPENAI_BASE_URL"}
    if not name.startswith("PREFECT_"):
        assert name in known
        return
    from prefect.settings import Settings as PrefectSettings

    # Settings of the package prefect-redis, which is not installed.
    if not name.startswith("PREFECT_REDIS_"):
        assert name in _aliases(PrefectSettings)


def _aliases(settings: Any) -> set[str]:
    found = set()
    for name, field in settings.model_fields.items():
        if isinstance(field.annotation, type) and hasattr(field.annotation, "model_fields"):
            found |= _aliases(field.annotation)
        found.add(f"{settings.model_config['env_prefix']}{name}".upper())
        found |= {str(choice).upper() for choice in getattr(field.validation_alias, "choices", ())}
    return found


def test_every_command_exists_with_its_options(page: Any) -> None:
    makefile = (_ROOT / "Makefile").read_text(encoding="utf-8")
    for line in _lines(page):
        words = _words(line)
        if not words:
            continue
        if words[0] == "make":
            assert f"\n{words[1]}:" in makefile, line
        elif words[0] == "agent-report" and len(words) == 2:
            # A command that is named without its arguments.
            assert words[1].startswith("-") or cli.app[words[1]], line
        elif words[0] == "agent-report":
            _parse(words)
        elif words[0] == "prefect":
            _parse_prefect(words)
        elif words[0] == "export":
            _check_export(words)
        elif words[:2] == ["source", "<(agent-report"]:
            _parse(["agent-report", *(word.rstrip(")") for word in words[2:])])
        else:
            assert words[0] in ("cd", "git", "pip", "source", ".venv/bin/python") or words[0].endswith("python"), line


def test_modules_that_are_run_exist(page: Any) -> None:
    modules = re.findall(r"python -m ((?:benchmarks|deployments)[\w.]*)", page.text)
    assert [name for name in modules if not (_ROOT / f"{name.replace('.', '/')}.py").exists()] == []


def test_the_workflow_checks_the_report_that_it_made(pages: dict[str, Any]) -> None:
    (block,) = pages["docs/guide/release-gate.md"].of_language("yml")
    job = yaml.safe_load(block)["jobs"]["agents"]
    lines = [line for step in job["steps"] for line in step.get("run", "").splitlines()]
    commands = [line[line.index("agent-report") :] for line in lines if "agent-report" in line]
    assert [line.split()[1] for line in commands] == ["run", "check", "show"]
    for line in commands:
        _parse(shlex.split(re.sub(r"\$\{\{[^}]+\}\}", "12", line.partition(" > ")[0])))
    assert "--json" in commands[0]
    assert "--environment" not in commands[1]
    assert "steps.report.outputs.id" in commands[1]
    assert "AGENT_REPORT_PARQUET_URL" in job["env"]
    for name in job["env"]:
        _check_export(["export", name])
    assert "upload-artifact" in job["steps"][-1]["uses"]


def _write_reports(warehouse: Warehouse) -> None:
    """Weekly reports with the ids 1 to 17, of two environments by turns."""
    for number in range(1, _REPORTS + 1):
        # The pairs that the pages compare (9 and 10, 12 and 17) are of one environment.
        environment = "staging" if number in (3, 13, 14) else "production"
        created = datetime.now(UTC) - timedelta(weeks=_REPORTS - number, minutes=1)
        report_id = warehouse.create_report({"environment": environment, "name": "Weekly", "created_at": created})
        ended = {"created_at": created, "generation_started_at": created, "generation_completed_at": created}
        row = report_row(report_id) | ended | {"environment": environment, "status": "completed", "team_score": 8.0}
        row.pop("id", None)
        agents = [
            {
                "agent_id": str(agent),
                "agent_name": name,
                "status": "evaluated",
                "score": 8.0,
                "passed": True,
                "runs_analyzed": 20,
                "completion_rate": 0.9,
            }
            for agent, name in enumerate(_AGENTS, start=1)
        ]
        criteria = [
            {
                "agent_id": None if agent is None else str(agent),
                "criterion": "accuracy",
                "weight": 1.0,
                "threshold": 7.0,
                "score": 8.0,
                "passed": True,
            }
            for agent in (None, *range(1, len(_AGENTS) + 1))
        ]
        runs = [
            {
                "agent_id": str(agent),
                "run_id": str(report_id * 1000 + agent * 20 + run),
                "status": "completed",
                "completed": run > 1,
            }
            for agent in range(1, len(_AGENTS) + 1)
            for run in range(20)
        ]
        warehouse.write_report(report_id, row, agents, criteria, runs)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, pages: dict[str, Any]) -> Path:
    """A folder as the pages assume it: a warehouse, a source and a file of criteria."""
    folder = tmp_path_factory.mktemp("template")
    (folder / "agent-report-data").mkdir()
    warehouse = open_warehouse(f"sqlite:///{folder}/agent-report-data/warehouse.db")
    _write_reports(warehouse)
    warehouse.close()
    build_sample(datetime.now(UTC), agents=3, runs_per_agent=3).write_sqlite(folder / "station.db")
    with sqlite3.connect(folder / "station.db") as connection:
        connection.execute("UPDATE environments SET name = 'production'")
    connection.close()
    block, _ = pages["docs/guide/criteria.md"].of_language("yaml")
    (folder / "criteria.yaml").write_text(block.replace('"id:12"', '"id:2"'), encoding="utf-8")
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it that is the current folder, and the settings for it."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    url = f"sqlite:///{tmp_path}/agent-report-data/warehouse.db"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENT_REPORT_WAREHOUSE_URL", url)
    monkeypatch.setenv("AGENT_REPORT_PARQUET_URL", str(tmp_path / "agent-report-data" / "parquet"))
    monkeypatch.setenv("AGENT_REPORT_SOURCE_URL", f"sqlite:///{tmp_path}/station.db")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    return tmp_path


@pytest.fixture
def agent_report(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs a command in the folder; its exit code and what it printed."""

    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out + printed.err

    return run


def _runs_here(words: list[str]) -> bool:
    """Whether it needs no more than a warehouse, or a source for a dry run, and asks nothing."""
    if words[:1] != ["agent-report"] or len(words) < 3:
        return words == ["agent-report", "list"]
    if words[1] == "label":
        return "--csv" in words or "--template" in words
    return "--dry-run" in words if words[1] == "run" else words[1] in _READING


def test_commands_that_read_run(page: Any, agent_report: Callable[..., tuple[int, str]], folder: Path) -> None:
    lines = [line for line in dict.fromkeys(_lines(page)) if _runs_here(_words(line)) and "…" not in line]
    for line in lines:
        words = _words(line)
        # Files of an earlier line of the page, which the command does not replace.
        for name in ("report.json", "runs.csv"):
            (folder / name).unlink(missing_ok=True)
        if "--csv" in words:
            _fill_in(folder / words[words.index("--csv") + 1], agent_report)
        code, printed = agent_report(*words[1:])
        # A gate may be broken by these reports.
        assert code in ((0, 1) if words[1] == "check" else (0,)), f"{line}\n{printed}"


def _fill_in(path: Path, agent_report: Callable[..., tuple[int, str]]) -> None:
    """What a person does with the template between two commands of the page."""
    path.unlink(missing_ok=True)
    assert agent_report("label", "12", "--template", str(path))[0] == 0
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(row | {"passed": "yes"} for row in rows)
