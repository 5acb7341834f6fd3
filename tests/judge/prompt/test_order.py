"""The order of a run's calls, results and words, by any source."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tasks.evidence.types import Run, SpanCall, TelemetrySummary, ToolCall, Trace
from tasks.judge.prompt.citations import LabelledRun
from tasks.judge.prompt.prompts import render_agent
from tasks.judge.prompt.selection import label_runs, select_runs
from tasks.judge.prompt.steps import Step, build_steps
from tasks.sources.contract.messages import fill_from_messages
from tasks.sources.contract.rows import read_run
from tasks.sources.contract.statuses import Statuses
from tasks.sources.contract.steps import fill_from_steps

MakeRun = Callable[..., Run]

_ARGUMENTS = '{"seat":"2A"}'
# One story: a customer agrees before the booking is changed, and is asked again before it is paid.
_STORY = [
    "user: Change my seat",
    "agent: To 2A?",
    "user: Yes",
    "call: book",
    "agent: Pay 5 EUR?",
    "user: Yes",
    "call: pay",
]
_CALLS = (ToolCall(name="book", arguments=_ARGUMENTS, result="booked 2A"), ToolCall(name="pay", result="paid 5 EUR"))


def story(steps: tuple[Step, ...]) -> list[str]:
    """The steps as the story has them; a call that is not placed is marked."""
    lines = []
    for step in steps:
        if step.kind in ("said", "heard"):
            lines.append(f"{step.speaker}: {step.text}")
        else:
            lines.append(f"{step.kind}: {step.name}{'' if step.is_placed else ' (when?)'}")
    return lines


def _asked(name: str, arguments: str = "{}", **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **more}


_USER, _OFFER, _YES, _PAY = (
    {"role": "user", "content": "Change my seat"},
    {"role": "assistant", "content": "To 2A?"},
    {"role": "user", "content": "Yes"},
    {"role": "assistant", "content": "Pay 5 EUR?"},
)
_SHAPES: dict[str, list[Any]] = {
    "results alone": [
        *(_USER, _OFFER, _YES, {"role": "assistant", "content": ""}, {"role": "tool", "content": "booked 2A"}),
        *(_PAY, _YES, {"role": "tool", "content": "paid 5 EUR"}),
    ],
    "OpenAI": [
        *(_USER, _OFFER, _YES),
        {"role": "assistant", "content": None, "tool_calls": [_asked("book", _ARGUMENTS, id="c1")]},
        {"role": "tool", "tool_call_id": "c1", "content": "booked 2A"},
        *(_PAY, _YES, {"role": "assistant", "content": None, "tool_calls": [_asked("pay", id="c2")]}),
        {"role": "tool", "tool_call_id": "c2", "content": "paid 5 EUR"},
    ],
    "OpenAI, ids missing": [
        *(_USER, _OFFER, _YES, {"role": "assistant", "tool_calls": [_asked("book")]}),
        *({"role": "tool", "content": "booked 2A"}, _PAY, _YES),
        *({"role": "assistant", "tool_calls": [_asked("pay")]}, {"role": "tool", "content": "paid 5 EUR"}),
    ],
    "OpenAI, one id for all": [
        *(_USER, _OFFER, _YES, {"role": "assistant", "tool_calls": [_asked("book", id="c")]}),
        *({"role": "tool", "tool_call_id": "c", "content": "booked 2A"}, _PAY, _YES),
        {"role": "assistant", "tool_calls": [_asked("pay", id="c")]},
        {"role": "tool", "tool_call_id": "c", "content": "paid 5 EUR"},
    ],
    "Responses": [
        *(_USER, _OFFER, _YES, {"type": "function_call", "call_id": "a", "name": "book", "arguments": _ARGUMENTS}),
        {"type": "function_call_output", "call_id": "a", "output": "booked 2A"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Pay 5 EUR?"}]},
        *(_YES, {"type": "function_call", "call_id": "b", "name": "pay", "arguments": "{}"}),
        {"type": "function_call_output", "call_id": "b", "output": "paid 5 EUR"},
    ],
    "Anthropic": [
        *(_USER, _OFFER, _YES),
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "book", "input": {"seat": "2A"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "booked 2A"}]},
        *({"role": "assistant", "content": [{"type": "text", "text": "Pay 5 EUR?"}]}, _YES),
        {"role": "assistant", "content": [{"type": "tool_use", "id": "b", "name": "pay", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "b", "content": "paid 5 EUR"}]},
    ],
    "Anthropic, results and a user in one message": [
        *(_USER, _OFFER, _YES),
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "book", "input": {"seat": "2A"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "booked 2A"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Pay 5 EUR?"},
                {"type": "tool_use", "id": "w", "name": "wait", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "w", "content": ""}, {"type": "text", "text": "Yes"}],
        },
        {"role": "assistant", "content": [{"type": "tool_use", "id": "b", "name": "pay", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "b", "content": "paid 5 EUR"}]},
    ],
    "Gemini": [
        {"role": "user", "parts": [{"text": "Change my seat"}]},
        {"role": "model", "parts": [{"text": "To 2A?"}]},
        {"role": "user", "parts": [{"text": "Yes"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "book", "args": {"seat": "2A"}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "book", "response": {"result": "booked 2A"}}}]},
        {"role": "model", "parts": [{"text": "Pay 5 EUR?"}]},
        {"role": "user", "parts": [{"text": "Yes"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "pay", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "pay", "response": {"result": "paid 5 EUR"}}}]},
    ],
    "LangChain": [
        {"type": "human", "data": {"content": "Change my seat", "type": "human"}},
        {"type": "ai", "data": {"content": "To 2A?", "type": "ai", "tool_calls": []}},
        {"lc": 1, "type": "constructor", "id": ["langchain", "HumanMessage"], "kwargs": {"content": "Yes"}},
        {"type": "ai", "data": {"content": "", "tool_calls": [{"name": "book", "args": {"seat": "2A"}, "id": "a"}]}},
        {"type": "tool", "data": {"content": "booked 2A", "type": "tool", "name": "book", "tool_call_id": "a"}},
        {"lc": 1, "type": "constructor", "id": ["langchain", "AIMessage"], "kwargs": {"content": "Pay 5 EUR?"}},
        {"type": "human", "data": {"content": "Yes", "type": "human"}},
        {"type": "ai", "data": {"content": "", "tool_calls": [{"name": "pay", "args": {}, "id": "b"}]}},
        {"type": "tool", "data": {"content": "paid 5 EUR", "type": "tool", "name": "pay", "tool_call_id": "b"}},
    ],
    "AI SDK": [
        *(_USER, _OFFER, _YES),
        {
            "role": "assistant",
            "parts": [
                {
                    "type": "tool-book",
                    "toolCallId": "a",
                    "input": {"seat": "2A"},
                    "output": "booked 2A",
                    "state": "done",
                },
                {"type": "text", "text": "Pay 5 EUR?"},
            ],
        },
        _YES,
        {"role": "assistant", "parts": [{"type": "tool-pay", "toolCallId": "b", "input": {}, "output": "paid 5 EUR"}]},
    ],
    "steps of a loop": [
        *({"role": "user", "content": "Change my seat"}, {"thought": "To 2A?"}, {"role": "user", "content": "Yes"}),
        {"tool": "book", "input": {"seat": "2A"}, "output": "booked 2A"},
        *({"thought": "Pay 5 EUR?"}, {"role": "human", "content": "Yes"}),
        {"action": "pay", "action_input": {}, "observation": "paid 5 EUR"},
    ],
    "names of calls alone": [
        *(_USER, _OFFER, _YES, {"role": "assistant", "tool_calls": [{"name": "book"}]}),
        *(_PAY, _YES, {"role": "assistant", "tool_calls": [{"name": "pay"}]}),
    ],
}


_OF_STEPS_ALONE = ("steps of a loop", "names of calls alone")


@pytest.mark.parametrize("shape", _SHAPES)
@pytest.mark.parametrize("row", ["with calls", "without calls"])
def test_calls_stand_where_they_were_made(shape: str, row: str, make_run: MakeRun) -> None:
    calls = _CALLS if row == "with calls" else ()
    steps = build_steps(make_run(1, tool_calls=calls, execution_steps=json.dumps(_SHAPES[shape])), None)
    if shape == "results alone" and not calls:
        expected = [
            line.replace("call: book", "tool: booked 2A").replace("call: pay", "tool: paid 5 EUR") for line in _STORY
        ]
    else:
        expected = _STORY
    found = [line for line in story(steps) if line != "call: wait"]
    assert found == expected
    results = [step.result for step in steps if step.kind == "call" and step.name != "wait"]
    if shape == "names of calls alone" and not calls:
        assert results == ["", ""]
    elif results:
        assert [("booked 2A" in results[0]), ("paid 5 EUR" in results[1])] == [True, True]


@pytest.mark.parametrize("shape", [name for name in _SHAPES if name not in _OF_STEPS_ALONE])
def test_messages_of_every_shape_keep_their_order(shape: str, make_run: MakeRun) -> None:
    model = make_run(1)
    row = {"id": 1, "messages": json.dumps([*_SHAPES[shape], {"role": "assistant", "content": "All done."}])}
    run = read_run(fill_from_messages(row), "1", model.started_at, model.started_at, Statuses())
    found = [line for line in story(build_steps(run, None)) if line != "call: wait"]
    if shape == "results alone":
        # The messages name no call.
        assert [line for line in found if not line.startswith(("call", "tool"))] == [
            line for line in _STORY[1:] if not line.startswith("call")
        ]
    else:
        assert found == _STORY[1:], "the task is shown before the steps"


def test_steps_of_the_contract_keep_their_order(make_run: MakeRun) -> None:
    kinds = {"user": ("message", "user", "input"), "agent": ("llm", "gpt", "output"), "call": ("tool", None, "output")}
    rows = []
    for seq, line in enumerate(_STORY):
        who, text = line.split(": ")
        kind, name, side = kinds[who]
        rows.append({"seq": seq, "kind": kind, "name": name or text, side: text})
    model = make_run(1)
    run = read_run(fill_from_steps({"id": 1}, rows[::-1]), "1", model.started_at, model.started_at, Statuses())
    assert story(build_steps(run, None)) == _STORY


def test_parallel_calls_get_their_own_results(make_run: MakeRun) -> None:
    column = json.dumps(
        [
            {"role": "assistant", "tool_calls": [_asked("look", '{"n":1}', id="a"), _asked("look", '{"n":2}', id="b")]},
            {"role": "tool", "tool_call_id": "b", "content": "two"},
            {"role": "tool", "tool_call_id": "a", "content": "one"},
            {"role": "assistant", "content": "Both read."},
        ]
    )
    steps = build_steps(make_run(1, execution_steps=column), None)
    assert [(step.kind, step.arguments, step.result) for step in steps] == [
        ("call", '{"n":1}', "one"),
        ("call", '{"n":2}', "two"),
        ("said", "", ""),
    ]


def test_a_call_that_waited_for_a_persons_yes_is_shown_in_two_steps(make_run: MakeRun, make_evidence: Any) -> None:
    column = json.dumps(
        [
            {"role": "assistant", "tool_calls": [_asked("book", _ARGUMENTS, id="a")]},
            {"role": "user", "content": "Yes, go on"},
            {"role": "tool", "tool_call_id": "a", "content": "booked 2A"},
        ]
    )
    run = make_run(1, tool_calls=_CALLS[:1], execution_steps=column)
    steps = build_steps(run, None)
    assert [(step.kind, step.partner, step.result) for step in steps] == [
        ("call", 3, ""),
        ("heard", 0, ""),
        ("result", 1, "booked 2A"),
    ]
    labelled = LabelledRun("R1", run, None)
    assert [labelled.find(number, "booked 2A", "observation") is not None for number in (1, 2, 3)] == [
        False,
        False,
        True,
    ]
    assert labelled.find(1, "(nothing)", "observation") is None, "nothing is not what it returned"
    evidence = make_evidence([run])
    text = render_agent(evidence, select_runs(evidence, label_runs(evidence), 9999))
    assert (
        "Its result came later: R1.3\nR1.2 the user wrote (observation):\n| Yes, go on\nR1.3 the call R1.1 ended"
        in text
    )


def test_where_nothing_shows_when_calls_were_made_they_come_first_and_are_marked(
    make_run: MakeRun, make_evidence: Any
) -> None:
    words = json.dumps([_OFFER, _YES, _PAY])
    run = make_run(1, tool_calls=_CALLS, execution_steps=words)
    assert story(build_steps(run, None)) == [
        *("call: book (when?)", "call: pay (when?)"),
        *("agent: To 2A?", "user: Yes", "agent: Pay 5 EUR?"),
    ]
    evidence = make_evidence([run])
    text = render_agent(evidence, select_runs(evidence, label_runs(evidence), 9999))
    assert text.count("is not recorded") == 1
    alone = make_run(1, tool_calls=_CALLS)
    assert LabelledRun("R1", alone, None).is_ordered, "calls alone are in their order"


def test_a_call_that_the_conversation_lacks_follows_the_one_before(make_run: MakeRun, make_evidence: Any) -> None:
    calls = (*_CALLS[:1], ToolCall(name="note", result="n"), *_CALLS[1:])
    run = make_run(1, tool_calls=calls, execution_steps=json.dumps(_SHAPES["OpenAI"]))
    expected = list(_STORY)
    expected.insert(4, "call: note (when?)")
    assert story(build_steps(run, None)) == expected
    evidence = make_evidence([run])
    text = render_agent(evidence, select_runs(evidence, label_runs(evidence), 9999))
    assert "R1.5 called a tool, when is not recorded:\n| note" in text
    first = make_run(1, tool_calls=(ToolCall(name="note"), *_CALLS), execution_steps=json.dumps(_SHAPES["OpenAI"]))
    assert story(build_steps(first, None)).index("call: note (when?)") == _STORY.index("call: book")


def test_results_are_recognized_where_there_are_more_of_them_than_calls(make_run: MakeRun) -> None:
    column = [_OFFER, {"role": "tool", "content": "5 seats"}, _YES, {"role": "tool", "content": "booked 2A"}]
    steps = build_steps(make_run(1, tool_calls=_CALLS[:1], execution_steps=json.dumps(column)), None)
    assert story(steps) == ["agent: To 2A?", "tool: 5 seats", "user: Yes", "call: book"]


def _traced(*calls: SpanCall) -> Trace:
    known: dict[str, Any] = dict.fromkeys(("wall_seconds", "llm_seconds", "tool_seconds", "other_seconds"), 1.0)
    summary = TelemetrySummary(spans=3, roots=1, orphans=0, depth=2, llm_calls=1, tool_calls=calls, **known)
    return Trace(run_id="1", state="complete", trace_id="ab", telemetry=summary)


def test_calls_are_placed_by_time_where_messages_have_one(make_run: MakeRun) -> None:
    run = make_run(1)
    talk = [{**message, "timestamp": (run.started_at + timedelta(seconds=10 * at)).isoformat()} for at, message in
            enumerate([_USER, _OFFER, _YES, _PAY, _YES])]  # fmt: skip
    trace = _traced(
        SpanCall(name="book", start_seconds=25, duration_seconds=1, span_id="s1"),
        SpanCall(name="pay", start_seconds=45, duration_seconds=1, span_id="s2"),
    )
    for calls in ((), _CALLS):
        run = make_run(1, tool_calls=calls, execution_steps=json.dumps(talk))
        assert story(build_steps(run, trace)) == _STORY


def test_the_conversations_result_is_shown_where_the_list_of_calls_has_another(
    make_run: MakeRun, make_evidence: Any
) -> None:
    calls = (ToolCall(name="book", result="255.0"), ToolCall(name="pay", result="paid 5 EUR"))
    run = make_run(1, tool_calls=calls, execution_steps=json.dumps(_SHAPES["results alone"]))
    steps = [step for step in build_steps(run, None) if step.kind == "call"]
    assert [(step.result, step.differs) for step in steps] == [("booked 2A", True), ("paid 5 EUR", False)]
    evidence = make_evidence([run])
    text = render_agent(evidence, select_runs(evidence, label_runs(evidence), 9999))
    assert text.count("It returned (observation; another result than in the source's list of calls):\n| booked 2A") == 1
    long = "x" * 50
    for row, conversation in (('{"a": 1}', '{"a":1}'), (long + "yz", long + "…"), ("kept", "")):
        column = json.dumps([_OFFER, {"role": "tool", "content": conversation}])
        [_, step] = build_steps(make_run(1, tool_calls=(ToolCall(name="a", result=row),), execution_steps=column), None)
        assert (step.result, step.differs) == (row, False), "the same, cut, or not recorded"


def test_the_final_response_stands_where_it_was_written_but_is_shown_once(
    make_run: MakeRun, make_evidence: Any
) -> None:
    talk = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Task 1"},
        {"role": "assistant", "content": "Done 1"},
        {"role": "user", "content": "Task 1"},
        {"role": "assistant", "content": "Done 1"},
        {"role": "user", "content": "Thanks"},
    ]
    run = make_run(1, execution_steps=json.dumps(talk))
    labelled = LabelledRun("R1", run, None)
    assert [(step.text, step.shown_as) for step in labelled.steps] == [
        ("Be brief.", ""),
        ("Task 1", "task"),
        ("Done 1", ""),
        ("Task 1", ""),
        ("Done 1", "response"),
        ("Thanks", ""),
    ]
    assert labelled.words.count("Done 1") == 2
    assert labelled.find(5, "Done 1", "claim") is not None
    evidence = make_evidence([run])
    text = render_agent(evidence, select_runs(evidence, label_runs(evidence), 9999))
    assert "R1.5 the agent wrote its final response (below)\nR1.6 the user wrote (observation):\n| Thanks" in text


def test_the_same_message_by_two_records_is_one(make_run: MakeRun) -> None:
    twice = [_OFFER, _OFFER, _YES, {"role": "assistant", "tool_calls": [_asked("book")]}, _YES]
    steps = build_steps(make_run(1, execution_steps=json.dumps(twice)), None)
    assert story(steps) == ["agent: To 2A?", "user: Yes", "call: book", "user: Yes"]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"name": "Ann", "content": "I wrote this"}, ["agent: I wrote this"]),
        ({"source": "user", "content": "Hi"}, ["user: Hi"]),
        ({"from": "human", "value": "Hi"}, ["user: Hi"]),
        ({"role": "developer", "content": "Be brief"}, ["other: Be brief"]),
        ({"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}]}, ["agent: Hm"]),
        ({"role": "assistant", "content": "Hi", "text": "Hi"}, ["agent: Hi"]),
        ('{"role": "user", "content": "Hi"}', ["user: Hi"]),
        ([{"tool": "look", "tool_input": "x"}, "found"], ["call: look"]),
        ({"role": "tool", "content": [{"type": "text", "text": "42"}]}, ["tool: 42"]),
        ({"action": "I looked at it", "note": 1}, []),
        ({"a": 1}, []),
        (7, []),
    ],
)
def test_odd_messages(item: object, expected: list[str], make_run: MakeRun) -> None:
    assert story(build_steps(make_run(1, execution_steps=json.dumps([item])), None)) == expected


def test_many_calls_that_fit_nothing_are_still_placed(make_run: MakeRun) -> None:
    calls = tuple(ToolCall(name=f"t{n % 7}", arguments=f"{n}") for n in range(700))
    talk = [{"role": "assistant", "tool_calls": [_asked(f"t{n % 7}")]} for n in range(1, 600)]
    steps = build_steps(make_run(1, tool_calls=calls, execution_steps=json.dumps([_OFFER, *talk])), None)
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    assert [step.arguments for step in steps if step.arguments not in ("", "{}")] == [f"{n}" for n in range(700)]
