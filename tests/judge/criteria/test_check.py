"""Each kind of computed criterion on one run: met, missed, or unknown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tasks.evidence.known_calls import KnownCalls, known_calls
from tasks.evidence.types import Run, ToolCall
from tasks.judge.criteria.check import RunFacts, check_run
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.criteria.function import UndecidedError

Check = Callable[..., float | None]


def calls(*names: str) -> tuple[ToolCall, ...]:
    return tuple(ToolCall(name=name) for name in names)


@pytest.fixture
def check(make_run: Callable[..., Run]) -> Check:
    """``check("max_duration_seconds", limit=3, run={…}, cost_usd=…)``: the criterion on a run of these fields."""

    def make(kind: Any, *, run: dict[str, Any] | None = None, facts: dict[str, Any] | None = None, **of: Any) -> Any:
        found = make_run(1, **(run or {}))
        return check_run(
            Criterion(kind=kind, **of), RunFacts(found, known_calls(found), **(facts or {})), {"f:f": lambda run: 0.5}
        )

    return make


@pytest.mark.parametrize(
    ("kind", "of", "run", "facts", "value"),
    [
        ("completion", {}, {}, {}, 1),
        ("completion", {}, {"status": "failed"}, {}, 0),
        ("success", {}, {}, {"success": True}, 1),
        ("success", {}, {}, {"success": False}, 0),
        ("success", {}, {}, {}, None),
        ("max_duration_seconds", {"limit": 10}, {}, {}, 1),
        ("max_duration_seconds", {"limit": 9.9}, {}, {}, 0),
        ("max_duration_seconds", {"limit": 10}, {"duration_seconds": None}, {}, None),
        ("max_cost_usd", {"limit": 0.05}, {}, {"cost_usd": 0.05}, 1),
        ("max_cost_usd", {"limit": 0.05}, {}, {"cost_usd": 0.06}, 0),
        ("max_cost_usd", {"limit": 0}, {}, {"cost_usd": 0.0}, 1),
        ("max_cost_usd", {"limit": 0.05}, {}, {}, None),
        ("response_matches", {"pattern": "^Done"}, {}, {}, 1),
        ("response_matches", {"pattern": "^done"}, {}, {}, 0),
        ("response_matches", {"pattern": "(?i)^done"}, {}, {}, 1),
        ("response_matches", {"pattern": "x"}, {"final_response": None}, {}, None),
        ("response_matches", {"pattern": "x"}, {"final_response": None, "status": "failed"}, {}, 0),
        ("response_equals_expected", {}, {"expected": " Done 1\n"}, {}, 1),
        ("response_equals_expected", {}, {"expected": "done 1"}, {}, 0),
        ("response_equals_expected", {}, {"expected": None}, {}, None),
        ("response_equals_expected", {}, {"expected": "x", "final_response": None}, {}, None),
        ("response_equals_expected", {}, {"expected": "x", "final_response": None, "status": "failed"}, {}, 0),
        ("response_equals_expected", {}, {"expected": '{"a":1,"b":[2]}', "final_response": '{"b": [2],"a":1}'}, {}, 1),
        ("response_equals_expected", {}, {"expected": "[1, 2]", "final_response": "[2, 1]"}, {}, 0),
        ("code", {"function": "f:f"}, {}, {}, 0.5),
    ],
)
def test_what_the_row_shows(
    kind: str,
    of: dict[str, Any],
    run: dict[str, Any],
    facts: dict[str, Any],
    value: float | None,
    check: Check,
) -> None:
    assert check(kind, run=run, facts=facts, **of) == value


@pytest.mark.parametrize(
    ("kind", "of", "names", "value", "if_not_whole"),
    [
        ("max_tool_calls", {"limit": 2}, "ab", 1, None),
        ("max_tool_calls", {"limit": 1}, "ab", 0, 0),
        ("max_tool_calls", {"limit": 0}, "", 1, None),
        ("tool_must", {"tools": ["a", "b"]}, "ba", 1, 1),
        ("tool_must", {"tools": ["a", "b"]}, "aa", 0, None),
        ("tool_must", {"tools": ["a"]}, "", 0, None),
        ("tool_must", {"tools": ["*"]}, "x", 1, 1),
        ("tool_never", {"tools": ["c", "d"]}, "ab", 1, None),
        ("tool_never", {"tools": ["c", "b"]}, "ab", 0, 0),
        ("tool_never", {"tools": ["[ab]"]}, "b", 0, 0),
        ("tool_never", {"tools": ["A"]}, "a", 1, None),
        ("tool_never", {"tools": ["a"]}, "", 1, None),
        ("tool_order", {"tools": ["a", "b"]}, "ab", 1, None),
        ("tool_order", {"tools": ["a", "b"]}, "ba", 0, None),
        ("tool_order", {"tools": ["a", "b"]}, "xaxbab", 1, None),
        # The order of what is called: no call of either is none in the wrong place.
        ("tool_order", {"tools": ["a", "b"]}, "a", 1, None),
        ("tool_order", {"tools": ["a", "b"]}, "b", 0, None),
        ("tool_order", {"tools": ["a", "b"]}, "", 1, None),
        ("tool_order", {"tools": ["a", "b", "c"]}, "ac", 0, None),
        ("tool_order", {"tools": ["a", "b", "c"]}, "abc", 1, None),
    ],
)
def test_what_the_tool_calls_show(
    kind: Any,
    of: dict[str, Any],
    names: Sequence[str],
    value: float,
    if_not_whole: float | None,
    make_run: Callable[..., Run],
) -> None:
    for is_whole, expected in ((True, value), (False, if_not_whole)):
        facts = RunFacts(make_run(1), KnownCalls(calls(*names), is_whole, None))
        assert check_run(Criterion(kind=kind, **of), facts, {}) == expected


@pytest.mark.parametrize(("repeats", "value"), [(True, 0), (False, 1), (None, None)])
def test_repeats(repeats: bool | None, value: float | None, make_run: Callable[..., Run]) -> None:
    facts = RunFacts(make_run(1), KnownCalls((), is_whole=repeats is not None, has_repeats=repeats))
    assert check_run(Criterion(kind="no_repeats"), facts, {}) == value


def test_a_pattern_that_takes_forever_decides_nothing(check: Check) -> None:
    with pytest.raises(UndecidedError, match="pattern took longer than"):
        check("response_matches", pattern=r"^(a|aa|a?)+$", run={"final_response": "a" * 40 + "b"})


def test_a_function_is_given_the_run_with_all_that_is_known(make_run: Callable[..., Run]) -> None:
    seen: list[Run] = []
    facts = RunFacts(make_run(1), KnownCalls(calls("look_up"), is_whole=True, has_repeats=False), cost_usd=0.25)

    def check(run: Run) -> bool:
        seen.append(run)
        return True

    assert check_run(Criterion(kind="code", function="f:f"), facts, {"f:f": check}) == 1
    assert ([call.name for call in seen[0].tool_calls], seen[0].tool_calls_known) == (["look_up"], True)
    assert (seen[0].cost_usd, seen[0].task) == (0.25, "Task 1")
