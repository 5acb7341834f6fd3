"""The question about the team: every agent once, within the budget whatever their number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tasks.evidence.types import Evidence, Run, ToolCall
from tasks.judge.prompt.tokens import estimate_tokens
from tasks.judge.question import compose
from tasks.judge.rubric import TeamCriteria
from tasks.judge.team import build_team_question

MakeAgent = Callable[..., Any]
MakeRun = Callable[..., Run]
MakeEvidence = Callable[..., Evidence]
REASONS = ("permission denied for the ledger", "the shop did not answer", "out of memory", "no such order")


@pytest.fixture
def make_team(make_agent: MakeAgent, make_run: MakeRun, make_evidence: MakeEvidence) -> Callable[[int], list[Evidence]]:
    """So many agents with 12 runs, 14 tools and four kinds of failure each."""
    calls = tuple(ToolCall(name=f"tool_{number}", arguments="{}", result="fine") for number in range(14))
    runs = [
        make_run(n, status="failed", error=REASONS[n % 4], task="word " * 300, tool_calls=calls) for n in range(1, 13)
    ]

    def make(count: int) -> list[Evidence]:
        agents = [make_agent(n, f"agent-{n}", description="It does things. " * 20) for n in range(count)]
        return [make_evidence(runs, agent=agent) for agent in agents]

    return make


def asked(evidences: list[Evidence], without: dict[str, str], budget: int = 80_000) -> str:
    return compose(build_team_question(evidences, without, TeamCriteria()), budget).messages[1]["content"]


def test_an_agent_without_runs_is_counted_and_named_once(make_agent: MakeAgent, make_evidence: MakeEvidence) -> None:
    evidences = [make_evidence(), make_evidence([], agent=make_agent("2", "idle-bot"))]
    for without in ({}, {"idle-bot": "no finished run"}):
        text = asked(evidences, without)
        assert "\n2 agents, 2 finished runs.\n" in text
        assert text.count("idle-bot") == 1
        assert "\n| idle-bot\n| no finished run" in text


@pytest.mark.parametrize("count", [1, 14, 100, 300, 1000])
def test_a_team_of_any_size_finds_room(count: int, make_team: Callable[[int], list[Evidence]]) -> None:
    text = asked(make_team(count), {})
    assert estimate_tokens(text) <= 80_300
    assert text.count("\n## Agent\n| agent-") == count
    assert text.count("\n- runs analysed: ") == count
    runs = text.count("\n### R")
    assert runs == count if count <= 100 else runs < count


def test_a_small_team_is_shown_with_all_of_its_facts(make_team: Callable[[int], list[Evidence]]) -> None:
    small, large = asked(make_team(3), {}), asked(make_team(200), {})
    assert small.count("- failure seen") == 3 * 4
    assert small.count("- tool with ") == 3 * 12
    assert "- other tools: 2, with 24 calls" in small
    assert 0 < large.count("- failure seen") <= 200 * 2
