"""Drafts: what a model writes into a reasoning block is never its answer, however the block is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tasks.errors import UnusableAnswerError
from tasks.judge.answer import parse_answer
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.parsing.reasoning import answer_part
from tasks.judge.prompt.citations import LabelledRuns

BLOCKS = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<thoughts>", "</thoughts>"),
    ("<reasoning>", "</reasoning>"),
    ("<analysis>", "</analysis>"),
    ("<reasoning_content>", "</reasoning_content>"),
    ("<internal_thoughts>", "</internal_thoughts>"),
    ("<planning>", "</planning>"),
    ("<deliberation>", "</deliberation>"),
    ("<cot>", "</cot>"),
    ("<\uff5cbegin\u2581of\u2581thinking\uff5c>", "<\uff5cend\u2581of\u2581thinking\uff5c>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<THINK>", "</Think>"),
    ("< think >", "< / think >"),
    ("<think\n>", "</think\n>"),
    ("<think id=\"1\" lang='en'>", "</think>"),
    ("<think>", "</thinking>"),
    ("<think><think>", "</think>"),
    ("<think>a</think><think>", "</think>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("[think]", "[ /think ]"),
    ("&lt;think&gt;", "&lt;/think&gt;"),
    ("\uff1cthink\uff1e", "\uff1c/think\uff1e"),
    ("\u25c1think\u25b7", "\u25c1/think\u25b7"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<antThinking>", "</antThinking>"),
    ("<chain_of_thought>", "</chain_of_thought>"),
    ("<cot>", "</cot>"),
    ("<internal_thoughts>", "</internal_thoughts>"),
    ("<reasoning_content>", "</reasoning_content>"),
    ("<planning>", "</planning>"),
    ("<\uff5cthink\uff5c>", "<\uff5c/think\uff5c>"),
    ("<think>a<thought>b</thought>", "</think>"),
    ("<think>a<think>b</think>", "</think>"),
    ('<think>It leaks `<think>` and "<think>".', "</think>"),
    ("<think>It leaks <thought> too.", "</think>"),
    ("<|channel|>analysis<|message|>It leaks </think>.", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|message|>"),
    ("<|channel|>analysis<|message|>", "<|channel|>final <|constrain|>json<|message|>"),
    ("<|start|>assistant<| channel |> Analysis<|message|>", "<|end|>\n<|channel|>\nFINAL<|message|>"),
    (
        "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>commentary<|message|>",
        "<|end|><|start|>assistant<|channel|>final<|message|>",
    ),
    ("<|channel>thought\n", "<channel|>"),
    ("<longcat_think>", "</longcat_think>"),
    ("<ifm|think_fast>", "</ifm|think_fast>"),
    ("<|plamo:begin_think:plamo|>", "<|plamo:end_think:plamo|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("[unused16]", "[unused17]"),
    ("Here is my thought process:", "Here is my response:"),
    ("Here's my thought process: ", "Here's my response:"),
    ("Here are my reasoning steps:\n", "[BEGIN FINAL RESPONSE]\n"),
    ("<reflection>", "</reflection>"),
    ("analysisWe need JSON. ", "assistantfinal"),
    ("assistantanalysis", "assistant final"),
]
IDS = [f"{number} {opening}" for number, (opening, _) in enumerate(BLOCKS)]
# As a draft may break off, or be no JSON at all.
DRAFTS = [
    "{draft}",
    "Hm. {draft} No.",
    "```json\n{draft}\n```",
    '{"criteria": {"accuracy": {"score": 2, "rea',
    "{{{ [ {",
]

Make = Callable[..., dict[str, Any]]


@pytest.fixture
def drafts(make_answer: Make) -> list[str]:
    """Drafts with 2 for accuracy."""
    made = make_answer()
    made["criteria"]["accuracy"]["score"] = 2
    return [draft.replace("{draft}", json.dumps(made)) for draft in DRAFTS]


def score(text: str, rubric: dict[str, Criterion]) -> float | None:
    return parse_answer(text, "agent", rubric, LabelledRuns([])).criteria["accuracy"].score


@pytest.mark.parametrize(("opening", "closing"), BLOCKS, ids=IDS)
def test_the_answer_behind_a_block_is_read(
    opening: str, closing: str, drafts: list[str], good: str, rubric: dict[str, Criterion]
) -> None:
    for draft in drafts:
        assert score(f"{opening}{draft}{closing}{good}", rubric) == 8
        assert score(f"\n{opening}\n{draft}\n{closing}\n\nHere it is:\n```json\n{good}\n```\n", rubric) == 8


@pytest.mark.parametrize(("opening", "closing"), BLOCKS, ids=IDS)
def test_the_answer_behind_a_closing_tag_alone_is_read(
    opening: str, closing: str, drafts: list[str], good: str, rubric: dict[str, Criterion]
) -> None:
    if closing.startswith("<|end|><|start|>assistant<|message|>"):
        return  # It closes nothing without a channel that is open.
    for draft in drafts:
        assert score(f"{draft}{closing}\n{good}", rubric) == 8


@pytest.mark.parametrize(("opening", "closing"), BLOCKS, ids=IDS)
def test_a_block_alone_is_no_answer(
    opening: str, closing: str, drafts: list[str], good: str, rubric: dict[str, Criterion]
) -> None:
    for draft in [*drafts, good]:
        for text in (f"{opening}{draft}", f"{opening}{draft}{closing}", f"{opening}\n{draft}\n{closing}\nDone."):
            with pytest.raises(UnusableAnswerError):
                score(text, rubric)


def test_nothing_but_reasoning_is_called_that(rubric: dict[str, Criterion], good: str) -> None:
    with pytest.raises(UnusableAnswerError, match="nothing but reasoning"):
        score(f"<think>{good}</think>\n", rubric)


def test_reasoning_behind_the_answer_does_not_replace_it(
    drafts: list[str], good: str, rubric: dict[str, Criterion]
) -> None:
    for draft in drafts:
        assert score(f"<think>a</think>{good}\n<think>{draft}", rubric) == 8
    assert score(f"<|channel|>analysis<|message|>a<|end|><|channel|>final<|message|>{good}<|return|>", rubric) == 8


@pytest.mark.parametrize(
    "tag", [*(tag for block in BLOCKS[:28] for tag in block), "<|channel|>analysis", "<|channel|>final", "<|end|>"]
)
def test_a_tag_within_the_answers_texts_is_quoted(tag: str, make_answer: Make, rubric: dict[str, Criterion]) -> None:
    answer = make_answer()
    answer["reasoning"] = answer["criteria"]["accuracy"]["reasoning"] = f"It leaks {tag} {{into}} its answers."
    for text in (json.dumps(answer), f"{{not JSON}} ```json\n{json.dumps(answer, ensure_ascii=False)}\n```"):
        assert score(text, rubric) == 8
        assert score(f"<think>{text}</think>{text}", rubric) == 8


def test_the_inside_of_an_answer_that_was_cut_off_is_none(make_answer: Make, rubric: dict[str, Criterion]) -> None:
    answer = {"contradictions": [{"text": "It says </think>."}], **make_answer()}
    with pytest.raises(UnusableAnswerError):
        score(json.dumps(answer)[:-1], rubric)


@pytest.mark.parametrize("prose", ["The assistant analysis: {}", "{}\nThe assistant final response was poor."])
def test_prose_on_an_assistant_is_no_marker(prose: str, good: str, rubric: dict[str, Criterion]) -> None:
    assert score(prose.format(good), rubric) == 8


@pytest.mark.parametrize("text", ["", "a < b", "I think [1] so", "Analysis: fine", "the channel final", "assistant"])
def test_ordinary_words_are_no_marker(text: str) -> None:
    assert answer_part(text) == text


@pytest.mark.parametrize(
    "piece", ["<think>", "</think>", "<think ", '{"a":', "{<think>", "< ", "[ ", "assistant ", "&lt;"]
)
def test_a_hostile_text_is_read_to_its_end(piece: str) -> None:
    text = piece * 40_000
    assert len(answer_part(text)) <= len(text)
