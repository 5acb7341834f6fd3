"""Which texts of an agent are redacted, and that they are counted once for the agent."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tasks.evidence.ids import quote_id
from tasks.evidence.metrics import build_evidence
from tasks.evidence.prices import RunPrices
from tasks.evidence.traces.span_tree import SpanTree
from tasks.evidence.traces.spans import Span
from tasks.evidence.traces.telemetry import TEXT_LIMIT, shorten, summarize, summarize_widely
from tasks.evidence.types import Agent, AgentRuns, Run, ToolCall, Trace
from tasks.redaction.redaction_batch import RedactionBatch
from tasks.redaction.redactor import Redactor
from tasks.wording.shortening import clip_end

KEY = "sk-proj-Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z"
REDACTOR = Redactor()


def _span(number: int, operation: str = "__search", **tags: object) -> Span:
    return Span("1" * 32, f"{number:016x}", None if number == 1 else f"{1:016x}", operation, 0, 10 - number, tags)


def test_no_text_of_an_agent_keeps_a_secret(make_run: Callable[..., Run]) -> None:
    call = ToolCall(name=f"call {KEY}", arguments=f'{{"k": "{KEY}"}}', result=KEY, error=f"refused {KEY}")
    texts = {
        name: f"{name} {KEY}"
        for name in ("task", "final_response", "error", "tool_calls_invalid", "execution_steps", "status")
    }
    run = make_run(1, f"no id {KEY}", **texts | {"outcome": "failed", "tool_calls": (call,)})
    agent = Agent(id="1", name="bot", environment="demo", description=f"uses {KEY}", prompt=KEY)
    redaction_batch = RedactionBatch(REDACTOR)
    found = redaction_batch.redact_runs(AgentRuns(runs=(run, make_run(2, "0a")), unreadable=1, warnings=(f"w {KEY}",)))
    assert found.redactions == {"api key": 12}
    assert found.unreadable == 1
    assert found.warnings == ("w [api key]",)
    assert found.runs[0].tool_calls[0] == ToolCall(
        name="call [api key]", arguments='{"k": "[api key]"}', result="[api key]", error="refused [api key]"
    )
    assert found.runs[1] == make_run(2, "0a")
    redaction_batch = RedactionBatch(REDACTOR, found.redactions)
    error = "x" * (TEXT_LIMIT - 10) + KEY
    spans = [
        _span(1, f"work {KEY}", **{"genkit:state": "error", "genkit:error": error}),
        _span(2, **{"input.value": KEY, "output.value": f"got {KEY}", "error.type": "Refused", "error.message": error}),
        _span(3, **{"input.value": KEY}),
        _span(4, f"__call {KEY}"),
    ]
    [telemetry] = redaction_batch.redact_telemetry([summarize_widely(SpanTree(spans), [f"note {KEY}"])])
    telemetry = shorten(telemetry)
    assert telemetry.repeats[0].calls == 2
    evidence = build_evidence(
        redaction_batch.redact_agent(agent),
        found,
        [Trace(run_id="1", state="complete", telemetry=telemetry)],
        RunPrices(),
        redaction_batch.counts,
    )
    assert "Ab3d" not in repr(evidence)
    assert evidence.agent.name == "bot"
    assert evidence.redactions["api key"] > 20
    assert evidence.metrics.failure_patterns[0].example == "error [api key]"
    assert {use.name for use in evidence.metrics.tool_usage} & {"call [api key]", "__call [api key]"}


def test_summaries_redacted_together_are_as_each_by_itself() -> None:
    every = [
        summarize_widely(SpanTree([_span(1, f"work {KEY}", **{"input.value": f"{KEY} {number}"}), _span(2)]), ["w"])
        for number in range(3)
    ]
    every.insert(1, summarize_widely(SpanTree([_span(3)])))
    together = RedactionBatch(REDACTOR)
    alone = RedactionBatch(REDACTOR)
    assert together.redact_telemetry(every) == [alone.redact_telemetry([one])[0] for one in every]
    assert together.counts == alone.counts
    assert together.redact_telemetry([]) == []


def test_numbers_are_looked_up_for_each_summary() -> None:
    # More numbers than are looked up at once would all be replaced, as none of them is known to be no phone's.
    numbers = " ".join(f"+1 200 {number} 0{number}" for number in range(100, 115))
    every = [summarize_widely(SpanTree([_span(1, **{"input.value": numbers})])) for _ in range(3)]
    assert RedactionBatch(REDACTOR).redact_telemetry(every) == every


def test_nothing_found_changes_nothing_and_counts_nothing(make_run: Callable[..., Run]) -> None:
    found = AgentRuns(runs=(make_run(1, "0a", task="add 1 and 2"),), warnings=("w",))
    assert RedactionBatch(REDACTOR).redact_runs(found) == found
    summary = summarize([_span(1), _span(2)])
    assert RedactionBatch(REDACTOR).redact_telemetry([summary, summary]) == [summary, summary]
    assert RedactionBatch(REDACTOR).redact_runs(AgentRuns()) == AgentRuns()


def test_without_a_redactor_everything_stays(make_run: Callable[..., Run]) -> None:
    found = AgentRuns(runs=(make_run(1, task=KEY),))
    assert RedactionBatch(None).redact_runs(found) == found
    agent = Agent(id="1", name="a", environment="e", prompt=KEY)
    assert RedactionBatch(None).redact_agent(agent) == agent


SECRETS = [
    (KEY, "proj"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "aB3" * 200, "eyJ"),
    ("-----BEGIN PRIVATE KEY-----\n" + ("MIIEowIBAAKCAQEA0Z3VS5JJcds3xf" * 2 + "\n") * 40, "MII"),
    ("postgres://bob:hunter2hunter2@db/x", "hunter2"),
    ("bob.smith.of.accounting@example.com", "accounting@"),
    ("4111 1111 1111 1111", "4111"),
    ("api_key=a1b2c3d4e5f6a7b8", "a1b2c3d4e5"),
]


@pytest.mark.parametrize(("secret", "part"), SECRETS)
@pytest.mark.parametrize("seen", [6, 9, 12, 15, 18])
def test_half_a_secret_does_not_survive_the_cut_of_a_span_s_text(secret: str, part: str, seen: int) -> None:
    text = "x" * (TEXT_LIMIT - seen - 1) + " " + secret + " and more" * 100
    span = _span(1, **{"input.value": text, "error.message": text, "error.type": "Refused"})
    [summary] = map(shorten, RedactionBatch(REDACTOR).redact_telemetry([summarize_widely(SpanTree([span]))]))
    for shown in (summary.tool_calls[0].arguments or "", summary.error_messages[0]):
        assert shown.startswith("x" * 300)
        assert "more characters]" in shown
        assert len(shown) < TEXT_LIMIT + 40
        assert part[:4] not in shown


def test_a_summary_states_how_much_of_a_text_it_leaves_out() -> None:
    text = "".join(chr(97 + number % 26) for number in range(2000))
    assert summarize([_span(1, **{"input.value": text})]).tool_calls[0].arguments == clip_end(text, TEXT_LIMIT)


def test_what_a_sentence_quotes_is_redacted_before_it_is_cut() -> None:
    shown = quote_id("x" * 50 + " " + KEY, REDACTOR.redact)
    assert "sk-" not in shown
    assert "[api key" in shown
