"""What is said of issues where there are none: never that nothing failed where nobody looked."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tasks.render.issue_text import describe_search
from tasks.report.rows import ReportRow


@pytest.mark.parametrize(
    ("report", "words"),
    [
        ({"status": "cancelled"}, "Not looked for: the report was cancelled."),
        ({"status": "failed"}, "Not looked for: the report failed."),
        ({"status": "generating_agents"}, "Not looked for: the report is not complete."),
        ({"completion_rate": 0.8}, "Not looked for: the report was made by a version that did not judge single runs."),
        ({"completion_rate": 1.0}, "No run was judged, and none ended as a failure: whether the runs did their task"),
        ({"verdicts": {"from_judge": 3}}, "No run that was judged failed."),
    ],
)
def test_why_no_issue_is_listed(report: dict[str, Any], words: str) -> None:
    row = {"status": "completed", "completion_rate": 1.0, "issues_error": None, "verdicts": None} | report
    assert describe_search(cast(ReportRow, row), []).startswith(words)
