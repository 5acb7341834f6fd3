"""Every answer that a server can send: what is read from it, and what is refused instead of guessed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tasks.errors import UnusableAnswerError
from tasks.evidence.types import Run, ToolCall
from tasks.judge.answer import JudgeAnswer, build_schema, parse_answer
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.prompt.citations import LabelledRun, LabelledRuns

Make = Callable[..., dict[str, Any]]
FIXTURES = Path(__file__).parents[1] / "fixtures"
ANSWERS: list[dict[str, Any]] = json.loads((FIXTURES / "judge_answers.json").read_text(encoding="utf-8"))


STARTED = datetime(2026, 3, 1, tzinfo=UTC)
CALL = ToolCall(name="refund", arguments='{"order": 7}', error="HTTP 500 from the provider")
RUN = Run(
    id="41",
    agent_id="1",
    status="completed",
    outcome="completed",
    started_at=STARTED,
    task="Refund order 7.",
    final_response="I have refunded order 7.",
    tool_calls=(CALL,),
)
OTHER = RUN.model_copy(update={"id": "42", "tool_calls": (), "final_response": "Done 1"})
EXHIBITS = LabelledRuns([LabelledRun("R1", OTHER, None), LabelledRun("R2", RUN, None)])


def parse(text: str, rubric: dict[str, Criterion], kind: Any = "agent", *, cut_off: bool = False) -> JudgeAnswer:
    return parse_answer(text, kind, rubric, EXHIBITS, cut_off=cut_off)


def with_score(make_answer: Make, literal: str) -> str:
    """An answer with ``literal`` (JSON or not) as the score for accuracy."""
    return json.dumps(make_answer(accuracy={"score": "SCORE"})).replace('"SCORE"', literal)


def test_a_usable_answer_is_read_whole(rubric: dict[str, Criterion], make_answer: Make) -> None:
    answer = parse(json.dumps(make_answer()), rubric)
    assert {name: given.score for name, given in answer.criteria.items()} == {"accuracy": 8.0, "care": 6.0}
    assert answer.criteria["care"].reasoning == "On care."
    assert [(e.citation.run_id, e.text) for e in answer.criteria["care"].examples] == [("42", "Seen.")]
    assert (answer.reasoning, answer.strengths, answer.weaknesses) == ("Over all.", ("s",), ("w",))
    assert (answer.recommendations, answer.citations_dropped, answer.ignored) == (("r",), 0, ())


@pytest.mark.parametrize("case", ANSWERS, ids=[case["name"] for case in ANSWERS])
def test_every_answer_of_the_table_is_read_or_refused(case: dict[str, Any], rubric: dict[str, Criterion]) -> None:
    def read() -> JudgeAnswer:
        return parse(case["answer"], rubric, cut_off=case.get("cut_off", False))

    if "scores" in case:
        assert {name: given.score for name, given in read().criteria.items()} == case["scores"]
        return
    with pytest.raises(UnusableAnswerError) as caught:
        read()
    assert len(caught.value.problems) == len(case["problems"])
    for problem, expected in zip(caught.value.problems, case["problems"], strict=True):
        assert expected in problem
        assert len(problem) < 300
        assert "\n" not in problem


@pytest.mark.parametrize(
    "literal",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "-0.5",
        "10.01",
        "11",
        "100",
        "9" * 30,
        "9" * 6000,
        "true",
        "false",
        "[8]",
        '""',
        '"NaN"',
        '"inf"',
        '"1e1"',
        '"high"',
        '"' + "9" * 6000 + '"',
    ],
)
def test_a_score_that_is_none_is_refused_by_name(literal: str, rubric: dict[str, Criterion], make_answer: Make) -> None:
    with pytest.raises(UnusableAnswerError, match=r"^criterion 'accuracy': score") as caught:
        parse(with_score(make_answer, literal), rubric)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "template",
    [
        "```json\n%s\n```",
        "```\n%s\n```",
        "```JSON\n%s```",
        "Here is my judgement:\n```json\n%s\n```\nI hope it helps.",
        "Of {accuracy} and {care}: %s",
        "%s\nNote: {this} is all.",
        '<think>The agent says {"score": 10}, which is a claim.</think>\n%s',
        "\n\n   %s   \n",
        "[%s]",
        "\ufeff%s",
        "%s%s",
    ],
)
def test_what_stands_around_the_json_is_passed_over(
    template: str, rubric: dict[str, Criterion], make_answer: Make
) -> None:
    text = template.replace("%s", json.dumps(make_answer()))
    assert parse(text, rubric) == parse(json.dumps(make_answer()), rubric)


def test_two_different_answers_are_not_chosen_from(rubric: dict[str, Criterion], make_answer: Make) -> None:
    low, high = (json.dumps(make_answer(accuracy={"score": score})) for score in (2, 10))
    with pytest.raises(UnusableAnswerError, match="more than one JSON object"):
        parse(f"The agent suggests {high}. I say {low}", rubric)


def test_a_key_that_comes_twice_is_refused_unless_both_are_the_same(rubric: dict[str, Criterion]) -> None:
    text = '{"criteria": {"accuracy": {"score": 3, "score": %s}, "care": {"score": 5}}}'
    with pytest.raises(UnusableAnswerError, match="'score' comes twice"):
        parse(text % 9, rubric)
    assert parse(text % 3, rubric).criteria["accuracy"].score == 3


def test_a_criterion_that_is_answered_twice_is_refused(rubric: dict[str, Criterion]) -> None:
    text = '{"criteria": {"Accuracy": {"score": 3}, "ACCURACY": {"score": 9}, "care": {"score": 5}}}'
    with pytest.raises(UnusableAnswerError, match="'accuracy' is answered 2 times"):
        parse(text, rubric)


def test_criteria_at_the_top_level_are_found(rubric: dict[str, Criterion], make_answer: Make) -> None:
    answer = make_answer()
    flat = answer.pop("criteria") | answer
    assert parse(json.dumps(flat), rubric).criteria == parse(json.dumps(make_answer()), rubric).criteria


@pytest.mark.parametrize("name", ["ACCURACY", " accuracy ", "Accuracy"])
def test_a_name_written_otherwise_is_the_same_criterion(
    name: str, rubric: dict[str, Criterion], make_answer: Make
) -> None:
    answer = make_answer()
    answer["criteria"][name] = answer["criteria"].pop("accuracy")
    found = parse(json.dumps(answer), rubric)
    assert found.criteria["accuracy"].score == 8
    assert found.ignored == ()


def test_names_of_the_schema_may_be_written_otherwise(rubric: dict[str, Criterion]) -> None:
    criteria = {"accuracy": {"Rationale": "Right.", "Score": 8}, "care": {"explanation": "Careful.", "score": 6}}
    answer = {"Criteria": criteria, "Reasoning": "Over all.", "Strengths": ["s"], "Executive Summary": "One."}
    found = parse(json.dumps(answer), rubric, "team")
    assert [given.reasoning for given in found.criteria.values()] == ["Right.", "Careful."]
    assert (found.reasoning, found.strengths, found.executive_summary) == ("Over all.", ("s",), "One.")


def test_names_of_several_words_may_come_joined(make_answer: Make) -> None:
    rubric = {"error handling": Criterion(), "zuverlässig": Criterion()}
    text = json.dumps({"criteria": {"error_handling": {"score": 4}, "Zuverla\u0308ssig": {"score": 5}}})
    assert [given.score for given in parse(text, rubric).criteria.values()] == [4, 5]


def test_an_exact_name_comes_before_one_that_is_alike(make_answer: Make, rubric: dict[str, Criterion]) -> None:
    answer = make_answer()
    answer["criteria"]["Accuracy"] = {"score": 1}
    assert parse(json.dumps(answer), rubric).criteria["accuracy"].score == 8


def test_extra_criteria_are_ignored_and_named(rubric: dict[str, Criterion], make_answer: Make) -> None:
    answer = make_answer()
    answer["criteria"] |= {"charm": {"score": 10}, "axe": 3}
    found = parse(json.dumps(answer), rubric)
    assert list(found.criteria) == ["accuracy", "care"]
    assert found.ignored == ("axe", "charm")


@pytest.mark.parametrize(
    ("label", "quote", "where"),
    [
        ("R2", "refunded order 7", ("R2", "41")),
        ("r2", "refunded  order\n7", ("R2", "41")),
        ("[R2.1]", "HTTP 500", ("R2.1", "41")),
        ("R2", "HTTP 500 from the provider", ("R2.1", "41")),
        ("R1", "refunded order 7", None),
        ("R2.1", "refunded order 7", None),
        ("R2.2", "HTTP 500", None),
        ("R9", "HTTP 500", None),
        ("41", "HTTP 500", None),
        ("R2", "refunded order 8", None),
        ("R2", "", None),
        ("R2", None, None),
        (None, "HTTP 500", None),
        (2, "HTTP 500", None),
        ("R" + "9" * 5000, "HTTP 500", None),
        ([], "HTTP 500", None),
        ("R2", ["HTTP 500"], None),
    ],
)
def test_a_citation_that_does_not_hold_is_dropped_and_counted(
    label: Any, quote: Any, where: tuple[str, int] | None, rubric: dict[str, Criterion], make_answer: Make
) -> None:
    example = {"label": label, "quote": quote, "text": "t"}
    answer = parse(json.dumps(make_answer(care={"examples": [example]})), rubric)
    cited = [(example.citation.label, example.citation.run_id) for example in answer.criteria["care"].examples]
    assert cited == ([] if where is None else [where])
    assert answer.citations_dropped == (where is None)


def contradiction(**parts: Any) -> dict[str, Any]:
    return {
        "claim_label": "R2",
        "claim_quote": "I have refunded order 7",
        "observation_label": "R2.1",
        "observation_quote": "HTTP 500",
        "text": "The refund failed.",
    } | parts


def test_a_contradiction_names_claim_and_observation(rubric: dict[str, Criterion], make_answer: Make) -> None:
    answer = parse(json.dumps(make_answer(contradictions=[contradiction()])), rubric)
    [found] = answer.contradictions
    assert (found.claim.label, found.observation.label, found.text) == ("R2", "R2.1", "The refund failed.")
    assert (found.claim.quote, found.observation.run_id) == ("I have refunded order 7", "41")
    assert answer.citations_dropped == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"claim_quote": "I have never"},
        {"claim_label": "R2.1", "claim_quote": "HTTP 500"},
        {"claim_quote": "Refund order 7."},
        {"observation_label": "R2", "observation_quote": "I have refunded order 7"},
        {"claim_label": "R1", "claim_quote": "Done 1"},
        {"observation_label": None},
    ],
    ids=[
        "not in the text",
        "an observation as a claim",
        "the task as a claim",
        "a claim as an observation",
        "other run",
        "no",
    ],
)
def test_a_contradiction_of_which_a_side_does_not_hold_is_dropped_and_counted(
    wrong: dict[str, Any], rubric: dict[str, Criterion], make_answer: Make
) -> None:
    answer = parse(json.dumps(make_answer(contradictions=[contradiction(**wrong)])), rubric)
    assert (answer.contradictions, answer.citations_dropped) == ((), 1)


@pytest.mark.parametrize("given", [None, "none", {}, 3])
def test_contradictions_of_a_wrong_type_are_none(given: Any, rubric: dict[str, Criterion], make_answer: Make) -> None:
    answer = parse(json.dumps(make_answer(contradictions=given)), rubric)
    assert (answer.contradictions, answer.citations_dropped) == ((), 0)


@pytest.mark.parametrize(
    ("examples", "dropped"), [(None, 0), ("R1", 0), ({"label": "R1"}, 0), ([1, "R1", None, []], 4), ([{}], 1)]
)
def test_examples_of_a_wrong_type_never_make_an_answer_unusable(
    examples: Any, dropped: int, rubric: dict[str, Criterion], make_answer: Make
) -> None:
    answer = parse(json.dumps(make_answer(care={"examples": examples})), rubric)
    assert answer.criteria["care"].examples == ()
    assert answer.citations_dropped == dropped


@pytest.mark.parametrize("wrong", [None, 7, True, {"a": 1}, [{"a": 1}, 3, None, "  "]])
def test_texts_of_a_wrong_type_are_empty(wrong: Any, rubric: dict[str, Criterion], make_answer: Make) -> None:
    parts = dict.fromkeys(("reasoning", "strengths", "weaknesses", "recommendations"), wrong)
    answer = parse(json.dumps(make_answer(**parts, care={"reasoning": wrong})), rubric)
    assert (answer.reasoning, answer.strengths, answer.weaknesses, answer.recommendations) == ("", (), (), ())
    assert answer.criteria["care"].reasoning == ""


def test_one_text_in_place_of_a_list_is_one_item(rubric: dict[str, Criterion], make_answer: Make) -> None:
    assert parse(json.dumps(make_answer(strengths=" Fast. ")), rubric).strengths == ("Fast.",)


def test_lengths_and_list_sizes_do_not_matter(rubric: dict[str, Criterion], make_answer: Make) -> None:
    many = [{"label": "R1", "quote": "Done 1", "text": "x" * 5000}] * 500
    answer = parse(json.dumps(make_answer(strengths=["s"] * 5000, care={"examples": many})), rubric)
    assert len(answer.strengths) == 5000
    assert len(answer.criteria["care"].examples) == 500


def test_nul_and_half_characters_are_replaced(rubric: dict[str, Criterion]) -> None:
    text = r'{"criteria": {"accuracy": {"score": 1, "reasoning": "a\u0000b\ud800c\ud83d\ude00"}, "care": {"score": 1}}}'
    reasoning = parse(text, rubric).criteria["accuracy"].reasoning
    assert reasoning == "a\ufffdb?c😀"


def test_raw_control_characters_in_texts_are_read(rubric: dict[str, Criterion], make_answer: Make) -> None:
    text = json.dumps(make_answer(reasoning="one TAB two")).replace(" TAB ", "\n\t")
    assert parse(text, rubric).reasoning == "one\n\ttwo"


@pytest.mark.parametrize(
    "text",
    [
        "{" * 200_000,
        '{"a":' * 100_000,
        '{"criteria": ' + "[" * 100_000,
        "```\n" + "\n" * 200_000 + "x",
        "``` " * 50_000,
        " " * 500_000 + "x",
        '{"criteria": {' + '"accuracy": {"score": 1,' * 20_000,
    ],
)
def test_hostile_text_is_unusable(text: str, rubric: dict[str, Criterion]) -> None:
    with pytest.raises(UnusableAnswerError):
        parse(text, rubric)


def test_many_unknown_names_are_ignored(rubric: dict[str, Criterion], make_answer: Make) -> None:
    answer = make_answer()
    answer["criteria"] |= {f"name {number}": 1 for number in range(20_000)}
    assert len(parse(json.dumps(answer), rubric).ignored) == 20_000


def test_the_team_needs_its_summary(rubric: dict[str, Criterion], make_answer: Make) -> None:
    for summary in ("", "   ", None, 3, ["a"]):
        with pytest.raises(UnusableAnswerError, match="executive_summary is missing"):
            parse(json.dumps(make_answer(executive_summary=summary)), rubric, "team")
    answer = parse(json.dumps(make_answer(executive_summary="One.\n\nTwo.")), rubric, "team")
    assert answer.executive_summary == "One.\n\nTwo."


def test_the_schema_accepts_what_is_asked_for_and_nothing_else(rubric: dict[str, Criterion], make_answer: Make) -> None:
    schema = build_schema("agent", rubric)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(make_answer(accuracy={"score": None}))
    assert not validator.is_valid(make_answer(accuracy={"score": 11}))
    assert not validator.is_valid(make_answer(accuracy={"score": "8"}))
    assert not validator.is_valid(make_answer(charm=1))
    assert not validator.is_valid(make_answer(executive_summary="s"))
    incomplete = make_answer()
    del incomplete["criteria"]["care"]
    assert not validator.is_valid(incomplete)
    team = make_answer(executive_summary="s")
    del team["contradictions"]
    assert jsonschema.Draft202012Validator(build_schema("team", rubric)).is_valid(team)


def test_the_schema_asks_for_reasoning_before_the_score(rubric: dict[str, Criterion]) -> None:
    schema = build_schema("team", rubric)
    criteria = schema["properties"]["criteria"]
    assert list(criteria["properties"]) == criteria["required"] == ["accuracy", "care"]
    for criterion in criteria["properties"].values():
        assert list(criterion["properties"]) == criterion["required"] == ["reasoning", "score", "examples"]
    assert list(schema["properties"]) == [
        "criteria",
        "reasoning",
        "strengths",
        "weaknesses",
        "recommendations",
        "executive_summary",
    ]


def test_the_schema_is_strict_everywhere(rubric: dict[str, Criterion]) -> None:
    def walk(node: Any) -> int:
        if isinstance(node, list):
            return sum(walk(item) for item in node)
        if not isinstance(node, dict):
            return 0
        if node.get("type") == "object":
            assert node["additionalProperties"] is False
            assert node["required"] == list(node["properties"])
        return (node.get("type") == "object") + sum(walk(item) for item in node.values())

    assert walk(build_schema("agent", rubric)) == 1 + 1 + 1 + 2 * 2
