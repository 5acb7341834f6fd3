"""What the simulated judge cites stands in the evidence, and ends with a whole word."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.demo.answers import derive_answer

_LONG = "ledger rejected the credit for invoice INV-2231 of the customer Brightwater because the period 2026-10-31 "
_LONG += "is closed and no one may post to it any more"
_SCHEMA: dict[str, Any] = {"properties": {"criteria": {"properties": {"accuracy": {}}}}}


@pytest.mark.parametrize("words", [_LONG, "short and whole", "x" * 300])
def test_a_citation_is_verbatim_and_no_word_of_it_is_cut(words: str) -> None:
    evidence = (
        "## Agent\n| billing-bot\n- runs analysed: 1 (0 completed, 1 failed)\n\n### R1: status failed, 5.0 s\n"
        f"Error of the run (observation):\n| {words}\n"
    )
    quote = derive_answer(evidence, _SCHEMA)["criteria"]["accuracy"]["examples"][0]["quote"]
    assert quote
    assert quote in evidence
    if " " in words:
        assert f"{words} ".startswith(f"{quote} ")
    assert len(quote) <= 120


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("restore_sample timed out after 45 s: no space left on device /var/lib/scratch", "Free disk space"),
        ("timed out after 60 s waiting for a rollout", "Find out why the call takes so long"),
        ("grant_access: permission denied", "Grant the permission"),
    ],
)
def test_the_first_recommendation_is_about_the_error(error: str, advice: str) -> None:
    evidence = (
        "## Agent\n| bot\n- runs analysed: 1 (0 completed, 1 failed)\n\n"
        f"- failure seen 1 times (R1):\n| {error}\n\n### R1: status failed, 5.0 s\n"
    )
    assert derive_answer(evidence, _SCHEMA)["recommendations"][0].startswith(advice)


def test_tool_calls_are_not_mentioned_without_any() -> None:
    evidence = "## Agent\n| bot\n- runs analysed: 1 (1 completed, 0 failed)\n\n### R1: status completed, 5.0 s\n"
    assert derive_answer(evidence, _SCHEMA)["reasoning"] == "1 of 1 runs ended as completed."
