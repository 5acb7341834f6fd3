"""A good answer in any harmless dress keeps its scores; cut off anywhere, it never shows another."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.errors import UnusableAnswerError
from tasks.judge.answer import parse_answer
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.prompt.citations import LabelledRuns

NAMES = ("accuracy", "care")
RUBRIC = {name: Criterion() for name in NAMES}
Scores = dict[str, float | None]
# What models write into texts, and what could be taken for structure.
WORDS = st.lists(
    st.sampled_from(
        [
            "the agent",
            "it's",
            '"done"',
            "“ok”",
            "{x}",
            "[R1]",
            ", and",
            ": 9",
            "score",
            "</b>",
            "\\d+",
            "\n",
            "10/10",
            "é",
            "None",
        ]
    ),
    max_size=6,
).map(" ".join)
SCORE = st.one_of(st.none(), st.integers(0, 10), st.integers(0, 20).map(lambda half: half / 2))
ANSWERS = st.fixed_dictionaries(
    {
        "contradictions": st.just([]),
        "criteria": st.fixed_dictionaries(
            {
                name: st.fixed_dictionaries({"reasoning": WORDS, "score": SCORE, "examples": st.just([])})
                for name in NAMES
            }
        ),
        "reasoning": WORDS,
        "strengths": st.lists(WORDS, max_size=2),
    }
)


def written(value: Any, style: dict[str, Any]) -> str:
    """``value`` as JSON in a style: the quotation marks, the commas, the blanks, the names of constants."""
    gap, opening, closing = style["gap"], *style["quotes"]
    if isinstance(value, str):
        escaped = json.dumps(value, ensure_ascii=False)[1:-1].replace('\\"', '"')
        for mark in {opening, closing}:
            escaped = escaped.replace(mark, f"\\{mark}")
        return f"{opening}{escaped}{closing}"
    if isinstance(value, (dict, list)):
        items = (
            [f"{written(k, style)}:{gap}{written(v, style)}" for k, v in value.items()]
            if isinstance(value, dict)
            else [written(item, style) for item in value]
        )
        inside = f",{gap}".join(items) + ("," if style["comma"] and items else "")
        return f"{{{gap}{inside}{gap}}}" if isinstance(value, dict) else f"[{inside}]"
    if value is None:
        return str(style["none"])
    return style["number"].replace("8", json.dumps(value)) if isinstance(value, int | float) else json.dumps(value)


STYLES = st.fixed_dictionaries(
    {
        "gap": st.sampled_from(["", " ", "\n  ", " // note\n", "/* note */"]),
        "quotes": st.sampled_from(['""', "''", "“”", "``"]),
        "comma": st.booleans(),
        "none": st.sampled_from(["null", "None", '"N/A"']),
        "number": st.sampled_from(["8", '"8"', '"8/10"', '{"value": 8}']),
    }
)
WRAPPERS = st.sampled_from(
    [
        "%s",
        '{"result": %s}',
        "{'judgement': %s, 'note': 'x'}",
        "[%s]",
        '{"properties": %s}',
    ]
)
FRAMES = st.sampled_from(
    [
        "%s",
        "\n\n  %s\n",
        "```json\n%s\n```",
        "Here it is:\n```\n%s\n```\nThat is all.",
        "Of {accuracy}: %s I hope it helps.",
        '<think>First {"criteria": {"accuracy": {"score": 1}, "care": {"score": 1}}} no.</think>%s',
        "[THINK]hm {[/THINK]\n%s",
        "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>%s<|return|>",
    ]
)


def dressed(answer: Any, style: dict[str, Any], wrapper: str, frame: str, encoded: bool) -> str:
    text = wrapper.replace("%s", written(answer, style))
    return frame.replace("%s", json.dumps(text) if encoded else text)


def scores(text: str, *, cut_off: bool = False) -> Scores:
    answer = parse_answer(text, "agent", RUBRIC, LabelledRuns([]), cut_off=cut_off)
    return {name: criterion.score for name, criterion in answer.criteria.items()}


def meant(answer: Any) -> Scores:
    return {name: answer["criteria"][name]["score"] for name in NAMES}


QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(answer=ANSWERS, style=STYLES, wrapper=WRAPPERS, frame=FRAMES, encoded=st.booleans())
def test_a_good_answer_in_any_dress_has_its_scores(
    answer: Any, style: dict[str, Any], wrapper: str, frame: str, encoded: bool
) -> None:
    assert scores(dressed(answer, style, wrapper, frame, encoded)) == meant(answer)


@QUICK
@given(answer=ANSWERS, style=STYLES, wrapper=WRAPPERS, frame=FRAMES, encoded=st.booleans(), data=st.data())
def test_cut_off_anywhere_it_shows_no_other_score(
    answer: Any, style: dict[str, Any], wrapper: str, frame: str, encoded: bool, data: st.DataObject
) -> None:
    whole = dressed(answer, style, wrapper, frame, encoded)
    text = whole[: data.draw(st.integers(0, len(whole)))]
    for cut_off in (False, True):
        try:
            found = scores(text, cut_off=cut_off)
        except UnusableAnswerError:
            continue
        assert found == meant(answer)


@QUICK
@given(first=ANSWERS, second=ANSWERS, style=STYLES, between=st.sampled_from(["", "\n", " No: ", "```\n```json\n"]))
def test_of_two_answers_that_differ_none_is_chosen(
    first: Any, second: Any, style: dict[str, Any], between: str
) -> None:
    text = written(first, style) + between + json.dumps(second)
    try:
        found = scores(text)
    except UnusableAnswerError:
        return
    assert found == meant(first) == meant(second)


@QUICK
@given(st.text(alphabet="{}[]\"'“”‘’`,:：\\/*#\n abc017.-", max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        scores(text)
    except UnusableAnswerError:
        return


# What an agent may write, and a judge quote without escaping it.
PIECES = st.lists(
    st.sampled_from(
        (
            *("x", "\n", "null", "'", *'",:{}[]', '"care"', '"criteria"', '"score": 10', '"score": 10}', '"}', '",'),
            *('"result": {', '"reasoning": "', '{"accuracy": {"score": 10}', '"score": 10},"reasoning": "'),
        )
    ),
    max_size=7,
).map("".join)


@settings(QUICK, max_examples=200)
@given(
    wrote=PIECES, first=st.booleans(), mark=st.sampled_from("\"'"), end=st.sampled_from(["", ",", ', "strengths": []'])
)
def test_what_an_agent_wrote_is_no_score_though_it_came_unescaped(wrote: str, first: bool, mark: str, end: str) -> None:
    members = [f'"reasoning": "It wrote {wrote} here."', '"score": 3']
    accuracy = ", ".join(members if first else members[::-1])
    text = f'{{"criteria": {{"accuracy": {{{accuracy}}}, "care": {{"reasoning": "r", "score": 4}}}}{end}}}'
    try:
        found = scores(text.replace('"', mark))
    except UnusableAnswerError:
        return
    assert found == {"accuracy": 3, "care": 4}


@QUICK
@given(answer=ANSWERS, style=STYLES, wrapper=WRAPPERS, put=st.sampled_from([*"{}[]\",:'\\", ""]), data=st.data())
def test_a_mark_that_is_wrong_changes_no_score(
    answer: Any, style: dict[str, Any], wrapper: str, put: str, data: st.DataObject
) -> None:
    whole = dressed(answer, style, wrapper, "%s", False)
    marks = [place for place, char in enumerate(whole) if char in "{}[]\",:'“”\\"]
    place = data.draw(st.sampled_from(marks))
    try:
        found = scores(whole[:place] + put + whole[place + data.draw(st.integers(0, 1)) :])
    except UnusableAnswerError:
        return
    assert found == meant(answer)
