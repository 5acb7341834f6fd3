"""``agent-report up --demo`` as a user runs it: used, interrupted, killed piece by piece and killed as a whole.

The tests are one story, in this order, as each start of a stack takes a while.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
import sqlalchemy as sa
from playwright.sync_api import expect
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from deployments.demo.judge import SimulatedJudge, completion, is_team
from deployments.demo.loopback import Request, Response
from deployments.local.postgres import embedded_postgres
from deployments.local.prefect_server import use_server
from deployments.local.runner import drain
from flows.generate_report import generate_report
from tasks.warehouse.frames import read_reports
from tasks.warehouse.sql import open_warehouse

_ui = runpy.run_path(str(Path(__file__).parents[3] / "docs" / "make_screenshots.py"))
_in_browser = pytest.mark.skipif(_ui["find_chromium"]() is None, reason="there is no Chromium on this machine")
# Each wait has its own end.
pytestmark = pytest.mark.timeout(900)
Up = Any


def test_it_starts_on_another_port_where_its_own_is_taken(up: Up) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        up.start("--port", str(port), "--webhook-port", "0")
    state = up.state
    assert f"Port {port} is taken: the Prefect server is on " in up.text
    assert "Port 0" not in up.text
    for shown in (state["ui"], state["api"], f"{state['webhooks']}/webhooks/reports", state["warehouse"]):
        assert shown in up.text
    assert re.search(rf"AGENT_REPORT_PARQUET_URL={re.escape(state['parquet'])} \S*agent-report list", up.text)
    assert str(port) not in state["api"]
    # The page in the browser asks the API where it came from itself.
    assert httpx.get(f"{state['ui']}/ui-settings").json()["api_url"] == "/api"
    page = httpx.get(state["ui"], headers={"Accept": "text/html"}, follow_redirects=True)
    assert (page.status_code, "<html" in page.text) == (200, True)
    settings = up.api.get("/admin/settings").json()["server"]
    assert settings["concurrency"]["lease_storage"] == "deployments.local.slot_leases"
    assert settings["tasks"]["tag_concurrency_slot_wait_seconds"] == 1
    assert settings["analytics_enabled"] is False
    # No report is left unfinished in a new folder, so that no process looks for one.
    assert not (up.folder / "logs" / "reconcile.log").exists()


def test_every_place_is_printed_in_a_line_that_can_be_copied_whole(up: Up) -> None:
    lines = up.text.splitlines()
    assert f"Warehouse    {up.state['warehouse']}" in lines
    assert f"UI password  the whole line in {up.folder / 'prefect-password'}" in lines


@pytest.mark.parametrize(
    ("file", "holding"), [("webhook-secret", {"receiver"}), ("prefect-password", {"server", "worker", "receiver"})]
)
def test_a_secret_is_its_owners_alone_and_nowhere_else(up: Up, file: str, holding: set[str]) -> None:
    path = up.folder / file
    secret = path.read_text().strip()
    assert path.stat().st_mode & 0o777 == 0o600
    assert str(path) in up.text
    assert httpx.get(f"{up.state['webhooks']}/readyz").status_code == 200
    processes = [psutil.Process(up.state["pid"]), *psutil.Process(up.state["pid"]).children(recursive=True)]
    logs = [log.read_text() for log in (up.folder / "logs").iterdir()]
    for text in (up.text, *logs, *(" ".join(process.cmdline()) for process in processes)):
        assert secret not in text
    holders = {name for name, pid in up.state["children"].items() if secret in str(psutil.Process(pid).environ())}
    assert holders == holding


def test_who_has_not_the_password_is_turned_away(up: Up) -> None:
    assert httpx.get(f"{up.state['api']}/deployments/name/generate_report/on-demand").status_code == 401
    assert httpx.post(f"{up.state['api']}/events", json=[]).status_code == 401


def test_a_second_one_in_its_folder_is_refused(up: Up, run_here: Callable[..., Any]) -> None:
    ended = run_here("up", "--demo", folder=up.command.folder)
    assert ended.code == 2
    words = " ".join(ended.err.split())
    assert re.search(rf"another `\S*agent-report up` runs in {up.folder} \(process {up.state['pid']}\)", words)


def test_what_is_killed_is_announced_and_comes_back(up: Up) -> None:
    api = up.state["api"]
    before = up.state["children"]
    assert list(before) == ["keeper", "postgres", "demo", "server", "worker", "receiver"]
    for name, pid in before.items():
        os.kill(pid, signal.SIGKILL)
        line = f"{name} was killed (SIGKILL); its log is {up.folder / 'logs' / name}.log; it is started again\n"
        up.until(lambda line=line: line in up.text)  # type: ignore[misc]
        if name == "postgres":
            # What comes after it would end once more without it.
            up.until(lambda: "postgres is back\n" in up.text)
    for name, pid in before.items():
        up.until(lambda name=name: f"{name} is back\n" in up.text)  # type: ignore[misc]
        assert up.state["children"][name] != pid
    assert up.text.count("started again") == len(before)
    assert up.state["api"] == api


@pytest.fixture(scope="module")
def watched(up: Up) -> dict[str, Any]:
    """A person orders a report in the form and watches it: what the pages showed, and which hosts were asked.

    It is made by what was started again after it was killed. One agent's answer waits until the progress was seen, and
    another's is of no use. Another report is refused.
    """
    seen: dict[str, Any] = {"hosts": set(), "refused": _refused(up)}
    is_judging, watched_progress = threading.Event(), threading.Event()

    def respond(payload: dict[str, Any], request: Request) -> Response | None:
        prompt = "" if is_team(payload) else payload["messages"][1]["content"]
        if "\n# Agent\n| release-notes\n" in prompt:
            is_judging.set()
            watched_progress.wait(240)
        if "\n# Agent\n| sql-analyst\n" not in prompt:
            return None
        return Response(body=json.dumps(completion("I would say a solid seven.")).encode())

    with (
        SimulatedJudge(agent_seconds=0.5, team_seconds=0.5, respond=respond) as judge,
        up.runs_with(
            OPENAI_BASE_URL=judge.base_url,
            AGENT_REPORT_MAX_CONCURRENT_EVALS="3",
            AGENT_REPORT_JAEGER_UI_URL="https://jaeger.example",
        ),
        _ui["open_browser"]() as page,
    ):
        page.on("requestfinished", lambda request: seen["hosts"].add(urlsplit(request.url).netloc))
        _ui["log_in"](page, up.state["ui"], up.password)
        _ui["open_form"](page)
        seen["form"] = page.inner_text("main")
        _ui["fill_in"](page, "demo", "Weekly")
        run_url = _ui["submit"](page)
        seen["run"] = run_url.rpartition("/")[2]
        # An open page asks for news all the time: none is open until there is progress to see.
        page.goto("about:blank")
        up.until(is_judging.is_set)
        # Each look at a page takes a second of the browser: it is opened when it has something to show.
        up.until(lambda: "Evaluated" in _artifact(up, seen["run"], "progress")["description"])
        page.goto(f"{up.state['ui']}/artifacts/artifact/{_artifact(up, seen['run'], 'progress')['id']}")
        seen["agents"] = _ui["wait_for_agents"](page, least=1)
        watched_progress.set()
        page.goto("about:blank")
        up.completes(seen["run"])
        address = f"{run_url.partition('/runs/')[0]}/artifacts/artifact/{_artifact(up, seen['run'], 'markdown')['id']}"
        _ui["show_artifact"](page, address, "markdown")
        seen["report"] = page.inner_text("main")
        seen["links"] = [link.get_attribute("href") for link in page.locator("main a").all()]
        page.goto(run_url)
        page.get_by_role("tab", name="Task Runs").click()
        page.get_by_placeholder("Search by run name").fill("evaluate sql-analyst")
        # The rows of before go when those that were searched for are there.
        expect(page.get_by_text("write the report on demo", exact=True)).to_have_count(0)
        row = page.get_by_text("evaluate sql-analyst", exact=True)
        row.wait_for()
        seen["failed"] = page.inner_text("main")
        row.click()
        page.get_by_text("not a JSON object").first.wait_for()
        page.goto(f"{up.state['ui']}/v2/runs/flow-run/{seen['refused']}")
        page.get_by_text("Failed", exact=True).first.wait_for()
        page.get_by_role("tab", name="Details").click()
        page.get_by_text("Refused: there is no environment 'prod'; there is demo").first.wait_for()
    with closing(open_warehouse(up.state["warehouse"])) as warehouse:
        seen["row"] = warehouse.find_report(seen["run"])
    return seen


def _artifact(up: Up, flow_run: str, kind: str) -> dict[str, Any]:
    [found] = up.artifacts(flow_run, kind)
    return dict(found)


def _refused(up: Up) -> str:
    """The id of a flow run at its server that is refused; made here, which is no different and takes no process."""
    known = psutil.Process(up.state["children"]["worker"]).environ()
    with pytest.MonkeyPatch.context() as patch, use_server(up.state["api"], up.password):
        for name, value in known.items():
            if name.startswith(("AGENT_REPORT_", "OPENAI_")):
                patch.setenv(name, value)
        drain()
        state = generate_report("prod", return_state=True)
        drain()
    return str(state.state_details.flow_run_id)


@_in_browser
def test_the_form_explains_everything_and_fills_in_no_option(watched: dict[str, Any], up: Up) -> None:
    for words in ("by its name in the source", "The team's goal", "Judge model", "Default: gpt-5.4-mini.", "Ask again"):
        assert words in watched["form"]
    parameters = up.api.get(f"/flow_runs/{watched['run']}").json()["parameters"]
    assert parameters["options"] == {"since": "30d", "runs_per_agent": 10, "fresh": True}
    assert parameters["criteria"]["agents"]["name:billing-bot"]["accuracy"]["threshold"] == 9


@_in_browser
def test_the_report_is_the_one_that_was_asked_for(watched: dict[str, Any], up: Up) -> None:
    warehouse = open_warehouse(up.state["warehouse"])
    report = warehouse.load_report(watched["row"]["id"])
    assert report is not None
    assert report["status"] == "completed"
    assert (report["environment"], report["name"], report["agents_evaluated"]) == ("demo", "Weekly", 12)
    # The worker's settings hold where the form was left empty.
    assert report["parameters"]["options"]["judge_model"] == "simulated-judge"
    assert report["parameters"]["options"]["max_concurrent_evals"] == 3
    billing = next(row for row in warehouse.load_agents(report["id"]) if row["agent_name"] == "billing-bot")
    criteria = [row for row in warehouse.load_criteria(report["id"]) if row["agent_id"] == billing["agent_id"]]
    assert [(row["criterion"], row["threshold"]) for row in criteria] == [("accuracy", 9)]
    warehouse.close()
    assert (up.folder / "parquet" / "reports" / "demo" / f"{report['id']}.parquet").exists()


@_in_browser
def test_progress_is_seen_in_the_middle_and_ends_at_the_end(watched: dict[str, Any], up: Up) -> None:
    assert 1 <= watched["agents"] < 14
    [progress] = up.artifacts(watched["run"], "progress")
    assert progress["data"] == 100
    assert progress["description"] == "Completed"


@_in_browser
def test_the_report_shows_verdict_worst_agents_and_where_it_is(watched: dict[str, Any], up: Up) -> None:
    text = watched["report"]
    assert "Weekly: " in text
    assert "of 10, " in text
    worst = text.partition("Worst agents")[2].partition("Every agent")[0]
    assert "access-broker" in worst
    assert "sql-analyst failed: " in worst
    assert str(up.folder / "parquet" / "agent_report_details" / "demo") in text
    assert any(str(link).endswith(f"/runs/flow-run/{watched['run']}") for link in watched["links"])
    assert any(str(link).startswith("https://jaeger.example/trace/") for link in watched["links"])
    [table] = up.artifacts(watched["run"], "table")
    assert len(json.loads(table["data"])) == 14
    assert "access-broker" in table["data"]


@_in_browser
def test_a_failed_agent_is_seen_without_opening_logs(watched: dict[str, Any], up: Up) -> None:
    assert "evaluate sql-analyst" in watched["failed"]
    assert "Failed" in watched["failed"].partition("evaluate sql-analyst")[2]
    body = {"flow_runs": {"id": {"any_": [watched["run"]]}}, "task_runs": {"state": {"type": {"any_": ["FAILED"]}}}}
    [failed] = up.post("/task_runs/filter", body)
    assert failed["name"] == "evaluate sql-analyst"
    assert "not a JSON object" in failed["state"]["message"]
    assert not failed["state"]["message"].startswith("Task run encountered")


@_in_browser
def test_the_log_is_a_dozen_lines_that_state_what_happened(watched: dict[str, Any], up: Up) -> None:
    number = watched["row"]["id"]
    logs = up.post("/logs/filter", {"logs": {"flow_run_id": {"any_": [watched["run"]]}}})
    text = "\n".join(row["message"] for row in logs)
    for words in (
        f"Report {number} on demo: 14 agents",
        "Evidence is read: ",
        "Agent sql-analyst failed: ",
        f"Report {number} completed after ",
        "judging cost",
    ):
        assert words in text
    # Two of them are about the deployment's pull step.
    assert len(logs) <= 14, text


@_in_browser
def test_the_ui_needs_no_network(watched: dict[str, Any], up: Up) -> None:
    assert watched["hosts"] <= {urlsplit(up.state["ui"]).netloc, ""}


def test_commands_in_its_folder_use_its_server(up: Up, run_here: Callable[..., Any]) -> None:
    """A report that is run beside it, and setup, which is given its URL."""
    known = psutil.Process(up.state["children"]["worker"]).environ()
    names = ("AGENT_REPORT_SOURCE_URL", "AGENT_REPORT_JUDGE_MODEL", "OPENAI_BASE_URL", "OPENAI_API_KEY")
    with temporary_settings(restore_defaults={PREFECT_API_URL, PREFECT_API_AUTH_STRING}):
        made = run_here(
            *("run", "demo", "--agents", "sql-analyst", "--runs-per-agent", "3"),
            folder=up.command.folder,
            **{name: known[name] for name in names},
        )
    assert made.code == 0, made.printed
    runs = up.api.post("/flow_runs/filter", json={}).json()
    beside = [run for run in runs if run["name"] == "report on demo" and run["deployment_id"] is None]
    assert [run["state"]["type"] for run in beside] == ["COMPLETED"]
    [*_, last] = up.statuses
    assert last == "completed"
    with temporary_settings({PREFECT_API_URL: up.state["api"], PREFECT_API_AUTH_STRING: None}):
        checked = run_here("setup", "--check", folder=up.command.folder, AGENT_REPORT_ENVIRONMENT="demo")
    assert "work pool agent-report: of type process" in checked.out, checked.printed


def test_killed_itself_it_leaves_nothing_and_started_again_it_is_as_it_was(up: Up) -> None:
    """While it makes a report by the order that it has printed."""
    secret = (up.folder / "webhook-secret").read_text()
    assert len(up.left()) > 6
    (line,) = (line for line in up.text.splitlines() if line.startswith("Or: "))
    order = line.removeprefix("Or: ")
    ended = subprocess.run(order, shell=True, env=up.command.environment(), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    found = re.search(r"UUID: ([0-9a-f-]{36})", ended.stdout)
    assert found, ended.stdout
    up.until(lambda: up.statuses[0] == "generating_agents")
    with closing(open_warehouse(up.state["warehouse"])) as warehouse:
        assert warehouse.find_report(found[1])["environment"] == "demo"
    up.end(signal.SIGKILL)
    up.wait_until_gone()

    up.start("--port", "0", "--webhook-port", "0")
    assert (up.folder / "webhook-secret").read_text() == secret
    # The report that it was at, too, has ended.
    up.until(lambda: up.statuses == ["failed", "completed"])


def test_ctrl_c_ends_a_report_in_good_order_and_leaves_no_process(up: Up) -> None:
    run = up.order()
    up.until(lambda: up.statuses[0] == "generating_agents")
    assert up.left()

    assert up.end(signal.SIGINT) == 0

    assert not up.left()
    assert "Ending 1 flow run" in up.text
    assert "killed" not in up.text
    assert not (up.folder / "stack.json").exists()
    with embedded_postgres(up.folder / "postgres") as postgres:
        reports = read_reports(postgres.database("warehouse")).sort_values("id", ascending=False)
        assert list(reports["status"])[:2] == ["cancelled", "failed"]
        engine = sa.create_engine(postgres.database("prefect"), poolclass=sa.NullPool)
        with engine.connect() as connection:
            state = sa.text("SELECT state_type::text FROM flow_run WHERE id = :run")
            assert connection.execute(state, {"run": run}).scalar_one() == "CRASHED"
