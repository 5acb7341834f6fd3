"""Criteria of every kind: the fields that each needs, and a refusal that names what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.errors import RefusedError
from tasks.judge.criteria.criterion import FIELD_OF, KINDS, Criterion
from tasks.judge.rubric import Criteria, parse_criteria
from tasks.report.rows import SUCCESS_QUESTION

_FIELDS: dict[str, Any] = {
    "limit": 30,
    "tools": ["look_up", "pay"],
    "pattern": r"^\d+$",
    "function": "my_checks.refunds:is_right",
}


def _of_kind(kind: str) -> dict[str, Any]:
    field = FIELD_OF.get(kind)  # type: ignore[call-overload]
    return {"kind": kind, **({field: _FIELDS[field]} if field else {})}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_read_and_written_with_its_own_fields_alone(kind: str) -> None:
    criteria = parse_criteria({"default": {"one": _of_kind(kind)}})
    written = criteria.model_dump(mode="json")
    own = {"weight", "description", "threshold"}
    if kind != "judge":
        own |= {"kind", *([FIELD_OF[kind]] if kind in FIELD_OF else [])}  # type: ignore[index]
    assert written["default"]["one"].keys() == own
    assert Criteria.model_validate(written) == criteria
    assert Criteria.model_validate_json(criteria.model_dump_json(), strict=True) == criteria


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"kind": "tool_nver", "tools": ["x"]}, ["default.one.kind", "'tool_never'", "'tool_nver'"]),
        ({"kind": "tool_never"}, ["kind tool_never needs tools, such as tools: [look_up]"]),
        ({"kind": "code"}, ["kind code needs function, such as function: my_checks.refunds:is_right"]),
        ({"kind": "max_cost_usd", "tools": ["x"]}, ["tools belongs to the kinds tool_must, tool_never, tool_order"]),
        ({"limit": 3}, ["limit belongs to the kinds max_duration_seconds", "not to kind judge"]),
        ({"kind": "completion", "pattern": "x"}, ["pattern belongs to the kinds response_matches"]),
        ({"kind": "max_tool_calls", "limit": 2.5}, ["a whole limit, not 2.5"]),
        ({"kind": "max_tool_calls", "limit": -1}, ["default.one.limit", "greater than or equal to 0", "-1"]),
        ({"kind": "max_cost_usd", "limit": float("nan")}, ["default.one.limit", "nan"]),
        ({"kind": "tool_must", "tools": []}, ["default.one.tools", "at least 1 item"]),
        ({"kind": "tool_must", "tools": "look_up"}, ["default.one.tools", "'look_up'"]),
        ({"kind": "tool_must", "tools": [" "]}, ["default.one.tools", "tool name ' '"]),
        ({"kind": "tool_order", "tools": ["pay"]}, ["tool_order needs two tools or more"]),
        ({"kind": "response_matches", "pattern": "(open"}, ["default.one.pattern", "is no regular expression"]),
        ({"kind": "response_matches", "pattern": ""}, ["default.one.pattern", "at least 1 character"]),
        ({"kind": "code", "function": "refunds.is_right"}, ["default.one.function", "package.module:name"]),
        ({"kind": "code", "function": "a b:c"}, ["default.one.function", "package.module:name"]),
        ({"kind": "code", "function": "../x:c"}, ["default.one.function", "package.module:name"]),
    ],
)
def test_a_refusal_names_the_field_and_the_way_out(data: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(RefusedError) as caught:
        parse_criteria({"default": {"one": data}})
    for word in words:
        assert word in str(caught.value)


def test_a_forbidden_call_fails_by_default_and_other_kinds_pass_from_seven() -> None:
    never = parse_criteria({"default": {"one": {"kind": "tool_never", "tools": ["x"]}}}).default["one"]
    assert (never.threshold, Criterion(kind="completion").threshold, Criterion().threshold) == (10, 7, 7)
    own = {"kind": "tool_never", "tools": ["x"], "threshold": 9}
    assert parse_criteria({"default": {"one": own}}).default["one"].threshold == 9


def test_the_team_has_the_judges_criteria_only() -> None:
    with pytest.raises(RefusedError, match=r"team\.criteria: criterion 'one' has kind completion"):
        parse_criteria({"team": {"criteria": {"one": {"kind": "completion"}}}})


@pytest.mark.parametrize("name", [SUCCESS_QUESTION, "(Success)", " (success) "])
def test_the_name_of_the_question_on_success_is_reserved(name: str) -> None:
    with pytest.raises(RefusedError, match="is reserved"):
        parse_criteria({"default": {name: {}}})
