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


def _team(*members: str) -> dict[str, Any]:
    schema = {"properties": {"criteria": {"properties": {"accuracy": {}, "reliability": {}}}, "executive_summary": {}}}
    return derive_answer("\n".join(members), schema)


def _member(name: str, completed: int) -> str:
    return (
        f"## Agent\n| {name}\n- runs analysed: 20\n- failure seen {20 - completed} times:\n| timed out\n"
        if completed < 20
        else f"## Agent\n| {name}\n- runs analysed: 20\n"
    )


def test_a_team_whose_completed_runs_did_not_do_their_task_does_not_pass() -> None:
    answer = _team(
        _member("release-notes", 20), _member("access-broker", 8), _member("log-digger", 14), _member("billing-bot", 20)
    )
    # Of the completed runs of release-notes the sample plants eleven that claim what did not happen.
    assert answer["criteria"]["accuracy"]["score"] == 6.5  # 51 of 80, to half a point
    assert answer["criteria"]["reliability"]["score"] == 8.0
    assert answer["reasoning"] == "51 of 80 runs of 4 agents did their task; 62 ended as completed."
    first, second = answer["executive_summary"].split("\n\n")
    assert first == (
        "51 of 80 runs did their task, although 62 ended as completed. release-notes reports work as done that was "
        "held or refused."
    )
    weak, strong = "access-broker (40%), release-notes (45%), log-digger (70%)", "billing-bot (100%)"
    assert second == f"Least often successful: {weak}. Most often: {strong}."
    assert answer["recommendations"][0] == "Look at access-broker first: timed out"
    assert answer["recommendations"][1].startswith("Have release-notes read what its calls return")


def test_a_team_without_planted_claims_succeeds_as_often_as_it_completes() -> None:
    answer = _team(_member("someone", 20), _member("another", 20))
    assert answer["criteria"]["accuracy"]["score"] == 10.0
    assert answer["executive_summary"] == "40 of 40 runs did their task."
