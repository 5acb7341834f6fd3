"""Checks run side by side; one that hangs or breaks is a finding, and the others are there."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from deployments.doctor.bounded import run_checks
from deployments.doctor.finding import Finding
from tasks.errors import SourceError


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """An event that comes only when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def test_a_check_that_hangs_is_left_behind(never: threading.Event) -> None:
    def hang() -> list[Finding]:
        never.wait()
        return []

    found = list(run_checks({"a": hang, "b": lambda: [Finding("b", "ok", "fine")]}, limit_seconds=0.2))
    assert [(finding.what, finding.state) for finding in found] == [("a", "failed"), ("b", "ok")]
    assert "no answer within 0.2 s" in found[0].detail


def test_what_a_check_raises_is_its_finding() -> None:
    def refuse() -> list[Finding]:
        raise SourceError("The source x cannot be read")

    def break_down() -> list[Finding]:
        raise ValueError("password=hunter2")

    refused, broken = run_checks({"a": refuse, "b": break_down}, limit_seconds=5)
    assert (refused.state, refused.detail) == ("failed", "The source x cannot be read")
    assert broken.detail == "ValueError: password=***"
