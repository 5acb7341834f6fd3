"""Tool calls that only the messages of LLM calls mention: each once, with its result."""

from __future__ import annotations

import pytest

from tasks.evidence.traces.conventions import Message, ToolAnswer, ToolRequest
from tasks.evidence.traces.message_calls import MessageCall, Turn, calls_in_messages

USER = Message("user", "Book a table")
DONE = Message("assistant", "Done")


def asked(*calls: tuple[str | None, str]) -> Message:
    return Message("assistant", None, tuple(ToolRequest(call_id, name, "{}") for call_id, name in calls))


def answered(call_id: str | None, result: str, name: str | None = None, failed: bool | None = None) -> Message:
    return Message("tool", None, (), (ToolAnswer(call_id, name, result, failed),))


FIRST = asked(("c1", "look"))
SECOND = asked(("c2", "book"), ("c3", "time"))
HISTORY = (USER, FIRST, answered("c1", "free"), SECOND, answered("c3", "noon"), answered("c2", "locked", failed=True))
CONVERSATION = [
    Turn(0, 10, HISTORY[:1], (FIRST,)),
    Turn(20, 30, HISTORY[:3], (SECOND,)),
    Turn(40, 50, HISTORY, (DONE,)),
]
CALLS = [
    MessageCall("look", 10, "{}", "free"),
    MessageCall("book", 30, "{}", "locked", "locked"),
    MessageCall("time", 30, "{}", "noon"),
]


@pytest.mark.parametrize("turns", [CONVERSATION, CONVERSATION[::-1]])
def test_each_call_is_read_once_although_inputs_repeat_it(turns: list[Turn]) -> None:
    assert calls_in_messages(turns) == CALLS


def test_no_turns_and_no_messages_are_no_calls() -> None:
    assert calls_in_messages([]) == []
    assert calls_in_messages([Turn(0, 1), Turn(2, 3, (USER,), (DONE,))]) == []


def test_inputs_that_hold_only_what_is_new_are_enough() -> None:
    """As with the Responses API and the id of the response before."""
    new = [
        Turn(0, 10, HISTORY[:1], (FIRST,)),
        Turn(20, 30, HISTORY[2:3], (SECOND,)),
        Turn(40, 50, HISTORY[4:], (DONE,)),
    ]
    assert calls_in_messages(new) == CALLS


def test_calls_are_read_from_inputs_where_answers_were_not_recorded() -> None:
    silent = [turn._replace(made=()) for turn in CONVERSATION]
    assert [call._replace(asked_us=0) for call in calls_in_messages(silent)] == [
        call._replace(asked_us=0) for call in CALLS
    ]
    assert [call.asked_us for call in calls_in_messages(silent)] == [20, 40, 40]


def test_calls_before_the_trace_are_left_out() -> None:
    later = [Turn(60, 70, (*HISTORY, DONE, USER), (asked(("c4", "pay")),)), Turn(80, 90, HISTORY, ())]
    assert [call.name for call in calls_in_messages(later)] == ["pay"]
    silent = [turn._replace(made=()) for turn in later]
    assert calls_in_messages(silent) == []


def test_a_conversation_that_begins_within_the_trace_brings_its_own_past() -> None:
    """Two agents, the second with a history from before: that was not called here."""
    other = (Message("user", "Pay the bill"), asked(("old", "pay")), answered("old", "paid"), Message("user", "Again"))
    begun = Turn(60, 70, other, (asked(("new", "pay")),))
    assert [call.name for call in calls_in_messages([*CONVERSATION, begun])] == ["look", "book", "time", "pay"]


def test_a_call_that_an_answer_lacks_is_found_in_the_next_input() -> None:
    """An instrumentation that writes an answer's tool calls as text has them right in the inputs."""
    spoilt = [CONVERSATION[0]._replace(made=(Message("assistant", "{'tool_calls': …}"),)), *CONVERSATION[1:]]
    assert [call.name for call in calls_in_messages(spoilt)] == ["look", "book", "time"]
    assert calls_in_messages(spoilt)[0].result == "free"


def test_a_call_that_no_later_input_answers_has_no_result() -> None:
    assert calls_in_messages(CONVERSATION[:1]) == [MessageCall("look", 10, "{}")]


def test_equal_calls_in_one_answer_are_two() -> None:
    turns = [
        Turn(0, 10, (USER,), (asked(("c1", "look"), ("c2", "look")),)),
        Turn(20, 30, (USER, asked(("c1", "look"), ("c2", "look")), answered("c1", "a"), answered("c2", "b")), (DONE,)),
    ]
    assert [(call.name, call.result) for call in calls_in_messages(turns)] == [("look", "a"), ("look", "b")]


def test_ids_that_come_again_are_new_calls() -> None:
    """Servers of one's own count from 0 in every conversation."""
    one = [Turn(0, 10, (USER,), (FIRST,)), Turn(20, 30, (USER, FIRST, answered("c1", "a")), (DONE,))]
    another = [turn._replace(start_us=turn.start_us + 100, end_us=turn.end_us + 100) for turn in one]
    another[1] = another[1]._replace(given=(USER, FIRST, answered("c1", "b")))
    assert [call.result for call in calls_in_messages([*one, *another])] == ["a", "b"]


def test_answers_without_an_id_belong_to_calls_in_their_order() -> None:
    """Gemini and Ollama answer by name."""
    first, second = asked((None, "look"), (None, "book")), asked((None, "look"))
    history = (USER, first, answered(None, "1", "look"), answered(None, "2", "book"))
    turns = [
        Turn(0, 10, (USER,), (first,)),
        Turn(20, 30, history, (second,)),
        Turn(40, 50, (*history, second, answered(None, "3")), (DONE,)),
    ]
    found = [(call.name, call.result) for call in calls_in_messages(turns)]
    assert found == [("look", "1"), ("book", "2"), ("look", "3")]
    silent = [turn._replace(made=()) for turn in turns]
    assert [(call.name, call.result) for call in calls_in_messages(silent)] == found


def test_only_a_stated_error_is_one() -> None:
    turns = [
        Turn(0, 10, (USER,), (asked(("c1", "a"), ("c2", "b"), ("c3", "c")),)),
        Turn(
            20,
            30,
            (answered("c1", "Error: no"), answered("c2", "no", failed=True), answered("c3", "", failed=True)),
            (),
        ),
    ]
    assert [call.error for call in calls_in_messages(turns)] == [None, "no", "error"]
