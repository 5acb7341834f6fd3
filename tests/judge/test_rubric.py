"""Criteria: every refusal names the key and the value; keys find their agents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import RefusedError
from tasks.evidence.ids import read_id
from tasks.evidence.types import Agent
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.criteria.presets import default_rubric, default_team_rubric
from tasks.judge.rubric import (
    Criteria,
    find_agent,
    load_criteria,
    parse_criteria,
    resolve_rubrics,
    select_agents,
    weighted_mean,
)

LONG = "x" * 61


@pytest.fixture
def agents(make_agent: Callable[..., Agent]) -> list[Agent]:
    return [make_agent("1", "billing-bot"), make_agent("2", "id:7"), make_agent("12", "sql analyst")]


def one(**fields: Any) -> dict[str, Any]:
    return {"default": {"accuracy": fields}}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (one(weight=0), ["default.accuracy.weight", "greater than 0", "value: 0"]),
        (one(weight=-0.4), ["default.accuracy.weight", "greater than 0", "-0.4"]),
        (one(weight=float("nan")), ["default.accuracy.weight", "nan"]),
        (one(weight=float("inf")), ["default.accuracy.weight", "inf"]),
        (one(weight="heavy"), ["default.accuracy.weight", "'heavy'"]),
        (one(weight=None), ["default.accuracy.weight", "None"]),
        (one(threshold=-1), ["default.accuracy.threshold", "greater than or equal to 0", "-1"]),
        (one(threshold=10.5), ["default.accuracy.threshold", "less than or equal to 10", "10.5"]),
        (one(threshold=float("nan")), ["default.accuracy.threshold", "nan"]),
        (one(treshold=7), ["default.accuracy.treshold", "not permitted", "7"]),
        (one(description=7), ["default.accuracy.description", "7"]),
        ({"default": {}}, ["default", "no criteria", "{}"]),
        ({"team": {"criteria": {}}}, ["team.criteria", "no criteria"]),
        ({"agents": {"id:1": {}}}, ["agents.id:1", "no criteria"]),
        ({"agents": {"id:1": {"a": {"weight": 0}}}}, ["agents.id:1.a.weight", "0"]),
        ({"agents": {12: {"a": {}}}}, ["agents.12", "string", "12"]),
        ({"default": {"": {}}}, ["default", "''", "1 to 60 printable"]),
        ({"default": {"   ": {}}}, ["default", "'   '"]),
        ({"default": {"a\nb": {}}}, ["default", r"'a\nb'"]),
        ({"default": {"a\x00": {}}}, ["default", r"'a\x00'"]),
        ({"default": {LONG: {}}}, ["default", LONG]),
        ({"default": {f"c{n}": {} for n in range(21)}}, ["default", "21 criteria are too many", "20 at most"]),
        ({"default": {"Accuracy": {}, "accuracy ": {}}}, ["default", "'Accuracy'", "'accuracy '"]),
        ({"default": {"tool_use": {}, "tool-use": {}}}, ["default", "'tool_use'", "'tool-use'"]),
        ({"default": {"Ma\u00df": {}, "MASS": {}}}, ["default", "'Maß'", "'MASS'"]),
        ({"default": {"\u00e9": {}, "e\u0301": {}}}, ["default", "differ only in"]),
        ({"default": ["accuracy"]}, ["default", "dictionary", "['accuracy']"]),
        ({"default": {"accuracy": 7}}, ["default.accuracy", "7"]),
        ({"defaults": {}}, ["defaults", "not permitted"]),
        ({"team": {"goals": "x"}}, ["team.goals", "'x'"]),
        ({"team": {"goal": 5}}, ["team.goal", "5"]),
        ([], ["[]"]),
        (7, ["7"]),
    ],
)
def test_a_refusal_names_key_and_value(data: Any, words: list[str]) -> None:
    with pytest.raises(RefusedError) as caught:
        parse_criteria(data)
    message = str(caught.value)
    assert message.startswith("criteria: ")
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_refusal_of_many_values_stays_short() -> None:
    with pytest.raises(RefusedError, match="; and 7 more") as caught:
        parse_criteria({"default": {f"c{n}": {"weight": "x" * 10_000} for n in range(12)}})
    assert len(str(caught.value)) < 2000


def test_defaults() -> None:
    criteria = Criteria()
    found = {name: (c.weight, c.threshold) for name, c in criteria.default.items()}
    assert found == {"accuracy": (0.4, 7), "reliability": (0.3, 7), "efficiency": (0.3, 6)}
    assert {name: (c.weight, c.threshold) for name, c in criteria.team.criteria.items()} == found
    assert (criteria.default, criteria.team.criteria) == (default_rubric(), default_team_rubric())
    assert criteria.team.goal == "The agents do their tasks correctly, reliably and efficiently"


def test_a_file_is_read_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "criteria.yaml"
    path.write_text(
        "\ufeffteam:\n  goal: Ship it\n  criteria:\n    zeal: {weight: 2}\n    awe: {threshold: 3}\n"
        "agents:\n  'id:12':\n    care: {weight: 1, threshold: 9, description: Grüße}\n",
        encoding="utf-8",
    )
    criteria = load_criteria(path)
    assert criteria.team.goal == "Ship it"
    assert list(criteria.team.criteria) == ["zeal", "awe"]
    assert criteria.agents["id:12"]["care"] == Criterion(weight=1, threshold=9, description="Grüße")
    assert criteria.default == default_rubric()


def test_a_json_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "criteria.json"
    path.write_text('{"default": {"care": {"weight": 1}}}', encoding="utf-8")
    assert list(load_criteria(path).default) == ["care"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["is empty", "team, default, agents"]),
        (b"# only a comment\n", ["is empty"]),
        (b"- a\n- b\n", ["holds a list", "team, default, agents"]),
        (b"just words", ["holds a str"]),
        (b"team: [unclosed\n", ["is no YAML", "line"]),
        (b"default:\n\taccuracy: {}\n", ["is no YAML"]),
        (b"\xff\xfe\xfa", ["is no YAML"]),
        (b"default: !!python/object/apply:os.system ['true']\n", ["is no YAML"]),
        (b"[" * 20_000, ["is no YAML"]),
        (b"default:\n  accuracy:\n    weight: 0\n", ["default.accuracy.weight", "value: 0"]),
        (b"default:\n", ["default", "None"]),
        (b"agents:\n  12: {a: {}}\n", ["agents.12"]),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(content: bytes, words: list[str], tmp_path: Path) -> None:
    path = tmp_path / "criteria.yaml"
    path.write_bytes(content)
    with pytest.raises(RefusedError) as caught:
        load_criteria(path)
    message = str(caught.value)
    assert message.startswith(f"criteria file {str(path)!r}")
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="cannot be read: No such file"):
        load_criteria(tmp_path / "missing.yaml")
    with pytest.raises(RefusedError, match="cannot be read: Is a directory"):
        load_criteria(tmp_path)


def test_a_file_of_a_few_lines_that_stands_for_gigabytes_is_refused_at_once(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join([*lines, "default: *a11"]), encoding="utf-8")
    with pytest.raises(RefusedError, match="default"):
        load_criteria(path)


@pytest.mark.parametrize(
    ("key", "agent_id"),
    [
        ("id:12", "12"),
        ("id: 12", "12"),
        ("name:sql analyst", "12"),
        ("sql analyst", "12"),
        ("name:id:7", "2"),
        ("id:7", None),
        ("id:", None),
        ("id:twelve", None),
        ("12", None),
        ("name:", None),
        ("SQL ANALYST", None),
    ],
)
def test_keys_find_agents(key: str, agent_id: str | None, agents: list[Agent]) -> None:
    found = find_agent(key, agents)
    assert (found.id if found else None) == agent_id


def test_an_id_is_any_text(make_agent: Callable[..., Agent]) -> None:
    ids = ["team/ü: bot", "id:7", "Bot", "bot", " bot", "6f1c2b1e-3a55-4c07", "007", "7", "x" * 200]
    known = [make_agent(agent_id, "bot") for agent_id in ids]
    assert [find_agent(f"id:{agent_id}", known) for agent_id in ids] == known
    assert [agent.id for agent in select_agents(["id:7", "id: bot", "id:id:7"], known)] == ["id:7", " bot", "7"]
    own = {f"id:{agent_id}": {"care": {}} for agent_id in ids}
    rubrics = resolve_rubrics(parse_criteria({"agents": own}), known)
    assert {agent_id: list(rubric) for agent_id, rubric in rubrics.items()} == {key: ["care"] for key in ids}


def test_an_id_that_was_shortened_is_found_by_the_whole(make_agent: Callable[..., Agent]) -> None:
    agent = make_agent(read_id("x" * 500))
    assert find_agent(f"id:{'x' * 500}", [agent]) is agent
    assert find_agent(f"id:{'x' * 501}", [agent]) is None


def test_each_agent_has_its_own_rubric_or_the_default(agents: list[Agent]) -> None:
    own = {"care": {"weight": 1}}
    rubrics = resolve_rubrics(parse_criteria({"agents": {"name:billing-bot": own, "id:12": own}}), agents)
    assert {agent_id: list(rubric) for agent_id, rubric in rubrics.items()} == {
        "1": ["care"],
        "2": ["accuracy", "efficiency", "reliability"],
        "12": ["care"],
    }


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (["name:no-such-bot"], ["'name:no-such-bot' is no agent", "billing-bot, id:7, sql analyst"]),
        (["id:99"], ["'id:99' is no agent"]),
        (["billing-bot"], ["'billing-bot'", '"id:<id>"']),
        (["id:1", "name:billing-bot"], ["'id:1'", "'name:billing-bot'", "the same agent"]),
    ],
)
def test_keys_that_fit_no_agent_are_refused(keys: list[str], words: list[str], agents: list[Agent]) -> None:
    criteria = parse_criteria({"agents": {key: {"care": {}} for key in keys}})
    with pytest.raises(RefusedError) as caught:
        resolve_rubrics(criteria, agents)
    for word in words:
        assert word in str(caught.value)


def test_only_some_agents_in_their_own_order(agents: list[Agent]) -> None:
    assert select_agents([], agents) == agents
    assert [a.id for a in select_agents(["sql analyst", "id:1", "name:billing-bot"], agents)] == ["1", "12"]
    with pytest.raises(RefusedError, match="'no-such-bot' is no agent of this environment; there are: billing-bot"):
        select_agents(["id:1", "no-such-bot"], agents)
    with pytest.raises(RefusedError, match="it has no agents"):
        select_agents(["no-such-bot"], [])


def test_a_long_list_of_agents_is_cut_in_a_refusal(make_agent: Callable[..., Agent]) -> None:
    with pytest.raises(RefusedError, match=r"agent-9 and 90 more$"):
        select_agents(["no-such-bot"], [make_agent(n, f"agent-{n}") for n in range(100)])


def test_the_weighted_mean() -> None:
    assert weighted_mean([]) is None
    assert weighted_mean([(8, 3), (4, 1)]) == 7
    pairs = [(0.1 * n, 1e-9 * (n + 1)) for n in range(50)]
    assert weighted_mean(pairs) == weighted_mean(list(reversed(pairs)))


def test_the_order_of_criteria_makes_no_other_question(agents: list[Agent]) -> None:
    names = ("zeal", "awe", "care")
    rubrics = [
        resolve_rubrics(parse_criteria({"default": {name: {} for name in order}}), agents)["1"]
        for order in (names, reversed(names))
    ]
    assert [list(rubric) for rubric in rubrics] == [["awe", "care", "zeal"]] * 2


def test_a_form_has_the_defaults_to_begin_with() -> None:
    schema = Criteria.model_json_schema()
    fields = (schema["properties"]["default"], schema["$defs"]["TeamCriteria"]["properties"]["criteria"])
    for field, rubric in zip(fields, (default_rubric(), default_team_rubric()), strict=True):
        assert parse_criteria({"default": field["default"]}).default == rubric
        assert field["minProperties"] == 1
    for model in (schema, *schema["$defs"].values()):
        assert all(field["title"] for field in model["properties"].values())
