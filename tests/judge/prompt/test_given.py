"""What the source gives beside a run's task: what a correct answer holds, and what the agent was given."""

from __future__ import annotations

from collections.abc import Callable

from tasks.evidence.types import Evidence, Run
from tasks.judge.digest import digest_evidence
from tasks.judge.prompt.citations import LabelledRuns
from tasks.judge.prompt.prompts import render_agent
from tasks.judge.prompt.selection import label_runs, select_runs

MakeRun = Callable[..., Run]
MakeEvidence = Callable[..., Evidence]

_EXPECTED = "What a correct answer holds, by the owners of the agent, who was not shown it (given):"
_CONTEXT = "What the agent was given beside its task (given):"


def _shown(evidence: Evidence, budget_tokens: int = 8000) -> str:
    return render_agent(evidence, select_runs(evidence, label_runs(evidence), budget_tokens))


def test_they_are_shown_where_they_are_given(make_run: MakeRun, make_evidence: MakeEvidence) -> None:
    evidence = make_evidence([make_run(1, expected="The refund is 5 EUR", context="Policy 7: refunds"), make_run(2)])
    first, second = _shown(evidence).split("\n### ")[1:]
    assert f"{_EXPECTED}\n| The refund is 5 EUR\n{_CONTEXT}\n| Policy 7: refunds\nFinal response" in first
    assert _EXPECTED not in second
    assert _CONTEXT not in second


def test_they_can_be_quoted_and_are_no_claims(make_run: MakeRun, make_evidence: MakeEvidence) -> None:
    runs = LabelledRuns(
        label_runs(make_evidence([make_run(1, expected="The refund is 5 EUR", context="Policy 7 holds")]))
    )
    assert [runs.find("R1", quote) is not None for quote in ("refund is 5 EUR", "Policy 7 holds")] == [True, True]
    assert runs.find("R1", "refund is 5 EUR", "claim") is None


def test_a_long_context_leaves_room_for_the_rest(make_run: MakeRun, make_evidence: MakeEvidence) -> None:
    run = make_run(1, expected="short and whole", context="word " * 50_000, execution_steps='["I paid it back"]')
    text = _shown(make_evidence([run]), 1000)
    assert "| short and whole" in text
    assert "I paid it back" in text
    assert "characters left out" in text
    assert len(text) < 10_000


def test_only_what_is_shown_asks_another_question(make_run: MakeRun, make_evidence: MakeEvidence) -> None:
    plain = digest_evidence(make_evidence([make_run(1)]))
    unseen = {"session_id": "s", "version": "2", "succeeded": True, "owner": "me", "tags": ("a",)}
    assert digest_evidence(make_evidence([make_run(1, **unseen)])) == plain
    given = [digest_evidence(make_evidence([make_run(1, **{name: "x"})])) for name in ("expected", "context")]
    assert len({plain, *given}) == 3
