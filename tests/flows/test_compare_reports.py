"""Comparing in flows: a report says what changed since the last, two can be compared, and no failure costs a report."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa
from prefect.client.orchestration import get_client

from tasks.warehouse.comparisons import load_comparison
from tasks.warehouse.schema import report_comparisons


def _artifact(key: str) -> str:
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])))
    return str(max(found, key=lambda artifact: artifact.created).data)


def test_a_report_says_what_changed_since_the_last_comparable_one(make_world: Callable[..., Any]) -> None:
    from flows.compare_reports import compare_reports

    world = make_world()
    first = world.report()
    assert load_comparison(world.warehouse, first["id"]) is None
    second = world.report()
    comparison = load_comparison(world.warehouse, second["id"])
    assert comparison is not None
    assert comparison.baseline_id == first["id"]
    # The same runs and, from the ledger, the same answers.
    assert {agent.verdict for agent in comparison.agents if agent.agent_name != "onboarding-guide"} == {"no_change"}
    text = _artifact(f"report-{second['id']}")
    assert f"## What changed\n\nAgainst report {first['id']}" in text
    assert "4 agents without a change that could be distinguished from noise" in text
    assert "## What changed" not in _artifact(f"report-{first['id']}")
    assert compare_reports(second["id"], first["id"]) == []
    assert compare_reports(second["id"]) == []
    assert "4 agents" in _artifact(f"comparison-{second['id']}-{first['id']}")


def test_a_report_that_is_made_again_is_compared_again_with_those_around_it(make_world: Callable[..., Any]) -> None:
    from flows.generate_report import generate_report

    world = make_world()
    ids = [world.report_directly()["id"] for _ in range(3)]
    with world.warehouse.database.reading() as connection:
        before = set(connection.execute(sa.select(report_comparisons.c.id)).scalars())
    assert generate_report("demo", report_id=ids[1]) == ids[1]
    with world.warehouse.database.reading() as connection:
        after = set(connection.execute(sa.select(report_comparisons.c.id)).scalars())
    assert len(before) == len(after)
    assert not before & after
    for earlier, later in pairwise(ids):
        comparison = load_comparison(world.warehouse, later)
        assert comparison is not None
        assert comparison.baseline_id == earlier


def test_a_comparison_that_fails_costs_no_report(make_world: Callable[..., Any]) -> None:
    world = make_world()
    world.report_directly()
    with world.warehouse.database.writing() as connection:
        report_comparisons.drop(connection)
    report = world.report()
    assert report["status"] == "completed"
    text = _artifact(f"report-{report['id']}")
    assert "## Every agent" in text
    assert "## What changed" not in text
    with world.warehouse.database.reading() as connection:
        assert not sa.inspect(connection).has_table("report_comparisons")


def test_what_cannot_be_compared_is_refused(make_world: Callable[..., Any]) -> None:
    from flows.compare_reports import compare_reports
    from tasks.errors import RefusedError

    world = make_world()
    report = world.report_directly()
    state = compare_reports(report["id"], return_state=True)
    assert state.is_failed()
    assert "no completed report of this environment before" in str(state.message)
    with pytest.raises(RefusedError, match="no report 99"):
        compare_reports(99)
