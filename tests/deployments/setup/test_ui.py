"""The Prefect UI in a real browser: a person fills in the form of ``on-demand``, and watches the report being made."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import expect

from deployments.demo.jaeger import SimulatedJaeger
from deployments.demo.judge import SimulatedJudge, completion, is_team
from deployments.demo.loopback import Request, Response
from deployments.demo.sample import build_sample
from deployments.local.prefect_server import authorization
from tasks.warehouse.sql import open_warehouse

_ROOT = Path(__file__).parents[3]
_ui = runpy.run_path(str(_ROOT / "docs" / "make_screenshots.py"))
pytestmark = [
    pytest.mark.skipif(_ui["find_chromium"]() is None, reason="there is no Chromium on this machine"),
    pytest.mark.timeout(600),
]
_POOL = "agent-report-ui"
_JUDGE_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Stack:
    """What a person has who opens the UI: its address, the API's, and where the reports go."""

    ui_url: str
    api_url: str
    warehouse_url: str
    parquet: Path
    password: str

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """What the API answers."""
        response = httpx.post(
            f"{self.api_url}/{path}", json=body, headers=authorization(self.password), trust_env=False
        )
        response.raise_for_status()
        return response.json()


@contextmanager
def _worker(environment: dict[str, str], folder: Path) -> Iterator[None]:
    prefect = [sys.executable, "-m", "prefect"]
    subprocess.run(
        [*prefect, "work-pool", "create", _POOL, "--type", "process"], env=environment, check=True, stdout=-3
    )
    with (folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [*prefect, "worker", "start", "--pool", _POOL], env=environment, cwd=folder, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _deploy() -> None:
    from prefect.client.orchestration import get_client
    from prefect.utilities.callables import parameter_schema

    from flows.generate_report import generate_report

    with get_client(sync_client=True) as client:
        client.create_deployment(
            flow_id=client.create_flow(generate_report),
            name="on-demand",
            work_pool_name=_POOL,
            path=str(_ROOT),
            entrypoint="flows/generate_report.py:generate_report",
            parameter_openapi_schema=parameter_schema(generate_report).model_dump(),
            enforce_parameter_schema=True,
        )


@pytest.fixture(scope="module")
def stack(
    fresh_server: str, at_server: Callable[[str], AbstractContextManager[None]], api_password: str
) -> Iterator[Stack]:
    """A server, a worker, and the demo's services, with a judge that is slow enough to be watched."""
    folder = Path(tempfile.mkdtemp(prefix="ui-"))
    sample = build_sample(datetime.now(UTC), runs_per_agent=6)
    sample.write_sqlite(folder / "source.db")

    def respond(payload: dict[str, Any], request: Request) -> Response | None:
        if is_team(payload) or "\n# Agent\n| sql-analyst\n" not in payload["messages"][1]["content"]:
            return None
        return Response(body=json.dumps(completion("I would say a solid seven.")).encode())

    judge = SimulatedJudge(agent_seconds=_JUDGE_SECONDS, team_seconds=2 * _JUDGE_SECONDS, respond=respond)
    with judge, SimulatedJaeger(sample.traces) as jaeger:
        environment = os.environ | {
            "PREFECT_API_URL": fresh_server,
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "AGENT_REPORT_SOURCE_URL": f"sqlite:///{folder / 'source.db'}",
            "AGENT_REPORT_WAREHOUSE_URL": f"sqlite:///{folder / 'warehouse.db'}",
            "AGENT_REPORT_PARQUET_URL": str(folder / "parquet"),
            "AGENT_REPORT_JAEGER_URL": jaeger.url,
            "AGENT_REPORT_JAEGER_UI_URL": jaeger.url,
            "AGENT_REPORT_JUDGE_MODEL": "simulated-judge",
            "AGENT_REPORT_MAX_CONCURRENT_EVALS": "3",
            "OPENAI_BASE_URL": judge.base_url,
            "OPENAI_API_KEY": "sk-planted-key-0123456789",
        }
        with _worker(environment, folder):
            with at_server(fresh_server):
                _deploy()
            warehouse = f"sqlite:///{folder / 'warehouse.db'}"
            yield Stack(fresh_server.removesuffix("/api"), fresh_server, warehouse, folder / "parquet", api_password)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def watched(stack: Stack) -> dict[str, Any]:
    """A person orders a report in the form and watches it: what there was to be seen, and whom the browser asked."""
    seen: dict[str, Any] = {"hosts": set()}
    with _ui["open_browser"]() as page:
        page.on("requestfinished", lambda request: seen["hosts"].add(urlsplit(request.url).netloc))
        _ui["log_in"](page, stack.ui_url, stack.password)
        _ui["open_form"](page, stack.ui_url)
        seen["form"] = page.inner_text("main")
        _ui["fill_in"](page, "demo", "Weekly")
        run_url = _ui["submit"](page)
        seen["run"] = run_url.rpartition("/")[2]
        _ui["open_artifact"](page, run_url, "progress")
        seen["agents"] = _ui["wait_for_agents"](page, least=1)
        _ui["open_artifact"](page, run_url, "markdown")
        seen["report"] = page.inner_text("main")
        seen["links"] = [link.get_attribute("href") for link in page.locator("main a").all()]
        _ui["open_artifact"](page, run_url, "table")
        seen["table"] = page.inner_text("main")
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
        page.goto(run_url)
        page.get_by_role("tab", name="Logs").click()
        page.get_by_text("judging cost").first.wait_for()
        seen["logs"] = page.inner_text("main")
    return seen


def test_the_form_says_what_everything_is_and_fills_in_no_option(watched: dict[str, Any], stack: Stack) -> None:
    for words in ("by its name in the source", "The team's goal", "Judge model", "Default: gpt-5.4-mini.", "Ask again"):
        assert words in watched["form"]
    parameters = stack.post("flow_runs/filter", {"flow_runs": {"id": {"any_": [watched["run"]]}}})[0]["parameters"]
    assert parameters["options"] == {"since": "30d", "runs_per_agent": 10, "fresh": True}
    assert parameters["criteria"]["agents"]["name:billing-bot"]["accuracy"]["threshold"] == 9


def test_the_report_is_the_one_that_was_asked_for(watched: dict[str, Any], stack: Stack) -> None:
    warehouse = open_warehouse(stack.warehouse_url)
    [report] = [row for row in warehouse.list_reports() if row["flow_run_id"] == watched["run"]]
    assert report["status"] == "completed"
    assert (report["environment"], report["name"]) == ("demo", "Weekly")
    # The worker's settings hold where the form was left empty.
    assert report["parameters"]["options"]["judge_model"] == "simulated-judge"
    assert report["parameters"]["options"]["max_concurrent_evals"] == 3
    billing = next(row for row in warehouse.load_agents(report["id"]) if row["agent_name"] == "billing-bot")
    criteria = [row for row in warehouse.load_criteria(report["id"]) if row["agent_id"] == billing["agent_id"]]
    assert [(row["criterion"], row["threshold"]) for row in criteria] == [("accuracy", 9)]
    warehouse.close()


def test_progress_is_seen_in_the_middle_and_ends_at_the_end(watched: dict[str, Any], stack: Stack) -> None:
    assert 1 <= watched["agents"] < 14
    body = {"artifacts": {"flow_run_id": {"any_": [watched["run"]]}, "type": {"any_": ["progress"]}}}
    [progress] = stack.post("artifacts/filter", body)
    assert progress["data"] == 100
    assert progress["description"] == "Completed"


def test_the_report_says_verdict_worst_agents_and_where_it_is(watched: dict[str, Any], stack: Stack) -> None:
    text = watched["report"]
    assert "Weekly: " in text
    assert "of 10, " in text
    worst = text.partition("Worst agents")[2].partition("Every agent")[0]
    assert "access-broker" in worst
    assert "sql-analyst failed: " in worst
    assert str(stack.parquet / "agent_report_details" / "demo") in text
    assert any(str(link).endswith(f"/runs/flow-run/{watched['run']}") for link in watched["links"])
    assert any("/trace/" in str(link) for link in watched["links"])
    assert "Page 1 of 2" in watched["table"]
    assert "access-broker" in watched["table"]


def test_a_failed_agent_is_seen_without_opening_logs(watched: dict[str, Any], stack: Stack) -> None:
    assert "evaluate sql-analyst" in watched["failed"]
    assert "Failed" in watched["failed"].partition("evaluate sql-analyst")[2]
    body = {"flow_runs": {"id": {"any_": [watched["run"]]}}, "task_runs": {"state": {"type": {"any_": ["FAILED"]}}}}
    [failed] = stack.post("task_runs/filter", body)
    assert failed["name"] == "evaluate sql-analyst"
    assert "not a JSON object" in failed["state"]["message"]
    assert not failed["state"]["message"].startswith("Task run encountered")


def test_the_log_is_a_dozen_lines_that_say_what_happened(watched: dict[str, Any], stack: Stack) -> None:
    for words in (
        "Report 1 on demo: 14 agents",
        "Evidence is read: ",
        "Agent sql-analyst failed: ",
        "Report 1 completed after ",
    ):
        assert words in watched["logs"]
    logs = stack.post("logs/filter", {"logs": {"flow_run_id": {"any_": [watched["run"]]}}})
    assert len(logs) <= 12
    assert "sk-planted" not in str(logs)


def test_the_ui_needs_no_network(watched: dict[str, Any], stack: Stack) -> None:
    assert watched["hosts"] <= {urlsplit(stack.ui_url).netloc, ""}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"environment": "prod"}, "Refused: there is no environment 'prod'; there is demo"),
        (
            {"environment": "demo", "options": {"since": "yesterday"}},
            "Refused: options.since: since='yesterday' is neither a span such as 7d or 12h nor a time",
        ),
    ],
)
def test_a_refusal_is_one_line_on_the_runs_page(parameters: dict[str, Any], message: str, stack: Stack) -> None:
    deployment = stack.post("deployments/filter", {"deployments": {"name": {"any_": ["on-demand"]}}})[0]["id"]
    run = stack.post(f"deployments/{deployment}/create_flow_run", {"parameters": parameters})
    with _ui["open_browser"]() as page:
        _ui["log_in"](page, stack.ui_url, stack.password)
        page.goto(f"{stack.ui_url}/v2/runs/flow-run/{run['id']}")
        page.get_by_text("Failed", exact=True).first.wait_for(timeout=240_000)
        page.get_by_role("tab", name="Details").click()
        page.get_by_text(message).first.wait_for()
