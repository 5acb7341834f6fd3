"""Commands beside a running stack read and write its warehouse, and the commands they print do too."""

from __future__ import annotations

import csv
import json
import re
import shlex
from collections.abc import Callable
from typing import Any

import pytest

from deployments.stack.place import DEFAULT_FOLDER, Place
from tasks.warehouse.owner import current_owner


@pytest.fixture
def beside(command: Any, write_label_report: Callable[..., str]) -> Any:
    """The command in a folder where a stack runs, whose warehouse holds report 1."""
    place = Place(command.folder / DEFAULT_FOLDER)
    place.folder.mkdir(parents=True)
    url = write_label_report(place.folder)
    place.password.write_text("hush\n")
    place.write_state(
        {
            "api": "http://127.0.0.1:1/api",
            "owner": current_owner().model_dump(),
            "warehouse": url,
            "parquet": str(place.parquet),
        }
    )
    return command


def test_reports_of_the_stack_are_found_unless_another_warehouse_is_set(
    beside: Any, run_here: Callable[..., Any]
) -> None:
    own = run_here("list", "--json", AGENT_REPORT_WAREHOUSE_URL="sqlite:///own.db")
    assert json.loads(own.out) == []
    assert [row["id"] for row in json.loads(run_here("list", "--json").out)] == [2, 1]
    (beside.folder / ".env").write_text("AGENT_REPORT_WAREHOUSE_URL=sqlite:///own.db\n")
    assert json.loads(run_here("list", "--json").out) == []


def test_commands_that_label_prints_work_as_printed(beside: Any, run_here: Callable[..., Any]) -> None:
    written = beside.run("label", "1", "--labeler", "ana", "--count", "1", "--template", "labels.csv")
    (printed,) = re.findall(r"Then: (.+)", written.out)
    assert "WAREHOUSE" not in printed
    path = beside.folder / "labels.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(row | {"passed": "yes"} for row in rows)
    taken = run_here(*shlex.split(printed)[1:])
    assert taken.code == 0, taken.err
    # This process was started elsewhere: the places stand in front, and the command works where there is no stack.
    then = shlex.split(re.findall(r"`(.+)`", taken.out)[0])
    start = then.index("agreement")
    *places, program = then[:start]
    state = json.loads(Place(beside.folder / DEFAULT_FOLDER).state.read_text(encoding="utf-8"))
    assert places == [
        f"AGENT_REPORT_WAREHOUSE_URL={state['warehouse']}",
        f"AGENT_REPORT_PARQUET_URL={state['parquet']}",
    ]
    assert program == "agent-report"
    elsewhere = beside.folder / "elsewhere"
    elsewhere.mkdir()
    assert run_here(*then[start:], folder=elsewhere).code != 0
    measured = run_here(*then[start:], folder=elsewhere, **dict(place.split("=", 1) for place in places))
    assert measured.code == 0, measured.err
    assert "by 1 person" in measured.out


def test_a_report_beside_a_stack_needs_the_stacks_server(
    beside: Any, run_here: Callable[..., Any], source: Any
) -> None:
    """Its server does not answer here: that is an error, and no server of our own takes its place."""
    ended = run_here(
        *("run", "demo", "--judge-model", "simulated-judge"),
        AGENT_REPORT_SOURCE_URL=f"sqlite:///{source}",
        OPENAI_BASE_URL="http://127.0.0.1:1/v1",
        OPENAI_API_KEY="x",
    )
    assert ended.code == 1
    assert "http://127.0.0.1:1/api" in ended.err
