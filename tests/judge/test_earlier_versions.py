"""Answers that earlier versions paid for are found: the fingerprints that they kept them under do not change.

The hashes are those of the version before answers were kept by endpoint. When one changes, every answer in every
warehouse is paid for again at the next upgrade.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.evidence.metrics import build_evidence
from tasks.evidence.prices import RunPrices
from tasks.evidence.types import Agent, AgentRuns, FutureRuns, Run, SpanCall, TelemetrySummary, Trace
from tasks.judge.call_context import Spent
from tasks.judge.digest import digest_evidence
from tasks.judge.endpoint.access.address import Address
from tasks.judge.endpoint.client import JudgeClient
from tasks.judge.exchange import Judge
from tasks.judge.ledger import PaidAnswer
from tasks.judge.question import Question

_STARTED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_TELEMETRY = TelemetrySummary(
    spans=3,
    roots=1,
    orphans=0,
    depth=2,
    wall_seconds=9.0,
    llm_seconds=5.0,
    tool_seconds=2.0,
    other_seconds=2.0,
    llm_calls=1,
    tool_calls_from="spans",
    tool_calls=(SpanCall(name="x", start_seconds=1.0, duration_seconds=2.0),),
)


def _run(number: int, response: str) -> Run:
    return Run(
        id=str(number),
        agent_id="1",
        status="completed",
        outcome="completed",
        started_at=_STARTED,
        duration_seconds=10.0,
        task="T",
        final_response=response,
        input_tokens=100,
        output_tokens=10,
        total_tokens=110,
        model_name="gpt-5.4-mini",
        trace_id="a" * 32,
    )


@pytest.mark.parametrize(
    ("response", "digest"),
    [
        ("Done.", "20cb08d0a8c0e0fa40fd7cba28723538eeae6d6e9043a160ef1d99b08ed965e5"),
        ("Done. \ud800", "5fd562555ce47aec0c967c89d97e87b253abf52c7405773851658bea0cf5600f"),
    ],
)
def test_the_digest_of_evidence_is_that_of_earlier_versions(response: str, digest: str) -> None:
    runs = AgentRuns(
        runs=tuple(_run(number, response) for number in (1, 2)), future=FutureRuns(count=1, latest=_STARTED)
    )
    traces = [Trace(run_id="1", state="complete", trace_id="a" * 32, telemetry=_TELEMETRY)]
    prices = RunPrices({"gpt-5.4-mini": {"input": 1, "output": 2}})
    evidence = build_evidence(Agent(id="1", name="a", environment="p"), runs, traces, prices)
    assert digest_evidence(evidence) == digest


def test_evidence_whose_ids_are_text_has_a_digest_of_its_own() -> None:
    def digest(agent_id: str, *ids: str, text: str = "") -> str:
        runs = tuple(_run(1, text).model_copy(update={"id": run_id, "agent_id": agent_id}) for run_id in ids)
        agent = Agent(id=agent_id, name="a", environment="p")
        return digest_evidence(build_evidence(agent, AgentRuns(runs=runs), (), RunPrices()))

    given = [("1", "1", "2"), ("1", "1", "02"), ("1", "1", "x"), ("x", "1", "2"), ("X", "1", "2")]
    assert len({digest(*ids, text=text) for ids in given for text in ("Done.", "Done. \ud800")}) == 2 * len(given)


@pytest.mark.parametrize(
    ("sample", "url", "fingerprint"),
    [
        (0, "https://api.openai.com/v1", "f02fd7456cdb03116c911d500d795d40597502bdbf24d85bdad0a8ed7f8b1580"),
        (1, "http://127.0.0.1:9/v1", "7f1dbdc64cc396bf9841b20bb1c1a1393024bc3494f08bd2b5395f7e55e554f6"),
    ],
)
def test_an_answer_in_an_earlier_versions_ledger_is_not_paid_for_again_wherever_it_came_from(
    sample: int,
    url: str,
    fingerprint: str,
    question: Question,
    make_answer: Callable[..., dict[str, Any]],
    make_client: Callable[..., JudgeClient],
    make_judge: Callable[..., Judge],
    soon: float,
) -> None:
    client = replace(make_client("http://127.0.0.1:9/v1"), address=Address(url))
    judge = make_judge(client, report_id=9)
    kept = PaidAnswer(
        fingerprint=fingerprint,
        kind="agent",
        model="gpt-5.4-mini",
        answer=json.dumps(make_answer()),
        outcome="usable",
        prompt_tokens=1000,
        completion_tokens=20,
        cached_tokens=0,
        cost_usd=0.1,
        latency_seconds=1.0,
        attempts=1,
        report_id=3,
        agent_id="5",
        sample=sample,
    )
    judge.ledger.commit(kept)
    answer, reused = judge.ask(question, deadline=soon, spent=Spent(), sample=sample)
    assert (answer.criteria["care"].score, reused) == (6, True)
