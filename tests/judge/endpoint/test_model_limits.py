"""What is learned of a model from refusals: the tighter of all bounds, in whatever order they come."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations

import pytest

from tasks.judge.endpoint.model_limits import Bounds, ModelLimits, bounds_from, count_of_prompt
from tasks.judge.endpoint.stated_limits import StatedLimits, read_stated_limits


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens", Bounds(8192)),
        ("prompt is too long: 9000 tokens > 8000 maximum", Bounds(most_prompt_tokens=8000)),
        ("max_tokens is too large: 8000. This model supports at most 4096 completion tokens", Bounds(None, None, 4096)),
        # No limit: half of prompt and answer.
        ("Prompt exceeds max length", Bounds(context_tokens=8500)),
        ("max_tokens is too large: 8000", Bounds(most_output_tokens=4000)),
        # By how much it is too long: the prompt of 9,000, or with its answer of 8,000.
        ("prompt too long; exceeded max context length by 500 tokens", Bounds(context_tokens=8500)),
        ("prompt too long; exceeded max context length by 4904 tokens", Bounds(context_tokens=12_096)),
        # Characters, of which a token has four.
        ("expected maxLength: 18000, actual: 36000 in the prompt", Bounds(most_prompt_tokens=4500)),
        # What is left beside the answer, as vLLM once had it.
        ("maximum context length is 192 tokens. However, your request has 9000 input tokens", Bounds(8192)),
    ],
)
def test_what_a_refusal_shows_of_the_model(words: str, expected: Bounds) -> None:
    assert bounds_from(read_stated_limits(words), 9000, 8000) == expected


def test_a_refusal_without_words_is_one_without_a_limit() -> None:
    assert bounds_from(None, 9000, 8000) == Bounds(context_tokens=8500)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"prompt_tokens": 9100}, 9100),
        # The prompt alone, or with the answer that was asked for: which of them is near.
        ({"requested_tokens": 9100}, 9100),
        ({"requested_tokens": 17_200}, 9200),
        ({"requested_tokens": 5000}, 5000),
        ({}, None),
    ],
)
def test_the_prompt_as_the_endpoint_counts_it(stated: dict[str, int], expected: int | None) -> None:
    assert count_of_prompt(StatedLimits("prompt", **stated), 9000, 8000) == expected


def test_the_order_of_refusals_does_not_matter(caplog: pytest.LogCaptureFixture) -> None:
    refusals = [Bounds(8192), Bounds(16_384, 4000), Bounds(None, 6000, 2048), Bounds(least_output_tokens=900)]
    for order in permutations(refusals):
        limits = ModelLimits()
        learned = [limits.learn(bounds) for bounds in order]
        assert learned[0]
        assert limits.bounds == Bounds(8192, 4000, 2048, 900)
        assert not limits.learn(order[0])


def test_threads_that_learn_the_same_log_it_once(caplog: pytest.LogCaptureFixture) -> None:
    limits = ModelLimits()
    with caplog.at_level(logging.WARNING), ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: limits.learn(Bounds(8192)), range(50))) == 1
        limits.learn(Bounds(4096), guessed=True)
    first, second = caplog.messages
    assert "at most 8,192 tokens of prompt and answer together" in first
    assert "stated no limit" in second
    assert all("AGENT_REPORT_JUDGE_CONTEXT_TOKENS" in message for message in caplog.messages)
