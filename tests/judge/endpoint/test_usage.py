"""What a call used, in the words of each endpoint; what is not stated is unknown, and never 0."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.judge.endpoint.usage import Usage, read_usage


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, Usage()),
        ({}, Usage()),
        ({"prompt_tokens": None, "completion_tokens": None}, Usage()),
        # OpenAI
        ({"prompt_tokens": 900, "completion_tokens": 50, "total_tokens": 950}, Usage(900, 50)),
        (
            {"prompt_tokens": 900, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 512}},
            Usage(900, 50, 512),
        ),
        (
            {"prompt_tokens": 900, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 0}},
            Usage(900, 50, 0),
        ),
        # OpenAI's other API: what was cached is a part of the input.
        (
            {
                "input_tokens": 900,
                "output_tokens": 50,
                "input_tokens_details": {"cached_tokens": 512},
                "output_tokens_details": {"reasoning_tokens": 40},
            },
            Usage(900, 50, 512),
        ),
        # DeepSeek
        (
            {
                "prompt_tokens": 900,
                "completion_tokens": 50,
                "prompt_cache_hit_tokens": 640,
                "prompt_cache_miss_tokens": 260,
            },
            Usage(900, 50, 640),
        ),
        # Moonshot
        ({"prompt_tokens": 900, "completion_tokens": 50, "cached_tokens": 256}, Usage(900, 50, 256)),
        # Anthropic: what was read from the cache, or written to it, stands beside the input.
        (
            {
                "input_tokens": 100,
                "output_tokens": 50,
                "cache_read_input_tokens": 700,
                "cache_creation_input_tokens": 100,
            },
            Usage(900, 50, 700),
        ),
        ({"input_tokens": 100, "output_tokens": 50, "cache_read_input_tokens": None}, Usage(100, 50)),
        # LiteLLM in front of Anthropic: it is a part of the prompt.
        (
            {
                "prompt_tokens": 900,
                "completion_tokens": 50,
                "total_tokens": 950,
                "prompt_tokens_details": {"cached_tokens": None},
                "cache_read_input_tokens": 700,
                "cache_creation_input_tokens": 100,
            },
            Usage(900, 50, 700),
        ),
        # A count may be written as a fraction; 0 for a prompt is none.
        ({"prompt_tokens": 900.0, "completion_tokens": 50.0}, Usage(900, 50)),
        ({"prompt_tokens": 900.5, "completion_tokens": float("inf")}, Usage()),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, Usage(None, 0)),
        # More cached than was sent is no count.
        ({"prompt_tokens": 9, "completion_tokens": 5, "cached_tokens": 10}, Usage(9, 5)),
        # OpenRouter, DeepInfra, Perplexity, xAI
        ({"prompt_tokens": 9, "completion_tokens": 5, "cost": 0.25}, Usage(9, 5, cost_usd=0.25)),
        ({"prompt_tokens": 9, "completion_tokens": 5, "estimated_cost": 0.25}, Usage(9, 5, cost_usd=0.25)),
        ({"prompt_tokens": 9, "completion_tokens": 5, "cost": {"total_cost": 0.25}}, Usage(9, 5, cost_usd=0.25)),
        ({"prompt_tokens": 9, "completion_tokens": 5, "cost_in_usd_ticks": 2_500_000_000}, Usage(9, 5, cost_usd=0.25)),
        ({"prompt_tokens": 9, "completion_tokens": 5, "cost_in_usd_ticks": -1}, Usage(9, 5)),
    ],
)
def test_the_words_of_each_endpoint(usage: Any, expected: Usage) -> None:
    assert read_usage(usage) == expected


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ("many", (None, None, None)),
        ([1], (None, None, None)),
        ({"prompt_tokens": 10}, (10, None, None)),
        ({"prompt_tokens": "10", "completion_tokens": 2.5}, (None, None, None)),
        ({"prompt_tokens": -1, "completion_tokens": True}, (None, None, None)),
        ({"prompt_tokens": 10**30, "completion_tokens": 0}, (None, 0, None)),
        ({"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": "x"}, (10, 2, None)),
        ({"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 5}, (10, 2, None)),
        ({"prompt_tokens": 10, "total_tokens": 5}, (10, None, None)),
        ({"completion_tokens": 2, "total_tokens": 50}, (None, 2, None)),
        ({"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": None}, (5, 1, None)),
        ({"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": [1]}, (5, 1, None)),
        ({"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": "3"}}, (5, 1, None)),
    ],
)
def test_what_is_missing_or_odd_is_unknown(usage: Any, expected: tuple[int | None, ...]) -> None:
    assert read_usage(usage) == Usage(*expected)


@pytest.mark.parametrize(
    ("usage", "output"),
    [
        ({"completion_tokens": 20, "total_tokens": 920}, 20),
        ({"completion_tokens": 20, "total_tokens": 8900}, 8000),
        ({"total_tokens": 8900}, 8000),
        ({"completion_tokens": 0, "total_tokens": 8900}, 8000),
        (
            {"completion_tokens": 8000, "total_tokens": 8900, "completion_tokens_details": {"reasoning_tokens": 7980}},
            8000,
        ),
        (
            {"completion_tokens": 20, "total_tokens": 8900, "completion_tokens_details": {"reasoning_tokens": 7980}},
            8000,
        ),
        ({"completion_tokens": 20, "completion_tokens_details": {"reasoning_tokens": 7980}}, 8000),
        ({"completion_tokens": 20, "completion_tokens_details": {"reasoning_tokens": None}}, 20),
        ({"completion_tokens": 20, "completion_tokens_details": 3}, 20),
    ],
)
def test_hidden_reasoning_is_output(usage: Any, output: int) -> None:
    assert read_usage({"prompt_tokens": 900, **usage}) == Usage(900, output)


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({}, None),
        ({"cost": 0.0123}, 0.0123),
        ({"cost": 0}, 0.0),
        *(
            ({"cost": odd}, None)
            for odd in (None, True, "0.1", -0.1, float("nan"), float("inf"), {"total": 1}, 10**400)
        ),
        ({"cost": 0.001, "is_byok": True}, None),
        ({"cost": 0.001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.02}}, 0.021),
        ({"cost": 0.001, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.02}}, 0.001),
    ],
)
def test_the_cost_that_an_endpoint_states(usage: Any, cost: Any) -> None:
    assert read_usage(usage).cost_usd == (None if cost is None else pytest.approx(cost))
