"""What the simulated judge cites stands in the evidence, and ends with a whole word."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.demo.answers import derive_answer

_LONG = "ledger rejected the credit for invoice INV-2231 of the customer Brightwater because the period 2026-10-31 "
_LONG += "is closed and nobody may post to it any more"
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
