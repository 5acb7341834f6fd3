"""prefect.yaml is read strictly: what Prefect would silently ignore, or fail with at night, is refused in a line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.cli.deploy._models import ConcurrencyLimitSpec, DeploymentConfig, PrefectYamlModel, RawScheduleConfig

from deployments.setup.deployment_file import (
    ConcurrencyLimit,
    Deployment,
    DeploymentFile,
    Schedule,
    load_deployment_file,
    template_variables,
)
from tasks.errors import RefusedError
from tasks.settings import Settings

_ROOT = Path(__file__).parents[3]
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    return Settings(environment="demo")


def test_the_file_of_this_repository_is_accepted(settings: Settings) -> None:
    file = load_deployment_file(_ROOT / "prefect.yaml", settings)
    by_name = {deployment.name: deployment for deployment in file.deployments}
    assert set(by_name) == {"nightly", "on-demand", "on-webhook", "reconcile-reports"}
    assert by_name["nightly"].parameters["environment"] == "demo"
    limits = {name: deployment.concurrency_limit for name, deployment in by_name.items()}
    assert limits["nightly"] == ConcurrencyLimit(limit=1, collision_strategy="CANCEL_NEW")
    assert limits["on-webhook"] is not None
    assert limits["on-webhook"].collision_strategy == "ENQUEUE"


def test_schedules_that_differ_in_time_zone_or_parameters_are_two(settings: Settings, tmp_path: Path) -> None:
    shutil.copytree(_ROOT / "flows", tmp_path / "flows")
    content = yaml.safe_load((_ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    schedules = [{"timezone": "UTC"}, {"timezone": "Asia/Tokyo"}, {"parameters": {"name": "x"}}]
    content["deployments"][0]["schedules"] = [{"cron": "0 2 * * *"} | further for further in schedules]
    (tmp_path / "prefect.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    read = load_deployment_file(tmp_path / "prefect.yaml", settings).deployments[0].schedules
    assert len({schedule.digest for schedule in read}) == 3


def test_a_digest_stays_as_it_was_recorded() -> None:
    # With another, the first setup after an upgrade would take every schedule for changed.
    assert Schedule(cron="0 2 * * *").digest == Schedule(cron="0 2 * * *", timezone="UTC", active=False).digest
    assert Schedule(cron="0 2 * * *").digest == "584aacfa3eb9"


def test_the_event_can_give_every_parameter_of_the_flow(settings: Settings) -> None:
    file = load_deployment_file(_ROOT / "prefect.yaml", settings)
    (trigger,) = next(deployment.triggers for deployment in file.deployments if deployment.name == "on-webhook")
    assert list(trigger.parameters or {}) == ["environment", "name", "criteria", "options", "report_id"]


def _first(key: str, value: Any) -> Change:
    return lambda content: content["deployments"][0].update({key: value})


def _trigger(key: str, value: Any) -> Change:
    return lambda content: content["deployments"][2]["triggers"][0].update({key: value})


_CHANGES: dict[str, tuple[Change, list[str]]] = {
    "key of the file": (lambda content: content.update(deployment=[]), ["deployment", "Extra inputs"]),
    "key of a deployment": (_first("schedulez", []), ["deployments.0.schedulez"]),
    "key of a schedule": (_first("schedules", [{"crom": "0 2 * * *"}]), ["schedules.0.cron", "crom"]),
    "slug of a schedule": (_first("schedules", [{"cron": "0 2 * * *", "slug": "mine"}]), ["schedules.0.slug"]),
    "schedule twice": (
        _first("schedules", [{"cron": "0 2 * * *"}, {"cron": "0 2 * * *", "timezone": "UTC", "active": False}]),
        ["nightly", "schedules.1", "'0 2 * * *' (UTC)", "twice", "remove one"],
    ),
    "no cron": (_first("schedules", [{"cron": "at night"}]), ["at night"]),
    "no time zone": (_first("schedules", [{"cron": "0 2 * * *", "timezone": "Mars/Base"}]), ["Mars/Base"]),
    "key of a limit": (_first("concurrency_limit", {"limit": 1, "strategy": "ENQUEUE"}), ["strategy", "ENQUEUE"]),
    "strategy": (_first("concurrency_limit", {"limit": 1, "collision_strategy": "QUEUE"}), ["strategy", "QUEUE"]),
    "limit of 0": (_first("concurrency_limit", {"limit": 0, "collision_strategy": "ENQUEUE"}), ["limit", "0"]),
    "key of the work pool": (_first("work_pool", {"name": "agent-report", "job_variabels": {}}), ["job_variabels"]),
    "other pool": (_first("work_pool", {"name": "default"}), ["nightly", "work_pool.name", "'default'"]),
    "no pool": (lambda content: content["deployments"][0].pop("work_pool"), ["work_pool", "required"]),
    "no description": (_first("description", ""), ["description"]),
    "no such file": (_first("entrypoint", "flows/nope.py:generate_report"), ["entrypoint", "flows/nope.py", "no such"]),
    "no such function": (_first("entrypoint", "flows/generate_report.py:nope"), ["entrypoint", "'nope'"]),
    "parameter": (_first("parameters", {"enviroment": "demo"}), ["nightly", "parameters.enviroment", "demo"]),
    "parameter of a schedule": (
        _first("schedules", [{"cron": "0 2 * * *", "parameters": {"nome": "x"}}]),
        ["schedules.0.parameters.nome", "'x'"],
    ),
    "parameter of a trigger": (_trigger("parameters", {"nome": "x"}), ["triggers.0.parameters.nome", "'x'"]),
    "key of a trigger": (_trigger("expects", ["x"]), ["triggers.0.expects"]),
    "variable": (_first("parameters", {"name": "{{ $HOME }}"}), ["HOME", "no setting"]),
    "secret": (_first("parameters", {"name": "{{ $OPENAI_API_KEY }}"}), ["OPENAI_API_KEY", "no setting"]),
    "twice": (lambda content: content["deployments"].append(content["deployments"][1]), ["'on-demand'", "twice"]),
    "no pull step": (lambda content: content.pop("pull"), ["pull", "required"]),
}


@pytest.mark.parametrize("name", list(_CHANGES))
def test_what_is_wrong_is_named_in_one_line(name: str, settings: Settings, tmp_path: Path) -> None:
    change, words = _CHANGES[name]
    shutil.copytree(_ROOT / "flows", tmp_path / "flows")
    content = yaml.safe_load((_ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    change(content)
    file = tmp_path / "prefect.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(RefusedError) as caught:
        load_deployment_file(file, settings)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("prefect.yaml")
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("text", ["deployments: [", "", "[1]"])
def test_a_file_that_is_none_is_refused(text: str, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "prefect.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(RefusedError, match=r"prefect\.yaml"):
        load_deployment_file(tmp_path / "prefect.yaml", settings)


def test_a_missing_file_is_refused(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="clone"):
        load_deployment_file(tmp_path / "prefect.yaml", settings)


def test_prefect_knows_every_key_that_is_accepted() -> None:
    pairs = [
        (DeploymentFile, PrefectYamlModel),
        (Deployment, DeploymentConfig),
        (Schedule, RawScheduleConfig),
        (ConcurrencyLimit, ConcurrencyLimitSpec),
    ]
    for ours, theirs in pairs:
        assert set(ours.model_fields) <= set(theirs.model_fields), ours


def test_no_secret_can_be_filled_in(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "hush")
    monkeypatch.setenv("AGENT_REPORT_SOURCE_URL", "sqlite:///hush")
    monkeypatch.setenv("AGENT_REPORT_JAEGER_HEADERS", '{"x": "hush"}')
    assert not [value for value in template_variables(Settings()).values() if "hush" in value]
