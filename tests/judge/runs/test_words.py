"""What a judge means by its words on a run; what could mean anything else is refused."""

from __future__ import annotations

import pytest

from tasks.judge.runs.words import read_check, read_success


@pytest.mark.parametrize(
    "value",
    [
        True,
        "yes",
        "Yes.",
        "TRUE",
        "pass",
        "PASS",
        "**pass**",
        "passed",
        " Pass \n",
        "met",
        "ok",
        "✅",
        ["pass"],
        {"value": "pass"},
        {"result": "yes", "reason": "it was paid"},
        "pass (the refund was issued)",
        "yes - it was paid",
    ],
)
def test_passes(value: object) -> None:
    assert (read_check(value), read_success(value)) == ("pass", "yes")


@pytest.mark.parametrize(
    "value",
    [
        False,
        "no",
        "No!",
        "false",
        "FAIL",
        "failed",
        "not met",
        "not_met",
        "❌",
        {"verdict": "fail"},
        "fail: no consent",
    ],
)
def test_fails(value: object) -> None:
    assert (read_check(value), read_success(value)) == ("fail", "no")


@pytest.mark.parametrize(
    "value",
    [
        None,
        "cannot_tell",
        "Cannot tell",
        "can't tell",
        "n/a",
        "N/A",
        "unknown",
        "unclear",
        "null",
        "not applicable",
        "insufficient evidence",
        {"check": "n/a"},
        "n/a (no tool was called)",
    ],
)
def test_cannot_tell(value: object) -> None:
    assert (read_check(value), read_success(value)) == ("cannot_tell", "cannot_tell")


@pytest.mark.parametrize(
    "value",
    [
        1,
        0,
        7.5,
        "7",
        "partially",
        "partial",
        "",
        "passes mostly",
        "yes and no",
        "pass/fail",
        "maybe",
        [],
        ["pass", "fail"],
        {},
        {"value": {"value": "pass"}},
        {"value": "pass", "result": "fail"},
        "no yes",
        "pass fail",
        "y" * 500,
    ],
)
def test_nothing_else_is_guessed(value: object) -> None:
    with pytest.raises(ValueError, match="is not pass, fail or cannot tell"):
        read_check(value)
    with pytest.raises(ValueError, match="is not pass, fail or cannot tell"):
        read_success(value)
