"""What the form lets through is accepted; what it cannot check is refused in one line, which is the run's state."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from prefect.client.schemas.objects import State
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools import validate

from deployments.demo.judge import asked_schema

Make = Callable[..., Any]
_MODEL = {"judge_model": "simulated-judge"}


def _run(**parameters: Any) -> State[Any]:
    """The flow as a worker calls it: with what the API has stored, which its schema has let through."""
    from flows.generate_report import generate_report

    validate(parameters, parameter_schema(generate_report).model_dump(), raise_on_error=True)
    state: State[Any] = generate_report(**json.loads(json.dumps(parameters)), return_state=True)
    return state


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {
            "name": "",
            "criteria": {},
            "report_id": None,
            "options": {
                "since": None,
                "agents": None,
                "runs_per_agent": None,
                "max_report_cost_usd": None,
                "fresh": None,
            },
        },
        {
            "name": "Weekly\n",
            "criteria": {"team": {}, "agents": {"name:sql-analyst": {"care": {}}}},
            "options": {"since": "", "filter_model": " ", "agents": ["sql-analyst\n", ""], "runs_per_agent": 3.0},
        },
    ],
)
def test_what_the_form_lets_through_makes_a_report(
    parameters: dict[str, Any], make_world: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_REPORT_JUDGE_MODEL", "simulated-judge")
    world = make_world(agent_seconds=0, team_seconds=0)
    state = _run(environment="demo", **parameters)
    assert state.is_completed(), state.message
    [report] = world.warehouse.list_reports()
    assert report["environment"] == "demo"
    assert report["name"] == parameters.get("name", "").strip()
    # The form's own defaults, in whatever order, ask what a report without any criteria asks.
    if not parameters:
        asked = _judgements(world)
        assert _run(environment="demo", criteria=_reversed(report["parameters"]["criteria"])).is_completed()
        assert _judgements(world) == asked


def _judgements(world: Any) -> int:
    """Requests for an agent or the team. The one for issues names those of the report before."""
    schemas = [asked_schema(json.loads(request.body)) for request in world.judge.requests]
    return sum("issues" not in schema.get("properties", {}) for schema in schemas)


def _reversed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _reversed(value[key]) for key in reversed(value)}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"environment": "prod"}, "Refused: there is no environment 'prod'; there is demo"),
        ({"environment": ""}, "Refused: environment is empty: name the environment to report on, as the source has it"),
        (
            {"environment": "demo", "options": _MODEL | {"agents": ["no-such-bot"]}},
            "Refused: agents: 'no-such-bot' is no agent of this environment; there are: ",
        ),
        (
            {"environment": "demo", "options": {"since": "yesterday"}},
            "Refused: options.since: since='yesterday' is neither a span such as 7d or 12h nor a time",
        ),
        (
            {"environment": "demo", "criteria": {"default": {"Tool use": {}, "tool-use": {}}}},
            "Refused: criteria.default: criterion names 'Tool use' and 'tool-use' differ only in",
        ),
        (
            {"environment": "demo", "options": _MODEL, "criteria": {"agents": {"no-such-bot": {"care": {}}}}},
            'Refused: criteria: agents: key \'no-such-bot\' must be "id:<id>" or "name:<name>"',
        ),
        ({"environment": "demo", "report_id": 99}, "Refused: "),
    ],
)
def test_what_it_cannot_check_is_refused_at_once_in_one_line(
    parameters: dict[str, Any], message: str, make_world: Make
) -> None:
    world = make_world()
    state = _run(**parameters)
    assert state.is_failed()
    assert state.message is not None
    assert state.message.startswith(message)
    assert "\n" not in state.message
    assert world.judge.requests == []
    assert world.warehouse.list_reports() == []


def test_the_caller_still_gets_the_error(make_world: Make) -> None:
    from flows.generate_report import generate_report
    from tasks.errors import RefusedError

    make_world()
    with pytest.raises(RefusedError, match="no environment 'prod'"):
        generate_report("prod")


def test_the_name_of_an_environment_is_what_it_is(make_world: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """Blanks at its ends are part of it: on the command line, in the flow, in folders and pages, in the removal."""
    from deployments.cli import main

    world = make_world(agent_seconds=0, team_seconds=0)
    source = sqlite3.connect(world.folder / "source.db")
    with source:
        source.execute("UPDATE environments SET name = ' lead '")
    source.close()
    for given in ("lead", " lead"):
        state = _run(environment=given, options=_MODEL)
        assert "there is ' lead '" in str(state.message)
    assert _run(environment=" lead ", options=_MODEL).is_completed()
    [report] = world.warehouse.list_reports(" lead ")
    folders = {path.parent.name for path in (world.folder / "parquet").rglob(f"{report['id']}.*")}
    assert folders == {"%20lead%20"}
    assert [path.suffix for path in (world.folder / "parquet" / "pages" / "%20lead%20").iterdir()] == [".html"]
    with pytest.raises(SystemExit) as ended:
        main(["list", "--environment", " lead ", "--json"])
    assert ended.value.code == 0
    assert [row["environment"] for row in json.loads(capsys.readouterr().out)] == [" lead "]
