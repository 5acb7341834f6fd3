"""The commands that read the warehouse: list, show, prune, completion; on a small history."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest
import sqlalchemy as sa

from deployments.cli import main
from deployments.commands import reports as reports_commands
from tasks.comparison.comparison import AgentComparison, Change, Comparison
from tasks.connecting import open_clients
from tasks.stored.reports import compare_stored
from tasks.warehouse.comparisons import write_comparison
from tasks.warehouse.listing import STATUSES
from tasks.warehouse.schema import agent_report_details, reports
from tasks.warehouse.sql import Warehouse

AgentReport = Callable[..., tuple[int, str, str]]
Write = Callable[..., int]
NOW = datetime.now(UTC)
HOSTILE = "=cmd|' /C calc'!A0"


# list


def test_the_list_has_every_filter(agent_report: AgentReport, write: Write) -> None:
    old = write(days=10)
    failed = write(status="failed", name="100% RELEASE")
    other = write(environment="test", judge_model="m-2")
    running = write(status="pending", name="by hand")

    def listed(*filters: str) -> list[int]:
        code, out, err = agent_report("list", "--json", *filters)
        assert (code, err) == (0, "")
        return [row["id"] for row in json.loads(out)]

    assert listed() == [running, other, failed, old]
    assert listed("--limit", "2") == [running, other]
    assert listed("--environment", "test") == [other]
    assert listed("--status", "completed", "pending") == [running, other, old]
    assert listed("--since", "7d") == [running, other, failed]
    assert listed("--since", (NOW - timedelta(days=11)).isoformat(), "--status", "completed") == [other, old]
    assert listed("--name", "% rel") == [failed]
    assert listed("--name", "NIGHTLY") == [other, old]
    assert listed("--name", "%%") == []
    assert listed("--judge-model", "m-2") == [other]
    assert "No report matches" in agent_report("list", "--name", "nope")[1]


def test_an_empty_warehouse_leads_to_the_command_that_makes_a_report(agent_report: AgentReport) -> None:
    assert "agent-report run ENVIRONMENT" in agent_report("list")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list", "--since", "yesterday"], "yesterday"),
        (["list", "--limit", "0"], "--limit 0: must be from 1 to 1000000"),
        (["list", "--status", "done"], "done"),
        (["show", "9"], "no report 9"),
        (["show", "1", "--agent", "nope"], "there are good-bot"),
        (["watch", "9"], "no report 9"),
        (["export", "9", "--format", "csv"], "no report 9"),
        (["export", "1", "--format", "xml"], "xml"),
        (["export", "1", "--format", "csv", "--out", "no/such/folder.csv"], "no/such/folder.csv"),
        (["export", "2", "--format", "json"], "agent-report watch 2"),
        (["prune", "--keep", "lots"], "lots"),
        (["prune", "--keep", "0d"], "must be in the past"),
        (["prune", "--keep", "9d", "--keep-last", "0"], "at least 1"),
        (["completion", "cmd.exe"], "cmd.exe"),
    ],
)
def test_what_is_wrong_is_refused_in_a_line(
    agent_report: AgentReport, arguments: list[str], message: str, write: Write
) -> None:
    write()
    write(status="pending")
    code, out, err = agent_report(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("Refused: ")
    assert message in err
    assert len(err.splitlines()) == 1


def test_the_statuses_to_filter_by_are_those_that_there_are() -> None:
    assert get_args(reports_commands.Status) == STATUSES


# show


def test_the_first_page_shows_what_needs_attention_and_the_thresholds(agent_report: AgentReport, write: Write) -> None:
    code, out, _ = agent_report("show", str(write()))
    assert code == 0
    assert "Team: 6.5 of 10, fails" in out
    assert "Needs attention: 1 of 2 agents" in out
    assert "often late" in out
    assert "zeal 2.0 < 7 · tone – (not enough evidence) · accuracy 8.0 ≥ 7" in out
    assert out.index("Needs attention") < out.index("good-bot")
    assert "Since report" not in out


def test_the_first_page_shows_what_changed(warehouse: Warehouse, agent_report: AgentReport, write: Write) -> None:
    before, after = write(), write()
    better = Change(metric="criterion:accuracy", verdict="better", before=7.0, after=9.0)
    worse = Change(metric="completion_rate", verdict="worse", before=0.9, after=0.4)
    agents = (
        AgentComparison(agent_id="1", agent_name="bot 1", verdict="better", changes=(better,)),
        AgentComparison(agent_id="2", agent_name="bot \x1b[2J2", verdict="worse", changes=(worse,)),
        AgentComparison(agent_id="3", agent_name="bot 3", verdict="not_comparable", presence="gone"),
        AgentComparison(agent_id="4", agent_name="bot 4", verdict="no_change"),
    )
    team = AgentComparison(agent_id=None, agent_name="team", verdict="no_change")
    write_comparison(warehouse, Comparison(baseline_id=before, report_id=after, team=team, agents=agents))
    out = agent_report("show", str(after))[1]
    assert f"Since report {before}: 1 worse, 1 better, 1 gone; 1 agent without a change" in out
    assert re.search(r"worse +bot �\[2J2 +completion rate 90 ?% → 40 ?%", out), out
    assert re.search(r"better +bot 1 +.*accuracy.* 7.0 → 9.0", out)
    assert re.search(r"gone +bot 3", out)
    assert "bot 4" not in out
    assert "Since report" not in agent_report("show", str(before))[1]


def test_a_failed_report_shows_why(warehouse: Warehouse, agent_report: AgentReport, write: Write) -> None:
    report_id = write(status="failed")
    error = "the judge's quota is used up: HTTP 429: no quota"
    with warehouse.database.writing() as connection:
        connection.execute(sa.update(reports).values(error=error, agents_evaluated=0, agents_failed=2))
        connection.execute(sa.update(agent_report_details).values(status="failed", error=error, score=None))
    out = agent_report("show", str(report_id))[1]
    assert f"Report {report_id} on prod: failed" in out
    assert "The judge's quota is used up: no agent was judged.\nWhy: HTTP 429: no quota" in out


def test_one_agent_in_full(agent_report: AgentReport, write: Write) -> None:
    report_id = str(write())
    for name in (HOSTILE, "id:2", HOSTILE.upper()):
        code, out, _ = agent_report("show", report_id, "--agent", name)
        assert code == 0
        assert "4.5 of 10, fails" in out
    for part in (
        "completed 50% (95% range 9–91%)",
        "zeal (weight 0.5): 2.0, threshold 7",
        "- run 22: “too late” says the user",
        "tone (weight 0.5): not enough evidence",
        "1 × timed out (runs 22)",
        "search",
        "worst: it failed; timed out",
    ):
        assert part in out
    assert "\x1b" not in out
    assert "good-bot" not in out
    printed = json.loads(agent_report("show", report_id, "--agent", "id:2", "--json")[1])
    assert list(printed["agent"]) == agent_report_details.columns.keys()
    assert [row["criterion"] for row in printed["criteria"]] == ["accuracy", "tone", "zeal"]
    assert [row["run_id"] for row in printed["runs"]] == ["22", "21"]


def test_ids_of_any_text_find_an_agent_and_keep_the_terminal_as_it_is(
    warehouse: Warehouse, agent_report: AgentReport
) -> None:
    agent, run = "team: ü/1 \x1b[2J", "run\n" + "x" * 190
    details = [
        {"agent_id": agent_id, "agent_name": "bot", "status": "evaluated", "score": score, "passed": True}
        for agent_id, score in ((agent, 9.0), (agent.upper(), 8.0), ("10", 7.5), ("9", 7.0))
    ]
    runs = [{"agent_id": agent, "run_id": run, "status": "completed", "completed": True, "duration_seconds": 1.25}]
    report_id = warehouse.create_report({"environment": "prod"})
    warehouse.write_report(report_id, {"status": "completed"}, details, [], runs)
    code, out, _ = agent_report("show", str(report_id), "--agent", f"id:{agent}")
    assert code == 0
    assert "9.0 of 10" in out
    assert "\x1b" not in out
    # The columns beside a long id have their place.
    assert "Seconds" in out
    _, _, error = agent_report("show", str(report_id), "--agent", "bot")
    assert "(id:9, id:10, id:TEAM: Ü/1" in " ".join(error.split())
    printed = json.loads(agent_report("show", str(report_id), "--agent", f"id:{agent}", "--json")[1])
    assert (printed["agent"]["agent_id"], printed["runs"][0]["run_id"]) == (agent, run)


# prune


def test_prune_is_a_dry_run_unless_told(warehouse: Warehouse, agent_report: AgentReport, write: Write) -> None:
    old, new = write(days=100), write()
    code, out, _ = agent_report("prune", "--keep", "90d")
    assert code == 0
    assert f"\n {old}  prod" in out
    assert "Would remove: 1 report with 9 rows" in out
    # Without it these files could be anyone's.
    assert " in " + os.environ["AGENT_REPORT_PARQUET_URL"] in " ".join(out.split())
    assert "Nothing was removed. Run again with --yes to remove." in out
    assert warehouse.load_report(old) is not None
    facts = json.loads(agent_report("prune", "--keep", "90d", "--json")[1])
    assert (facts["removed"], [row["id"] for row in facts["reports"]]) == (False, [old])
    out = agent_report("prune", "--keep", "90d", "--yes")[1]
    assert "Removed: 1 report with 9 rows" in out
    assert warehouse.load_report(old) is None
    assert warehouse.load_report(new) is not None
    assert "No report is old enough" in agent_report("prune", "--keep", "90d", "--yes")[1]


# completion


def test_bash_completes_commands_options_and_values(agent_report: AgentReport, tmp_path: Path) -> None:
    script = tmp_path / "completion.bash"
    script.write_text(agent_report("completion", "bash")[1], encoding="utf-8")

    def complete(*words: str) -> list[str]:
        code = (
            f"source {script}\nCOMP_WORDS=({shlex.join(words)})\n"
            f"COMP_CWORD={len(words) - 1}\n"
            "complete -p agent-report >/dev/null || exit 3\n"
            "$(complete -p agent-report | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n"
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        ended = subprocess.run(["bash", "--norc", "-c", code], capture_output=True, encoding="utf-8", timeout=30)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.split()

    assert {"run", "list", "show", "watch", "export", "prune", "completion"} <= set(complete("agent-report", ""))
    assert complete("agent-report", "wat") == ["watch"]
    assert complete("agent-report", "list", "--sta") == ["--status"]
    assert complete("agent-report", "list", "--status", "c") == ["completed", "cancelled"]
    assert complete("agent-report", "export", "12", "--format", "") == ["csv", "json"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_have_a_script_too(agent_report: AgentReport, shell: str) -> None:
    out = agent_report("completion", shell)[1]
    assert "agent-report" in out
    assert "keep-last" in out


# What it takes


def test_reading_the_warehouse_loads_neither_prefect_nor_the_judge(tmp_path: Path, write: Write) -> None:
    """They take two seconds to load, and these commands answer in less than one."""
    ids = write(), write()
    # Two reports that were compared before, as every report is with the last one.
    with open_clients():
        assert compare_stored(ids[1], ids[0]) is not None
    lines = [
        *("list", "show 1", "show 1 --agent good-bot", "watch 1", "export 1 --format csv", "prune --keep 9d"),
        *("check 1 --max-failed 9", "label 1 --template sheet.csv", "compare 1 2"),
        # The last one: agreement is measured again each time, with numpy's friends.
        "agreement 1",
    ]
    code = f"""
import sys
from deployments import cli
for line in {lines}:
    try:
        cli.main(line.split())
    except SystemExit as end:
        assert not end.code, line
    slow = {{"prefect", "pandas", "openai", "genai_prices", "alembic", "jinja2", "scipy"}} & set(sys.modules)
    slow -= {{"pandas", "scipy"}} if line.startswith("agreement") else set()
    assert not slow, (line, slow)
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "99999999999999999999"),
        ("watch", "99999999999999999999"),
        ("export", "99999999999999999999", "--format", "json"),
        ("check", "99999999999999999999", "--min-score", "1"),
        ("show", "-5"),
        ("show", "7"),
    ],
)
def test_an_id_that_is_none_is_refused_with_the_warehouse_that_was_asked(
    arguments: tuple[str, ...], warehouse: Warehouse, agent_report: AgentReport
) -> None:
    code, _, error = agent_report(*arguments)
    assert code == 2
    assert f"there is no report {arguments[1]} in sqlite:///" in error
    assert "AGENT_REPORT_WAREHOUSE_URL" in error


def test_an_agent_is_found_by_all_that_it_is_called_and_two_of_one_name_by_their_ids(
    warehouse: Warehouse, agent_report: AgentReport, write: Write
) -> None:
    report_id = str(write())
    for wanted in ("name:good-bot", "GOOD-bot", "id:1"):
        code, out, _ = agent_report("show", report_id, "--agent", wanted)
        assert code == 0
        assert "good-bot" in out
    with warehouse.database.writing() as connection:
        connection.execute(sa.update(agent_report_details).values(agent_name="twin"))
    code, _, error = agent_report("show", report_id, "--agent", "twin")
    assert code == 2
    assert "id:1, id:2" in error


def test_an_empty_list_names_the_warehouse(warehouse: Warehouse, agent_report: AgentReport) -> None:
    code, out, _ = agent_report("list")
    assert code == 0
    assert f"No reports yet in {warehouse.database.shown}" in out
    code, _, error = agent_report("list", "--limit", "99999999999999999999")
    assert code == 2
    assert "--limit 99999999999999999999: must be from 1 to 1000000" in error


# terminals without UTF-8


NAME = "müller – 日本 😀"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_a_terminal_cannot_show_is_replaced_and_the_exit_code_stays(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, encoding: str, write: Write
) -> None:
    report_id = str(write(name=NAME))

    def ran(*arguments: str) -> tuple[int, bytes, bytes]:
        written = {name: io.BytesIO() for name in ("stdout", "stderr")}
        for name, buffer in written.items():
            monkeypatch.setattr(sys, name, io.TextIOWrapper(buffer, encoding=encoding))
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
        return int(ended.value.code or 0), written["stdout"].getvalue(), written["stderr"].getvalue()

    for arguments in (["show", report_id], ["list"], ["run", "--help"], ["show", report_id, "--agent", "good-bot"]):
        code, out, err = ran(*arguments)
        assert (code, err) == (0, b""), arguments
        assert out
        assert encoding != "ascii" or out.isascii()
    code, out, err = ran("list", "--name", "–")
    assert code == 0
    code, out, err = ran("show", report_id, "--agent", "nope–")
    assert code == 2
    assert err.startswith(b"Refused: ")
    code, out, err = ran("show", report_id, "--json")
    assert (code, err) == (0, b"")
    assert json.loads(out.decode("utf-8"))["report"]["name"] == NAME
    code, out, err = ran("export", report_id, "--format", "json")
    assert json.loads(out.decode("utf-8"))["report"]["name"] == NAME
    # The page and nothing else.
    code, out, err = ran("show", report_id, "--html", "-")
    assert (code, err) == (0, b"")
    assert NAME in out.decode("utf-8")
    assert out.startswith(b"<!doctype html>")
    assert out.endswith(b"</html>")


def test_a_process_in_the_c_locale_replaces_too(warehouse: Warehouse, tmp_path: Path, write: Write) -> None:
    report_id = str(write(name=NAME))
    ended = subprocess.run(
        [sys.executable, "-m", "deployments.cli", "show", report_id],
        cwd=Path(__file__).parents[3],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "AGENT_REPORT_NO_ENV_FILE": "1",
            "AGENT_REPORT_WAREHOUSE_URL": f"sqlite:///{tmp_path}/warehouse.db",
            **{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        },
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.isascii()
    assert b"ller" in ended.stdout
