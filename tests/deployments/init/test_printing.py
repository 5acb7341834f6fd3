"""What ``init`` prints of what it found."""

from __future__ import annotations

import sys

import pytest
from rich.console import Console

from deployments.init.printing import print_found
from deployments.source_survey import Survey


@pytest.mark.parametrize(("mapping", "shown"), [("source.yaml", True), ("", False)])
def test_statuses_that_a_mapping_can_count_are_named(
    capsys: pytest.CaptureFixture[str], mapping: str, *, shown: bool
) -> None:
    survey = Survey(
        ["prod"], "prod", ["a"], runs=16, unfinished={"Escalated": 14, "running": 2}, own_unfinished=["Escalated"]
    )
    console = Console(width=300, file=sys.stdout)
    print_found(console, survey, None, limit=20, may_choose=True, mapping=mapping)
    out = capsys.readouterr().out
    assert "left out as unfinished: Escalated 14, running 2" in out
    hint = "to count them, put Escalated under completed or failed in the statuses of source.yaml"
    assert (hint in out) == shown
