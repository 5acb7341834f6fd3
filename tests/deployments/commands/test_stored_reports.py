"""The commands that read the warehouse: list, show, watch, export, prune, completion; on a small history."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import sqlalchemy as sa

from deployments import cli
from deployments.commands import reports as reports_commands
from deployments.commands.export import write_csv
from tasks.comparison.comparison import AgentComparison, Change, Comparison
from tasks.connecting import open_clients
from tasks.stored.reports import compare_stored
from tasks.warehouse.comparisons import write_comparison
from tasks.warehouse.listing import STATUSES
from tasks.warehouse.owner import Owner, current_owner
from tasks.warehouse.schema import agent_report_details, reports
from tasks.warehouse.sql import Warehouse, open_warehouse

NOW = datetime.now(UTC)
HOSTILE = "=cmd|' /C calc'!A0"


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """The warehouse that the commands read, in a folder of its own."""
    url = f"sqlite:///{tmp_path}/warehouse.db"
    monkeypatch.chdir(tmp_path)
    # A file is as wide as it needs to be; tests that run beside others are given a terminal that is none.
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("AGENT_REPORT_WAREHOUSE_URL", url)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("AGENT_REPORT_PARQUET_URL", str(tmp_path / "parquet"))
    return open_warehouse(url)


@pytest.fixture
def agent_report(warehouse: Warehouse, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command in this process; its exit code, what it printed, and its errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


def write(warehouse: Warehouse, days: float = 0, **changes: Any) -> int:
    """A completed report of two agents: one that passed, and one that did not."""
    created = {"environment": "prod", "name": "Nightly run", "judge_model": "m-1", "created_at": NOW}
    values = created | {"created_at": NOW - timedelta(days=days)} | changes
    status = values.pop("status", "completed")
    report_id = warehouse.create_report(values)
    if status not in ("completed", "failed", "cancelled"):
        return report_id
    details = [
        {"agent_id": 1, "agent_name": "good-bot", "status": "evaluated", "score": 9.0, "passed": True},
        {
            "agent_id": 2,
            "agent_name": HOSTILE,
            "status": "evaluated",
            "score": 4.5,
            "passed": False,
            "reasoning": "-1 \x1b[31mfor\nlateness",
            "weaknesses": ["often late"],
            "runs_analyzed": 2,
            "success_rate": 0.5,
            "success_rate_low": 0.09,
            "success_rate_high": 0.91,
            "tool_usage": [{"name": "search", "calls": 4, "errors": 1, "duration_seconds": 1.5}],
            "failure_patterns": [{"pattern": "p", "count": 1, "run_ids": [22], "example": "timed out"}],
            "worst_run": {"run_id": 22, "status": "failed", "reason": "it failed"},
        },
    ]
    example = {"run_id": 22, "label": "R2", "span_id": None, "quote": "too late", "text": "says the user"}
    criteria = [
        _criterion(None, "accuracy", 8.0),
        _criterion(1, "accuracy", 9.0),
        _criterion(2, "accuracy", 8.0),
        _criterion(2, "zeal", 2.0, reasoning="It was late.", examples=[example]),
        _criterion(2, "tone", None),
    ]
    runs = [
        {"agent_id": 2, "run_id": 21, "status": "completed", "succeeded": True, "duration_seconds": 1.25},
        {"agent_id": 2, "run_id": 22, "status": "failed", "succeeded": False, "error": "timed out"},
    ]
    report = {
        "status": status,
        "team_score": 6.5,
        "team_passed": False,
        "total_agents": 2,
        "agents_evaluated": 2,
        "agents_failed": 0,
        "total_runs_analyzed": 2,
        "generation_completed_at": values["created_at"],
    }
    warehouse.write_report(report_id, report, details, criteria, runs)
    return report_id


def _criterion(agent_id: int | None, name: str, score: float | None, **values: Any) -> dict[str, Any]:
    row = {"agent_id": agent_id, "criterion": name, "weight": 0.5, "threshold": 7.0, "score": score}
    return row | {"passed": None if score is None else score >= 7} | values


# list


def test_the_list_has_every_filter(warehouse: Warehouse, agent_report: Callable[..., tuple[int, str, str]]) -> None:
    old = write(warehouse, days=10)
    failed = write(warehouse, status="failed", name="100% RELEASE")
    other = write(warehouse, environment="test", judge_model="m-2")
    running = write(warehouse, status="pending", name="by hand")

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


def test_an_empty_warehouse_says_what_makes_a_report(agent_report: Callable[..., tuple[int, str, str]]) -> None:
    assert "agent-report run ENVIRONMENT" in agent_report("list")[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
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
    warehouse: Warehouse, agent_report: Callable[..., tuple[int, str, str]], arguments: list[str], says: str
) -> None:
    write(warehouse)
    write(warehouse, status="pending")
    code, out, err = agent_report(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("Refused: ")
    assert says in err
    assert len(err.splitlines()) == 1


def test_the_statuses_to_filter_by_are_those_that_there_are() -> None:
    assert get_args(reports_commands.Status) == STATUSES


# show


def test_the_first_page_says_what_needs_work_and_against_which_thresholds(
    warehouse: Warehouse, agent_report: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, _ = agent_report("show", str(write(warehouse)))
    assert code == 0
    assert "Team: 6.5 of 10, not passed" in out
    assert "Needs attention: 1 of 2 agents" in out
    assert "often late" in out
    assert "zeal 2.0 < 7 · tone – (not enough evidence) · accuracy 8.0 ≥ 7" in out
    assert out.index("Needs attention") < out.index("good-bot")
    assert "Since report" not in out


def test_the_first_page_says_what_changed(
    warehouse: Warehouse, agent_report: Callable[..., tuple[int, str, str]]
) -> None:
    before, after = write(warehouse), write(warehouse)
    better = Change(metric="criterion:accuracy", verdict="better", before=7.0, after=9.0)
    worse = Change(metric="success_rate", verdict="worse", before=0.9, after=0.4)
    agents = (
        AgentComparison(agent_id=1, agent_name="bot 1", verdict="better", changes=(better,)),
        AgentComparison(agent_id=2, agent_name="bot \x1b[2J2", verdict="worse", changes=(worse,)),
        AgentComparison(agent_id=3, agent_name="bot 3", verdict="not_comparable", presence="gone"),
        AgentComparison(agent_id=4, agent_name="bot 4", verdict="no_change"),
    )
    team = AgentComparison(agent_id=None, agent_name="team", verdict="no_change")
    write_comparison(warehouse, Comparison(baseline_id=before, report_id=after, team=team, agents=agents))
    out = agent_report("show", str(after))[1]
    assert f"Since report {before}: 1 worse, 1 better, 1 gone; 1 agent without a change" in out
    assert re.search(r"worse +bot �\[2J2 +success rate 90 ?% → 40 ?%", out), out
    assert re.search(r"better +bot 1 +.*accuracy.* 7.0 → 9.0", out)
    assert re.search(r"gone +bot 3", out)
    assert "bot 4" not in out
    assert "Since report" not in agent_report("show", str(before))[1]


def test_one_agent_in_full(warehouse: Warehouse, agent_report: Callable[..., tuple[int, str, str]]) -> None:
    report_id = str(write(warehouse))
    for name in (HOSTILE, "id:2", HOSTILE.upper()):
        code, out, _ = agent_report("show", report_id, "--agent", name)
        assert code == 0
        assert "4.5 of 10, not passed" in out
    for part in (
        "success 50% (95% range 9–91%)",
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
    assert [row["run_id"] for row in printed["runs"]] == [22, 21]


# export


def test_json_is_the_whole_report_in_one_document(
    warehouse: Warehouse, agent_report: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    report_id = str(write(warehouse))
    whole = json.loads(agent_report("export", report_id, "--format", "json")[1])
    assert list(whole) == ["report", "agents", "criteria", "runs"]
    assert list(whole["report"]) == reports.columns.keys()
    assert [len(whole[name]) for name in ("agents", "criteria", "runs")] == [2, 5, 2]
    assert whole["agents"][1]["tool_usage"][0]["calls"] == 4
    runs = json.loads(agent_report("export", report_id, "--format", "json", "--table", "runs")[1])
    assert runs == whole["runs"]
    out = tmp_path / "report.json"
    assert agent_report("export", report_id, "--format", "json", "--out", str(out)) == (0, "", "")
    assert json.loads(out.read_text(encoding="utf-8")) == whole


def test_a_file_that_exists_is_replaced_only_with_force(
    warehouse: Warehouse, agent_report: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    report_id = str(write(warehouse))
    for name, kind in (("thesis.txt", "json"), ("runs.csv", "csv"), ("report.json", "json")):
        out = tmp_path / name
        out.write_text("dear", encoding="utf-8")
        code, printed, said = agent_report("export", report_id, "--format", kind, "--out", str(out))
        assert (code, printed) == (2, "")
        assert str(out) in said
        assert "--force" in said
        assert out.read_text(encoding="utf-8") == "dear"
        assert agent_report("export", report_id, "--format", kind, "--out", str(out), "--force") == (0, "", "")
        assert "good-bot" in out.read_text(encoding="utf-8")
    empty = tmp_path / "empty"
    empty.touch()
    assert agent_report("export", report_id, "--format", "json", "--out", str(empty)) == (0, "", "")


def test_csv_is_a_table_that_no_spreadsheet_runs(
    warehouse: Warehouse, agent_report: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    report_id = str(write(warehouse))
    out = agent_report("export", report_id, "--format", "csv")[1]
    first, second = csv.DictReader(io.StringIO(out))
    assert list(first) == agent_report_details.columns.keys()
    assert (first["agent_name"], first["score"], first["passed"], first["reasoning"]) == ("good-bot", "9.0", "true", "")
    assert second["agent_name"] == "'" + HOSTILE
    assert second["reasoning"] == "'-1 \ufffd[31mfor\nlateness"
    assert json.loads(second["tool_usage"])[0]["name"] == "search"
    for table, count in (("reports", 1), ("criteria", 5), ("runs", 2)):
        printed = agent_report("export", report_id, "--format", "csv", "--table", table)[1]
        assert len(list(csv.DictReader(io.StringIO(printed)))) == count
    file = tmp_path / "runs.csv"
    agent_report("export", report_id, "--format", "csv", "--table", "runs", "--out", str(file), "--bom")
    assert file.read_bytes().startswith(b"\xef\xbb\xbfreport_id,")
    assert [path.name for path in tmp_path.glob("*.csv")] == ["runs.csv"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", " =", "\n=", "＝", "＠"])
def test_what_could_be_a_formula_is_text_and_numbers_stay_numbers(start: str) -> None:
    (row,) = csv.DictReader(
        io.StringIO(
            write_csv(["text", "number", "json"], [{"text": f"{start}1+1", "number": -1.5, "json": [f"{start}1"]}]),
            newline="",
        )
    )
    assert row["text"].startswith("'")
    assert row["number"] == "-1.5"
    assert json.loads(row["json"]) == [f"{start}1"]


# watch


def test_a_report_that_has_ended_is_shown_at_once(
    warehouse: Warehouse, agent_report: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, _ = agent_report("watch", str(write(warehouse)))
    assert (code, "Needs attention: 1 of 2 agents" in out) == (0, True)
    code, out, _ = agent_report("watch", str(write(warehouse, status="cancelled")), "--json")
    assert code == 1
    assert json.loads(out)["status"] == "cancelled"


def test_a_report_that_nobody_works_on_is_said_to_be_so(
    warehouse: Warehouse, agent_report: Callable[..., tuple[int, str, str]]
) -> None:
    dead = Owner(host="elsewhere", pid=7, process_started=1.0)
    report_id = write(warehouse, status="generating_agents", owner=dead, heartbeat=NOW - timedelta(minutes=2))
    code, _, err = agent_report("watch", str(report_id))
    assert code == 1
    assert "process 7 on elsewhere" in err
    assert f"agent-report run prod --report-id {report_id}` resumes it" in err


def test_a_report_that_ends_with_its_process_just_after_it_was_read_has_ended(
    warehouse: Warehouse, agent_report: Callable[..., tuple[int, str, str]]
) -> None:
    dead = Owner(host="elsewhere", pid=7, process_started=1.0)
    report_id = write(warehouse, status="generating_agents", owner=dead, heartbeat=NOW - timedelta(minutes=2))
    reads = []

    def end_it(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.startswith("SELECT") and "FROM reports" in statement:
            reads.append(statement)
            if len(reads) == 1:
                warehouse.end_report(report_id, "cancelled", "it was stopped")

    # What the first look at the report brought is of the moment before.
    sa.event.listen(sa.Engine, "after_cursor_execute", end_it)
    try:
        code, out, err = agent_report("watch", str(report_id), "--json")
    finally:
        sa.event.remove(sa.Engine, "after_cursor_execute", end_it)
    assert (code, err) == (1, "")
    assert [json.loads(line)["status"] for line in out.splitlines()] == ["pending", "cancelled"]


def test_a_report_in_progress_is_followed_to_its_end(warehouse: Warehouse, tmp_path: Path) -> None:
    report_id = write(warehouse, status="pending", owner=current_owner())
    with _started(tmp_path, "watch", str(report_id), "--json") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["status"] == "pending"
        warehouse.record_progress(report_id, progress=40, status="generating_agents", current_step="Evaluated 1/2")
        line = json.loads(process.stdout.readline())
        assert (line["progress"], line["current_step"]) == (40, "Evaluated 1/2")
        warehouse.end_report(report_id, "failed", "no money")
        last = json.loads(process.stdout.readline())
        assert (last["status"], last["error"]) == ("failed", "no money")
        assert process.wait(30) == 1


def test_ctrl_c_leaves_the_report_alone(warehouse: Warehouse, tmp_path: Path) -> None:
    report_id = write(warehouse, status="pending", owner=current_owner())
    with _started(tmp_path, "watch", str(report_id)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "0 %  pending" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert f"Report {report_id} is still running" in process.stderr.read()
    row = warehouse.load_report(report_id)
    assert row is not None
    assert row["status"] == "pending"


def test_a_report_that_is_discarded_is_said_to_be_gone(warehouse: Warehouse, tmp_path: Path) -> None:
    report_id = write(warehouse, status="pending", owner=current_owner())
    with _started(tmp_path, "watch", str(report_id)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        warehouse.discard_report(report_id)
        assert process.wait(30) == 1
        assert f"report {report_id} is gone" in process.stderr.read()


def _started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = Path(sys.executable).with_name("agent-report")
    return subprocess.Popen(
        [command, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )


# prune


def test_prune_is_a_dry_run_unless_told(
    warehouse: Warehouse, agent_report: Callable[..., tuple[int, str, str]]
) -> None:
    old, new = write(warehouse, days=100), write(warehouse)
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


def test_bash_completes_commands_options_and_values(
    agent_report: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
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
def test_other_shells_have_a_script_too(agent_report: Callable[..., tuple[int, str, str]], shell: str) -> None:
    out = agent_report("completion", shell)[1]
    assert "agent-report" in out
    assert "keep-last" in out


# What it takes


@pytest.mark.parametrize(
    "line",
    [
        *("list", "show 1", "show 1 --agent good-bot", "watch 1", "export 1 --format csv", "prune --keep 9d"),
        *("check 1 --max-failed 9", "label 1 --template sheet.csv", "agreement 1", "compare 1 2"),
    ],
)
def test_reading_the_warehouse_loads_neither_prefect_nor_the_judge(
    warehouse: Warehouse, tmp_path: Path, line: str
) -> None:
    """They take two seconds to load, and these commands answer in less than one."""
    ids = write(warehouse), write(warehouse)
    # Two reports that were compared before, as every report is with the last one.
    with open_clients():
        assert compare_stored(ids[1], ids[0]) is not None
    slow = {"prefect", "pandas", "openai", "genai_prices", "alembic", "jinja2", "scipy"}
    # Agreement is measured again each time, by statsmodels.
    slow -= {"pandas", "scipy"} if line.startswith("agreement") else set()
    code = (
        "import sys\nfrom deployments import cli\n"
        f"sys.argv = ['agent-report', *{line.split()!r}]\n"
        "try:\n    cli.main()\nexcept SystemExit as end:\n    assert not end.code\n"
        f"slow = {slow} & set(sys.modules)\n"
        "assert not slow, slow\n"
    )
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
    arguments: tuple[str, ...], warehouse: Warehouse, agent_report: Callable[..., tuple[int, str, str]]
) -> None:
    code, _, error = agent_report(*arguments)
    assert code == 2
    assert f"there is no report {arguments[1]} in sqlite:///" in error
    assert "AGENT_REPORT_WAREHOUSE_URL" in error


def test_an_agent_is_found_by_all_that_it_is_called_and_two_of_one_name_by_their_ids(
    warehouse: Warehouse, agent_report: Callable[..., tuple[int, str, str]]
) -> None:
    report_id = str(write(warehouse))
    for wanted in ("name:good-bot", "GOOD-bot", "id:1"):
        code, out, _ = agent_report("show", report_id, "--agent", wanted)
        assert code == 0
        assert "good-bot" in out
    with warehouse.database.writing() as connection:
        connection.execute(sa.update(agent_report_details).values(agent_name="twin"))
    code, _, error = agent_report("show", report_id, "--agent", "twin")
    assert code == 2
    assert "id:1, id:2" in error


def test_an_empty_list_names_the_warehouse(
    warehouse: Warehouse, agent_report: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, _ = agent_report("list")
    assert code == 0
    assert f"No reports yet in {warehouse.database.shown}" in out
    code, _, error = agent_report("list", "--limit", "99999999999999999999")
    assert code == 2
    assert "--limit 99999999999999999999: must be from 1 to 1000000" in error


def test_json_has_no_byte_order_mark(warehouse: Warehouse, agent_report: Callable[..., tuple[int, str, str]]) -> None:
    code, _, error = agent_report("export", str(write(warehouse)), "--format", "json", "--bom")
    assert code == 2
    assert "--bom requires --format csv" in error


# terminals without UTF-8


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["ascii", "latin-1", "C"],
)
def test_what_a_terminal_cannot_show_is_replaced_and_the_exit_code_stays(
    warehouse: Warehouse, tmp_path: Path, variables: dict[str, str]
) -> None:
    name = "müller – 日本 😀"
    report_id = str(write(warehouse, name=name))

    def ran(*arguments: str) -> tuple[int, bytes, bytes]:
        ended = subprocess.run(
            [sys.executable, "-m", "deployments.cli", *arguments],
            cwd=Path(__file__).parents[3],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "AGENT_REPORT_NO_ENV_FILE": "1",
                "AGENT_REPORT_WAREHOUSE_URL": f"sqlite:///{tmp_path}/warehouse.db",
                **variables,
            },
            capture_output=True,
            check=False,
        )
        return ended.returncode, ended.stdout, ended.stderr

    for arguments in (["show", report_id], ["list"], ["run", "--help"], ["show", report_id, "--agent", "good-bot"]):
        code, out, err = ran(*arguments)
        assert (code, err) == (0, b""), arguments
        assert out
        assert "C" not in variables.get("LC_ALL", "") or out.isascii()
    code, out, err = ran("list", "--name", "–")
    assert code == 0
    code, out, err = ran("show", report_id, "--agent", "nope–")
    assert code == 2
    assert err.startswith(b"Refused: ")
    code, out, err = ran("show", report_id, "--json")
    assert (code, err) == (0, b"")
    assert json.loads(out.decode("utf-8"))["report"]["name"] == name
    code, out, err = ran("export", report_id, "--format", "json")
    assert json.loads(out.decode("utf-8"))["report"]["name"] == name
    code, out, err = ran("show", report_id, "--html", "-")
    assert (code, err) == (0, b"")
    assert name in out.decode("utf-8")
