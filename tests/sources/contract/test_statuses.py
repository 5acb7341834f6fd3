"""Statuses: built-in words in any case, and a mapping's own before them."""

from __future__ import annotations

import pytest

from tasks.sources.contract.statuses import Statuses


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((word, "completed") for word in ("completed", "success", "succeeded", "ok", "done", " Completed\n", "OK")),
        *((word, "failed") for word in ("failed", "failure", "error", "errored", "timeout", "TIMED_OUT")),
        *((word, "unfinished") for word in ("running", "pending", "queued", "cancelled", "Canceled")),
        ("solved", None),
        ("", None),
    ],
)
def test_built_in_words(status: str, outcome: str | None) -> None:
    assert Statuses().outcome(status) == outcome


def test_own_words_come_first() -> None:
    own = Statuses({"completed": ["Solved", "200"], "failed": ["done"], "unfinished": ["live"]})
    outcomes = [own.outcome(word) for word in ("solved", "200", "DONE", "live", "completed", "broke")]
    assert outcomes == ["completed", "completed", "failed", "unfinished", "completed", None]
