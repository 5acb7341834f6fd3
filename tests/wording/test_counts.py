"""One report, two reports."""

from __future__ import annotations

import pytest

from tasks.render.markdown import describe_doubts, describe_mean
from tasks.wording.counts import counted, is_are, was_were


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "0 reports"), (1, "1 report"), (2, "2 reports"), (1200, "1,200 reports")]
)
def test_a_noun_goes_with_its_number(number: int, shown: str) -> None:
    assert counted(number, "report") == shown


def test_other_plurals_and_verbs() -> None:
    assert [counted(number, "person", "people") for number in (1, 2)] == ["1 person", "2 people"]
    assert [is_are(1), is_are(0), was_were(1), was_were(2)] == ["is", "are", "was", "were"]


def test_sentences_about_one_thing_are_in_the_singular() -> None:
    row = {"suspicions": [{}], "contradictions": [{}], "citations_dropped": 1}
    assert describe_doubts(row) == (
        "1 text looks like an attempt to influence the judge; 1 claim contradicted by what was observed; "
        "1 citation did not hold and was dropped"
    )
    mean = describe_mean({"avg_agent_score": 7.25, "agents_evaluated": 1, "total_agents": 1})
    assert mean == "7.2 on average over the 1 of 1 agent that was evaluated"
