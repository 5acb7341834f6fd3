"""``init`` from a place to a dry run: what it prints, writes, and leaves alone."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from dotenv import dotenv_values

from deployments import cli
from deployments.demo.loopback import LoopbackServer, Request, Response
from tasks.sources.contract.mapping import load_mapping

Init = Callable[..., tuple[int, str, str]]


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Init:
    """Runs the command in a folder of its own, without any setting; its exit code, what it printed, and its errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("PREFECT_API_URL", "")
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "AGENT_REPORT_SOURCE_URL", "AGENT_REPORT_JAEGER_URL"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(("init", *arguments))
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


def test_stations_database_needs_no_mapping(init: Init, source: Path, tmp_path: Path) -> None:
    shutil.copyfile(source, tmp_path / "station.db")
    code, out, err = init("station.db")
    assert code == 0, err
    assert "CloudShip Station's tables" in out
    assert "(the newest, at most 20 of each agent)" in out
    assert "in demo: 3 agents" in out
    assert "statuses: " in out
    assert "Note: before" not in out
    assert "Next:\n  1. set OPENAI_API_KEY in .env (or OPENAI_BASE_URL for another endpoint)\n  2. " in out
    assert "doctor\n  3. " in out
    assert "5 calls to gpt-5.4-mini" in out
    assert "agent-report run demo" in out
    assert {path.name for path in tmp_path.iterdir()} == {"station.db", ".env"}
    env = (tmp_path / ".env").read_text()
    assert "\nAGENT_REPORT_SOURCE_URL=sqlite:///station.db\n" in env
    assert "\nAGENT_REPORT_ENVIRONMENT=demo\n" in env
    # Again: everything is as it was.
    assert ".env is there already, and the same" in init("station.db")[1]


def test_what_is_left_out_is_shown_once(init: Init, source: Path, tmp_path: Path) -> None:
    shutil.copyfile(source, tmp_path / "station.db")
    with sqlite3.connect(tmp_path / "station.db") as database:
        database.execute("UPDATE agent_runs SET status = 'escalated' WHERE id IN (SELECT max(id) FROM agent_runs)")
    database.close()
    out = init("station.db")[1]
    assert "left out as unfinished: escalated 1; to count them, put escalated under completed or failed" in out
    assert out.count("left out") == 1


def test_a_file_that_is_there_stays_and_another_folder_is_possible(
    init: Init, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".env").write_text("MINE=1\n")
    # Of another source: neither applies to this one. The judge's model does.
    monkeypatch.setenv("AGENT_REPORT_SOURCE_URL", "sqlite:///another.db")
    (tmp_path / ".env").write_text("AGENT_REPORT_SOURCE_BLOCK=none\nAGENT_REPORT_JUDGE_MODEL=my-model\n")
    code, out, err = init(str(source), "--output", "out", "--json")
    assert code == 0, err
    assert (tmp_path / "out" / ".env").read_text() == "MINE=1\n"
    assert f"AGENT_REPORT_SOURCE_URL=sqlite:///{source}" in (tmp_path / "out" / ".env.agent-report").read_text()
    assert "takes precedence over .env" in err
    done = json.loads(out)
    assert done["found"]["runs"] == 18
    assert [file["state"] for file in done["files"]] == ["beside"]
    assert "not in use: .env.agent-report. " in err
    assert done["next"][0].startswith("rename .env.agent-report to .env")
    assert done["estimate"]["calls"] == 5
    assert done["estimate"]["judge_model"] == "my-model"
    assert os.environ["AGENT_REPORT_SOURCE_URL"] == "sqlite:///another.db"


def test_a_password_is_in_the_file_and_nowhere_else(init: Init, postgres_url: str, tmp_path: Path) -> None:
    code, out, err = init(postgres_url.replace("://", "://").replace("postgres@", "postgres:hunter2@"))
    assert code == 1
    assert "no table that looks like agents' runs" in err
    assert "hunter2" not in out + err
    assert not (tmp_path / ".env").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no source: give a database's URL"),
        (("none.db",), "none.db does not exist: give a file, a folder, a glob or a URL such as postgresql://"),
        (("sqlite:///none.db",), "does not exist"),
    ],
)
def test_what_cannot_be_found_is_refused(init: Init, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    code, _, err = init(*arguments)
    assert code in (1, 2)
    assert words in err
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_environment_is_refused(init: Init, source: Path) -> None:
    code, _, err = init(str(source), "--environment", "none")
    assert code == 2
    assert "there is no environment 'none'; there is demo" in err


def test_the_file_of_settings_is_for_its_owner(init: Init, source: Path, tmp_path: Path) -> None:
    assert init(str(source))[0] == 0
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_own_tables_in_postgresql(init: Init, own_postgres: str, tmp_path: Path) -> None:
    code, out, err = init(own_postgres)
    assert code == 0, err + out
    assert "conversations, 24 rows: uid, bot" in out
    assert "(runs)" in out
    assert "Where is invoice 0? Write to [e-mail address]" in out
    assert "in prod: 2 agents: billing, refunds" in out
    assert "4 calls to gpt-5.4-mini" in out
    # Once, and in one way.
    # Words with as many runs stand in any order.
    assert "live: counted as unfinished, the usual meaning. " in out
    assert "As unfinished, 6 of 24 runs would be left out" in out
    assert out.count("left out") == 1
    mapping = load_mapping(str(tmp_path / "source.yaml"))
    assert mapping.runs is not None
    assert mapping.statuses["completed"] == ("solved",)
    assert len((tmp_path / "source.yaml").read_text().splitlines()) < 35
    values = dotenv_values(tmp_path / ".env")
    assert values["AGENT_REPORT_SOURCE_URL"] == own_postgres
    assert values["AGENT_REPORT_SOURCE_MAPPING"] == "source.yaml"
    assert values["AGENT_REPORT_ENVIRONMENT"] == "prod"
    # Again, with a changed mapping and other settings in use: both new files are beside the old ones.
    for name in (".env", "source.yaml"):
        with (tmp_path / name).open("a") as file:
            file.write("# mine\n")
    out = init(own_postgres)[1]
    assert "Note: not in use: source.agent-report.yaml and .env.agent-report. `doctor` and `run` read .env as it" in out
    assert "the estimate below is of the new settings" in out
    assert "rename .env.agent-report to .env; it names source.agent-report.yaml" in out
    # A third time: they are as they were, and still not in use.
    out = init(own_postgres)[1]
    assert "Note: not in use: source.agent-report.yaml and .env.agent-report. " in out
    assert "\n  1. rename .env.agent-report to .env, to use the new settings\n" in out
    # What it wrote is all that the next command needs.
    with pytest.raises(SystemExit) as ended:
        cli.main(("doctor", "--no-judge"))
    assert ended.value.code == 1  # No key for the judge yet.


def test_otlp_files(init: Init, otlp_folder: Path, tmp_path: Path) -> None:
    code, out, err = init("traces")
    assert code == 0, err + out
    assert "agents and runs are read from the spans" in out
    assert "in prod: 1 agent: planner" in out
    assert "conventions of their spans: OpenInference 4" in out
    assert "3 calls to gpt-5.4-mini" in out
    assert {path.name for path in tmp_path.iterdir()} == {"traces", ".env"}
    env = (tmp_path / ".env").read_text()
    assert "\nAGENT_REPORT_SOURCE_URL=otlp:traces\n" in env
    assert "JAEGER" not in env


def test_a_store_is_listed_once(init: Init) -> None:
    attributes = {"openinference.span.kind": "AGENT", "input.value": "Do it", "output.value": "Did it"}
    span = {
        "traceID": "1" * 32,
        "spanID": "2" * 16,
        "operationName": "planner",
        "startTime": int((time.time() - 3600) * 1_000_000),
        "duration": 5_000_000,
        "tags": [{"key": key, "type": "string", "value": value} for key, value in attributes.items()],
        "processID": "p1",
    }
    trace = {"traceID": "1" * 32, "spans": [span], "processes": {"p1": {"serviceName": "shop", "tags": []}}}
    answers = {"/api/services": ["shop"], "/api/traces": [trace]}

    def answer(request: Request) -> Response:
        return Response(body=json.dumps({"data": answers[request.path.partition("?")[0]]}).encode())

    with LoopbackServer(answer) as jaeger:
        code, out, err = init(f"jaeger+{jaeger.url}")
        services = [request for request in jaeger.requests if request.path.startswith("/api/services")]
    assert code == 0, err + out
    assert "3 calls to gpt-5.4-mini" in out
    # For the traces of the last 30 days, and whether there are older ones.
    assert len(services) == 2


def test_a_folder_of_json_lines(init: Init, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    rows = [
        {"uid": f"u{n}", "bot": "ab"[n % 2], "outcome": "ok", "began": f"2026-11-20T10:{n:02}:00Z", "question": f"q{n}"}
        for n in range(6)
    ]
    (tmp_path / "runs" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, out, err = init("runs")
    assert code == 0, err + out
    assert "in production: 2 agents: a, b" in out
    assert "4 calls to gpt-5.4-mini" in out
    assert dotenv_values(tmp_path / ".env")["AGENT_REPORT_SOURCE_URL"] == "runs"


def test_of_several_environments_the_one_with_the_most_runs_is_chosen(init: Init, tmp_path: Path) -> None:
    row = {"agent": "desk", "status": "ok", "started_at": "2026-11-20T10:00:00Z", "task": "Why?"}
    rows = [{**row, "id": number, "environment": "default" if number < 2 else "retail"} for number in range(5)]
    (tmp_path / "runs.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    out = init("runs.jsonl")[1]
    assert "2 environments, 2 agents, 5 runs: default, retail" in out
    assert "in retail: 1 agent: desk\n  choose another with --environment NAME\n" in out
    assert "choose another" not in init("runs.jsonl", "--environment", "default")[1]
