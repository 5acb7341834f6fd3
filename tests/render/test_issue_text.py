"""How far the list of issues can be trusted, in words."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tasks.render.issue_text import describe_search
from tasks.report.rows import IssueRow, ReportRow

_JUDGED = {"from_judge": 12, "from_source": 0, "cannot_tell": 0, "unusable": 0, "not_judged": 0}
_LOST = {"from_judge": 0, "from_source": 0, "cannot_tell": 0, "unusable": 12, "not_judged": 0}


@pytest.mark.parametrize(
    ("report", "states", "start"),
    [
        ({"verdicts": _JUDGED}, ["new"], ""),
        ({"verdicts": _JUDGED}, ["gone"], "No run that was judged failed."),
        # What is not known is not taken for a success.
        (
            {"verdicts": _JUDGED | {"cannot_tell": 3, "unusable": 2}},
            [],
            "None of the 12 runs with a verdict failed; of 5 more it is not known.",
        ),
        ({"verdicts": _LOST}, ["new"], "No run was judged: these are runs whose source or status reports a failure."),
        ({"verdicts": _LOST}, [], "No run was judged, and none ended as a failure: whether the runs did their task"),
        ({"verdicts": None}, [], "No run was judged, and none ended as a failure: whether the runs did their task"),
        (
            {"verdicts": _JUDGED, "issues_error": "HTTP 500"},
            ["new"],
            "The judge did not group the failing runs (HTTP 500), so they are grouped by the words of their failures.",
        ),
        # A report that failed as no agent could be judged lists what failed by its status.
        (
            {"verdicts": _LOST, "issues_error": "no agent could be judged", "status": "failed"},
            ["new", "other"],
            "The judge did not group the failing runs (no agent could be judged), so",
        ),
        ({"verdicts": None, "status": "cancelled"}, [], "Not looked for: the report was cancelled."),
        # One of an earlier version, in which runs failed.
        (
            {"verdicts": None, "completion_rate": 0.8},
            [],
            "Not looked for: the report was made by a version that did not judge single runs.",
        ),
    ],
)
def test_how_the_search_is_described(report: dict[str, Any], states: list[str], start: str) -> None:
    rows = [cast(IssueRow, {"state": state}) for state in states]
    found = describe_search(cast(ReportRow, {"status": "completed", **report}), rows)
    assert found.startswith(start)
    assert bool(found) == bool(start)
