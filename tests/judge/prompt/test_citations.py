"""Labels, steps, and whether a quote stands where the judge put it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tasks.evidence.metrics import build_evidence
from tasks.evidence.prices import RunPrices
from tasks.evidence.types import Agent, AgentRuns, RepeatedCall, Run, SpanCall, TelemetrySummary, ToolCall, Trace
from tasks.judge.prompt.citations import LabelledRun, LabelledRuns
from tasks.judge.prompt.prompts import render_agent
from tasks.judge.prompt.selection import label_runs, select_runs
from tasks.judge.prompt.steps import build_steps

MakeRun = Callable[..., Run]


def traced(*calls: SpanCall, **parts: Any) -> Trace:
    known: dict[str, Any] = dict.fromkeys(("wall_seconds", "llm_seconds", "tool_seconds", "other_seconds"), 1.0)
    known |= {"llm_calls": 1, "tool_calls_from": "spans", **parts}
    summary = TelemetrySummary(spans=3, roots=1, orphans=0, depth=2, tool_calls=calls, **known)
    return Trace(run_id="1", state="complete", trace_id="ab", telemetry=summary)


def span(name: str, span_id: str, **parts: Any) -> SpanCall:
    return SpanCall(name=name, start_seconds=0, duration_seconds=1.5, span_id=span_id, **parts)


def test_calls_of_the_row_get_the_times_and_spans_of_the_trace(make_run: MakeRun) -> None:
    run = make_run(1, tool_calls=(ToolCall(name="a", result="whole"), ToolCall(name="b"), ToolCall(name="a")))
    trace = traced(span("a", "s1", result="clip"), span("other", "s2"), span("a", "s3", error="late"))
    found = [(step.number, step.name, step.result, step.error, step.span_id) for step in build_steps(run, trace)]
    # No span of b is left after the first a: it stays without one, and the second a still finds its own.
    assert found == [(1, "a", "whole", "", "s1"), (2, "b", "", "", ""), (3, "a", "", "late", "s3")]


def test_without_calls_in_the_row_those_of_the_trace_are_taken(make_run: MakeRun) -> None:
    [step] = build_steps(make_run(1), traced(span("a", "s1", arguments="x", result="r", error="e")))
    assert (step.name, step.arguments, step.result, step.error, step.duration_seconds) == ("a", "x", "r", "e", 1.5)
    assert build_steps(make_run(1), None) == ()


def test_the_conversation_without_what_is_shown_elsewhere(make_run: MakeRun) -> None:
    turns = [
        {"role": "user", "content": "Task 1"},
        {"role": "assistant", "content": [{"type": "text", "text": "Let me look."}], "tools": ["a"]},
        {"role": "tool", "content": "42"},
        {"role": "user", "content": "And now?"},
        {"thought": "I should guess."},
        "A note.",
        7,
        {"role": "assistant", "content": "Done 1"},
    ]
    run = make_run(1, tool_calls=(ToolCall(name="a"),), execution_steps=json.dumps(turns))
    assert [(step.number, step.kind, step.text or step.name) for step in build_steps(run, None)] == [
        (1, "said", "Let me look."),
        (2, "call", "a"),
        (3, "heard", "And now?"),
        (4, "said", "I should guess."),
        (5, "said", "A note."),
    ]
    typed = [
        {"type": "tool_result", "content": "42"},
        {"type": "user", "text": "Hi"},
        {"type": "thought", "text": "Hm"},
    ]
    kinds = [step.kind for step in build_steps(make_run(1, execution_steps=json.dumps(typed)), None)]
    assert kinds == ["heard", "heard", "said"], "what a tool returned is no word of the agent's"
    without_calls = build_steps(make_run(1, execution_steps=json.dumps(turns)), None)
    assert ("heard", "42") in [(step.kind, step.text) for step in without_calls]


@pytest.mark.parametrize("column", ["", "  ", "null", "[]", "3", '{"a": 1}'])
def test_columns_without_words_have_no_steps(column: str, make_run: MakeRun) -> None:
    assert build_steps(make_run(1, execution_steps=column), None) == ()


def test_a_column_that_is_no_json_is_the_agents_word(make_run: MakeRun) -> None:
    [step] = build_steps(make_run(1, execution_steps="I did it {"), None)
    assert (step.kind, step.text) == ("said", "I did it {")


@pytest.fixture
def labelled_runs(make_run: MakeRun) -> LabelledRuns:
    call = ToolCall(name="search", arguments='{"q": "tea"}', result="line one\nline  two\n<|im_end|> three")
    run = make_run(
        7,
        task="Find the tea. Then … stop.",
        final_response="I found “green tea” and ordered it for you right away.",
        error="Timeout after 30 s",
        tool_calls=(call,),
        execution_steps='[{"role": "assistant", "content": "I will order now."}]',
        total_tokens=1234,
        model_name="gpt-4o",
    )
    repeat = RepeatedCall(name="search", arguments="{}", calls=3)
    trace = traced(span("search", "beef"), error_messages=("socket closed",), repeats=(repeat,))
    return LabelledRuns([LabelledRun("R7", run, trace, 0.05)])


@pytest.mark.parametrize(
    ("label", "quote", "where"),
    [
        ("R7", "Find the tea", "R7"),
        ("R7", "Timeout after 30 s", "R7"),
        ("R7", "status completed", "R7"),
        ("R7", "socket closed", "R7"),
        ("R7", "line one line two", "R7.1"),
        ("R7.1", "| line one\n| line two", "R7.1"),
        ("R7.1", "‹|im_end|› three", "R7.1"),
        ("R7.1", "<|im_end|> three", "R7.1"),
        ("R7.1", 'search({"q": "tea"})', "R7.1"),
        ("R7.2", "I will order", "R7.2"),
        ("R7", '"I found “green tea”"', "R7"),
        ("R7", "I found … right away", "R7"),
        ("R7", "I found [… 12 characters left out] right away.", "R7"),
        ("R7", "stop. … Find the tea", None),
        ("R7", "right away … I found", None),
        ("R7", "I … it", None),
        ("R7", "a", None),
        ("R7", "the tea", None),
        ("R7", "you … the", None),
        ("R7.1", "search", "R7.1"),
        ("R7.1", "earch", None),
        ("R7", "10.0 s", None),
        ("R7", "started 2026-03-01 11:53 UTC, 10.0 s, 1,234 tokens, $0.0500", "R7"),
        ("R7", "gpt-4o", "R7"),
        ("R7", "Model:\n| gpt-4o", "R7"),
        ("R7", "Trace: 1.0 s, of which 1.0 s in 1 LLM calls", "R7"),
        ("R7", "Repeated 3 times with the same arguments:\n| search", "R7"),
        ("R7.1", "called a tool, 1.5 s", "R7.1"),
        ("R7.1", "called a tool, 1.5 s:\n| search\nwith:\n| {", "R7.1"),
        ("R7", "  ", None),
        ("R7", "…", None),
        ("R7.1", "Find the tea", None),
        ("R7.0", "search", None),
        ("R8", "Find the tea", None),
        ("step R7.1", "line one", "R7.1"),
    ],
)
def test_a_quote_has_to_stand_there(label: str, quote: str, where: str | None, labelled_runs: LabelledRuns) -> None:
    found = labelled_runs.find(label, quote)
    assert (found.label if found else None) == where


def test_what_is_all_of_a_text_may_be_short_and_what_is_missing_may_be_quoted(make_run: MakeRun) -> None:
    run = make_run(1, error="boom", final_response="", tool_calls=(ToolCall(name="a", result="42"), ToolCall(name="b")))
    found = LabelledRuns([LabelledRun("R1", run, None)])
    for label, quote in (("R1", "boom"), ("R1.1", "42"), ("R1", "(none)"), ("R1.2", "(nothing)")):
        assert found.find(label, quote, "observation"), quote
    for label, quote in (("R1", "oom"), ("R1.1", "(nothing)"), ("R1.1", "4"), ("R1", "…")):
        assert not found.find(label, quote), quote


def test_every_line_that_is_shown_of_a_run_can_be_quoted(make_run: MakeRun) -> None:
    call = ToolCall(name="search", arguments='{"q": "green tea"}', result="line one\nline two")
    run = make_run(1, status="failed", error="Timeout after 30 s", tool_calls=(call, ToolCall(name="ask_again")))
    trace = traced(span("search", "beef"), repeats=(RepeatedCall(name="search", arguments="{}", calls=3),))
    agent = Agent(id="1", name="bot", environment="prod")
    evidence = build_evidence(agent, AgentRuns(runs=(run,)), [trace], RunPrices())
    labelled = label_runs(evidence)
    shown = render_agent(evidence, select_runs(evidence, labelled, 5000)).partition("\n### ")[2]
    lines = [line for line in shown.splitlines() if line.startswith("| ") or not line.endswith(":")]
    lines += [line for line in shown.splitlines() if " called " in line]
    assert len(lines) == 15
    for line in lines:
        quote = re.sub(r"^(R1(\.\d)?:? |\| )|:$", "", line)
        assert LabelledRuns(labelled).find("R1", quote), line


def test_a_step_leads_to_its_span(labelled_runs: LabelledRuns) -> None:
    found = labelled_runs.find("R7", "line one")
    assert found is not None
    assert (found.run_id, found.span_id) == ("7", "beef")


def test_claims_and_observations_are_kept_apart(labelled_runs: LabelledRuns) -> None:
    for quote in ("ordered it for you", "I will order now"):
        assert labelled_runs.find("R7", quote, "claim")
        assert not labelled_runs.find("R7", quote, "observation")
    for quote in ("Timeout after 30 s", "line one", "status completed", "socket closed"):
        assert labelled_runs.find("R7", quote, "observation")
        assert not labelled_runs.find("R7", quote, "claim")
    # What was asked for is neither.
    assert not labelled_runs.find("R7", "Find the tea", "claim")
    assert not labelled_runs.find("R7", "Find the tea", "observation")


@pytest.mark.parametrize(
    ("parts", "line", "fact"),
    [
        (
            {},
            "Trace: 1.0 s, of which 1.0 s in 1 LLM calls and 1.0 s in tools; 0 spans with errors",
            "1.0 s in LLM calls and 1.0 s in tools per run",
        ),
        (
            {"tool_seconds": None, "tool_calls_from": "messages"},
            "Trace: 1.0 s, of which 1.0 s in 1 LLM calls; time in tools unknown; 0 spans with errors",
            "1.0 s in LLM calls and an unknown time in tools per run",
        ),
        (
            {"llm_calls": None, "llm_seconds": None},
            "Trace: 1.0 s, of which 1.0 s in tools; number of LLM calls unknown; 0 spans with errors",
            "an unknown time in LLM calls and 1.0 s in tools per run",
        ),
        (
            {"llm_calls": None, "llm_seconds": None, "tool_seconds": None, "tool_calls_from": None},
            "Trace: 1.0 s; number of LLM calls unknown; tool calls unknown; 0 spans with errors",
            "an unknown time in LLM calls and an unknown time in tools per run",
        ),
    ],
)
def test_the_judge_reads_what_is_unknown(make_run: MakeRun, parts: dict[str, Any], line: str, fact: str) -> None:
    run = make_run(1, total_tokens=50)
    trace = traced(**parts)
    assert LabelledRun("R1", run, trace).trace_line == line
    runs = AgentRuns(runs=(run, make_run(2)))
    evidence = build_evidence(Agent(id="1", name="bot", environment="prod"), runs, [trace], RunPrices())
    shown = render_agent(evidence, select_runs(evidence, label_runs(evidence), 5000))
    assert fact in shown
    assert "tokens per run: 50 (known for 1 runs)" in shown
