"""Prefect's settings in the environment change neither what is asked and paid for, nor how a report ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL
from prefect.settings.models.flows import FlowsSettings
from prefect.settings.models.results import ResultsSettings
from prefect.settings.models.tasks import TasksRunnerSettings, TasksSettings

from deployments.demo.judge import asked_schema, completion, is_team
from deployments.demo.loopback import Response

SETTINGS = {
    "PREFECT_TASKS_DEFAULT_RETRIES": "3",
    "PREFECT_TASKS_DEFAULT_RETRY_DELAY_SECONDS": "7",
    "PREFECT_TASKS_DEFAULT_PERSIST_RESULT": "true",
    "PREFECT_TASKS_DEFAULT_NO_CACHE": "true",
    "PREFECT_TASKS_REFRESH_CACHE": "true",
    "PREFECT_TASKS_DISABLE_CACHING": "true",
    "PREFECT_TASKS_RUNNER_THREAD_POOL_MAX_WORKERS": "1",
    "PREFECT_TASKS_RUNNER_PROCESS_POOL_MAX_WORKERS": "1",
    "PREFECT_FLOWS_DEFAULT_RETRIES": "2",
    "PREFECT_FLOWS_DEFAULT_RETRY_DELAY_SECONDS": "7",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "true",
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
    "PREFECT_LOGGING_LOG_PRINTS": "true",
}
# Where results are stored; ours are not. Scheduling is of tasks that are sent to a task worker.
ELSEWHERE = {"default_storage_block", "local_storage_path", "runner", "scheduling"}
# Every flow and task of ours, into a file; then the command.
DESCRIBE_AND_RUN = """
import gc, importlib, json, pathlib, pkgutil, sys
from deployments.cli import main
from prefect import Flow, Task
from prefect.cache_policies import NO_CACHE

for top in ("flows", "tasks", "deployments"):
    package = importlib.import_module(top)
    for module in pkgutil.walk_packages(package.__path__, f"{top}."):
        if ".alembic." not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
# It takes a second to import, and only comparisons need it.
assert "scipy.stats" not in sys.modules
# By its type: isinstance asks each of the objects of Prefect and Pydantic for its class, which takes a second or two.
ours = [found for found in gc.get_objects() if issubclass(type(found), (Flow, Task))]
found = {
    f"{one.fn.__module__}.{one.fn.__name__}": {
        "kind": "Flow" if isinstance(one, Flow) else "Task",
        "retries": one.retries,
        "delay": one.retry_delay_seconds,
        "timeout": one.timeout_seconds,
        "persists": one.persist_result,
        "prints": one.log_prints,
        "cached": getattr(one, "cache_policy", NO_CACHE) != NO_CACHE,
        "refreshes": getattr(one, "refresh_cache", False),
        "threads": one.task_runner._max_workers if isinstance(one, Flow) else None,
    }
    for one in ours
    if one.fn.__module__.partition(".")[0] in ("flows", "tasks", "deployments")
}
pathlib.Path(sys.argv.pop(1)).write_text(json.dumps(found))
main()
"""


@dataclass(frozen=True)
class Ended:
    """A process with these settings: our flows and tasks there, and what became of its report."""

    described: dict[str, dict[str, Any]]
    process: subprocess.CompletedProcess[str]


def run(folder: Path) -> Ended:
    """On the tests' server: one of its own takes seconds to start."""
    api = {"PREFECT_API_URL": str(PREFECT_API_URL.value()), "PREFECT_HOME": str(folder / "home")}
    arguments = [str(folder / "described.json"), "run", "demo", "--json", "--judge-model", "simulated-judge"]
    process = subprocess.run(
        [sys.executable, "-c", DESCRIBE_AND_RUN, *arguments],
        env=os.environ | SETTINGS | api,
        capture_output=True,
        text=True,
        check=False,
    )
    return Ended(json.loads((folder / "described.json").read_text()), process)


def check_options(found: dict[str, dict[str, Any]]) -> None:
    """Every flow and task fixes what the settings would decide."""
    assert {name for name, value in found.items() if value["kind"] == "Flow"} >= {
        f"flows.{name}.{name}" for name in ("generate_report", "compare_reports", "reconcile_reports")
    }
    assert len([name for name, value in found.items() if value["kind"] == "Task"]) >= 13
    fixed = {"retries": 0, "delay": 0, "timeout": None, "persists": False, "prints": False}
    fixed |= {"cached": False, "refreshes": False}
    for name, value in found.items():
        threads = sys.maxsize if value["kind"] == "Flow" else None
        assert value == {"kind": value["kind"], "threads": threads, **fixed}, name


@pytest.mark.parametrize(
    ("model", "prefix"),
    [
        (TasksSettings, "TASKS"),
        (TasksRunnerSettings, "TASKS_RUNNER"),
        (FlowsSettings, "FLOWS"),
        (ResultsSettings, "RESULTS"),
    ],
    ids=["tasks", "runner", "flows", "results"],
)
def test_no_setting_of_prefects_is_forgotten(model: Any, prefix: str) -> None:
    names = {f"PREFECT_{prefix}_{name.upper()}" for name in model.model_fields if name not in ELSEWHERE}
    assert names <= set(SETTINGS), (
        "a newer Prefect has more settings: fix them in tasks/bridge/decorators.py, and add them here"
    )


def test_every_flow_and_task_fixes_what_the_settings_would_decide_and_nothing_is_paid_twice(
    make_world: Callable[..., Any], tmp_path: Path
) -> None:
    useless = Response(body=json.dumps(completion("no JSON")).encode())
    world = make_world(respond=lambda payload, _: None if is_team(payload) else useless)
    ended = run(tmp_path)
    check_options(ended.described)
    done = ended.process
    # Each agent once and once more, and the report has failed: no agent could be judged.
    payloads = [json.loads(request.body) for request in world.judge.requests]
    agents = [payload for payload in payloads if "runs" in asked_schema(payload)["properties"]]
    assert (len(agents), done.returncode) == (8, 1)
    # JSON is all that is printed, of a failed report too.
    printed = json.loads(done.stdout)
    assert list(printed) == ["report", "agents", "issues"]
    report = printed["report"]
    assert report["status"] == "failed"
    assert "UnfinishedRun" not in done.stdout + done.stderr
    assert sum(row["prompt_tokens"] for row in world.agents(report).values() if row["prompt_tokens"]) == 8_000
