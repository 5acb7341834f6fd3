"""The page that a report leaves beside its files, as the flow writes it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tasks.connecting import open_clients
from tasks.stored import page as stored_page
from tasks.warehouse.schema import labels


def find_page(report_id: int) -> str:
    """Where the page is, by clients of its own."""
    with open_clients():
        return stored_page.find_page(report_id)


def _artifact(report: dict[str, Any]) -> str:
    """The markdown artifact of a report."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterType

    with get_client(sync_client=True) as client:
        wanted = ArtifactFilter(
            flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(report["flow_run_id"])]),
            type=ArtifactFilterType(any_=["markdown"]),
        )
        [artifact] = client.read_artifacts(artifact_filter=wanted)
    return str(artifact.data)


def test_a_report_leaves_its_page_and_the_next_one_says_what_changed(make_world: Callable[..., Any]) -> None:
    world = make_world()
    first = world.report_directly()
    second = world.report()
    place = world.folder / "parquet" / "pages" / "demo" / f"{second['id']}.html"
    assert find_page(second["id"]) == str(place)
    html = place.read_text(encoding="utf-8")
    assert html.count('<details class="agent') == 5
    assert "There is no earlier report to compare with." not in html
    assert f"Since report {first['id']}: " in html
    assert "There is no earlier report" in place.with_name(f"{first['id']}.html").read_text(encoding="utf-8")
    # Of every agent with traces the typical and the worst run are drawn, and of no other run.
    runs = world.warehouse.load_runs(second["id"])
    drawn = [run for run in runs if run["waterfall"]]
    assert len(drawn) == html.count('<ol class="wf"')
    named = {
        row[name]["run_id"]
        for row in world.warehouse.load_agents(second["id"])
        for name in ("typical_run", "worst_run")
        if row[name]
    }
    assert {run["run_id"] for run in drawn} <= named
    assert len(drawn) > 5
    # Every link of a citation leads to an excerpt that is there.
    assert set(re.findall(r'href="#(r[\d-]+)"', html)) <= set(re.findall(r'id="(r[\d-]+)"', html))
    text = _artifact(second)
    assert f"- `{place}`" in text
    assert f"agent\\-report label {second['id']}" in text or f"agent-report label {second['id']}" in text


def test_labels_that_cannot_be_read_cost_neither_page_nor_artifacts(
    make_world: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world()
    with world.warehouse.database.writing() as connection:
        labels.drop(connection)
    report = world.report()
    text = _artifact(report)
    assert "how far it agrees with people could not be measured" in text
    html = Path(find_page(report["id"])).read_text(encoding="utf-8")
    assert "could not be measured" in html
    assert html.count('<details class="agent') == 5
    assert len([line for line in caplog.messages if "could not be" in line]) == 1


def test_a_page_that_cannot_be_written_costs_no_report(make_world: Callable[..., Any]) -> None:
    world = make_world()
    parquet: Path = world.folder / "parquet"
    parquet.mkdir()
    (parquet / "pages").write_text("a file where the folder should be")
    report = world.report()
    assert report["status"] == "completed"
    assert find_page(report["id"]) == ""
    assert "/pages/" not in _artifact(report)
