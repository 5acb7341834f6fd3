"""setup on a real shared server: made once, found the second time, and corrected when a piece was changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.blocks.system import Secret
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import (
    DeploymentUpdate,
    GlobalConcurrencyLimitUpdate,
    VariableUpdate,
    WorkPoolCreate,
    WorkPoolUpdate,
)
from prefect.events import emit_event
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.utilities.callables import ParameterSchema
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker
from prefect_sqlalchemy import SqlAlchemyConnector
from pydantic import SecretStr

from deployments.demo.loopback import LoopbackServer, Response
from deployments.local.runner import drain
from deployments.setup.blocks import Blocks
from deployments.setup.deployed import Deployed
from deployments.setup.llm_limit import LlmLimit
from tasks.errors import DeployError, RefusedError
from tasks.settings import read_settings

KEY, PASSWORD = "sk-planted-key-0123456789", "hunter2-planted"
_MADE = {
    "block agent-report-source",
    "block agent-report-warehouse",
    "block agent-report-judge-key",
    "work pool agent-report",
    "limit on the tag llm",
    "deployment generate_report/nightly",
    "deployment generate_report/on-demand",
    "deployment generate_report/on-webhook",
    "deployment reconcile_reports/reconcile-reports",
    "automation 'agent-report: killed runs are marked crashed'",
    "automation 'agent-report: reports of crashed runs are marked failed'",
}
_NOTIFY = "automation 'agent-report: somebody hears of failed reports and agents below their threshold'"


@pytest.fixture(scope="module", autouse=True)
def folder(settings_in: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where setup is called, with the settings of a team."""
    made = tmp_path_factory.mktemp("setup")
    with pytest.MonkeyPatch.context() as patch:
        settings_in(patch, made)
        yield made


def _snapshot(post: Callable[..., Any]) -> dict[str, Any]:
    """Everything of ours that the API returns, without what every deploy changes."""
    passing = ("id", "created", "updated", "automation_id", "concurrency_limit_id", "last_polled", "version_id")

    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: strip(inner) for key, inner in value.items() if key not in passing}
        return [strip(inner) for inner in value] if isinstance(value, list) else value

    everything = {
        "deployments": post("/deployments/filter"),
        "automations": post("/automations/filter"),
        "blocks": post("/block_documents/filter", include_secrets=True),
        "pools": post("/work_pools/filter"),
        "variables": post("/variables/filter"),
        "limits": post("/v2/concurrency_limits/filter"),
    }
    return {name: sorted(map(strip, rows), key=lambda row: str(row["name"])) for name, rows in everything.items()}


@pytest.fixture(scope="module")
def story(post: Callable[..., Any], run_setup: Callable[..., Any]) -> dict[str, Any]:
    """A check, setup, setup again, a check; and what was on the server after each setup."""
    found: dict[str, Any] = {"before": run_setup(check=True)}
    found["untouched"] = _snapshot(post)
    found["first"] = run_setup()
    found["made"] = _snapshot(post)
    found["second"] = run_setup()
    found["kept"] = _snapshot(post)
    found["after"] = run_setup(check=True)
    return found


def _states(lines: Any) -> dict[str, set[str]]:
    """By state or word, of which pieces."""
    pieces: dict[str, set[str]] = {}
    for word, found in lines:
        pieces.setdefault(word, set()).add(found.what)
    return pieces


def test_a_check_names_what_is_missing_and_changes_nothing(story: dict[str, Any]) -> None:
    assert _states(story["before"]) == {"missing": _MADE, "skipped": {_NOTIFY}, "warning": {"source"}}
    assert not story["untouched"]["deployments"]
    assert not story["untouched"]["automations"]


def test_everything_is_made_once_and_found_the_second_time(story: dict[str, Any]) -> None:
    assert _states(story["first"]) == {"created": _MADE, "skipped": {_NOTIFY}, "warning": {"source"}}
    assert _states(story["second"]) == {"there": _MADE, "skipped": {_NOTIFY}, "warning": {"source"}}
    assert _states(story["after"]) == {"there": _MADE, "skipped": {_NOTIFY}, "warning": {"source"}}
    assert story["kept"] == story["made"]
    assert {row["name"] for row in story["made"]["limits"]} >= {"tag:llm"}
    assert [row["type"] for row in story["made"]["pools"] if row["name"] == "agent-report"] == ["process"]


def test_blocks_hold_the_values_and_runs_are_told_to_use_them(story: dict[str, Any], folder: Path) -> None:
    source: Any = SqlAlchemyConnector.load("agent-report-source")
    parts = source.connection_info.model_dump()
    assert parts.pop("password").get_secret_value() == PASSWORD
    assert parts == {
        "driver": source.connection_info.driver,
        "username": "reader",
        "host": "db.example.com",
        "port": 5433,
        "database": "station",
        "query": {"sslmode": "require"},
    }
    warehouse: Any = SqlAlchemyConnector.load("agent-report-warehouse")
    # A run is made in another folder, so the file's whole path is in the block.
    assert warehouse.connection_info.database == str(folder / "warehouse.db")
    key: Any = Secret.load("agent-report-judge-key")
    assert key.get() == KEY
    (variable,) = (row for row in story["made"]["variables"] if row["name"] == "agent_report_env")
    assert variable["value"] == {
        # 30 s is the least that Prefect takes.
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL": "WARNING",
        "AGENT_REPORT_SOURCE_BLOCK": "agent-report-source",
        "AGENT_REPORT_WAREHOUSE_BLOCK": "agent-report-warehouse",
        "AGENT_REPORT_JUDGE_KEY_BLOCK": "agent-report-judge-key",
    }


def test_no_secret_is_printed_nor_shown_by_the_server(story: dict[str, Any]) -> None:
    printed = [found.what + found.detail for name in ("before", "first", "second", "after") for _, found in story[name]]
    assert not [line for line in printed if KEY in line or PASSWORD in line]
    shown = json.dumps({name: rows for name, rows in story["made"].items() if name != "blocks"})
    assert KEY not in shown
    assert PASSWORD not in shown


def _delete_limit(client: SyncPrefectClient) -> None:
    client.delete_global_concurrency_limit_by_name("tag:llm")


def _narrow_limit(client: SyncPrefectClient) -> None:
    client.update_global_concurrency_limit("tag:llm", GlobalConcurrencyLimitUpdate(limit=3))


def _stop_limit(client: SyncPrefectClient) -> None:
    client.update_global_concurrency_limit("tag:llm", GlobalConcurrencyLimitUpdate(active=False))


def _delete_deployment(client: SyncPrefectClient) -> None:
    client.delete_deployment(client.read_deployment_by_name("generate_report/nightly").id)


def _retag_deployment(client: SyncPrefectClient) -> None:
    deployment = client.read_deployment_by_name("generate_report/on-demand")
    # With the form that an earlier version of the flow had.
    older = ParameterSchema(properties={"environment": {"type": "string"}}).model_dump()
    client.update_deployment(deployment.id, DeploymentUpdate(tags=["other"], parameter_openapi_schema=older))


def _reparametrise_deployment(client: SyncPrefectClient) -> None:
    deployment = client.read_deployment_by_name("generate_report/nightly")
    client.update_deployment(deployment.id, DeploymentUpdate(parameters={"environment": "other"}))


def _delete_automation(client: SyncPrefectClient) -> None:
    (automation,) = client.read_automations_by_name("agent-report: killed runs are marked crashed")
    client.delete_automation(automation.id)


def _pause_automation(client: SyncPrefectClient) -> None:
    (automation,) = client.read_automations_by_name("agent-report: reports of crashed runs are marked failed")
    client.pause_automation(automation.id)


def _delete_trigger(client: SyncPrefectClient) -> None:
    (automation,) = client.read_automations_by_name("agent-report: a report that an event asks for")
    client.delete_automation(automation.id)


def _change_password(client: SyncPrefectClient) -> None:
    block: Any = SqlAlchemyConnector.load("agent-report-source")
    changed = block.connection_info.model_copy(update={"password": SecretStr("another")})
    SqlAlchemyConnector(connection_info=changed).save("agent-report-source", overwrite=True)


def _forget_blocks(client: SyncPrefectClient) -> None:
    client.update_variable(VariableUpdate(name="agent_report_env", value={"OWN": "kept"}))


def _unlock_pool(client: SyncPrefectClient) -> None:
    """As an earlier version made it, with what a person has added."""
    template = ProcessWorker.get_default_base_job_template()
    properties = template["variables"]["properties"]
    properties["env"]["default"] = {"AGENT_REPORT_SOURCE_BLOCK": "agent-report-source", "OLDER": "kept"}
    properties["working_dir"]["default"] = "/srv/reports"
    client.update_work_pool("agent-report", WorkPoolUpdate(base_job_template=template))
    for name in ("nightly", "on-demand", "on-webhook"):
        deployment = client.read_deployment_by_name(f"generate_report/{name}")
        older = {"env": {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}}
        client.update_deployment(deployment.id, DeploymentUpdate(job_variables=older))


_CHANGES: list[tuple[Callable[[SyncPrefectClient], None], str, str, str]] = [
    (_delete_limit, "missing", "limit on the tag llm", "10 judge calls"),
    (_delete_deployment, "missing", "deployment generate_report/nightly", ""),
    (_retag_deployment, "different", "deployment generate_report/on-demand", "tags, form"),
    (_delete_automation, "missing", "automation 'agent-report: killed runs are marked crashed'", ""),
    (_pause_automation, "different", "automation 'agent-report: reports of crashed runs are marked failed'", "enabled"),
    (_delete_trigger, "different", "deployment generate_report/on-webhook", "triggers"),
    (_change_password, "different", "block agent-report-source", "another password"),
    (_forget_blocks, "different", "work pool agent-report", "AGENT_REPORT_SOURCE_BLOCK"),
]


def test_changes_are_reported_and_reverted(
    story: dict[str, Any], client: SyncPrefectClient, run_setup: Callable[..., Any]
) -> None:
    for change, *_ in _CHANGES:
        change(client)
    reconcile = client.read_deployment_by_name("reconcile_reports/reconcile-reports")
    client.update_deployment_schedule(reconcile.id, reconcile.schedules[0].id, active=False)
    due = {found.what: found for _, found in run_setup(check=True) if found.is_due}
    assert {what: found.state for what, found in due.items()} == {what: state for _, state, what, _ in _CHANGES}
    for _, _, what, detail in _CHANGES:
        assert detail in due[what].detail
    again = _states(run_setup())
    for word, state in (("created", "missing"), ("updated", "different")):
        assert again.get(word, set()) == {what for _, was, what, _ in _CHANGES if was == state}
    found = {found.what: found for _, found in run_setup(check=True)}
    assert not [piece for piece in found.values() if piece.is_due]
    # Only what is due is deployed: what a person paused stays so.
    assert found["deployment reconcile_reports/reconcile-reports"].detail == "its schedule is paused"
    client.update_deployment_schedule(reconcile.id, reconcile.schedules[0].id, active=True)


def test_a_deployment_that_the_server_refuses_is_named_in_one_line(
    story: dict[str, Any], client: SyncPrefectClient, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text("from prefect import flow\n\n\n@flow\ndef own():\n    pass\n", encoding="utf-8")
    deployment = {
        "name": "refused",
        "description": "It sets what the pool has locked.",
        "entrypoint": "own.py:own",
        "work_pool": {"name": "agent-report", "job_variables": {"command": "touch owned"}},
    }
    file = tmp_path / "prefect.yaml"
    file.write_text(json.dumps({"pull": [{"step": {}}], "deployments": [deployment]}), encoding="utf-8")
    with pytest.raises(DeployError, match=r"^deployment own/refused: .*command") as caught:
        Deployed(file, read_settings()).make(client)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("change", "detail"), [(_stop_limit, "it is not active"), (_narrow_limit, "it is 3, not 10")])
def test_a_limit_that_is_another_is_reported_and_corrected(
    story: dict[str, Any], client: SyncPrefectClient, change: Callable[[SyncPrefectClient], None], detail: str
) -> None:
    change(client)
    (found,) = LlmLimit(10).inspect(client)
    assert (found.state, found.detail) == ("different", detail)
    assert found.is_due
    LlmLimit(10).make(client)
    (found,) = LlmLimit(10).inspect(client)
    assert found.state == "there"


def test_a_pool_of_an_earlier_version_is_migrated_with_what_a_person_has_set_in_it(
    story: dict[str, Any], client: SyncPrefectClient, run_setup: Callable[..., Any]
) -> None:
    _unlock_pool(client)
    _reparametrise_deployment(client)
    due = {found.what: found.detail for _, found in run_setup(check=True) if found.is_due}
    assert due.pop("work pool agent-report") == "flow runs can set their command, env, working_dir"
    assert due.pop("deployment generate_report/nightly") == "in its parameters, job variables"
    assert due == {f"deployment generate_report/{name}": "in its job variables" for name in ("on-demand", "on-webhook")}
    run_setup()
    assert not [found for _, found in run_setup(check=True) if found.is_due]
    variable = client.read_variable_by_name("agent_report_env")
    assert variable is not None
    assert isinstance(variable.value, dict)
    assert (variable.value["OWN"], variable.value["OLDER"]) == ("kept", "kept")
    job = client.read_work_pool("agent-report").base_job_template["job_configuration"]
    assert (job["command"], job["working_dir"]) == (None, "/srv/reports")


@pytest.mark.parametrize(
    "order",
    [{"command": "touch owned"}, {"env": {"PYTHONPATH": "/tmp"}}, {"env.PYTHONPATH": "x"}, {"working_dir": "/tmp"}],
)
def test_a_flow_run_sets_neither_command_nor_environment_nor_folder(
    story: dict[str, Any], client: SyncPrefectClient, order: dict[str, Any]
) -> None:
    template = client.read_work_pool("agent-report").base_job_template
    deployment = client.read_deployment_by_name("generate_report/on-demand")
    with pytest.raises(PrefectHTTPStatusError, match="422"):
        client.create_flow_run_from_deployment(deployment.id, parameters={"environment": "x"}, job_variables=order)
    # The API checks none that is made without a deployment: the worker takes nothing of them either.
    ours, theirs = (_job(template, values) for values in ({"name": "n"}, {"name": "n", **order}))
    assert ours == theirs
    assert ours.env["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"


def _job(template: dict[str, Any], values: dict[str, Any]) -> ProcessJobConfiguration:
    """What a worker runs for a flow run with these job variables."""

    return asyncio.run(ProcessJobConfiguration.from_template_and_values(template, values))


def test_the_limit_follows_the_setting(
    story: dict[str, Any], client: SyncPrefectClient, run_setup: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_REPORT_MAX_CONCURRENT_EVALS", "4")
    assert _states(run_setup())["updated"] == {"limit on the tag llm"}
    assert client.read_global_concurrency_limit_by_name("tag:llm").limit == 4
    monkeypatch.setenv("AGENT_REPORT_MAX_CONCURRENT_EVALS", "0")
    run_setup()
    assert not client.read_global_concurrency_limit_by_name("tag:llm").active
    monkeypatch.delenv("AGENT_REPORT_MAX_CONCURRENT_EVALS")
    run_setup()
    limit = client.read_global_concurrency_limit_by_name("tag:llm")
    assert (limit.limit, limit.active) == (10, True)


def test_a_block_that_a_setting_names_is_used_and_never_written(
    story: dict[str, Any], run_setup: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    Secret(value="their own").save("agent-report-of-theirs", overwrite=True)
    monkeypatch.setenv("AGENT_REPORT_JUDGE_KEY_BLOCK", "agent-report-of-theirs")
    states = _states(run_setup())
    assert "block agent-report-of-theirs" in states["there"]
    own: Any = Secret.load("agent-report-of-theirs")
    assert own.get() == "their own"
    monkeypatch.setenv("AGENT_REPORT_JUDGE_KEY_BLOCK", "nobodys")
    monkeypatch.delenv("OPENAI_API_KEY")
    assert _states(run_setup(check=True))["missing"] == {"block nobodys"}
    with pytest.raises(RefusedError, match="nobodys"):
        run_setup()
    monkeypatch.undo()
    run_setup()


def test_headers_of_the_judge_go_into_a_block_where_they_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    def held() -> dict[str, Any]:
        return {block.name: block.values for block in Blocks(read_settings()).held if "headers" in block.name}

    assert held() == {}
    monkeypatch.setenv("AGENT_REPORT_JUDGE_HEADERS", '{"x-b": "2", "x-a": "1"}')
    assert held() == {"agent-report-judge-headers": {"value": '{"x-a": "1", "x-b": "2"}'}}
    assert Blocks(read_settings()).environment["AGENT_REPORT_JUDGE_HEADERS_BLOCK"] == "agent-report-judge-headers"
    monkeypatch.setenv("AGENT_REPORT_JUDGE_HEADERS_BLOCK", "headers-of-theirs")
    assert list(held()) == ["headers-of-theirs"]
    monkeypatch.delenv("AGENT_REPORT_JUDGE_HEADERS")
    assert held() == {"headers-of-theirs": None}


def test_a_block_that_notifies_is_found_and_used(
    story: dict[str, Any], run_setup: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    with pytest.raises(RefusedError, match="no block slack-webhook/missing"):
        run_setup(notify="slack-webhook/missing")
    with pytest.raises(RefusedError, match="type/name"):
        run_setup(notify="team")
    with pytest.raises(RefusedError, match="sends no notifications"):
        run_setup(notify="secret/agent-report-judge-key")
    with LoopbackServer(lambda _: Response()) as team:
        body = {"text": "{{subject}}|{{body}}"}
        block = CustomWebhookNotificationBlock(name="team", url=team.url, json_data=body)
        block.save("agent-report-team", overwrite=True)
        assert _states(run_setup(check=True, notify="custom-webhook/agent-report-team"))["missing"] == {_NOTIFY}
        assert _states(run_setup(notify="custom-webhook/agent-report-team"))["created"] == {_NOTIFY}
        # Who does not name it the next time does not lose it.
        assert _NOTIFY in _states(run_setup())["there"]
        for number, attention in ((1, "no"), (2, "yes")):
            emit_event(
                "agent-report.completed",
                resource={
                    "prefect.resource.id": f"agent-report.report.{number}",
                    "agent-report.needs-attention": attention,
                },
                payload={"environment": "demo", "status": "completed", "text": f"Report {number} has something"},
            )
        drain()
        (request,) = eventually(lambda: list(team.requests))
    assert json.loads(request.body)["text"].startswith("agent-report: demo completed|Report 2 has something")


def test_the_command_prints_the_same_in_lines_and_as_json(
    story: dict[str, Any], run_here: Callable[..., Any], client: SyncPrefectClient
) -> None:
    """In a process of its own it is run by the stack."""
    _delete_limit(client)
    # No secret is given, so the blocks of the others are left alone.
    missing = run_here("setup", "--check", AGENT_REPORT_ENVIRONMENT="demo")
    assert missing.code == 1, missing.err
    assert "missing   limit on the tag llm: 10 judge calls at once" in missing.out.splitlines()
    made = run_here("setup")
    assert made.code == 0, made.err
    assert "created   limit on the tag llm: 10 judge calls at once" in made.out.splitlines()
    checked = run_here("setup", "--check", "--json")
    assert checked.code == 0, checked.err
    lines = json.loads(checked.out)
    assert {"what": "limit on the tag llm", "state": "there", "detail": "10 judge calls at once"} in lines
    warned = run_here("setup", "--check", AGENT_REPORT_SOURCE_URL="sqlite:////nowhere/station.db")
    assert any(
        line.startswith("warning   source: The source /nowhere/station.db does not exist")
        for line in warned.out.splitlines()
    ), warned.out
    for ended in (missing, made, checked, warned):
        assert KEY not in ended.printed
        assert ended.err == ""


@pytest.mark.parametrize(
    ("api", "source", "code", "message"),
    [
        (None, "sqlite:///station.db", 2, "PREFECT_API_URL"),
        ("http://admin:hunter2@127.0.0.1:1/api", "sqlite:///station.db", 1, "PREFECT_API_URL"),
        ("http://127.0.0.1:1/api", "postgresql:hunter2", 2, "SOURCE_URL"),
    ],
)
def test_what_is_wrong_is_one_line(
    run_here: Callable[..., Any], api: str | None, source: str, code: int, message: str
) -> None:
    with temporary_settings({PREFECT_API_URL: api}) if api else temporary_settings(restore_defaults={PREFECT_API_URL}):
        ended = run_here("setup", AGENT_REPORT_SOURCE_URL=source)
    assert ended.code == code
    assert message in ended.err
    assert len(ended.err.splitlines()) == 1
    assert "hunter2" not in ended.printed


def test_a_pool_of_another_type_keeps_what_somebody_set_in_it(
    story: dict[str, Any], client: SyncPrefectClient, run_setup: Callable[..., Any]
) -> None:
    client.delete_work_pool("agent-report")
    image = {"type": "string", "default": "registry.example/agent-report"}
    template = {
        "job_configuration": {"command": "{{ command }}", "env": "{{ env }}", "image": "{{ image }}"},
        "variables": {
            "type": "object",
            "properties": {
                "command": {"type": "string"},
                "env": {"type": "object", "default": {"OWN": "{{ prefect.blocks.secret.own }}"}},
                "image": image,
            },
        },
    }
    client.create_work_pool(WorkPoolCreate(name="agent-report", type="docker", base_job_template=template))
    run_setup()
    pool = client.read_work_pool("agent-report")
    assert pool.type == "docker"
    assert pool.base_job_template["job_configuration"] == template["job_configuration"]
    properties = pool.base_job_template["variables"]["properties"]
    assert set(properties) == {"command", "env", "image"}
    assert properties["env"]["default"]["OWN"] == "{{ prefect.blocks.secret.own }}"
    assert properties["env"]["default"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
    assert not [found for _, found in run_setup(check=True) if found.is_due]
    client.delete_work_pool("agent-report")
    run_setup()
