"""Signals: success only where it is clear."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.sources.contract.signals import fill_from_signals


def _signal(name: str, value: object, source: str | None = None) -> dict[str, Any]:
    return {"run_id": 1, "name": name, "value": value, "source": source}


@pytest.mark.parametrize(
    ("signals", "succeeded"),
    [
        ([_signal("outcome", "success")], True),
        ([_signal("Success", 0)], False),
        ([_signal("reward", "1.0", "outcome")], True),
        ([_signal("thumbs", "up", "user")], True),
        ([_signal("thumbs", -1, "USER")], False),
        ([_signal("regex", "pass", "check"), _signal("length", True, "check")], True),
        ([_signal("regex", "pass", "check"), _signal("length", False, "check")], None),
        # An outcome counts more than a check, and a check more than a user.
        ([_signal("outcome", "failed"), _signal("regex", 1, "check"), _signal("thumbs", 1, "user")], False),
        ([_signal("regex", 1, "check"), _signal("thumbs", 0, "user")], True),
        ([_signal("outcome", 0.7), _signal("thumbs", 1, "user")], True),
        ([_signal("score", 0.7, "user")], None),
        ([_signal("latency", 1, "metric")], None),
        ([_signal("latency", 1)], None),
        ([], None),
    ],
)
def test_success(signals: list[dict[str, Any]], succeeded: bool | None) -> None:
    assert fill_from_signals({"id": 1}, signals).get("succeeded") is succeeded


def test_the_run_s_own_value_stays() -> None:
    assert fill_from_signals({"succeeded": "false"}, [_signal("outcome", 1)]) == {"succeeded": "false"}
